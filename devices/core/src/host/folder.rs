use super::command::{Command, Output};
use super::ensured::{Change, EnsureError, Ensured};
use super::file::Mode;

/// Folders that have to be there, one in the other, and belong to one user: what `install -D` makes on the way to a
/// file belongs to root, and its user can then put nothing beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Where; the outer before the inner.
    pub paths: Vec<String>,
    /// Who may do what with them.
    pub mode: Mode,
    /// Whose they are, and of which group.
    pub owner: String,
}

impl Ensured for Folders {
    fn name(&self) -> String {
        let last = self.paths.last().map(String::as_str);
        format!("folder {}", last.unwrap_or_default())
    }

    fn looks(&self) -> Vec<Command> {
        let words = ["-c", "%a %U %G %n", "--"].map(str::to_owned);
        let look = Command::look("stat", words.into_iter().chain(self.paths.clone()));
        vec![look.as_root().accepting(&[0, 1])]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let found = answers.first().map(Output::text).unwrap_or_default();
        let rights = |path: &str| format!("{:o} {1} {1} {path}", self.mode.0, self.owner);
        let other = self.paths.iter();
        let other = other.filter(|path| !found.lines().any(|line| line == rights(path)));
        let other: Vec<_> = other.map(String::as_str).collect();
        if other.is_empty() {
            return Ok(None);
        }
        let (mode, owner) = (self.mode.to_string(), self.owner.as_str());
        let words = ["-d", "-m", &mode, "-o", owner, "-g", owner, "--"];
        let words = words.into_iter().chain(other.iter().copied());
        Ok(Some(Change {
            difference: other
                .iter()
                .map(|path| format!("+ {}", rights(path)))
                .collect(),
            commands: vec![Command::change("install", words)],
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn only_those_that_are_otherwise_are_made() {
        let folders = Folders {
            paths: ["/home/a", "/home/a/b"].map(str::to_owned).into(),
            mode: Mode(0o700),
            owner: "a".to_owned(),
        };
        let answer = |text: &str| Output {
            output: text.into(),
            ..Output::default()
        };
        let right = "700 a a /home/a\n700 a a /home/a/b\n";
        assert_eq!(folders.change(&[answer(right)]), Ok(None));
        let other = "700 a a /home/a\n755 root root /home/a/b\n";
        let change = folders.change(&[answer(other)]).expect("read");
        assert_eq!(
            change.expect("a change").commands[0].to_string(),
            "install -d -m 0700 -o a -g a -- /home/a/b"
        );
    }
}
