//! Judges who may use the bus, and what of it: tokens, policies and the bus's authorization
//! requests.
//!
//! Values in, a verdict out: this crate does no I/O, reads no clock and draws no random numbers. It
//! must never grant a subject that is not the device's own, so subjects come from
//! [`fleet_contracts::permission`] and from a parsed id only.
//!
//! A login is judged in this order, and the first thing that is wrong is the reason:
//!
//! | step | module | question |
//! |---|---|---|
//! | 1 | [`callout`] | did a server of ours ask, and for us? |
//! | 2 | [`token`] | is it a token, and signed with a key of the identity provider, by that key's algorithm? |
//! | 3 | [`rules`] | is it for us, from our issuer, of now, with our role in our organisation? |
//! | 4 | [`policy`] | what was decided about this device? |
//! | 5 | [`judge`] | what may it do, and until when? |

pub mod callout;
pub mod clones;
pub mod denials;
pub mod enrol;
pub mod grant;
pub mod jwk;
pub mod policy;
pub mod reason;
pub mod rules;
pub mod token;

mod judge;

pub use clones::Fingerprint;
pub use denials::{Denial, Denials};
pub use grant::{Caps, Grant, Limits};
pub use judge::{Request, Verdict, admit, judge};
pub use jwk::KeySet;
pub use policy::{AllowedLabels, DevicePolicy, OnClone, Policies};
pub use reason::{About, AuthReason, Refusal};
pub use rules::TokenRules;
pub use token::{Identity, identify};
