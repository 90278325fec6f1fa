//! The chart with what it must be told, and no more.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{Case, Objects, charts};

/// The programs of the chart.
pub(crate) const COMPONENTS: [&str; 6] = [
    "callout",
    "enrolment",
    "masterkey",
    "openbao",
    "secrets",
    "zitadel",
];

/// With what it must be told, and its other values as they are.
pub(crate) fn told() -> Case {
    Case::of(&charts().join("fleet-auth")).values(json!({
        "oidc": {
            "issuer": "https://id.example",
            "project": "2718",
            "organisation": "3141",
        },
        "openbao": {"address": "https://bao.example:8200"},
        "enrolmentApi": {"publicUrls": ["https://join.example", "https://10.0.0.1:8443"]},
    }))
}

/// With all that it can be told.
pub(crate) fn told_all() -> Case {
    let secret = |name: &str| json!({"name": name});
    told().values(json!({
        "nats": {"ca": secret("nats-ca")},
        "oidc": {
            "url": "http://zitadel:8080",
            "host": "id.example",
            "jwksUrl": "http://zitadel:8080/keys",
            "ca": secret("idp-ca"),
        },
        "openbao": {
            "ca": secret("bao-ca"),
            "external": true,
            "kubernetesHost": "https://api.example:6443",
        },
        "keys": {
            "issuer": {"entries": ["seed", "seed.next"]},
            "openbaoHosts": ["openbao", "openbao.svc"],
            "zitadelMasterkey": true,
        },
        "callout": {"replicas": 2},
        "enrolment": {"replicas": 3},
        "enrolmentApi": {"service": {"type": "NodePort", "nodePort": 30443}},
        "approval": {"rules": [{"name": "cells", "tokenFleet": "lyon", "deviceIds": ["cell-*"]}]},
        "devices": {
            "natsUrl": "tls://bus.example:4222",
            "natsCa": secret("bus-ca"),
            "issuerCa": secret("idp-ca"),
        },
        "zitadelJob": {"enabled": true},
        "networkPolicy": {"enabled": true},
        "metrics": {"serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true}},
    }))
}

/// With what it must be told where it finds out the rest: whom it sets up.
pub(crate) fn told_issuer() -> Case {
    Case::of(&charts().join("fleet-auth")).values(json!({
        "oidc": {"issuer": "https://id.example"},
        "zitadelJob": {"enabled": true},
        "openbao": {"address": "https://bao.example:8200"},
        "enrolmentApi": {"publicUrls": ["https://join.example"]},
    }))
}

/// Objects with a name for each Job that does not change with the values.
pub(crate) fn settled(objects: &Objects) -> Objects {
    let settled = objects.0.iter().map(|(name, object)| {
        let (mut name, mut object) = (name.clone(), object.clone());
        if object["kind"] == "Job" && !is_hook(&object) {
            let (start, digest) = name.rsplit_once('-').expect("a digest");
            assert_eq!(digest.len(), 10, "{name}");
            name = start.to_owned();
            object["metadata"]["name"] = json!("…");
        }
        (name, object)
    });
    Objects(settled.collect::<BTreeMap<_, _>>())
}

/// Whether an object is there only around an installation or upgrade.
pub(crate) fn is_hook(object: &Value) -> bool {
    object["metadata"]["annotations"]["helm.sh/hook"].is_string()
}

/// The component that an object belongs to.
pub(crate) fn component(object: &Value) -> &str {
    let label = &object["metadata"]["labels"]["app.kubernetes.io/component"];
    label.as_str().expect("a component")
}

/// The Deployments and Jobs.
pub(crate) fn workloads(objects: &Objects) -> Vec<&Value> {
    objects.of("Deployment").chain(objects.of("Job")).collect()
}

/// Values with one place set.
pub(crate) fn at(place: &str, value: Value) -> Value {
    place.rsplit('.').fold(value, |value, name| {
        Value::Object(Map::from_iter([(name.to_owned(), value)]))
    })
}
