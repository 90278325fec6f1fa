use crate::host::{Family, Need, Packages};

/// What makes a missed prerequisite right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// Where; `None` is everywhere.
    pub family: Option<Family>,
    /// What a person would type there.
    pub command: String,
}

/// Those that people run virtual machines on.
const FAMILIES: [Family; 3] = [Family::Debian, Family::Fedora, Family::Arch];

impl Fix {
    /// The same everywhere.
    pub(super) fn everywhere(command: &str) -> Vec<Self> {
        vec![Self {
            family: None,
            command: command.to_owned(),
        }]
    }

    /// Installing what has this, by each distribution's own command.
    pub(super) fn install(needs: &[Need]) -> Vec<Self> {
        let fix = |family| Self {
            family: Some(family),
            command: Packages::of(family, needs.iter().copied()).install_line(),
        };
        FAMILIES.map(fix).to_vec()
    }

    /// And then this.
    pub(super) fn then(&mut self, command: &str) {
        self.command.push_str(" && ");
        self.command.push_str(command);
    }

    /// The distributions it is for, for people.
    pub const fn systems(&self) -> &'static str {
        match self.family {
            Some(Family::Debian) => "Debian, Ubuntu",
            Some(Family::Fedora) => "Fedora",
            Some(Family::Arch) => "Arch",
            Some(Family::Alpine) => "Alpine",
            None => "",
        }
    }

    /// In machines' words.
    pub const fn key(&self) -> &'static str {
        match self.family {
            Some(Family::Debian) => "debian",
            Some(Family::Fedora) => "fedora",
            Some(Family::Arch) => "arch",
            Some(Family::Alpine) => "alpine",
            None => "any",
        }
    }
}
