use std::collections::BTreeMap;

use super::command::{Command, Output};
use super::file::{Content, File};

const STARTED_PATH: &str = "/etc/fleet-agent/started.sha256";

/// With which files the agent was last started and came up: their checksums, as `sha256sum` prints them.
///
/// It is written after that and not before. So a run that was cut off in between is followed by one that starts
/// the agent, and what is put back where another agent does not come up is known to have worked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Started {
    /// By path.
    checksums: BTreeMap<String, String>,
}

impl Started {
    /// With these files.
    pub fn with(files: &[File]) -> Self {
        let checksums = files.iter();
        let checksums = checksums.map(|file| (file.path.clone(), file.content.checksum().into()));
        Self {
            checksums: checksums.collect(),
        }
    }

    /// How to look with which it was.
    pub fn look() -> Command {
        let look = Command::look("cat", [STARTED_PATH]);
        look.as_root().accepting(&[0, 1])
    }

    /// With which, by the answer; with none, where nobody noted it.
    pub fn of(answer: &Output) -> Self {
        let text = answer.text();
        let pairs = text.lines().filter_map(|line| line.split_once("  "));
        let checksums = pairs.map(|(sum, path)| (path.to_owned(), sum.to_owned()));
        Self {
            checksums: checksums.collect(),
        }
    }

    /// What puts those files back that are others now, each after a look that has to succeed.
    pub fn put_back(&self, now: &[File]) -> Vec<(Command, Command)> {
        let others = now.iter().filter_map(|file| {
            let was = self.checksums.get(&file.path)?;
            (was != file.content.checksum()).then(|| file.put_back(was))
        });
        others.flatten().collect()
    }

    /// The note.
    pub fn file(&self) -> File {
        let line = |(path, sum): (&String, &String)| format!("{sum}  {path}\n");
        let lines: String = self.checksums.iter().map(line).collect();
        File::new(STARTED_PATH, Content::new(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(agent: &str) -> [File; 2] {
        let program = File::new("/bin/agent", Content::new(agent));
        let config = File::new("/etc/agent.toml", Content::new("config"));
        [program.keeping_previous(), config.keeping_previous()]
    }

    #[test]
    fn a_note_is_read_as_it_is_written() {
        let started = Started::with(&files("one"));
        let note = started.file();
        assert_eq!(note, Started::with(&files("one")).file());
        assert_ne!(note, Started::with(&files("two")).file());
        let [agent, config] = files("one");
        let lines = [&config, &agent].map(|f| format!("{}  {}\n", f.content.checksum(), f.path));
        let answer = Output {
            output: lines.concat().into(),
            ..Output::default()
        };
        assert_eq!(Started::of(&answer), started);
        assert_eq!(Started::of(&Output::default()), Started::default());
    }

    #[test]
    fn only_what_is_another_now_is_put_back() {
        let before = Started::with(&files("one"));
        assert_eq!(before.put_back(&files("one")), []);
        let back = before.put_back(&files("two"));
        let lines: Vec<_> = back
            .iter()
            .map(|(look, back)| format!("{look}; {back}"))
            .collect();
        assert_eq!(
            lines,
            ["sha256sum --status -c - < 86 bytes; mv -f /bin/agent.previous /bin/agent"]
        );
        assert_eq!(Started::default().put_back(&files("two")), []);
    }
}
