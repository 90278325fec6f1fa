use fleet_devices_core::host::{
    AGENT_PATH, AGENT_USER, Change, Command, Content, EnsureError, Ensured, File, Output,
};

/// Where the certificates of the enrolment service are kept.
const CA_PATH: &str = "/etc/fleet-agent/enrolment-ca.crt";
/// What an enrolled device has.
const IDENTITY: &str = "/var/lib/fleet-agent/identity/enrolment.json";

/// How a device asks to become part of a fleet.
#[derive(Clone)]
pub struct Enrolment {
    /// The enrolment service.
    pub url: String,
    /// What allows the device to ask; a secret.
    pub token: String,
    /// Certificates to trust instead of the system's, in PEM.
    pub ca: Option<Content>,
    /// Who to be.
    pub device_id: Option<String>,
    /// Labels to carry.
    pub labels: Vec<String>,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment")
            .field("url", &self.url)
            .field("device_id", &self.device_id)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl Enrolment {
    /// The file that has to be there before.
    pub fn file(&self) -> Option<File> {
        let ca = self.ca.clone()?;
        Some(File::new(CA_PATH, ca))
    }

    /// The agent's own: it makes the key, asks, and waits for the approval. It can be run again at any time.
    fn ask(&self) -> Command {
        let ca = self.ca.as_ref().map(|_| ["--ca-file", CA_PATH]);
        let id = self.device_id.as_deref().map(|id| ["--device-id", id]);
        let labels = self.labels.iter().flat_map(|label| ["--label", label]);
        let words = ["-u", AGENT_USER, "--", AGENT_PATH, "enrol"].into_iter();
        let words = words.chain(["--url", &self.url, "--token-file", "-"]);
        let words = words.chain(ca.into_iter().flatten());
        let words = words.chain(id.into_iter().flatten()).chain(labels);
        Command::change("runuser", words).reading(self.token.clone())
    }
}

impl Ensured for Enrolment {
    fn name(&self) -> String {
        format!("enrolment at {}", self.url)
    }

    fn looks(&self) -> Vec<Command> {
        let look = Command::look("test", ["-e", IDENTITY]).as_root();
        vec![look.accepting(&[0, 1])]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let enrolled = answers.first().is_some_and(|answer| answer.status == 0);
        Ok((!enrolled).then(|| Change {
            difference: vec![format!("+ {AGENT_USER} has an identity")],
            commands: vec![self.ask()],
        }))
    }
}
