//! The committed CRDs are what the types say.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

#[test]
fn the_committed_crds_are_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/fleet.yaml");
    let current = fleet_api::crds_yaml().expect("the types form CRDs");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(path, &current).expect("write");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "api/crds/fleet.yaml is out of date; run: make generate"
    );
}
