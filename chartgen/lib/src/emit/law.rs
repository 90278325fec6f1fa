//! The law of the emitter: what is written, read by a reader of YAML 1.1, is what went in.

use granit_parser::{Event, Parser, ScalarStyle};
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use super::data;
use super::text::{Target, inline};
use crate::Node;

/// What a reader of YAML 1.1 takes a plain scalar for, by the types of <https://yaml.org/type/>.
/// What is not on those pages but is read by readers in use counts as well.
fn plain(text: &str) -> Value {
    let lower = text.to_ascii_lowercase();
    let digits = lower.replace('_', "");
    let number = digits.trim_start_matches(['+', '-']);
    // `inf` and `nan` without a dot are words in YAML, though Rust reads numbers from them.
    let numeric = digits.contains(|c: char| c.is_ascii_digit()) && digits.parse::<f64>().is_ok();
    let special = matches!(number, ".inf" | ".nan") || number.starts_with("0x");
    // A date begins with its year: `t0` is a word.
    let dates = number.starts_with(|c: char| c.is_ascii_digit())
        && number
            .chars()
            .all(|c| c.is_ascii_digit() || "-:. tz+".contains(c));
    match lower.as_str() {
        "" | "~" | "null" => Value::Null,
        "y" | "yes" | "on" | "true" => Value::Bool(true),
        "n" | "no" | "off" | "false" => Value::Bool(false),
        "=" | "<<" => panic!("{text} is no string"),
        _ if text.parse::<i128>().is_ok() || numeric => {
            let exact = text.parse::<i128>().ok().and_then(Number::from_i128);
            let float = || Number::from_f64(digits.parse().expect("a number"));
            Value::Number(exact.or_else(float).expect("a number"))
        }
        _ if special || dates => panic!("{text} is no string"),
        _ => text.into(),
    }
}

/// Reads YAML 1.1 of the form that the emitter writes.
fn read(text: &str) -> Value {
    let mut events = Parser::new_from_str(text)
        .map(|event| event.expect(text).0)
        .filter(|event| !matches!(event, Event::Comment(..)));
    assert!(matches!(events.next(), Some(Event::StreamStart)));
    assert!(matches!(events.next(), Some(Event::DocumentStart(..))));
    let first = events.next().expect("a node");
    node(first, &mut events)
}

fn node<'t>(event: Event<'t>, events: &mut impl Iterator<Item = Event<'t>>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
        Event::Scalar(text, ..) => text.into_owned().into(),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().expect("an item") {
                    Event::SequenceEnd => return items.into(),
                    event => items.push(node(event, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                let key = match events.next().expect("a key") {
                    Event::MappingEnd => return map.into(),
                    event => node(event, events),
                };
                let value = events.next().expect("a value");
                let value = node(value, events);
                let Value::String(key) = key else {
                    panic!("the key {key} is no string");
                };
                assert!(map.insert(key, value).is_none(), "a key twice");
            }
        }
        other => panic!("{other:?}"),
    }
}

/// Numbers are the same if their values are: 1.0 may be read as 1.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let found = |(key, value)| b.get::<String>(key).is_some_and(|b| same(value, b));
            a.len() == b.len() && a.iter().all(found)
        }
        _ => left == right,
    }
}

/// Text of all sorts, much of it of the sorts that readers trip over.
fn text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "y",
        "n",
        "on",
        "NO",
        "Off",
        "true",
        "~",
        "null",
        "=",
        "<<",
        "inF",
        "1_000",
        "12:30:45",
        "0o7",
        "007",
        "0x1F",
        "1e3",
        "2001-01-01",
        ".inf",
        ".NaN",
        "+1",
        "-",
        "---",
        "{{ x }}",
        "%YAML",
        "a: b",
        "a #b",
        "!x",
        "&a",
        "*a",
        "a\nb",
        "a\nb\n",
        "a\n\n",
        "\u{85}",
        "\u{2028}",
    ]);
    let pieces = prop::sample::select(vec![
        " ", "\n", "\t", "\r", "#", ":", "-", "\"", "'", "\\", "{", "}", "|", "a", "0", "_", "é",
    ]);
    let mixed = prop::collection::vec(pieces, 0..9).prop_map(|pieces| pieces.concat());
    prop_oneof![
        words.prop_map(str::to_owned),
        mixed,
        any::<String>(),
        "[0-9eExX+_.:oO-]{1,8}",
        "[a-zA-Z]{1,5}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has finite numbers", |number| number.is_finite())
            .prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn what_is_written_is_read_as_what_went_in(value in value()) {
        // Left out on purpose, wherever it stands.
        prop_assume!(!value.to_string().contains("creationTimestamp"));
        // Something follows, as Helm trims what stands at the end.
        let whole = json!({"whole": value, "z": 1});
        let written = data(&Node::from(whole.clone()));
        let read = read(&written);
        prop_assert!(same(&read, &whole), "{written}\n{read:#}");
    }

    #[test]
    fn braces_are_escaped_and_nothing_else_changes(text in text()) {
        let template = inline(&text, Target::Template);
        // What a Go template renders the escape to.
        let rendered = template.replace(r#"{{ "{{" }}"#, "{{");
        prop_assert!(!template.replace(r#"{{ "{{" }}"#, "").contains("{{"), "{template}");
        prop_assert_eq!(read(&format!("a: {rendered}\n")), json!({"a": text}));
    }
}

#[test]
fn whole_numbers_keep_every_digit() {
    let numbers = json!([i64::MIN, i64::MAX, u64::MAX, 0]);
    let written = data(&Node::from(numbers.clone()));
    assert_eq!(read(&written), numbers);
}

#[test]
fn the_reader_misreads_what_readers_of_yaml_1_1_do() {
    let text = "a: y\nb: 1_000\nc: ~\nd: 0.5\ne: yes\n";
    let expected = json!({"a": true, "b": 1000.0, "c": null, "d": 0.5, "e": true});
    assert_eq!(read(text), expected);
}
