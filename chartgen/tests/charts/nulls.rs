//! `null` in a file of values takes a default away. What is left is refused with the key named, or
//! can be installed.

use chartgen_lint::Rule;
use serde_json::{Map, Value, json};

use crate::support::Case;
use crate::toggles::at;

/// Every place among the values: leaves, and the maps that hold them.
fn places(values: &Value, place: &str, found: &mut Vec<(String, bool)>) {
    let members = values.as_object().filter(|members| !members.is_empty());
    if !place.is_empty() {
        found.push((place.to_owned(), members.is_none()));
    }
    for (name, value) in members.into_iter().flatten() {
        let dot = if place.is_empty() { "" } else { "." };
        places(value, &format!("{place}{dot}{name}"), found);
    }
}

/// Whether an error names a key: its last part, and what it is part of.
fn names(error: &str, place: &str) -> bool {
    let (parent, key) = place.rsplit_once('.').unwrap_or(("", place));
    let at = if parent.is_empty() {
        "at '': ".to_owned()
    } else {
        format!("at '/{}': ", parent.replace('.', "/"))
    };
    let quoted = format!("'{key}'");
    error
        .lines()
        .any(|line| line.contains(&at) && line.contains(&quoted))
}

fn merge(into: &mut Map<String, Value>, from: Value) {
    let Value::Object(from) = from else { return };
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(into)), value @ Value::Object(_)) => merge(into, value),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

/// Refusals list all that is wrong, so one run answers for many keys.
fn check(case: &dyn Fn() -> Case, defaults: &Value) {
    let mut all = Vec::new();
    places(defaults, "", &mut all);
    for leaves in [true, false] {
        let places = all.iter().filter(|(_, leaf)| *leaf == leaves);
        let places: Vec<_> = places.map(|(place, _)| place.as_str()).collect();
        let mut nulls = Map::new();
        for place in &places {
            // The innermost wins, so that what is around stays a map.
            merge(&mut nulls, at(place, Value::Null));
        }
        let errors = case().values(Value::Object(nulls)).refused();
        for place in places {
            if errors.iter().all(|error| names(error, place)) {
                continue;
            }
            // Not named among all others: then alone it must be harmless, or named.
            let alone = case().values(at(place, Value::Null));
            // Whoever takes the defaults away wants that.
            let alone = alone.warns(Rule::ResourcesMissing);
            if alone.template(&crate::support::helms()[0]).is_ok() {
                alone.text();
            } else {
                for error in alone.refused() {
                    assert!(names(&error, place), "{place}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_default_that_is_taken_away_is_named_or_not_missed() {
    let values = serde_json::to_value(fleet_chartgen::operator::Values::default());
    check(&Case::operator, &values.expect("values"));
}

#[test]
fn a_default_of_the_definitions_chart_that_is_taken_away_is_named_or_not_missed() {
    let values = serde_json::to_value(fleet_chartgen::crds::Values::default());
    check(&Case::crds, &values.expect("values"));
}

#[test]
fn defaults_of_resources_can_be_taken_away() {
    let values = json!({"resources": {"limits": {"memory": null}}});
    let objects = Case::operator().values(values).objects();
    let resources = json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {}});
    let found = &objects.container()["resources"];
    assert_eq!(found["requests"], resources["requests"]);
    assert!(found["limits"].as_object().is_none_or(Map::is_empty));
}
