use std::fmt;

/// Who runs a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum As {
    /// Whoever logged in.
    Login,
    /// root, by sudo where the login is somebody else.
    Root,
}

/// What a command does to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only looks. A plan runs it, too.
    Looks,
    /// It makes a difference.
    Changes,
}

/// A program with its arguments. How they reach it is the transport's affair: a shell on the way gets
/// them quoted, by [`Command::line`] and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, found by the host's own search path.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it reads. Nothing may be left open: a program that reads gets an end.
    pub input: Vec<u8>,
    /// Who runs it.
    pub user: As,
    /// What it does.
    pub effect: Effect,
    /// Whether it succeeds by more than its exit status 0.
    pub accepts: &'static [u32],
}

/// A command that cannot be put into a line for a shell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an argument of {program} holds a NUL byte, which no program can be given")]
pub struct CommandError {
    /// The program.
    pub program: String,
}

impl Command {
    /// One that only looks, as whoever logged in.
    pub fn look<A: Into<String>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            input: Vec::new(),
            user: As::Login,
            effect: Effect::Looks,
            accepts: &[0],
        }
    }

    /// One that makes a difference, as root.
    pub fn change<A: Into<String>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            user: As::Root,
            effect: Effect::Changes,
            ..Self::look(program, arguments)
        }
    }

    /// The same, as root.
    #[must_use]
    pub fn as_root(self) -> Self {
        Self {
            user: As::Root,
            ..self
        }
    }

    /// The same, with something to read.
    #[must_use]
    pub fn reading(self, input: impl Into<Vec<u8>>) -> Self {
        Self {
            input: input.into(),
            ..self
        }
    }

    /// The same; these exit statuses are answers, too.
    #[must_use]
    pub const fn accepting(mut self, statuses: &'static [u32]) -> Self {
        self.accepts = statuses;
        self
    }

    /// The line that a POSIX shell turns into exactly these arguments.
    ///
    /// # Errors
    /// When an argument holds a NUL byte.
    pub fn line(&self) -> Result<String, CommandError> {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        let line = shlex::try_join(words.map(String::as_str));
        line.map_err(|_| CommandError {
            program: self.program.clone(),
        })
    }
}

/// For people; what it reads may be a secret, and is not shown.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line().unwrap_or_else(|_| self.program.clone());
        f.write_str(&line)?;
        match self.input.len() {
            0 => Ok(()),
            length => write!(f, " < {length} bytes"),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:?}, {:?})", self.user, self.effect)
    }
}

/// What came of a command that ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Its exit status.
    pub status: u32,
    /// What it printed.
    pub output: Vec<u8>,
    /// What it complained about.
    pub errors: Vec<u8>,
}

impl Output {
    /// What it printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shell_gets_back_what_was_meant(words in prop::collection::vec("[^\0]{0,12}", 1..5)) {
            let command = Command::look("printf", words.clone());
            let line = command.line().expect("no NUL byte");
            let read = shlex::split(&line).expect("a line");
            prop_assert_eq!(&read[1..], &words[..]);
        }
    }

    #[test]
    fn what_a_command_reads_is_not_shown() {
        let command = Command::change("tee", ["/etc/key"]).reading("very secret");
        assert_eq!(command.to_string(), "tee /etc/key < 11 bytes");
        assert!(!format!("{command:?}").contains("secret"));
    }

    #[test]
    fn no_argument_ends_early() {
        let error = Command::look("touch", ["a\0b"])
            .line()
            .expect_err("refused");
        assert!(error.to_string().contains("touch"));
    }
}
