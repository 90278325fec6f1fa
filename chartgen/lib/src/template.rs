//! The documents of one file.

use crate::tree::Part;
use crate::{Document, Expr};

/// The documents of one file below `templates/`.
#[derive(Debug, Clone, Default)]
pub struct Template(pub(crate) Vec<Part<Document>>);

impl Template {
    /// Further objects that the user gives, in a list. Their strings are templates.
    pub fn objects(list: impl Into<Expr>) -> Self {
        Self(vec![Part::Splice(list.into())])
    }
}

impl From<Document> for Part<Document> {
    fn from(document: Document) -> Self {
        Self::One(document)
    }
}

impl From<Document> for Template {
    fn from(document: Document) -> Self {
        Self(vec![Part::One(document)])
    }
}

impl From<Part<Document>> for Template {
    fn from(part: Part<Document>) -> Self {
        Self(vec![part])
    }
}

impl<D: Into<Part<Document>>> FromIterator<D> for Template {
    fn from_iter<I: IntoIterator<Item = D>>(parts: I) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }
}

impl<D: Into<Part<Document>>, const N: usize> From<[D; N]> for Template {
    fn from(parts: [D; N]) -> Self {
        parts.into_iter().collect()
    }
}

impl<D: Into<Part<Document>>> From<Vec<D>> for Template {
    fn from(parts: Vec<D>) -> Self {
        parts.into_iter().collect()
    }
}
