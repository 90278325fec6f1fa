//! Who may become a device: enrolment tokens, enrolments, and what to do next about each.
//!
//! | module | question |
//! |---|---|
//! | [`token`] | is this the token that was given out, and good for this device? |
//! | [`admission`] | a device asks: answer what stands, open an enrolment, or refuse? |
//! | [`standing`] | how does an enrolment stand, given what was decided and done? |
//! | [`approval`] | does the policy approve, with nobody looking? |
//! | [`plan`] | what has to be done at the identity provider, given what is there? |
//! | [`rotation`] | may this key take the place of that one? |
//! | [`rbac`] | what may the service do in a cluster, and why? |
//!
//! Nothing here remembers what was begun. Each answer follows from what is stored and observed now,
//! so a service that is killed between any two steps goes on where it was.

pub mod admission;
pub mod approval;
mod network;
mod pattern;
pub mod plan;
pub mod rbac;
pub mod rotation;
pub mod standing;
pub mod token;

pub use admission::{Admission, Asked, Existing, admit};
pub use approval::{Applicant, ApprovalPolicy, Approved, PolicyError};
pub use network::{InvalidNetwork, Network};
pub use pattern::{InvalidPattern, Pattern};
pub use plan::{Blocked, Goal, NextKey, Observed, Step, next};
pub use rotation::{Keys, Offer, Progress, offer, rotation_age, take_up};
pub use standing::{Claim, Situation, Standing, holds, standing};
pub use token::{TokenId, TokenRecord, Use, secret_name};
