//! Where a user's files lie: the XDG base directory specification, or one folder for all of it.
//!
//! | | by default | what is there |
//! |---|---|---|
//! | [`Dirs::data`] | `~/.local/share/fleet` | what was made and is to stay |
//! | [`Dirs::keys`] | `~/.local/share/fleet/keys` | private keys |
//! | [`Dirs::state`] | `~/.local/state/fleet` | logins, and what else is lost without harm |
//! | [`Dirs::cache`] | `~/.cache/fleet` | what can be fetched again |
//!
//! `XDG_DATA_HOME`, `XDG_STATE_HOME` and `XDG_CACHE_HOME` put one of them elsewhere, each `fleet` below it.
//! `FLEET_HOME` puts all of them below it: `data`, `data/keys`, `state` and `cache`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Puts all of them into one folder.
pub const HOME: &str = "FLEET_HOME";
/// The folder of ours in each of the user's.
const OURS: &str = "fleet";

/// There is no place for a user's files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirsError {
    /// The variable must hold an absolute path.
    #[error("{HOME} is not an absolute path: {path}", path = .0.display())]
    Relative(PathBuf),
    /// Nothing says whose files they are.
    #[error("no folder to keep files in: set HOME, or {HOME} to an absolute path")]
    NoHome,
}

impl DirsError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Relative(_) => "RelativePath",
            Self::NoHome => "NoHome",
        }
    }
}

/// The folders of a user. None of them is made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    data: PathBuf,
    state: PathBuf,
    cache: PathBuf,
}

impl Dirs {
    /// Those of the user who runs this process.
    ///
    /// # Errors
    /// When the environment names no place.
    pub fn of_user() -> Result<Self, DirsError> {
        Self::of(|name| std::env::var_os(name), std::env::home_dir())
    }

    /// All of them in one folder.
    pub fn below(folder: &Path) -> Self {
        let [data, state, cache] = ["data", "state", "cache"].map(|name| folder.join(name));
        Self { data, state, cache }
    }

    fn of(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self, DirsError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        if let Some(one) = set(HOME).map(PathBuf::from) {
            if !one.is_absolute() {
                return Err(DirsError::Relative(one));
            }
            return Ok(Self::below(&one));
        }
        // One that is not absolute counts as unset, as the specification says.
        let home = home.filter(|home| home.is_absolute());
        let place = |name, below: &str| {
            let elsewhere = set(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute());
            let folder = elsewhere.or_else(|| Some(home.as_ref()?.join(below)));
            Ok(folder.ok_or(DirsError::NoHome)?.join(OURS))
        };
        Ok(Self {
            data: place("XDG_DATA_HOME", ".local/share")?,
            state: place("XDG_STATE_HOME", ".local/state")?,
            cache: place("XDG_CACHE_HOME", ".cache")?,
        })
    }

    /// What was made and is to stay.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Private keys.
    pub fn keys(&self) -> PathBuf {
        self.data.join("keys")
    }

    /// What is lost without harm, but not fetched again by itself.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What can be fetched again.
    pub fn cache(&self) -> &Path {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn of(variables: &[(&str, &str)], home: Option<&str>) -> Result<Dirs, DirsError> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Dirs::of(variable, home.map(PathBuf::from))
    }

    #[test]
    fn they_are_where_the_specification_says() {
        let dirs = of(&[], Some("/home/ada")).expect("a place");
        assert_eq!(dirs.data(), Path::new("/home/ada/.local/share/fleet"));
        assert_eq!(dirs.keys(), Path::new("/home/ada/.local/share/fleet/keys"));
        assert_eq!(dirs.state(), Path::new("/home/ada/.local/state/fleet"));
        assert_eq!(dirs.cache(), Path::new("/home/ada/.cache/fleet"));
    }

    #[test]
    fn variables_move_one_of_them_unless_they_are_relative() {
        let variables = [("XDG_CACHE_HOME", "/var/tmp"), ("XDG_STATE_HOME", "here")];
        let dirs = of(&variables, Some("/home/ada")).expect("a place");
        assert_eq!(dirs.cache(), Path::new("/var/tmp/fleet"));
        assert_eq!(dirs.state(), Path::new("/home/ada/.local/state/fleet"));
    }

    #[test]
    fn one_variable_moves_all_of_them() {
        let variables = [(HOME, "/srv/try"), ("XDG_CACHE_HOME", "/var/tmp")];
        let dirs = of(&variables, None).expect("a place");
        assert_eq!(dirs.keys(), Path::new("/srv/try/data/keys"));
        assert_eq!(dirs.state(), Path::new("/srv/try/state"));
        assert_eq!(dirs.cache(), Path::new("/srv/try/cache"));
    }

    #[test]
    fn a_user_without_a_place_is_told_what_to_set() {
        let nowhere = of(&[], None).expect_err("no place");
        assert_eq!(
            (nowhere.reason(), of(&[(HOME, "")], Some(""))),
            ("NoHome", Err(nowhere.clone()))
        );
        let relative = of(&[(HOME, "try")], Some("/home/ada")).expect_err("relative");
        assert!(
            relative
                .to_string()
                .contains("FLEET_HOME is not an absolute path: try")
        );
    }
}
