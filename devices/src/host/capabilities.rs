//! What can be done with a host, in five narrow parts. Something that has only some of them, such as a
//! machine without systemd, offers only those.

use fleet_devices_core::host::{File, Linger, Packages, Subordinates, Unit, User};

use super::error::HostError;
use super::linux::{Linux, Outcome};
use super::transport::Transport;

/// What becomes of something to be done.
pub type Doing<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<Outcome, HostError>> + Send + 'a>>;

/// It can be reached.
pub trait HostReachable {
    /// The host, for messages.
    fn host(&self) -> String;
    /// Whether it answers, and lets us be root.
    fn reach(&self) -> Doing<'_>;
}

/// It has a package manager.
pub trait PackageInstaller {
    /// Makes sure that packages are installed.
    fn ensure_packages<'a>(&'a self, packages: &'a Packages) -> Doing<'a>;
}

/// Files can be put there.
pub trait FileDelivery {
    /// Makes sure that a file is there, whole and with these rights.
    fn ensure_file<'a>(&'a self, file: &'a File) -> Doing<'a>;
}

/// It has users.
pub trait UnixUserManager {
    /// Makes sure that there is a user.
    fn ensure_user<'a>(&'a self, user: &'a User) -> Doing<'a>;
    /// Makes sure that a user has ids for containers.
    fn ensure_subordinates<'a>(&'a self, subordinates: &'a Subordinates) -> Doing<'a>;
}

/// systemd runs there.
pub trait SystemdManager {
    /// Makes sure that a user's service manager runs without the user.
    fn ensure_linger<'a>(&'a self, linger: &'a Linger) -> Doing<'a>;
    /// Makes sure that a unit runs, now and after every boot.
    fn ensure_unit<'a>(&'a self, unit: &'a Unit) -> Doing<'a>;
    /// Starts a unit again, with the files that are there now.
    fn restart_unit<'a>(&'a self, unit: &'a Unit) -> Doing<'a>;
}

/// All that it takes to make a device of a host. Whatever has the five has this.
pub trait LinuxHostConfiguration:
    HostReachable + PackageInstaller + FileDelivery + UnixUserManager + SystemdManager
{
}

impl<H> LinuxHostConfiguration for H where
    H: HostReachable + PackageInstaller + FileDelivery + UnixUserManager + SystemdManager
{
}

impl<T: Transport> HostReachable for Linux<T> {
    fn host(&self) -> String {
        self.name()
    }

    fn reach(&self) -> Doing<'_> {
        Box::pin(async move {
            let root = fleet_devices_core::host::Command::look("true", [""; 0]).as_root();
            self.run("root", &root).await?;
            Ok(Outcome::Unchanged)
        })
    }
}

impl<T: Transport> PackageInstaller for Linux<T> {
    fn ensure_packages<'a>(&'a self, packages: &'a Packages) -> Doing<'a> {
        Box::pin(self.ensure(packages))
    }
}

impl<T: Transport> FileDelivery for Linux<T> {
    fn ensure_file<'a>(&'a self, file: &'a File) -> Doing<'a> {
        Box::pin(self.ensure(file))
    }
}

impl<T: Transport> UnixUserManager for Linux<T> {
    fn ensure_user<'a>(&'a self, user: &'a User) -> Doing<'a> {
        Box::pin(self.ensure(user))
    }

    fn ensure_subordinates<'a>(&'a self, subordinates: &'a Subordinates) -> Doing<'a> {
        Box::pin(self.ensure(subordinates))
    }
}

impl<T: Transport> SystemdManager for Linux<T> {
    fn ensure_linger<'a>(&'a self, linger: &'a Linger) -> Doing<'a> {
        Box::pin(self.ensure(linger))
    }

    fn ensure_unit<'a>(&'a self, unit: &'a Unit) -> Doing<'a> {
        Box::pin(self.ensure(unit))
    }

    fn restart_unit<'a>(&'a self, unit: &'a Unit) -> Doing<'a> {
        Box::pin(async move {
            for command in unit.restart() {
                self.run(&unit.name, &command).await?;
            }
            Ok(Outcome::Changed(vec![format!("~ {} restarted", unit.name)]))
        })
    }
}
