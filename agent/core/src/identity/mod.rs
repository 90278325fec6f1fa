//! How a device becomes part of the fleet and comes by its access tokens: what to ask for, with which time, and when.
//!
//! | module | decides |
//! |---|---|
//! | [`clock`] | what time it is at the identity provider |
//! | [`request`] | what is asked for, and what is signed for it |
//! | [`answer`] | what came of asking |
//! | [`enrolment`] | what to do after an answer of the enrolment service |
//! | [`rotation`] | when to replace the key |
//! | [`schedule`] | when to ask, and which token may be presented |
//!
//! Invariants: an assertion is never from the future and lives at most 60 s; a token that was taken
//! stays in use until a better one is there or its time is over; whatever goes wrong, the next
//! attempt comes, later and later, and never in step with other devices'.

pub mod answer;
pub mod clock;
pub mod enrolment;
pub mod request;
pub mod rotation;
pub mod schedule;

pub use answer::{AccessToken, Failed, FailureReason, Minted};
pub use clock::ServerClock;
pub use request::{Grant, TokenRequest};
pub use schedule::Schedule;
