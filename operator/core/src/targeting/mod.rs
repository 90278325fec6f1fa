//! Which devices a Deployment is for: Kubernetes' selectors, and an inverted index both ways.

mod anchors;
mod postings;
mod selector;

pub(crate) use anchors::Anchors;
pub(crate) use postings::Postings;
pub use selector::{Rule, Selector, SelectorError};
