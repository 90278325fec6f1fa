//! Tests over the repository itself, so that its rules are held by a command and not by memory.
//!
//! | module | what it holds |
//! |---|---|
//! | `dependencies` | who may depend on whom, what the pure crates may not touch, one TLS provider |
//! | `sizes` | files of at most 400 lines and functions of at most 60, tests left out |
//! | `documents` | links lead somewhere, named tests and `make` targets exist, ADRs are complete |
//! | `phases` | the summary of `make test` counts right |
//! | `yaml` | YAML is generated, never read, and lies only where generated files lie |
//!
//! This crate must never be depended on, and holds nothing but tests.

#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod phases;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod source;
#[cfg(test)]
mod yaml;
