//! The custom resources as Rust types; the CRD YAML comes out of these and nowhere else.
