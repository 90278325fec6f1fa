//! Values that cannot be meant are refused by both Helms, and the text says what to set.

use serde_json::{Value, json};

use crate::scene::{Scene, unknown};
use crate::support::Case;

fn refused(values: Value, says: &[&str]) {
    let scene = Scene::with_stand_ins();
    let shown = values.to_string();
    let case = Case::of(&scene.chart()).values(unknown());
    for error in case.values(values).refused() {
        for word in says {
            let told = error.contains(word);
            assert!(told, "{shown}: {word:?} is not said:\n{error}");
        }
    }
}

#[test]
fn zitadel_without_a_host() {
    let says = [
        "zitadel.zitadel.configmapConfig.ExternalDomain",
        "zitadel.enabled to false",
        "the Secret that the README names",
    ];
    let nothing = json!({"zitadel": {"zitadel": {"configmapConfig": {"ExternalDomain": ""}}}});
    refused(nothing, &says);
}

#[test]
fn no_bus_at_all() {
    let says = [
        "nats.enabled is false",
        "operator.nats.url and auth.nats.url to your own bus",
    ];
    refused(json!({"nats": {"enabled": false}}), &says);
    // One of them is not enough.
    let own = json!({"nats": {"url": "nats://bus.example.com:4222"}});
    for part in ["operator", "auth"] {
        let values = json!({"nats": {"enabled": false}, part: own});
        refused(values, &says);
    }
}

#[test]
fn devices_that_would_look_for_the_bus_inside_of_the_cluster() {
    let values = json!({"auth": {"devices": {"natsUrl": ""}}});
    refused(values, &["set auth.devices.natsUrl"]);
}

#[test]
fn no_openbao_at_all() {
    let says = [
        "openbao.enabled is false",
        "auth.openbao.address to your own",
    ];
    refused(json!({"openbao": {"enabled": false}}), &says);
}

#[test]
fn no_identity_provider_at_all() {
    let off = |auth: Value| json!({"zitadel": {"enabled": false}, "auth": auth});
    let says = ["zitadel.enabled is false", "set auth.oidc.issuer"];
    refused(off(json!({})), &says);
    let issuer = "https://id.example.com";
    let says = ["zitadel.enabled is false", "auth.oidc.url"];
    refused(off(json!({"oidc": {"issuer": issuer}})), &says);
    // Somebody has to make the token of who sets it up.
    let says = [
        "auth.zitadelJob.enabled to false",
        "auth.oidc.setup.token.name",
    ];
    refused(off(json!({"oidc": {"issuer": issuer, "url": ""}})), &says);
}

#[test]
fn copies_of_streams_on_one_server() {
    let says = [
        "set nats.config.cluster.enabled",
        "operator.nats.streamReplicas to 1",
    ];
    refused(json!({"operator": {"nats": {"streamReplicas": 3}}}), &says);
}

#[test]
fn more_copies_than_servers() {
    let values = json!({
        "operator": {"nats": {"streamReplicas": 5}},
        "nats": {"config": {"cluster": {"enabled": true}}},
    });
    refused(
        values,
        &["more copies of a stream than servers", "replicas to 5"],
    );
}

#[test]
fn a_cluster_without_majority() {
    for replicas in [1, 2] {
        let cluster = json!({"enabled": true, "replicas": replicas});
        let values = json!({"nats": {"config": {"cluster": cluster}}});
        refused(
            values,
            &["majority", "nats.config.cluster.replicas to 3 or 5"],
        );
    }
}

#[test]
fn a_bus_without_streams() {
    let off = json!({"nats": {"config": {"jetstream": {"enabled": false}}}});
    refused(off, &["leave nats.config.jetstream.enabled on"]);
    let off = json!({"nats": {"config": {"jetstream": {"memoryStore": {"enabled": false}}}}});
    refused(off, &["leave nats.config.jetstream.memoryStore.enabled on"]);
}

#[test]
fn keys_that_do_not_exist_and_values_of_another_type() {
    let cases = [
        (json!({"nat": {"enabled": false}}), "'nat'"),
        (json!({"operator": {"replica": 2}}), "'replica'"),
        (json!({"operator": {"enabled": false}}), "'enabled'"),
        (json!({"auth": {"oidc": {"isuer": "x"}}}), "'isuer'"),
        (
            json!({"global": {"imageRegistry": 5}}),
            "/global/imageRegistry",
        ),
        (json!({"nats": {"enabled": "no"}}), "/nats/enabled"),
        (
            json!({"nats": {"config": {"merge": {"max_payload": "1MB"}}}}),
            "/nats/config/merge/max_payload",
        ),
        (json!({"openbao": {"server": null}}), "server"),
        (
            json!({"zitadel": {"zitadel": {"configmapConfig": {"ExternalPort": "https"}}}}),
            "ExternalPort",
        ),
    ];
    for (values, says) in cases {
        refused(values, &[says]);
    }
}
