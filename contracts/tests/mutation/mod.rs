//! Valid documents, changed: they get further into a reader than random bytes do.
//!
//! Included by the tests of other crates, too.
#![allow(dead_code, reason = "each test program uses a part of it")]

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

/// One change to a JSON document.
#[derive(Debug, Clone)]
enum Edit {
    /// A value becomes another.
    Replace(Value),
    /// A member or element goes.
    Remove,
    /// A value becomes a list of itself twice.
    Double,
    /// A text grows.
    Grow(usize),
    /// An object or list gets something more.
    Add(String, Value),
}

/// What readers tend to stumble over.
fn odd() -> impl Strategy<Value = Value> {
    let chosen = vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(0.5),
        json!(""),
        json!("*"),
        json!(">"),
        json!("dev-2.shop"),
        json!("dev-1\r\ndev-2"),
        json!("\u{202e}1-ved"),
        json!("../../../etc/passwd"),
        json!("\0"),
        json!([]),
        json!({}),
        nested(100),
    ];
    prop_oneof![
        prop::sample::select(chosen),
        "\\PC{0,12}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
    ]
}

/// Lists in lists.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| json!([inner]))
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => odd().prop_map(Edit::Replace),
        2 => Just(Edit::Remove),
        1 => Just(Edit::Double),
        1 => (1_usize..20_000).prop_map(Edit::Grow),
        1 => ("[a-z]{1,8}|\\PC{0,3}", odd()).prop_map(|(name, value)| Edit::Add(name, value)),
    ]
}

/// The document with one to three changes, anywhere in it.
pub(crate) fn tree(valid: Value) -> impl Strategy<Value = Value> {
    let edits = proptest::collection::vec((any::<Index>(), edit()), 1..4);
    edits.prop_map(move |edits| {
        edits
            .iter()
            .fold(valid.clone(), |mut document, (at, edit)| {
                let places = places(&document);
                if let Some(place) = places.get(at.index(places.len())) {
                    apply(&mut document, place, edit);
                }
                document
            })
    })
}

/// The bytes with one to three changes: replaced, inserted, removed, cut off or repeated.
pub(crate) fn bytes(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec((any::<Index>(), any::<u8>(), 0_u8..5), 1..4);
    edits.prop_map(move |edits| {
        edits
            .iter()
            .fold(valid.clone(), |mut bytes, (at, byte, kind)| {
                let at = at.index(bytes.len().max(1));
                match kind {
                    _ if bytes.is_empty() => bytes.push(*byte),
                    0 => bytes[at] = *byte,
                    1 => bytes.insert(at, *byte),
                    2 => drop(bytes.remove(at)),
                    3 => bytes.truncate(at),
                    _ => bytes.extend_from_within(at..),
                }
                bytes
            })
    })
}

/// The same with text.
pub(crate) fn text(valid: &str) -> impl Strategy<Value = String> {
    bytes(valid.as_bytes().to_vec()).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Where every value of a document is.
fn places(document: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut next = 0;
    while let Some(place) = found.get(next).cloned() {
        match document.pointer(&place) {
            Some(Value::Object(members)) => {
                let names = members.keys().map(|name| escaped(name));
                found.extend(names.map(|name| format!("{place}/{name}")));
            }
            Some(Value::Array(elements)) => {
                found.extend((0..elements.len()).map(|at| format!("{place}/{at}")));
            }
            _ => {}
        }
        next += 1;
    }
    found
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn apply(document: &mut Value, place: &str, edit: &Edit) {
    let Some(value) = document.pointer_mut(place) else {
        return;
    };
    match edit {
        Edit::Replace(other) => *value = other.clone(),
        Edit::Double => *value = json!([value.clone(), value.clone()]),
        Edit::Grow(by) => match value {
            Value::String(text) => text.push_str(&"x".repeat(*by)),
            other => *other = Value::String("x".repeat(*by)),
        },
        Edit::Add(name, more) => match value {
            Value::Object(members) => drop(members.insert(name.clone(), more.clone())),
            Value::Array(elements) => elements.push(more.clone()),
            other => *other = Value::Object(Map::from_iter([(name.clone(), more.clone())])),
        },
        Edit::Remove => remove(document, place),
    }
}

fn remove(document: &mut Value, place: &str) {
    let Some((parent, name)) = place.rsplit_once('/') else {
        *document = Value::Null;
        return;
    };
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            let name = name.replace("~1", "/").replace("~0", "~");
            drop(members.shift_remove(&name));
        }
        Some(Value::Array(elements)) => {
            if let Some(at) = name.parse().ok().filter(|at| *at < elements.len()) {
                drop(elements.remove(at));
            }
        }
        _ => {}
    }
}
