//! All attacks that must fail, each with what refuses it and the tests that try it; and a way to run
//! those and count them: `make attacks`.

mod built;
mod list;
mod report;
mod run;

pub use list::{Attack, Program, Test, attacks};
pub use report::{Outcome, Report};
pub use run::run;
