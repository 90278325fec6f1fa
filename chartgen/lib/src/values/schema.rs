//! From what schemars makes of a struct to a schema that Helm's users can read.
//!
//! Helm prints the failures of a schema word by word. `value must be one of 'Always', 'Never'`
//! helps; a `oneOf` whose every branch failed does not. So unions are merged where the meaning
//! stays the same, and what says nothing to a user is left out.

mod union;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::prose;

/// The values that a parent chart shares with all its charts.
pub(super) const GLOBAL: &str = "global";

/// Where the meanings of an enum's values wait while unions are merged.
const MEANINGS: &str = "x-meanings";

/// The schema of `V` as schemars writes it, with every type in its place instead of referred to.
pub(super) fn of<V: JsonSchema>() -> Value {
    SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<V>()
        .to_value()
}

/// Merges unions, closes structs, and removes noise, here and below.
pub(super) fn tidy(schema: &mut Value) {
    for_each_below(schema, &mut tidy);
    let Value::Object(schema) = schema else {
        return;
    };
    for noise in ["$schema", "title", "default", "definitions"] {
        schema.shift_remove(noise);
    }
    spell_out_constants(schema);
    spell_out_int_or_string(schema);
    spell_out_format(schema);
    union::merge(schema);
    close(schema);
}

/// Says in each description what the values of an enum mean. Last, for a description may still be
/// replaced by that of a field while unions are merged.
pub(super) fn explain(schema: &mut Value) {
    for_each_below(schema, &mut explain);
    let Value::Object(schema) = schema else {
        return;
    };
    let meanings = match schema.shift_remove(MEANINGS) {
        Some(Value::String(meanings)) => Some(meanings),
        _ => choices(schema),
    };
    let said = schema.get("description").and_then(Value::as_str);
    let parts: Vec<_> = said.into_iter().chain(meanings.as_deref()).collect();
    if !parts.is_empty() {
        // The lines of a source file end where its author's editor broke them.
        let text = prose::wrapped(&parts.join("\n\n"), usize::MAX).join("\n");
        schema.insert("description".into(), text.into());
    }
}

/// Brings the keywords of every schema into one order, the most telling first.
pub(super) fn order(schema: &mut Value) {
    for_each_below(schema, &mut order);
    let Value::Object(schema) = schema else {
        return;
    };
    let rank = |keyword: &str| match keyword {
        "description" => 0,
        "type" => 1,
        "properties" => 3,
        "required" => 4,
        "additionalProperties" => 5,
        _ => 2,
    };
    let mut entries: Vec<_> = std::mem::take(schema).into_iter().collect();
    entries.sort_by_key(|(keyword, _)| rank(keyword));
    schema.extend(entries);
}

/// The allowed strings as a sentence.
fn choices(schema: &Map<String, Value>) -> Option<String> {
    let choices = schema.get("enum")?.as_array()?;
    let choices = choices.iter().filter_map(Value::as_str);
    let choices: Vec<_> = choices.map(|choice| format!("`{choice}`")).collect();
    (!choices.is_empty()).then(|| format!("One of {}.", choices.join(", ")))
}

/// Visits the schemas directly below one.
fn for_each_below(schema: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    let Value::Object(schema) = schema else {
        return;
    };
    for (keyword, below) in schema {
        match (keyword.as_str(), below) {
            ("properties" | "patternProperties", Value::Object(named)) => {
                named.values_mut().for_each(&mut *visit);
            }
            ("anyOf" | "oneOf" | "allOf" | "items", Value::Array(branches)) => {
                branches.iter_mut().for_each(&mut *visit);
            }
            ("items" | "additionalProperties" | "propertyNames" | "not", one) => visit(one),
            _ => {}
        }
    }
}

/// `const` and `enum` with one name, and the type beside them.
fn spell_out_constants(schema: &mut Map<String, Value>) {
    if let Some(constant) = schema.shift_remove("const") {
        schema.insert("enum".into(), json!([constant]));
    }
    let strings = |values: &Vec<Value>| values.iter().all(Value::is_string);
    let is_strings = schema
        .get("enum")
        .and_then(Value::as_array)
        .is_some_and(strings);
    if is_strings && !schema.contains_key("type") {
        schema.insert("type".into(), "string".into());
    }
}

/// The notation of Kubernetes, which Helm does not know.
fn spell_out_int_or_string(schema: &mut Map<String, Value>) {
    let marked = schema.shift_remove("x-kubernetes-int-or-string").is_some();
    let formatted = schema.get("format").is_some_and(|f| f == "int-or-string");
    if marked || formatted {
        schema.shift_remove("format");
        schema.shift_remove("anyOf");
        schema.shift_remove("oneOf");
        schema.insert("type".into(), json!(["integer", "string"]));
    }
}

/// Widths of numbers as bounds, for Helm knows no such formats. It does check others, such as `uri`.
fn spell_out_format(schema: &mut Map<String, Value>) {
    let bounds = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        Some("uint32") => Some((0, i64::from(u32::MAX))),
        Some(
            "int8" | "uint8" | "int16" | "uint16" | "int64" | "uint64" | "int" | "uint" | "float"
            | "double",
        ) => None,
        _ => return,
    };
    schema.shift_remove("format");
    if let Some((least, most)) = bounds {
        let bounded = |names: [&str; 2]| names.iter().any(|name| schema.contains_key(*name));
        let low = bounded(["minimum", "exclusiveMinimum"]);
        let high = bounded(["maximum", "exclusiveMaximum"]);
        if !low {
            schema.insert("minimum".into(), least.into());
        }
        if !high {
            schema.insert("maximum".into(), most.into());
        }
    }
}

/// A struct refuses keys it does not know, whether or not its author asked for it.
fn close(schema: &mut Map<String, Value>) {
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".into(), false.into());
    }
}

/// Whether a struct says that it takes keys it does not know.
pub(super) fn is_open(schema: &Value) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(true))
}

/// Whether a struct refuses keys it does not know.
pub(super) fn is_closed(schema: &Value) -> bool {
    schema.get("properties").is_some() && !is_open(schema)
}

/// Makes the top what every level of structs is. A struct without fields looks like an open object
/// everywhere else; at the top it is a chart without values. False for a map and all else.
pub(super) fn close_top(schema: &mut Value) -> bool {
    let Value::Object(schema) = schema else {
        return false;
    };
    let closed = schema
        .get("additionalProperties")
        .is_none_or(|more| more == false);
    if !closed || schema.get("type").is_none_or(|kind| kind != "object") {
        return false;
    }
    schema.entry("properties").or_insert_with(|| json!({}));
    close(schema);
    true
}

/// A reference in a schema or below. All types are in their places, so only one that contains
/// itself is still referred to, or one that somebody wrote by hand.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(entries) => {
            let here = entries.get("$ref").and_then(Value::as_str);
            here.or_else(|| entries.values().find_map(reference))
        }
        Value::Array(items) => items.iter().find_map(reference),
        _ => None,
    }
}

/// The types a schema allows, without `null`. Empty if it does not say.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    let named = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    named.into_iter().filter(|name| *name != "null").collect()
}

/// Whether a user may leave the value out.
pub(super) fn is_optional(schema: &Value) -> bool {
    let null = |value: &Value| value == "null";
    match schema.get("type") {
        Some(Value::Array(several)) => several.iter().any(null),
        Some(one) => null(one),
        None => ["anyOf", "oneOf"].iter().any(|union| {
            let branches = schema.get(*union).and_then(Value::as_array);
            branches.is_some_and(|branches| branches.iter().any(is_optional))
        }),
    }
}

/// Every value that is in the default must stay: Helm removes a key that a user sets to null, and
/// a template would then read nothing where it expects a value.
pub(super) fn require(schema: &mut Value, default: &Value) {
    let (Value::Object(schema), Value::Object(default)) = (schema, default) else {
        return;
    };
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    let mut required = Vec::new();
    for (key, below) in properties {
        let Some(value) = default.get(key) else {
            continue;
        };
        require(below, value);
        if !is_optional(below) {
            required.push(Value::from(key.as_str()));
        }
    }
    schema.shift_remove("required");
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
}

/// Takes a property away.
pub(super) fn forget(schema: &mut Value, key: &str) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties.map(|properties| properties.shift_remove(key));
    let required = schema.get_mut("required").and_then(Value::as_array_mut);
    if let Some(required) = required {
        required.retain(|required| required != key);
    }
}

/// What a parent chart hands down: always `global`, and `enabled` to a chart made for it.
pub(super) fn allow_from_parent(schema: &mut Value, enabled: bool) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    if let Some(Value::Object(global)) = properties.get_mut(GLOBAL) {
        // Other charts read other keys of the same object.
        if global.get("additionalProperties") == Some(&Value::Bool(false)) {
            global.insert("additionalProperties".into(), true.into());
        }
    } else {
        let description = "Values that a parent chart shares with all its charts.";
        let global = json!({"description": description, "type": "object"});
        properties.insert(GLOBAL.into(), global);
    }
    if enabled && !properties.contains_key("enabled") {
        let description = "For the parent chart, which installs this one or not.";
        let enabled = json!({"description": description, "type": "boolean"});
        properties.insert("enabled".into(), enabled);
    }
}
