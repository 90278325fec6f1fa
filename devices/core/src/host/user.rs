use super::command::{Command, Output};
use super::distribution::Family;
use super::ensured::{Change, EnsureError, Ensured};

/// What `getent` answers where it knows no such name.
const NOT_FOUND: u32 = 2;

/// A system user that has to be there, with a group of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its home, which is made with it.
    pub home: String,
    /// What it would log in with.
    pub shell: String,
}

impl User {
    /// One that nobody logs in as.
    pub fn system(name: &str, home: &str, family: Family) -> Self {
        let shell = match family {
            Family::Debian | Family::Fedora => "/usr/sbin/nologin",
            Family::Alpine => "/sbin/nologin",
            Family::Arch => "/usr/bin/nologin",
        };
        Self {
            name: name.to_owned(),
            home: home.to_owned(),
            shell: shell.to_owned(),
        }
    }
}

impl Ensured for User {
    fn name(&self) -> String {
        format!("user {}", self.name)
    }

    fn looks(&self) -> Vec<Command> {
        let look = Command::look("getent", ["passwd", &self.name]);
        vec![look.accepting(&[0, NOT_FOUND])]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let answer = answers.first().cloned().unwrap_or_default();
        let Self { name, home, shell } = self;
        let wanted = format!("+ {name} {home} {shell}");
        if answer.status == NOT_FOUND {
            let options = ["--system", "--user-group", "--create-home"];
            let options = options.into_iter().chain(["--home-dir", home]);
            let options = options.chain(["--shell", shell, name]);
            return Ok(Some(Change {
                difference: vec![wanted],
                commands: vec![Command::change("useradd", options)],
            }));
        }
        // name:password:uid:gid:remark:home:shell
        let text = answer.text();
        let fields: Vec<_> = text.trim_end().split(':').collect();
        let [_, _, _, _, _, its_home, its_shell] = fields[..] else {
            return Err(EnsureError::unexpected("getent passwd", &answer));
        };
        if its_home == home && its_shell == shell {
            return Ok(None);
        }
        let options = ["--home", home, "--shell", shell, name];
        Ok(Some(Change {
            difference: vec![format!("- {name} {its_home} {its_shell}"), wanted],
            commands: vec![Command::change("usermod", options)],
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn agent() -> User {
        User::system("fleet-agent", "/var/lib/fleet-agent", Family::Debian)
    }

    fn answer(status: u32, text: &str) -> [Output; 1] {
        [Output {
            status,
            output: text.into(),
            errors: Vec::new(),
        }]
    }

    #[test]
    fn a_user_that_is_missing_is_made() {
        let change = agent().change(&answer(2, "")).expect("read");
        let command = change.expect("a change").commands[0].to_string();
        assert_eq!(
            command,
            "useradd --system --user-group --create-home --home-dir /var/lib/fleet-agent \
             --shell /usr/sbin/nologin fleet-agent"
        );
    }

    #[test]
    fn one_that_is_otherwise_is_repaired_and_one_that_is_right_is_left_alone() {
        let right = "fleet-agent:x:997:997::/var/lib/fleet-agent:/usr/sbin/nologin\n";
        assert_eq!(agent().change(&answer(0, right)), Ok(None));
        let other = "fleet-agent:x:997:997::/home/fleet-agent:/bin/sh\n";
        let change = agent().change(&answer(0, other)).expect("read");
        let change = change.expect("a change");
        assert!(
            change.commands[0]
                .to_string()
                .starts_with("usermod --home ")
        );
        assert!(agent().change(&answer(0, "?")).is_err());
    }
}
