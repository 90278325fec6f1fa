//! Strings that YAML, Go templates or Helm would misread: what both Helms render is what went in.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use chartgen::{Chart, ChartMeta, Document, RenderedChart, v};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// Values without effect.
#[derive(Default, Serialize, JsonSchema)]
struct Values {
    /// Not used.
    note: String,
}

const ODD: [&str; 64] = [
    "y",
    "Y",
    "n",
    "N",
    "yes",
    "No",
    "NO",
    "on",
    "On",
    "off",
    "OFF",
    "true",
    "True",
    "false",
    "~",
    "null",
    "Null",
    "",
    "=",
    "<<",
    "1_000",
    "1,000",
    "12:30:45",
    "190:20:30",
    "0o7",
    "007",
    "0x1F",
    "0b11",
    "1e3",
    "1E+3",
    "e3",
    ".5",
    "5.",
    "+1",
    "-1",
    ".inf",
    "-.INF",
    ".nan",
    "2001-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "{{",
    "}}",
    "{{ .Release.Name }}",
    "{{{{",
    "{{{",
    "{{- x -}}",
    "{{/* x */}}",
    "a {{ \"{{\" }} b",
    "<no value>",
    "{{`{{`}}",
    "%YAML 1.1",
    "---",
    "--- a",
    "...",
    "!!binary x",
    "&a",
    "*a",
    "# a",
    "a # b",
    "a: b",
    "- a",
    "? a",
    "[a]",
    "\u{1f600}",
];

const LINES: [&str; 40] = [
    "a\nb",
    "a\nb\n",
    "a\n\nb\n",
    "a\n",
    "\n",
    "\na",
    "a\n\n",
    "a\n\n\n",
    " a\nb",
    "a\n b\n",
    "a \nb",
    "a\nb ",
    "\ta\nb",
    "a\n\tb",
    "a\tb\nc",
    "a\r\nb",
    "a\rb",
    "# a\nb\n",
    "a\n# b\n",
    "---\na\n",
    "a\n---\nb",
    "a\n---\n",
    "...\na",
    "a: b\nc: d\n",
    "- a\n- b\n",
    "{{ x }}\n{{ y }}\n",
    "{{- x }}\n  {{- y -}}\nz\n",
    "a\n<no value>\nb\n",
    "\u{feff}a\nb",
    "a\u{85}b\nc",
    "a\u{2028}b\nc",
    "a\u{2029}b",
    "a\u{0}b\nc",
    "a\u{7f}\nb",
    "é\nü\n",
    "|\na\n",
    ">\na",
    "a\n  \nb",
    "a\nb\u{a0}\nc",
    "\\n\n\"x\"\n",
];

/// Whatever such strings are made of.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{{",
        "}}",
        "{",
        "}",
        "-",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r",
        "\"",
        "'",
        "\\",
        "#",
        ":",
        ": ",
        ",",
        "[",
        "]",
        "&",
        "*",
        "!",
        "|",
        ">",
        "%",
        "@",
        "`",
        "<",
        "=",
        "~",
        "?",
        "$",
        ".",
        "0",
        "1",
        "9",
        "_",
        "e",
        "x",
        "a",
        "on",
        "no",
        "é",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}",
        "\u{1f600}",
        "\u{0}",
        "\u{1b}",
        "\u{fffd}",
        "---",
        "<no value>",
        "/*",
        "*/",
    ]);
    prop::collection::vec(pieces, 0..7).prop_map(|pieces| pieces.concat())
}

fn strings() -> BTreeSet<String> {
    let mut runner = TestRunner::deterministic();
    let mut one = || hostile().new_tree(&mut runner).expect("a string").current();
    let odd = ODD.iter().chain(&LINES).map(|text| (*text).to_owned());
    odd.chain((0..6000).map(|_| one())).collect()
}

fn chart(objects: &[Value]) -> RenderedChart {
    let meta = ChartMeta {
        name: "hostile".into(),
        version: "0.1.0".into(),
        ..ChartMeta::default()
    };
    let mut chart = Chart::new(meta).exempt(v!(Values, note), "there are no values");
    for (index, object) in objects.iter().enumerate() {
        chart = chart.template(format!("{index}.yaml"), Document::new(object));
    }
    chart.build().expect("a chart")
}

fn config_map(name: &str, content: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "content": content,
    })
}

#[test]
fn strings_and_keys_come_out_as_they_went_in() {
    let strings = strings();
    assert!(strings.len() > 2000);
    let values: BTreeMap<_, _> = strings
        .iter()
        .enumerate()
        .map(|(index, text)| (format!("k{index}"), text))
        .collect();
    let keys: BTreeMap<_, _> = strings.iter().map(|text| (text, 1)).collect();
    let nested: Vec<_> = strings
        .iter()
        .map(|text| json!([{"a": text}, [text]]))
        .collect();
    let objects = [
        config_map("1", &json!(values)),
        config_map("2", &json!(keys)),
        config_map("3", &json!(strings)),
        config_map("4", &json!(nested)),
    ];
    let chart = chart(&objects);
    for helm in support::helms() {
        let read = helm.objects(&chart, &json!({}), &[]);
        for (object, expected) in read.iter().zip(&objects) {
            assert_eq!(object["metadata"], expected["metadata"]);
            assert_eq!(object["content"], expected["content"]);
        }
        assert_eq!(read.len(), objects.len());
    }
}

#[test]
fn text_at_the_end_of_a_document_keeps_its_last_line_break() {
    let objects: Vec<_> = LINES
        .iter()
        .enumerate()
        .map(|(index, text)| config_map(&format!("{index:02}"), &json!({"z": text})))
        .collect();
    let chart = chart(&objects);
    for helm in support::helms() {
        let mut read = helm.objects(&chart, &json!({}), &[]);
        read.sort_by_key(|object| object["metadata"]["name"].to_string());
        assert_eq!(read, objects);
    }
}

#[test]
fn numbers_keep_every_digit_that_helm_can_hold() {
    let most = 1_i64 << 53;
    let numbers = json!([
        0,
        1,
        -1,
        1_000_000,
        12_345_678_901_i64,
        most,
        -most,
        0.1,
        -2.5,
        1e300,
        1.5e-7,
        123_456_789.125,
    ]);
    let objects = [config_map("n", &numbers)];
    let chart = chart(&objects);
    for helm in support::helms() {
        assert_eq!(helm.objects(&chart, &json!({}), &[]), objects);
    }
}
