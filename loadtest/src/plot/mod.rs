//! Pages with curves, as SVG of our own.
//!
//! A plot is a few lines, two axes and a legend; see the decision of record for why no library draws
//! them. What is drawn is decided in [`pages`]; [`chart`] knows nothing of fleets.

pub mod axis;
pub mod chart;
pub mod flame;
pub mod growth;
pub mod pages;

pub use chart::{Chart, Series};
