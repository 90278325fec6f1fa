//! Manifests as kubectl and Helm read them.
//!
//! Their reader is Go's yaml.v2: YAML 1.1 booleans (`y`, `no`, `on`), octal by a leading zero,
//! merge keys, keys of any scalar type turned into text. The text is read here by the same rules,
//! so that everything after this module sees what the API server would be sent. Where other
//! readers would see something else, or a key is there twice, there is a finding.

mod compose;
mod resolve;

use serde_json::Value;

pub(crate) use compose::read;

use crate::rule::{Rule, Severity};

/// One document of a stream.
#[derive(Debug)]
pub(crate) struct Document {
    /// Counted from 1, empty documents included.
    pub(crate) number: usize,
    /// Where its content begins, counted from 1.
    pub(crate) line: usize,
    /// The template it was rendered from, from Helm's comment `# Source:`.
    pub(crate) source: Option<String>,
    /// Its content.
    pub(crate) value: Value,
}

/// Something wrong with the text itself.
#[derive(Debug)]
pub(crate) struct Remark {
    pub(crate) rule: Rule,
    pub(crate) severity: Severity,
    pub(crate) document: usize,
    /// The template, where it is known at that place.
    pub(crate) source: Option<String>,
    pub(crate) line: usize,
    pub(crate) message: String,
}
