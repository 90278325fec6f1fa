//! Health scripts: how Argo CD tells from the conditions of our resources how they are.
//!
//! What a script decides is a table of [`Rule`]s over the condition types and reasons of `fleet-api`;
//! the first that fits counts. The Lua around the table is the same for all kinds. It uses the base
//! library only, because Argo CD gives a script no more.

mod cases;
mod rules;
mod script;

pub use cases::{Case, cases};
pub use rules::{Rule, rules};
pub use script::{Kind, application_script};

/// How a resource is, in Argo CD's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Health {
    /// It is as it should be.
    Healthy,
    /// It is on its way and needs nobody.
    Progressing,
    /// It waits for somebody to decide.
    Suspended,
    /// It will not come right without help.
    Degraded,
}

impl Health {
    /// As Argo CD spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Progressing => "Progressing",
            Self::Suspended => "Suspended",
            Self::Degraded => "Degraded",
        }
    }
}
