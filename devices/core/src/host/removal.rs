use super::command::{Command, Output};
use super::device::{AGENT_HOME, AGENT_PATH, AGENT_USER, CONFIG_FOLDER, DeviceSetup, UNIT_PATH};
use super::ensured::{Change, EnsureError, Ensured};

/// What `getent` answers where it knows no such name.
const NOT_FOUND: u32 = 2;
/// Seconds that a container gets to end by itself.
const STOP_WITHIN: &str = "10";

/// Whether what a device has written stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Nothing does.
    Everything,
    /// The user with its home: identity, ledger, images. A later set-up goes on as the same device.
    KeepData,
}

impl Removal {
    /// In this order: each is there for those before it. Packages stay, for others may need them by now.
    pub fn steps(self) -> Vec<RemovalStep> {
        use RemovalStep as S;
        let mut steps = vec![S::Agent, S::Containers, S::Manager, S::Files];
        if self == Self::Everything {
            steps.extend([S::User, S::Home]);
        }
        steps
    }
}

/// One thing that must not be there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalStep {
    /// The agent runs, or will after a boot.
    Agent,
    /// Containers, running or not.
    Containers,
    /// The user's service manager, and with it all that it started.
    Manager,
    /// Program, unit and configuration, and what was kept of earlier ones.
    Files,
    /// The user, and its subordinate ids.
    User,
    /// Its home.
    Home,
}

/// A program of the agent's user, in a unit of its own: with nothing of who logged in around it, and nothing left of it
/// afterwards, such as the process by which podman keeps a user's name spaces.
fn as_user<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let (user, home) = (
        format!("--uid={AGENT_USER}"),
        format!("--setenv=HOME={AGENT_HOME}"),
    );
    let before = [
        "--quiet",
        "--pipe",
        "--wait",
        "--collect",
        "--working-directory=/",
    ];
    let before = before.map(str::to_owned).into_iter().chain([user, home]);
    before.chain(words.into_iter().map(str::to_owned)).collect()
}

fn paths() -> Vec<String> {
    let files = [UNIT_PATH, AGENT_PATH].into_iter().flat_map(|path| {
        let with = |end| format!("{path}{end}");
        ["", ".previous", ".fleet-new"].map(with)
    });
    files.chain([CONFIG_FOLDER.to_owned()]).collect()
}

impl RemovalStep {
    fn stops_agent(answers: &[Output]) -> Option<Change> {
        let unit = DeviceSetup::agent_unit();
        let text = |number: usize| answers.get(number).map(Output::text).unwrap_or_default();
        let (enabled, active) = (text(0), text(1));
        let (enabled, active) = (enabled.trim(), active.trim());
        let runs = !matches!(active, "" | "inactive" | "unknown");
        if enabled != "enabled" && !runs {
            return None;
        }
        let forget = Command::change("systemctl", ["reset-failed", &unit.name]);
        let forget = (active == "failed").then_some(forget);
        let commands = [unit.disable()].into_iter().chain(forget);
        Some(Change {
            difference: vec![format!("- {} {enabled}, {active}", unit.name)],
            commands: commands.collect(),
        })
    }

    fn removes_containers(answers: &[Output]) -> Option<Change> {
        let listed = answers.first().filter(|answer| answer.status == 0)?.text();
        let names: Vec<_> = listed.lines().filter(|line| !line.is_empty()).collect();
        let podman = |words: &[&'static str]| {
            let words = ["podman"].into_iter().chain(words.iter().copied());
            Command::change("systemd-run", as_user(words))
        };
        (!names.is_empty()).then(|| Change {
            difference: names
                .iter()
                .map(|name| format!("- container {name}"))
                .collect(),
            commands: vec![
                podman(&["stop", "--all", "--time", STOP_WITHIN]),
                podman(&["rm", "--all", "--force"]),
            ],
        })
    }

    fn stops_manager(answers: &[Output]) -> Option<Change> {
        let [id, user] = answers else {
            return None;
        };
        let (id, user) = (id.text(), user.text());
        let state = user.lines().find_map(|line| line.strip_prefix("State="));
        let runs = state.is_some_and(|state| !matches!(state, "offline" | "closing"));
        if id.trim().is_empty() || (!runs && !user.contains("Linger=yes")) {
            return None;
        }
        let manager = format!("user@{}.service", id.trim());
        Some(Change {
            difference: vec![format!("- the user manager of {AGENT_USER}")],
            commands: vec![
                Command::change("loginctl", ["disable-linger", AGENT_USER]),
                Command::change("systemctl", ["stop", &manager]),
            ],
        })
    }

    fn removes_files(answers: &[Output]) -> Option<Change> {
        let found = answers.first().map(Output::text).unwrap_or_default();
        let found: Vec<_> = found.lines().collect();
        (!found.is_empty()).then(|| Change {
            difference: found.iter().map(|path| format!("- {path}")).collect(),
            commands: vec![
                Command::change("rm", ["-rf", "--"].into_iter().chain(found)),
                Command::change("systemctl", ["daemon-reload"]),
            ],
        })
    }

    fn removes_user(answers: &[Output]) -> Option<Change> {
        let found = answers.first().is_some_and(|answer| answer.status == 0);
        found.then(|| Change {
            difference: vec![format!("- {AGENT_USER}")],
            commands: vec![Command::change("userdel", [AGENT_USER])],
        })
    }

    /// It may be a file system of its own, which stays, but empty: `rm` then fails at the last.
    fn removes_home(answers: &[Output]) -> Option<Change> {
        let inside = answers
            .first()
            .is_some_and(|answer| !answer.output.is_empty());
        let remove = Command::change("rm", ["-rf", "--one-file-system", "--", AGENT_HOME]);
        inside.then(|| Change {
            difference: vec![format!("- {AGENT_HOME}")],
            commands: vec![remove.accepting(&[0, 1])],
        })
    }
}

impl Ensured for RemovalStep {
    fn name(&self) -> String {
        match self {
            Self::Agent => format!("no {}", DeviceSetup::agent_unit().name),
            Self::Containers => format!("no containers of {AGENT_USER}"),
            Self::Manager => format!("no user manager of {AGENT_USER}"),
            Self::Files => "no program, unit and configuration".to_owned(),
            Self::User => format!("no user {AGENT_USER}"),
            Self::Home => format!("nothing in {AGENT_HOME}"),
        }
    }

    fn looks(&self) -> Vec<Command> {
        match self {
            Self::Agent => DeviceSetup::agent_unit().looks(),
            Self::Containers => {
                let list = ["podman", "ps", "--all", "--format", "{{.Names}}"];
                let look = Command::look("systemd-run", as_user(list)).as_root();
                // There are none without podman (1), without the user (217), and without the user's manager, which
                // is stopped next; podman then finds no place for what it keeps while it runs (125).
                vec![look.accepting(&[0, 1, 125, 217])]
            }
            Self::Manager => {
                let id = Command::look("id", ["-u", AGENT_USER]).accepting(&[0, 1]);
                // To ask the manager itself would start it.
                let properties = ["--property=State", "--property=Linger"];
                let user = properties.into_iter().chain([AGENT_USER]);
                let user = Command::look("loginctl", ["show-user"].into_iter().chain(user));
                vec![id, user.as_root().accepting(&[0, 1])]
            }
            Self::Files => {
                let words = ["-c", "%n", "--"].map(str::to_owned);
                let look = Command::look("stat", words.into_iter().chain(paths()));
                vec![look.as_root().accepting(&[0, 1])]
            }
            Self::User => {
                let look = Command::look("getent", ["passwd", AGENT_USER]);
                vec![look.accepting(&[0, NOT_FOUND])]
            }
            Self::Home => {
                let look = Command::look("ls", ["-A", "--", AGENT_HOME]).as_root();
                vec![look.accepting(&[0, NOT_FOUND])]
            }
        }
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        Ok(match self {
            Self::Agent => Self::stops_agent(answers),
            Self::Containers => Self::removes_containers(answers),
            Self::Manager => Self::stops_manager(answers),
            Self::Files => Self::removes_files(answers),
            Self::User => Self::removes_user(answers),
            Self::Home => Self::removes_home(answers),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn answer(status: u32, text: &str) -> Output {
        Output {
            status,
            output: text.into(),
            ..Output::default()
        }
    }

    fn lines(step: RemovalStep, answers: &[Output]) -> Vec<String> {
        let change = step.change(answers).expect("read");
        let commands = change.map(|change| change.commands).unwrap_or_default();
        commands.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_gone_is_left_alone() {
        use RemovalStep as S;
        let cases: [(S, Vec<Output>); 7] = [
            (S::Agent, vec![answer(1, ""), answer(3, "inactive\n")]),
            (S::Containers, vec![answer(1, "")]),
            (S::Manager, vec![answer(1, ""), answer(1, "")]),
            (
                S::Manager,
                vec![answer(0, "999\n"), answer(0, "State=closing\nLinger=no\n")],
            ),
            (S::Files, vec![answer(1, "")]),
            (S::User, vec![answer(2, "")]),
            (S::Home, vec![answer(2, "")]),
        ];
        for (step, answers) in cases {
            assert_eq!(step.change(&answers), Ok(None), "{step:?}");
        }
        assert_eq!(Removal::Everything.steps().len(), 6);
    }

    #[test]
    fn data_that_is_kept_has_its_user() {
        let steps = Removal::KeepData.steps();
        assert!(!steps.contains(&RemovalStep::User) && !steps.contains(&RemovalStep::Home));
    }

    #[test]
    fn what_is_there_goes() {
        use RemovalStep as S;
        let failed = [answer(0, "enabled\n"), answer(3, "failed\n")];
        assert_eq!(
            lines(S::Agent, &failed),
            [
                "systemctl disable --now fleet-agent.service",
                "systemctl reset-failed fleet-agent.service"
            ]
        );
        let user = answer(0, "State=lingering\nLinger=yes\n");
        let lingers = [answer(0, "999\n"), user];
        assert_eq!(
            lines(S::Manager, &lingers),
            [
                "loginctl disable-linger fleet-agent",
                "systemctl stop user@999.service"
            ]
        );
        let stop = &lines(S::Containers, &[answer(0, "web\n")])[0];
        assert_eq!(
            stop,
            "systemd-run --quiet --pipe --wait --collect '--working-directory=/' '--uid=fleet-agent' \
             '--setenv=HOME=/var/lib/fleet-agent' podman stop --all --time 10"
        );
        assert_eq!(
            lines(S::Files, &[answer(1, "/etc/fleet-agent\n")])[0],
            "rm -rf -- /etc/fleet-agent"
        );
    }
}
