//! What every object of a chart carries.

use std::collections::BTreeMap;

use chartgen::{Document, Expr};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::Program;

/// Of an object in the release's namespace; the overlay fills it in.
pub(crate) fn namespaced() -> ObjectMeta {
    ObjectMeta {
        namespace: Some(String::new()),
        ..cluster()
    }
}

/// Of an object outside of namespaces.
pub(crate) fn cluster() -> ObjectMeta {
    ObjectMeta {
        name: Some(String::new()),
        labels: Some(BTreeMap::new()),
        annotations: Some(BTreeMap::new()),
        ..ObjectMeta::default()
    }
}

/// By labels that the overlay fills in.
pub(crate) fn selector() -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::new()),
        ..LabelSelector::default()
    }
}

/// What all objects of a program carry.
#[derive(Debug, Clone)]
pub(crate) struct Labelling {
    /// The program.
    pub(crate) program: Program,
    /// The user's annotations for every object.
    pub(crate) annotations: Expr,
}

impl Labelling {
    /// The overlay of labels and annotations.
    #[track_caller]
    pub(crate) fn anywhere(&self, document: Document) -> Document {
        document
            .splice("/metadata/labels", self.program.labels())
            .splice("/metadata/annotations", self.annotations.clone())
    }

    /// The same and the namespace.
    #[track_caller]
    pub(crate) fn in_namespace(&self, document: Document) -> Document {
        self.anywhere(document)
            .bind("/metadata/namespace", Expr::release_namespace())
    }
}
