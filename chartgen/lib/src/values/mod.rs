//! The interface of a chart: the `Values` struct, and all that is written from it.

mod path;

pub use path::{Kind, Path, ValueRef};
