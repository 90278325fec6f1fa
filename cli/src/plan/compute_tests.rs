use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::plan::render;

fn device(name: &str, labels: &Value, reachable: &str) -> Device {
    serde_json::from_value(json!({
        "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device",
        "metadata": {"name": name, "labels": labels}, "spec": {},
        "status": {"conditions": [{"type": "Reachable", "status": reachable, "reason": "x",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    }))
    .expect("device")
}

/// `at` is the minute in which it was created.
fn deployment(name: &str, at: u8, site: &str, service: &Value) -> Deployment {
    serde_json::from_value(json!({
        "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop",
            "creationTimestamp": format!("2026-01-01T00:{at:02}:00Z")},
        "spec": {"targetSelector": {"matchLabels": {"site": site}},
            "score": {"PodmanV0": {"services": [service]}}}
    }))
    .expect("deployment")
}

fn web(image: &str) -> Value {
    json!({"name": "web", "image": image, "ports": [{"hostPort": 8080, "containerPort": 80}]})
}

fn fleet() -> Vec<Device> {
    vec![
        device("pi-2", &json!({"site": "lab"}), "False"),
        device("pi-1", &json!({"site": "lab"}), "True"),
        device("pi-3", &json!({"site": "shop"}), "True"),
    ]
}

fn facts<'a>(
    wanted: &'a Deployment,
    existing: Option<&'a Deployment>,
    devices: &'a [Device],
    others: &'a [Deployment],
) -> Facts<'a> {
    Facts {
        wanted,
        existing,
        devices,
        others,
    }
}

fn changes(plan: &Plan) -> Vec<(&str, Change)> {
    plan.devices
        .iter()
        .map(|d| (d.device.as_str(), d.change))
        .collect()
}

#[test]
fn a_new_deployment_starts_where_it_matches() {
    let (wanted, fleet) = (deployment("web", 0, "lab", &web("v1")), fleet());
    let plan = plan(&facts(&wanted, None, &fleet, &[]));
    assert_eq!(plan.action, Action::Create);
    assert_eq!(
        changes(&plan),
        [("pi-1", Change::Start), ("pi-2", Change::Start)]
    );
    let summary = Summary {
        matched: 2,
        start: 2,
        offline: 1,
        ..Default::default()
    };
    assert_eq!(plan.summary, summary);
}

#[test]
fn a_new_image_updates_and_the_same_again_changes_nothing() {
    let (old, new) = (
        deployment("web", 0, "lab", &web("v1")),
        deployment("web", 0, "lab", &web("v2")),
    );
    let fleet = fleet();
    let first = plan(&facts(&new, Some(&old), &fleet, &[]));
    assert_eq!(
        changes(&first),
        [("pi-1", Change::Update), ("pi-2", Change::Update)]
    );
    let again = plan(&facts(&new, Some(&new), &fleet, &[]));
    assert_eq!(again.action, Action::None);
    assert_eq!(
        again.summary,
        Summary {
            matched: 2,
            keep: 2,
            ..Default::default()
        }
    );
}

#[test]
fn another_selector_moves_it() {
    let (old, new) = (
        deployment("web", 0, "lab", &web("v1")),
        deployment("web", 0, "shop", &web("v1")),
    );
    let plan = plan(&facts(&new, Some(&old), &fleet(), &[]));
    assert_eq!(plan.action, Action::Change);
    assert_eq!(
        changes(&plan),
        [
            ("pi-1", Change::Stop),
            ("pi-2", Change::Stop),
            ("pi-3", Change::Start)
        ]
    );
}

#[test]
fn the_older_of_two_keeps_the_port_and_only_where_both_run() {
    let this = deployment("web", 5, "lab", &web("v1"));
    let others = [
        deployment("older", 1, "lab", &web("x")),
        deployment("younger", 9, "lab", &web("x")),
        deployment("elsewhere", 1, "shop", &web("x")),
        deployment("quiet", 1, "lab", &json!({"name": "a", "image": "i"})),
        this.clone(),
    ];
    let plan = plan(&facts(&this, Some(&this), &fleet(), &others));
    let clash = |with: &str, winner| Clash {
        claim: "host port 8080/TCP".into(),
        with: with.into(),
        winner,
    };
    let expected = [
        clash("shop/older", Winner::Other),
        clash("shop/younger", Winner::This),
    ];
    assert_eq!(plan.devices[0].clashes, expected);
}

#[test]
fn different_addresses_and_protocols_do_not_clash() {
    let port = |extra: Value| {
        let mut port = json!({"hostPort": 53, "containerPort": 53});
        for (key, value) in extra.as_object().expect("object") {
            port[key] = value.clone();
        }
        json!({"name": "dns", "image": "i", "ports": [port]})
    };
    let this = deployment("web", 0, "lab", &port(json!({"hostIp": "10.0.0.1"})));
    let clashing = |other: Value| {
        let others = [deployment("other", 1, "lab", &port(other))];
        plan(&facts(&this, None, &fleet(), &others))
            .summary
            .clashing
            > 0
    };
    assert!(clashing(json!({})));
    assert!(clashing(json!({"hostIp": "10.0.0.1"})));
    assert!(clashing(json!({"hostIp": "0.0.0.0"})));
    assert!(!clashing(json!({"hostIp": "10.0.0.2"})));
    assert!(!clashing(json!({"protocol": "UDP"})));
}

#[test]
fn one_container_name_asked_for_twice_clashes() {
    let named = json!({"name": "a", "image": "i", "containerName": "db"});
    let this = deployment("web", 0, "lab", &named);
    let others = [deployment("other", 1, "lab", &named)];
    let plan = plan(&facts(&this, None, &fleet(), &others));
    assert_eq!(plan.devices[0].clashes[0].claim, "container name db");
}

#[test]
fn as_people_see_it() {
    let old = deployment("web", 5, "lab", &web("v1"));
    let mut new = deployment("web", 5, "shop", &web("v2"));
    new.spec.target_selector.match_labels.clear();
    new.spec.target_all = true;
    let others = [deployment("older", 1, "shop", &web("x"))];
    let plan = plan(&facts(&new, Some(&old), &fleet(), &others));
    insta::assert_snapshot!(render::table(&plan), @r#"
    Deployment shop/web would change (revision 60c9a76a9232 -> 7d6545bbcc96)

    DEVICE   CHANGE   REACHABLE   CLASHES
    pi-1     update   True
    pi-2     update   False
    pi-3     start    True        host port 8080/TCP with shop/older, which keeps it

    Plan: 1 to start, 2 to update, 0 to stop, 0 to keep.
    1 of these offline: they follow when they are back.
    1 with clashes: the older Deployment wins, the other fails there with PortClash or NameClash.
    "#);
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan.devices[2]).expect("json"), @r#"
    {
      "device": "pi-3",
      "change": "start",
      "reachable": "True",
      "clashes": [
        {
          "claim": "host port 8080/TCP",
          "with": "shop/older",
          "winner": "other"
        }
      ]
    }
    "#);
}

proptest! {
    #[test]
    fn the_sums_add_up(
        before in proptest::collection::vec(0..3u32, 0..20), site in 0..3u32, to in 0..3u32, v in 0..2u8
    ) {
        let name = |n: &u32| format!("s{n}");
        let fleet: Vec<_> = before
            .iter()
            .enumerate()
            .map(|(i, s)| device(&format!("d{i}"), &json!({"site": name(s)}), "True"))
            .collect();
        let old = deployment("web", 0, &name(&site), &web("v0"));
        let new = deployment("web", 0, &name(&to), &web(&format!("v{v}")));
        let plan = plan(&facts(&new, Some(&old), &fleet, &[]));
        let s = plan.summary;
        prop_assert_eq!(s.start + s.update + s.keep, s.matched);
        prop_assert_eq!(s.matched, before.iter().filter(|n| **n == to).count());
        prop_assert_eq!(s.update + s.keep + s.stop, before.iter().filter(|n| **n == site).count());
        prop_assert_eq!(plan.action == Action::None, s.start + s.update + s.stop == 0 && site == to && v == 0);
    }
}
