//! What must hold: after every step, and when nothing has happened for a while.

mod rest;
mod safety;

pub use safety::{Violation, Witness, Writer};
