use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::command::{Command, Output};
use super::ensured::{Change, EnsureError, Ensured};

/// Permissions, as in `chmod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// What is in a file. It is never shown: it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Shared: an agent is megabytes, and goes to many hosts.
    bytes: Arc<[u8]>,
    checksum: String,
}

impl Content {
    /// These bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let checksum = format!("{:x}", Sha256::digest(&bytes));
        Self {
            bytes: bytes.into(),
            checksum,
        }
    }

    /// Their SHA-256, in hexadecimal.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, checksum) = (self.bytes.len(), &self.checksum);
        write!(f, "{length} bytes, sha256:{checksum}")
    }
}

/// A file that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where; an absolute path.
    pub path: String,
    /// What is in it.
    pub content: Content,
    /// Who may do what with it.
    pub mode: Mode,
    /// Whose it is.
    pub owner: String,
    /// Whose group it is.
    pub group: String,
    /// Whether the file that was there before is kept beside it, as `<path>.previous`.
    pub keeps_previous: bool,
}

impl File {
    /// One of root's that everybody may read.
    pub fn new(path: &str, content: Content) -> Self {
        Self {
            path: path.to_owned(),
            content,
            mode: Mode(0o644),
            owner: "root".to_owned(),
            group: "root".to_owned(),
            keeps_previous: false,
        }
    }

    /// The same, of this mode.
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = Mode(mode);
        self
    }

    /// The same, of this user and the group of that name.
    #[must_use]
    pub fn owned_by(self, user: &str) -> Self {
        Self {
            owner: user.to_owned(),
            group: user.to_owned(),
            ..self
        }
    }

    /// The same; what was there is kept.
    #[must_use]
    pub const fn keeping_previous(mut self) -> Self {
        self.keeps_previous = true;
        self
    }

    /// Until it is whole. A run that was cut off leaves it there, and the next one begins it anew.
    fn fresh(&self) -> String {
        format!("{}.fleet-new", self.path)
    }

    /// Written beside, checked, and only then put in its place: who reads the path sees the old file or
    /// the new one, also after a power cut.
    fn replace(&self, was_there: bool) -> Vec<Command> {
        let (fresh, mode) = (self.fresh(), self.mode.to_string());
        let owners = ["-o", &self.owner, "-g", &self.group];
        let write = ["-D", "-m", &mode].into_iter().chain(owners);
        let write = write.chain(["/dev/stdin", &fresh]);
        let list = format!("{}  {fresh}\n", self.content.checksum);
        let mut commands = vec![
            Command::change("install", write).reading(&*self.content.bytes),
            Command::change("sha256sum", ["-c", "-"]).reading(list),
            Command::change("sync", [&fresh]),
        ];
        if self.keeps_previous && was_there {
            let previous = format!("{}.previous", self.path);
            commands.push(Command::change("ln", ["-f", &self.path, &previous]));
        }
        commands.push(Command::change("mv", ["-f", &fresh, &self.path]));
        commands
    }

    /// How to look whether what is kept of it is of this checksum, where anything is kept; and what puts it back.
    pub fn put_back(&self, checksum: &str) -> Option<(Command, Command)> {
        let previous = format!("{}.previous", self.path);
        let list = format!("{checksum}  {previous}\n");
        let look = Command::look("sha256sum", ["--status", "-c", "-"]);
        let look = look.as_root().reading(list).accepting(&[0, 1]);
        let back = Command::change("mv", ["-f", &previous, &self.path]);
        self.keeps_previous.then_some((look, back))
    }

    fn rights(&self) -> String {
        format!("{} {} {}", self.mode, self.owner, self.group)
    }

    fn set_rights(&self) -> Vec<Command> {
        let (owners, mode) = (
            format!("{}:{}", self.owner, self.group),
            self.mode.to_string(),
        );
        vec![
            Command::change("chown", [owners.as_str(), &self.path]),
            Command::change("chmod", [mode.as_str(), &self.path]),
        ]
    }
}

impl Ensured for File {
    fn name(&self) -> String {
        format!("file {}", self.path)
    }

    fn looks(&self) -> Vec<Command> {
        // Both end with 1 where there is no file.
        let looks = [
            Command::look("sha256sum", [self.path.as_str()]),
            Command::look("stat", ["-c", "%a %U %G", &self.path]),
        ];
        looks.map(|look| look.as_root().accepting(&[0, 1])).into()
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let [sum, rights] = answers else {
            return Err(EnsureError::unexpected("sha256sum", &Output::default()));
        };
        let (path, rights_wanted) = (&self.path, self.rights());
        if sum.status != 0 {
            let checksum = &self.content.checksum;
            return Ok(Some(Change {
                difference: vec![format!("+ {path} {rights_wanted} sha256:{checksum}")],
                commands: self.replace(false),
            }));
        }
        let found = checksum(sum).ok_or_else(|| EnsureError::unexpected("sha256sum", sum))?;
        let rights_found =
            read_rights(rights).ok_or_else(|| EnsureError::unexpected("stat", rights))?;
        let (same, wanted) = (found == self.content.checksum, &self.content.checksum);
        let as_wanted = rights_found == rights_wanted;
        if same && as_wanted {
            return Ok(None);
        }
        let difference = vec![
            format!("- {path} {rights_found} sha256:{found}"),
            format!("+ {path} {rights_wanted} sha256:{wanted}"),
        ];
        let commands = if same {
            self.set_rights()
        } else {
            self.replace(true)
        };
        Ok(Some(Change {
            difference,
            commands,
        }))
    }
}

fn checksum(output: &Output) -> Option<String> {
    let text = output.text();
    // A backslash before the sum says that the name is escaped.
    let sum = text.split_whitespace().next()?.trim_start_matches('\\');
    (sum.len() == 64).then(|| sum.to_owned())
}

/// `644 root root`, which `stat` prints without leading zeros.
fn read_rights(output: &Output) -> Option<String> {
    let text = output.text();
    let mut words = text.split_whitespace();
    let mode = u32::from_str_radix(words.next()?, 8).ok()?;
    let (owner, group) = (words.next()?, words.next()?);
    Some(format!("{} {owner} {group}", Mode(mode)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn answers(sum: &str, rights: &str) -> [Output; 2] {
        [sum, rights].map(|text| Output {
            status: u32::from(text.is_empty()),
            output: text.into(),
            errors: Vec::new(),
        })
    }

    fn config() -> File {
        let content = Content::new("key = 1\n");
        let file = File::new("/etc/fleet-agent/config.toml", content);
        file.mode(0o600).owned_by("fleet-agent")
    }

    fn lines(change: &Change) -> Vec<String> {
        change.commands.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_that_is_as_it_should_be_is_left_alone() {
        let file = config();
        let sum = format!("{}  {}\n", file.content.checksum(), file.path);
        let found = answers(&sum, "600 fleet-agent fleet-agent\n");
        assert_eq!(file.change(&found), Ok(None));
    }

    #[test]
    fn a_new_file_is_whole_before_it_has_its_name() {
        let change = config().change(&answers("", "")).expect("read");
        let lines = lines(&change.expect("a change"));
        let fresh = "/etc/fleet-agent/config.toml.fleet-new";
        assert_eq!(
            lines,
            [
                format!(
                    "install -D -m 0600 -o fleet-agent -g fleet-agent /dev/stdin {fresh} < 8 bytes"
                ),
                "sha256sum -c - < 105 bytes".to_owned(),
                format!("sync {fresh}"),
                format!("mv -f {fresh} /etc/fleet-agent/config.toml"),
            ]
        );
    }

    #[test]
    fn what_was_there_is_kept_where_that_is_wanted() {
        let file = config().keeping_previous();
        let sum = format!("{}  {}\n", "0".repeat(64), file.path);
        let found = answers(&sum, "600 fleet-agent fleet-agent\n");
        let change = file.change(&found).expect("read").expect("a change");
        assert!(lines(&change).contains(&format!("ln -f {0} {0}.previous", file.path)));
        assert_eq!(change.difference.len(), 2);
    }

    #[test]
    fn rights_alone_are_changed_without_the_content() {
        let file = config();
        let sum = format!("{}  {}\n", file.content.checksum(), file.path);
        let change = file.change(&answers(&sum, "644 root root\n"));
        let change = change.expect("read").expect("a change");
        assert_eq!(
            lines(&change),
            [
                format!("chown fleet-agent:fleet-agent {}", file.path),
                format!("chmod 0600 {}", file.path),
            ]
        );
    }

    #[test]
    fn an_answer_that_says_nothing_is_no_answer() {
        let error = config()
            .change(&answers("what?", "600 a b"))
            .expect_err("refused");
        assert!(error.to_string().contains("sha256sum"));
    }

    #[test]
    fn content_is_not_shown() {
        let shown = format!("{:?}", config());
        assert!(
            shown.contains("sha256:") && !shown.contains("key = 1"),
            "{shown}"
        );
    }
}
