use std::fmt;

/// Distributions that have the same package manager and names of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Debian, Ubuntu, Raspberry Pi OS.
    Debian,
    /// Fedora, RHEL and the like.
    Fedora,
    /// Alpine.
    Alpine,
    /// Arch; for workstations.
    Arch,
}

/// A Linux distribution, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Which kind.
    pub family: Family,
    /// Its name for people, such as `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    /// Its version, such as `12`; empty where it has none.
    pub version: String,
}

/// A host that no device can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DistributionError {
    /// `/etc/os-release` names nothing.
    #[error("/etc/os-release does not say which distribution this is (no ID)")]
    Unnamed,
    /// It names one of which we know no packages.
    #[error(
        "{0} is not supported; there are Debian, Ubuntu, Fedora, Alpine and what is like them (ID_LIKE)"
    )]
    Unsupported(String),
}

impl DistributionError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unnamed => "DistributionUnknown",
            Self::Unsupported(_) => "DistributionUnsupported",
        }
    }
}

impl Distribution {
    /// Reads `/etc/os-release` (os-release(5)): assignments, quoted as in a shell.
    ///
    /// # Errors
    /// When it names no distribution, or none that is supported.
    pub fn of(os_release: &str) -> Result<Self, DistributionError> {
        let value = |wanted: &str| {
            let lines = os_release.lines().filter_map(|line| line.split_once('='));
            let mut values = lines.filter(|(key, _)| key.trim() == wanted);
            let (_, value) = values.next()?;
            shlex::split(value)?.into_iter().next()
        };
        let id = value("ID").ok_or(DistributionError::Unnamed)?;
        let like = value("ID_LIKE").unwrap_or_default();
        let name = value("PRETTY_NAME").unwrap_or_else(|| id.clone());
        let mut ids = std::iter::once(id.as_str()).chain(like.split_whitespace());
        let family = ids.find_map(family);
        Ok(Self {
            family: family.ok_or_else(|| DistributionError::Unsupported(name.clone()))?,
            name,
            version: value("VERSION_ID").unwrap_or_default(),
        })
    }
}

fn family(id: &str) -> Option<Family> {
    match id {
        "debian" | "ubuntu" | "raspbian" => Some(Family::Debian),
        "fedora" | "rhel" | "centos" => Some(Family::Fedora),
        "alpine" => Some(Family::Alpine),
        "arch" => Some(Family::Arch),
        _ => None,
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn distributions_are_known_by_what_they_are_like() {
        let debian =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
        let found = Distribution::of(debian).expect("known");
        assert_eq!(
            (found.family, found.version.as_str()),
            (Family::Debian, "12")
        );
        assert_eq!(found.to_string(), "Debian GNU/Linux 12 (bookworm)");
        let pop = Distribution::of("ID=pop\nID_LIKE=\"ubuntu debian\"\n").expect("known");
        assert_eq!(pop.family, Family::Debian);
        let rocky = Distribution::of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n");
        assert_eq!(rocky.expect("known").family, Family::Fedora);
    }

    #[test]
    fn others_are_refused_by_name() {
        let gentoo = Distribution::of("ID=gentoo\nPRETTY_NAME=Gentoo\n").expect_err("refused");
        assert!(gentoo.to_string().contains("Gentoo"));
        assert_eq!(gentoo.reason(), "DistributionUnsupported");
        assert_eq!(Distribution::of(""), Err(DistributionError::Unnamed));
    }
}
