//! The auth callout of NATS: requests in, verdicts out.

mod enforce;
mod judge;
mod presence;
mod serve;
mod verified;

pub use enforce::{Enforcer, System};
pub use judge::Judge;
pub use presence::{Admission, Presence};
pub use serve::Desk;
pub use verified::Verified;
