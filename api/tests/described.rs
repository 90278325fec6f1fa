//! `kubectl explain` reads well: every field says what it means.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use serde_json::Value;

/// Paths of fields without a description.
fn silent(schema: &Value, path: &str, found: &mut Vec<String>) {
    let properties = schema["properties"].as_object();
    for (name, field) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        if field["description"].as_str().unwrap_or_default().is_empty() {
            found.push(path.clone());
        }
        silent(field, &path, found);
        silent(&field["items"], &format!("{path}[]"), found);
        silent(
            &field["additionalProperties"],
            &format!("{path}{{}}"),
            found,
        );
    }
}

#[test]
fn every_field_of_the_crds_is_described() {
    let mut found = Vec::new();
    for crd in fleet_api::crds().expect("definitions") {
        for version in &crd.spec.versions {
            let schema = version
                .schema
                .as_ref()
                .and_then(|s| s.open_api_v3_schema.as_ref());
            let schema = serde_json::to_value(schema).expect("a schema");
            let kind = &crd.spec.names.kind;
            assert!(schema["description"].is_string(), "{kind} says what it is");
            silent(&schema, kind, &mut found);
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
