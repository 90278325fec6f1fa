//! The interface of a chart: the `Values` struct, and all that is written from it.

mod check;
pub mod common;
pub(crate) mod data;
mod doc;
mod error;
mod field;
mod path;
pub(crate) mod prose;
mod render;
mod schema;
mod table;

pub use doc::ValuesDoc;
pub use error::ValuesError;
pub use path::{Kind, Path, ValueRef};
