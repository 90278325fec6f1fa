//! Whether what an expression yields fits the place it is laid over.

use crate::error::{ChartError, Problem};
use crate::expr::Place;
use crate::tree::Node;
use crate::{Expr, Kind, Path};

/// That the kind of an expression fits what stood in its place, to be checked when the kinds of
/// values are known.
#[derive(Debug, Clone)]
pub(crate) struct KindCheck {
    pub(crate) at: Place,
    pub(crate) pointer: String,
    pub(crate) found: String,
    pub(crate) fits: &'static [Kind],
    pub(crate) expr: Expr,
}

/// The kinds of values that can stand where this stands.
pub(crate) fn fitting(node: &Node) -> &'static [Kind] {
    match node {
        Node::Bool(_) => &[Kind::Bool],
        // A place that takes a number or a string shows only one of them in the base.
        Node::Int(_) => &[Kind::Int, Kind::IntOrStr],
        Node::Float(_) => &[Kind::Number, Kind::Int],
        Node::Str(_) => &[Kind::Str, Kind::IntOrStr],
        Node::Seq(_) => &[Kind::Seq],
        Node::Map(_) => &[Kind::Obj],
        // Nothing is known: the base said null, or another expression stands there.
        Node::Null | Node::Expr(_) => &[
            Kind::Bool,
            Kind::Int,
            Kind::Number,
            Kind::Str,
            Kind::Obj,
            Kind::Seq,
            Kind::IntOrStr,
        ],
    }
}

impl KindCheck {
    pub(crate) fn run(&self, kinds: &dyn Fn(&Path) -> Option<Kind>) -> Option<ChartError> {
        // A value that does not exist is reported where it is written.
        let kind = self.expr.kind(kinds)?;
        let fits = kind == Kind::Any || self.fits.contains(&kind);
        (!fits).then(|| {
            let problem = Problem::WrongKind {
                pointer: self.pointer.clone(),
                found: self.found.clone(),
                expr: self.expr.to_string(),
                kind,
            };
            ChartError::new(self.at, problem)
        })
    }
}
