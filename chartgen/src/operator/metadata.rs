//! What every object of the chart carries.

use std::collections::BTreeMap;

use chartgen::{Document, Expr, helpers, v};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::values::Values;

/// Of an object in the release's namespace; the overlay fills it in.
pub(super) fn namespaced() -> ObjectMeta {
    ObjectMeta {
        namespace: Some(String::new()),
        ..cluster()
    }
}

/// Of an object outside of namespaces.
pub(super) fn cluster() -> ObjectMeta {
    ObjectMeta {
        name: Some(String::new()),
        labels: Some(BTreeMap::new()),
        annotations: Some(BTreeMap::new()),
        ..ObjectMeta::default()
    }
}

/// The overlay of the metadata that is the same everywhere.
pub(super) trait Overlay {
    /// Labels and annotations.
    fn labelled(self) -> Self;
    /// The same and the namespace.
    fn in_namespace(self) -> Self;
}

impl Overlay for Document {
    #[track_caller]
    fn labelled(self) -> Self {
        self.splice("/metadata/labels", helpers::labels())
            .splice("/metadata/annotations", v!(Values, common_annotations))
    }

    #[track_caller]
    fn in_namespace(self) -> Self {
        self.labelled()
            .bind("/metadata/namespace", Expr::release_namespace())
    }
}
