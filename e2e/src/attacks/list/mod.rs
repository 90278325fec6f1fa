//! The attacks. An attack without a test does not compile, a test that does not exist fails a test of
//! this file, and so does a test of an attack that is not listed.

/// The two tests that a macro `on_both` makes: on one server and on three. Without a program, those of
/// `tests/attacks`.
macro_rules! both {
    ($module:literal, $test:literal) => {
        both!($crate::attacks::list::program::HERE, $module, $test)
    };
    ($program:expr, $module:literal, $test:literal) => {
        &[
            $crate::attacks::list::of($program, concat!($module, "::single::attack_", $test)),
            $crate::attacks::list::of($program, concat!($module, "::cluster::attack_", $test)),
        ]
    };
}

mod bus;
mod callout;
mod enrolment;
mod logins;
mod manifests;
mod people;
mod program;
#[cfg(test)]
mod tests;

pub use program::Program;

/// One attack, or several of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attack {
    /// What is tried.
    pub name: &'static str,
    /// What refuses it, and for which reason.
    pub refused_by: &'static str,
    /// All of them must pass.
    pub tests: &'static [Test],
}

/// A test by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Test {
    /// In which program.
    pub program: Program,
    /// Its name there, with its modules.
    pub name: &'static str,
}

/// Every attack, by theme.
const THEMES: &[&[Attack]] = &[
    bus::ANSWERS,
    bus::WRITING,
    bus::READING,
    logins::LOGINS,
    manifests::MANIFESTS,
    callout::CALLOUT_ANSWERS,
    enrolment::ENROLMENTS,
    people::RIGHTS,
];

/// Every attack.
pub fn attacks() -> impl Iterator<Item = Attack> {
    THEMES.iter().copied().flatten().copied()
}

const fn of(program: Program, name: &'static str) -> Test {
    Test { program, name }
}

const fn attack(name: &'static str, refused_by: &'static str, tests: &'static [Test]) -> Attack {
    assert!(!tests.is_empty(), "an attack without a test");
    Attack {
        name,
        refused_by,
        tests,
    }
}
