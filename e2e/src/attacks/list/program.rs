//! The programs of tests in which attacks are tried.

/// A program of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// The package.
    pub package: &'static str,
    /// The name of the program.
    pub name: &'static str,
    /// The package's folder in the repository.
    pub folder: &'static str,
}

const fn program(package: &'static str, name: &'static str, folder: &'static str) -> Program {
    Program {
        package,
        name,
        folder,
    }
}

/// Those of this crate.
pub(super) const HERE: Program = program("fleet-e2e", "attacks", "e2e");
pub(super) const PERSON: Program = program("fleet-e2e", "people", "e2e");
pub(super) const AGENT: Program = program("fleet-agent", "scenarios", "agent");
pub(super) const CALLOUT: Program = program("fleet-auth-core", "callout", "auth/core");
pub(super) const ENROLMENT: Program = program("fleet-auth", "enrolment", "auth");
pub(super) const PEOPLE: Program = program("fleet-operator", "people", "operator");
