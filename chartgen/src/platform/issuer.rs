//! What the Zitadel of this chart is called by people and devices, for those who set it up and who ask it.
//!
//! The values of one part are not seen by another; an object of the cluster is.

use std::collections::BTreeMap;

use chartgen::tree::{Entry, Node, Part, entry};
use chartgen::{Cond, Document, Expr, helpers, v};
use fleet_keys::identity::ISSUER_ENTRY;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::names;
use super::values::Values;

/// The `ConfigMap` with the issuer.
pub(super) fn config_map() -> Document {
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(names::ZITADEL_ISSUER.to_owned()),
            namespace: Some(String::new()),
            labels: Some(BTreeMap::new()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::new()),
        ..ConfigMap::default()
    };
    Document::new(&map)
        .bind("/metadata/namespace", Expr::release_namespace())
        .splice("/metadata/labels", helpers::labels())
        .set("/data", Node::map([issuer()]))
        .document_when(v!(Values, zitadel.enabled))
}

/// As Zitadel makes it of its configuration: without the port that the scheme means anyway.
fn issuer() -> Part<Entry> {
    let secure = v!(Values, zitadel.zitadel.configmap_config.ExternalSecure);
    Part::when(secure, [with_scheme("https", 443)]).otherwise([with_scheme("http", 80)])
}

fn with_scheme(scheme: &str, usual: i64) -> Part<Entry> {
    let port = || v!(Values, zitadel.zitadel.configmap_config.ExternalPort);
    let host = v!(Values, zitadel.zitadel.configmap_config.ExternalDomain);
    let start = [Expr::text(format!("{scheme}://")), host.into()];
    let end = [Expr::text(":"), port().into()];
    let full = start.clone().into_iter().chain(end);
    let short = entry(ISSUER_ENTRY, Expr::concat(start));
    Part::when(Cond::equals(port(), usual), [short])
        .otherwise([entry(ISSUER_ENTRY, Expr::concat(full))])
}
