//! How a first boot ended.

use crate::host::{Command, Output};

/// What `cloud-init status` ends with where something went wrong that it could live with, since 23.4.
const DEGRADED: u32 = 2;

/// How a first boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstBoot {
    /// All was done.
    Done,
    /// All was done that a login needs, and some of the rest was not.
    Degraded(String),
    /// It was not, and cloud-init says this.
    Failed(String),
}

impl FirstBoot {
    /// Waits for it. It says nothing before that.
    pub fn wait() -> Command {
        // Its answer is understood whatever it ends with.
        Command::look("cloud-init", ["status", "--wait", "--long"]).accepting(&[0, 1, DEGRADED])
    }

    /// What came of the wait.
    pub fn of(answer: &Output) -> Self {
        let told = || {
            let text = answer.text();
            // While it waits, it prints dots.
            let text = text.trim_start_matches('.').trim();
            let errors = String::from_utf8_lossy(&answer.errors);
            format!("{text} {}", errors.trim()).trim().to_owned()
        };
        match answer.status {
            0 => Self::Done,
            DEGRADED => Self::Degraded(told()),
            _ => Self::Failed(told()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_exit_status_tells_how_it_ended() {
        let answer = |status| Output {
            status,
            output: b"....\nstatus: error\ndetail:\nlocale\n".to_vec(),
            errors: Vec::new(),
        };
        assert_eq!(FirstBoot::of(&answer(0)), FirstBoot::Done);
        let told = "status: error\ndetail:\nlocale".to_owned();
        assert_eq!(FirstBoot::of(&answer(2)), FirstBoot::Degraded(told.clone()));
        assert_eq!(FirstBoot::of(&answer(1)), FirstBoot::Failed(told));
    }
}
