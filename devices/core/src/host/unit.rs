use super::command::{Command, Output};
use super::ensured::{Change, EnsureError, Ensured};

/// Which service manager a unit belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// That of the machine.
    System,
    /// That of a user.
    User(String),
}

/// A unit of systemd that has to run, now and after every boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name, such as `fleet-agent.service`.
    pub name: String,
    /// Whose it is.
    pub manager: Manager,
}

impl Unit {
    /// One of the machine's.
    pub fn system(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            manager: Manager::System,
        }
    }

    /// One of a user's.
    pub fn of_user(user: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            manager: Manager::User(user.to_owned()),
        }
    }

    /// Starts it again, with the files that are there now.
    pub fn restart(&self) -> Vec<Command> {
        vec![
            self.change_by(&["daemon-reload"]),
            self.change_by(&["restart", &self.name]),
        ]
    }

    /// Stops it, and does not start it at the next boot.
    pub fn disable(&self) -> Command {
        self.change_by(&["disable", "--now", &self.name])
    }

    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let manager = match &self.manager {
            Manager::System => vec![],
            Manager::User(user) => vec!["--user".to_owned(), format!("--machine={user}@")],
        };
        let words = words.iter().map(|word| (*word).to_owned());
        manager.into_iter().chain(words).collect()
    }

    fn look_by(&self, words: &[&str]) -> Command {
        // What a unit is that is not as it should be is told with these.
        let look = Command::look("systemctl", self.arguments(words));
        look.as_root().accepting(&[0, 1, 3, 4])
    }

    fn change_by(&self, words: &[&str]) -> Command {
        Command::change("systemctl", self.arguments(words))
    }
}

impl Ensured for Unit {
    fn name(&self) -> String {
        match &self.manager {
            Manager::System => format!("unit {}", self.name),
            Manager::User(user) => format!("unit {} of {user}", self.name),
        }
    }

    fn looks(&self) -> Vec<Command> {
        vec![
            self.look_by(&["is-enabled", &self.name]),
            self.look_by(&["is-active", &self.name]),
        ]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let [enabled, active] = answers else {
            return Err(EnsureError::unexpected("systemctl", &Output::default()));
        };
        let (enabled, active) = (enabled.text(), active.text());
        let (enabled, active) = (enabled.trim(), active.trim());
        if enabled == "enabled" && active == "active" {
            return Ok(None);
        }
        let was = |word: &str| if word.is_empty() { "unknown" } else { word }.to_owned();
        let name = &self.name;
        Ok(Some(Change {
            difference: vec![
                format!("- {name} {}, {}", was(enabled), was(active)),
                format!("+ {name} enabled, active"),
            ],
            commands: vec![
                self.change_by(&["daemon-reload"]),
                self.change_by(&["enable", "--now", name]),
            ],
        }))
    }

    /// systemctl only says that it failed; why is in the journal.
    fn explains(&self) -> Option<Command> {
        let unit = match &self.manager {
            Manager::System => "--unit",
            Manager::User(_) => "--user-unit",
        };
        let words = [
            unit,
            &self.name,
            "--lines",
            "8",
            "--output",
            "cat",
            "--no-pager",
        ];
        Some(Command::look("journalctl", words).as_root())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn answers(enabled: &str, active: &str) -> [Output; 2] {
        [enabled, active].map(|text| Output {
            output: text.into(),
            ..Output::default()
        })
    }

    #[test]
    fn a_unit_that_runs_and_will_run_is_left_alone() {
        let unit = Unit::system("fleet-agent.service");
        assert_eq!(unit.change(&answers("enabled\n", "active\n")), Ok(None));
        let change = unit.change(&answers("disabled\n", "inactive\n"));
        let change = change.expect("read").expect("a change");
        assert_eq!(
            change.difference[0],
            "- fleet-agent.service disabled, inactive"
        );
        assert_eq!(
            change.commands[1].to_string(),
            "systemctl enable --now fleet-agent.service"
        );
    }

    #[test]
    fn a_users_unit_is_asked_for_at_its_manager() {
        let unit = Unit::of_user("fleet-agent", "podman.socket");
        let change = unit.change(&answers("", "")).expect("read");
        let change = change.expect("a change");
        assert_eq!(
            change.commands[1].to_string(),
            "systemctl --user '--machine=fleet-agent@' enable --now podman.socket"
        );
        assert_eq!(unit.name(), "unit podman.socket of fleet-agent");
    }
}
