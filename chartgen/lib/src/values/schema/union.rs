//! `anyOf` and `oneOf` merged into one schema where that means the same.

use serde_json::{Map, Value};

use super::{MEANINGS, types};

/// Merges the union of a schema, if it has one and if it can be.
pub(super) fn merge(schema: &mut Map<String, Value>) {
    let Some(keyword) = ["anyOf", "oneOf"]
        .into_iter()
        .find(|k| schema.contains_key(*k))
    else {
        return;
    };
    let Some(Value::Array(all)) = schema.get(keyword) else {
        return;
    };
    let is_null = |branch: &&Value| branch.get("type").is_some_and(|t| t == "null");
    let nullable = all.iter().any(|branch| is_null(&branch));
    let branches: Vec<_> = all.iter().filter(|b| !is_null(b)).cloned().collect();
    let merged = match branches.as_slice() {
        [Value::Object(only)] => Some(only.clone()),
        several => merge_enums(several).or_else(|| merge_scalars(several)),
    };
    if let Some(merged) = merged {
        schema.shift_remove(keyword);
        for (name, value) in merged {
            // What the field says is closer to the chart than what its type says.
            if name != "description" || !schema.contains_key("description") {
                schema.insert(name, value);
            }
        }
        if nullable {
            allow_null(schema);
        }
    } else if let Some(shared) = shared_type(&branches) {
        schema.entry("type").or_insert(shared);
        if nullable {
            allow_null(schema);
        }
    }
}

/// One list of allowed values, with what each means below the description.
fn merge_enums(branches: &[Value]) -> Option<Map<String, Value>> {
    let mut values = Vec::new();
    let mut meanings = Vec::new();
    let mut explained = false;
    for branch in branches {
        if types(branch) != ["string"] {
            return None;
        }
        let some = branch.get("enum")?.as_array()?;
        let text = branch.get("description").and_then(Value::as_str);
        explained |= text.is_some();
        let text = text.map_or_else(String::new, |text| format!(": {}", text.replace('\n', " ")));
        let names = some.iter().filter_map(Value::as_str);
        meanings.extend(names.map(|name| format!("- `{name}`{text}")));
        values.extend(some.iter().cloned());
    }
    let mut merged = Map::new();
    if explained {
        merged.insert(MEANINGS.into(), meanings.join("\n").into());
    }
    merged.insert("type".into(), "string".into());
    merged.insert("enum".into(), values.into());
    Some(merged)
}

/// Scalars of different types: what constrains a number says nothing about a string.
fn merge_scalars(branches: &[Value]) -> Option<Map<String, Value>> {
    let mut names: Vec<Value> = Vec::new();
    let mut merged = Map::new();
    for branch in branches {
        let [name @ ("boolean" | "integer" | "number" | "string")] = types(branch)[..] else {
            return None;
        };
        let is_number = |n: &str| n == "integer" || n == "number";
        let clash = |n: &Value| n == name || (n.as_str().is_some_and(is_number) && is_number(name));
        if names.iter().any(clash) || branch.get("enum").is_some() {
            return None;
        }
        names.push(name.into());
        let constraints = branch.as_object()?.iter();
        merged.extend(
            constraints
                .filter(|(keyword, _)| !["type", "description"].contains(&keyword.as_str()))
                .map(|(keyword, value)| (keyword.clone(), value.clone())),
        );
    }
    merged.insert("type".into(), names.into());
    Some(merged)
}

fn shared_type(branches: &[Value]) -> Option<Value> {
    let first = branches.first()?.get("type")?;
    let same = branches
        .iter()
        .all(|branch| branch.get("type") == Some(first));
    same.then(|| first.clone())
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind) = schema.get_mut("type") {
        match kind {
            Value::Array(several) if !several.iter().any(|t| t == "null") => {
                several.push("null".into());
            }
            Value::String(one) => *kind = vec![one.as_str(), "null"].into(),
            _ => {}
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}
