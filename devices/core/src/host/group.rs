use super::command::{Command, Output};
use super::ensured::{Change, EnsureError, Ensured};

/// A user who has to be in a group. Logins that are there already do not notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Who.
    pub user: String,
    /// In which.
    pub group: String,
}

impl Ensured for Membership {
    fn name(&self) -> String {
        format!("{} in the group {}", self.user, self.group)
    }

    fn looks(&self) -> Vec<Command> {
        vec![Command::look("id", ["-nG", "--", &self.user])]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let groups = answers.first().map(Output::text).unwrap_or_default();
        if groups.split_whitespace().any(|group| group == self.group) {
            return Ok(None);
        }
        let Self { user, group } = self;
        let options = ["--append", "--groups", group, "--", user];
        Ok(Some(Change {
            difference: vec![format!("+ {user} in {group}")],
            commands: vec![Command::change("usermod", options)],
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_the_group_stays_there() {
        let membership = Membership {
            user: "jo".to_owned(),
            group: "libvirt".to_owned(),
        };
        let change = |groups: &str| {
            let answer = Output {
                output: groups.into(),
                ..Output::default()
            };
            let change = membership.change(&[answer]);
            change.map(|it| it.map(|it| it.commands[0].to_string()))
        };
        assert_eq!(change("jo sudo libvirt\n"), Ok(None));
        let command = "usermod --append --groups libvirt -- jo".to_owned();
        assert_eq!(change("jo libvirt-qemu\n"), Ok(Some(command)));
    }
}
