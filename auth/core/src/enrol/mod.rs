//! Who may become a device: enrolment tokens, enrolments, and what to do next about each.
//!
//! | module | question |
//! |---|---|
//! | [`token`] | is this the token that was given out, and good for this device? |
//! | [`admission`] | a device asks: answer what stands, open an enrolment, or refuse? |
//! | [`standing`] | how does an enrolment stand, given what was decided and done? |
//! | [`plan`] | what has to be done at the identity provider, given what is there? |
//!
//! Nothing here remembers what was begun. Each answer follows from what is stored and observed now,
//! so a service that is killed between any two steps goes on where it was.

pub mod admission;
pub mod plan;
pub mod standing;
pub mod token;

pub use admission::{Admission, Asked, Existing, admit};
pub use plan::{Blocked, Goal, Observed, Step, next};
pub use standing::{Claim, Situation, Standing, holds, standing};
pub use token::{TokenId, TokenRecord, Use};
