//! What can be done with a host, in five narrow parts. Something that has only some of them, such as a
//! machine without systemd, offers only those.

use fleet_devices_core::host::{File, Folders, Linger, Packages, Subordinates, Unit, User};

use super::error::HostError;
use super::linux::{Linux, Outcome};
use super::transport::Transport;

type Made = Result<Outcome, HostError>;

/// It can be reached.
pub trait HostReachable {
    /// Whether it answers, and lets us be root.
    fn reach(&self) -> impl Future<Output = Result<(), HostError>> + Send;
}

/// It has a package manager.
pub trait PackageInstaller {
    /// Makes sure that packages are installed.
    fn ensure_packages(&self, packages: &Packages) -> impl Future<Output = Made> + Send;
}

/// Files can be put there.
pub trait FileDelivery {
    /// Makes sure that a file is there, whole and with these rights.
    fn ensure_file(&self, file: &File) -> impl Future<Output = Made> + Send;
    /// Makes sure that folders are there, and whose they are.
    fn ensure_folders(&self, folders: &Folders) -> impl Future<Output = Made> + Send;
}

/// It has users.
pub trait UnixUserManager {
    /// Makes sure that there is a user.
    fn ensure_user(&self, user: &User) -> impl Future<Output = Made> + Send;
    /// Makes sure that a user has ids for containers.
    fn ensure_subordinates(&self, ids: &Subordinates) -> impl Future<Output = Made> + Send;
}

/// systemd runs there.
pub trait SystemdManager {
    /// Makes sure that a user's service manager runs without the user.
    fn ensure_linger(&self, linger: &Linger) -> impl Future<Output = Made> + Send;
    /// Makes sure that a unit runs, now and after every boot.
    fn ensure_unit(&self, unit: &Unit) -> impl Future<Output = Made> + Send;
    /// Starts a unit again, with the files that are there now.
    fn restart_unit(&self, unit: &Unit) -> impl Future<Output = Made> + Send;
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
    async fn reach(&self) -> Result<(), HostError> {
        self.become_root().await
    }
}

impl<T: Transport> PackageInstaller for Linux<T> {
    async fn ensure_packages(&self, packages: &Packages) -> Made {
        self.ensure(packages).await
    }
}

impl<T: Transport> FileDelivery for Linux<T> {
    async fn ensure_file(&self, file: &File) -> Made {
        self.ensure(file).await
    }

    async fn ensure_folders(&self, folders: &Folders) -> Made {
        self.ensure(folders).await
    }
}

impl<T: Transport> UnixUserManager for Linux<T> {
    async fn ensure_user(&self, user: &User) -> Made {
        self.ensure(user).await
    }

    async fn ensure_subordinates(&self, ids: &Subordinates) -> Made {
        self.ensure(ids).await
    }
}

impl<T: Transport> SystemdManager for Linux<T> {
    async fn ensure_linger(&self, linger: &Linger) -> Made {
        self.ensure(linger).await
    }

    async fn ensure_unit(&self, unit: &Unit) -> Made {
        self.ensure(unit).await
    }

    async fn restart_unit(&self, unit: &Unit) -> Made {
        for command in unit.restart() {
            self.run(&unit.name, &command).await?;
        }
        let difference = vec![format!("~ {} restarted", unit.name)];
        Ok(if self.plans() {
            Outcome::Planned(difference)
        } else {
            Outcome::Changed(difference)
        })
    }
}
