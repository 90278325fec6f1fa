use super::command::{Command, Output};
use super::ensured::{Change, EnsureError, Ensured};

/// The service manager of a user, which has to run without the user being logged in: containers live there, and
/// have to survive the end of a session and a boot.
///
/// It is asked for through logind, which also starts it; a file in `/var/lib/systemd/linger` alone does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linger {
    /// Whose.
    pub user: String,
}

impl Ensured for Linger {
    fn name(&self) -> String {
        format!("user manager of {}", self.user)
    }

    /// Both fail where it does not run.
    fn looks(&self) -> Vec<Command> {
        let manager = format!("--machine={}@", self.user);
        vec![
            Command::look("loginctl", ["show-user", "--property=Linger", &self.user])
                .as_root()
                .accepting(&[0, 1]),
            // A manager that has failed units runs, too.
            Command::look("systemctl", ["--user", &manager, "is-system-running"])
                .as_root()
                .accepting(&[0, 1, 3, 4]),
        ]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let [linger, manager] = answers else {
            return Err(EnsureError::unexpected("loginctl", &Output::default()));
        };
        let lingers = linger.text().trim() == "Linger=yes";
        let runs = matches!(manager.text().trim(), "running" | "degraded");
        if lingers && runs {
            return Ok(None);
        }
        let mut difference = Vec::new();
        if !lingers {
            difference.push(format!("+ {} lingers", self.user));
        }
        if !runs {
            difference.push(format!("+ the user manager of {} runs", self.user));
        }
        Ok(Some(Change {
            difference,
            commands: vec![Command::change("loginctl", ["enable-linger", &self.user])],
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn a_manager_that_does_not_run_is_asked_for() {
        let linger = Linger {
            user: "fleet-agent".to_owned(),
        };
        let answer = |text: &str| Output {
            output: text.into(),
            ..Output::default()
        };
        let none = [answer(""), answer("offline\n")];
        let change = linger.change(&none).expect("read").expect("a change");
        assert_eq!(change.difference.len(), 2);
        assert_eq!(
            change.commands[0].to_string(),
            "loginctl enable-linger fleet-agent"
        );
        let file_only = [answer("Linger=yes\n"), answer("")];
        assert!(linger.change(&file_only).expect("read").is_some());
        let right = [answer("Linger=yes\n"), answer("degraded\n")];
        assert_eq!(linger.change(&right), Ok(None));
    }
}
