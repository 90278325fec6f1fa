//! Helm charts from typed Rust.
//!
//! A chart is made of values: Kubernetes objects as the tree, a `Values` struct as the interface
//! between the chart and whoever installs it, and expressions that bind places of the tree to
//! fields of that struct. Text is written once, at the end, by an emitter that owns quoting and
//! white space; no text is searched or replaced on the way.

mod package;
mod values;
mod yaml;

pub use package::{Package, PackageError, package};
pub use values::common;
pub use values::{Kind, Path, ValueRef, ValuesDoc, ValuesError};
