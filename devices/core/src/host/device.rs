use std::collections::BTreeMap;

use fleet_contracts::DeviceId;

use super::distribution::Family;
use super::ensured::Ensured;
use super::file::{Content, File, Mode};
use super::folder::Folders;
use super::linger::Linger;
use super::package::{Need, Packages};
use super::subordinate::Subordinates;
use super::unit::Unit;
use super::user::User;

/// The user that the agent and its containers run as.
pub const AGENT_USER: &str = "fleet-agent";
/// Its home, where the ledger and the device's key are.
pub(super) const AGENT_HOME: &str = "/var/lib/fleet-agent";
/// Where the agent is.
pub const AGENT_PATH: &str = "/usr/local/bin/fleet-agent";
/// Where its configuration and what set-up keeps beside it are.
pub(super) const CONFIG_FOLDER: &str = "/etc/fleet-agent";
/// Where its configuration is.
const CONFIG_PATH: &str = "/etc/fleet-agent/config.toml";
/// Where its unit is.
pub(super) const UNIT_PATH: &str = "/etc/systemd/system/fleet-agent.service";
const UNIT: &str = include_str!("../../../../agent/systemd/fleet-agent.service");
/// For podman of the agent's user. Without it podman 4 copies each layer of an image whole (`vfs`) where
/// `fuse-overlayfs` is not installed, though every kernel since 5.13 lets users have `overlay` itself. It has
/// to be there before podman is first used.
const STORAGE_PATH: &str = "/var/lib/fleet-agent/.config/containers/storage.conf";
/// On the way there; its service manager keeps there what is enabled.
const CONFIG_HOME: [&str; 3] = [
    AGENT_HOME,
    "/var/lib/fleet-agent/.config",
    "/var/lib/fleet-agent/.config/containers",
];
const STORAGE: &str = "[storage]\ndriver = \"overlay\"\n";
const AGENT_UNIT: &str = "fleet-agent.service";
const PODMAN_SOCKET: &str = "podman.socket";

/// One thing that has to be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Packages are installed.
    Packages(Packages),
    /// A user is there.
    User(User),
    /// It has ids for containers.
    Subordinates(Subordinates),
    /// Its service manager runs.
    Linger(Linger),
    /// A unit runs.
    Unit(Unit),
    /// Folders are there.
    Folders(Folders),
    /// A file is there. Where it is not as it was, the agent has to start again.
    File(File),
}

impl Step {
    /// What it is about, for messages.
    pub fn name(&self) -> String {
        match self {
            Self::Packages(packages) => packages.name(),
            Self::User(user) => Ensured::name(user),
            Self::Subordinates(subordinates) => subordinates.name(),
            Self::Linger(linger) => linger.name(),
            Self::Unit(unit) => Ensured::name(unit),
            Self::Folders(folders) => folders.name(),
            Self::File(file) => file.name(),
        }
    }
}

/// What makes a host a device, but for its enrolment.
#[derive(Debug, Clone)]
pub struct DeviceSetup {
    /// Whose packages it has.
    pub family: Family,
    /// The agent, built for the host's processor.
    pub agent: Content,
    /// The agent's configuration.
    pub config: Content,
}

impl DeviceSetup {
    /// In this order: each needs those before it. The agent itself comes after the enrolment, by
    /// [`DeviceSetup::agent_unit`].
    pub fn steps(&self) -> Vec<Step> {
        let user = AGENT_USER.to_owned();
        vec![
            Step::Packages(Packages::of(self.family, Need::DEVICE)),
            Step::User(User::system(AGENT_USER, AGENT_HOME, self.family)),
            Step::Subordinates(Subordinates { user: user.clone() }),
            Step::Linger(Linger { user }),
            Step::Folders(Folders {
                paths: CONFIG_HOME.map(str::to_owned).into(),
                // As its unit has it.
                mode: Mode(0o700),
                owner: AGENT_USER.to_owned(),
            }),
            Step::File(File::new(STORAGE_PATH, Content::new(STORAGE)).owned_by(AGENT_USER)),
            Step::Unit(Unit::of_user(AGENT_USER, PODMAN_SOCKET)),
            Step::File(
                File::new(AGENT_PATH, self.agent.clone())
                    .mode(0o755)
                    .keeping_previous(),
            ),
            Step::File(
                File::new(CONFIG_PATH, self.config.clone())
                    .mode(0o640)
                    .owned_by(AGENT_USER)
                    .keeping_previous(),
            ),
            Step::File(File::new(UNIT_PATH, Content::new(UNIT)).keeping_previous()),
        ]
    }

    /// The files that the agent reads when it starts.
    pub fn read_at_start(&self) -> Vec<File> {
        let steps = self.steps().into_iter();
        let files = steps.filter_map(|step| match step {
            Step::File(file) => Some(file),
            _ => None,
        });
        files.filter(|file| file.keeps_previous).collect()
    }

    /// The configuration of an enrolled device: what else it needs, the enrolment has brought. Labels stand here, so
    /// that they can be changed later.
    pub fn labels_only(labels: &BTreeMap<String, String>) -> String {
        let section = BTreeMap::from([("labels", labels)]);
        let text = toml::to_string(&section).unwrap_or_default();
        if labels.is_empty() {
            String::new()
        } else {
            text
        }
    }

    /// Who a configuration says that a device is; `None` where it does not, or is none.
    pub fn device_of(config: &str) -> Option<DeviceId> {
        let table: toml::Table = config.parse().ok()?;
        table.get("device_id")?.as_str()?.parse().ok()
    }

    /// The agent.
    pub fn agent_unit() -> Unit {
        Unit::system(AGENT_UNIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_what_the_agents_unit_relies_on() {
        assert!(UNIT.contains(&format!("User={AGENT_USER}\n")));
        assert!(UNIT.contains(&format!("ExecStart={AGENT_PATH}\n")));
        assert!(UNIT.contains(&format!("FLEET_AGENT_CONFIG={CONFIG_PATH}\n")));
    }

    #[test]
    fn labels_are_the_agents_configuration() {
        let labels = BTreeMap::from([("site".to_owned(), "a \"b\"".to_owned())]);
        let text = DeviceSetup::labels_only(&labels);
        assert_eq!(text, "[labels]\nsite = 'a \"b\"'\n");
        assert_eq!(DeviceSetup::labels_only(&BTreeMap::new()), "");
        assert_eq!(DeviceSetup::device_of(&text), None);
        let id = DeviceSetup::device_of("device_id = \"robot-7\"\n");
        assert_eq!(id.as_ref().map(DeviceId::as_str), Some("robot-7"));
    }

    #[test]
    fn the_user_is_there_before_what_is_its_own() {
        let setup = DeviceSetup {
            family: Family::Debian,
            agent: Content::new("agent"),
            config: Content::new("config"),
        };
        let steps = setup.steps();
        let at = |wanted: fn(&Step) -> bool| steps.iter().position(wanted);
        let user = at(|step| matches!(step, Step::User(_)));
        assert!(user < at(|step| matches!(step, Step::Subordinates(_))));
        assert!(user < at(|step| matches!(step, Step::File(file) if file.owner == AGENT_USER)));
        let socket = at(|step| matches!(step, Step::Unit(_)));
        let storage = at(|step| matches!(step, Step::File(file) if file.path == STORAGE_PATH));
        // A file would make folders that are root's, and no unit could be enabled there.
        assert!(at(|step| matches!(step, Step::Folders(_))) < storage);
        assert!(storage < socket);
        let linger = at(|step| matches!(step, Step::Linger(_)));
        assert!(linger < socket);
    }
}
