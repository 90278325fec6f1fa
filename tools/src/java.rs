//! The Java that programs from Maven artifacts need: found, not fetched.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest Java that serves: Keycloak 26's.
const OLDEST: u32 = 17;

/// Why there is no Java to use.
#[derive(Debug, thiserror::Error)]
pub enum JavaError {
    /// There is none.
    #[error("Java {OLDEST} or newer is needed, and {} cannot be started", .program.display())]
    Missing {
        /// What was tried.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is too old, or says nothing that looks like a version.
    #[error("Java {OLDEST} or newer is needed, and {} answers {answer:?}", .program.display())]
    Version {
        /// What was asked.
        program: PathBuf,
        /// The first line it printed.
        answer: String,
    },
}

/// The Java of `JAVA_HOME`, or else the one on `PATH`.
///
/// # Errors
/// When there is none, or it is too old.
pub fn java() -> Result<PathBuf, JavaError> {
    let home = env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let program = home.map_or_else(
        || PathBuf::from("java"),
        |home| Path::new(&home).join("bin").join("java"),
    );
    let output = Command::new(&program)
        .arg("-version")
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(source) => return Err(JavaError::Missing { program, source }),
    };
    // It answers on its standard error.
    let answer = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && major(&answer).is_some_and(|major| major >= OLDEST) {
        return Ok(program);
    }
    let answer = answer.lines().next().unwrap_or_default().to_owned();
    Err(JavaError::Version { program, answer })
}

/// The first number of the version in quotes. Java 8 calls itself 1.8, which is old enough to tell.
fn major(answer: &str) -> Option<u32> {
    let version = answer.split('"').nth(1)?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_java_says() {
        let answers = [
            (
                "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime",
                Some(17),
            ),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"26-ea\" 2026-03-17", Some(26)),
            ("java version \"1.8.0_402\"", Some(1)),
            ("Unable to locate a Java Runtime", None),
        ];
        for (answer, expected) in answers {
            assert_eq!(major(answer), expected, "{answer}");
        }
    }
}
