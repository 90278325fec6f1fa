//! `chartgen-lint` reads YAML as kubectl does, whose reading is not that of the standard.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeSet;
use std::process::Command;

use chartgen_lint::Manifests;
use fleet_tools::{Tool, ensure};
use serde_json::Value;

/// Parts of numbers, dates and booleans; put together they give most of what readers dispute.
const PARTS: [&str; 30] = [
    "0",
    "1",
    "7",
    "8",
    "9",
    "00",
    "12",
    "59",
    "60",
    "0x",
    "0X",
    "0o",
    "0b",
    "f",
    "e",
    "E",
    "_",
    ".",
    "-",
    "+",
    ":",
    "y",
    "Y",
    "n",
    "No",
    "on",
    "OFF",
    "true",
    "null",
    "2001-01-01",
];
const COUNT: usize = 3000;

/// Bare scalars, always the same.
fn scalars() -> BTreeSet<String> {
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).expect("24 bits") % below
    };
    let mut all: BTreeSet<String> = PARTS.map(str::to_owned).into();
    all.extend(
        [
            "~",
            "=",
            "TRUE",
            "18446744073709551615",
            "-9223372036854775809",
            "1e400",
        ]
        .map(str::to_owned),
    );
    while all.len() < COUNT {
        let length = 1 + next(5);
        all.insert((0..length).map(|_| PARTS[next(PARTS.len())]).collect());
    }
    // A colon or dash in these places is punctuation.
    all.retain(|text| !(text.ends_with(':') || text.starts_with([':', '_'])) && text != "-");
    all
}

/// Numbers are equal by what they are worth: kubectl prints large ones as floats, and reading
/// those again may lose the last bit.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            let (ours, theirs) = (ours.as_f64(), theirs.as_f64());
            let (Some(ours), Some(theirs)) = (ours, theirs) else {
                return false;
            };
            (ours - theirs).abs() <= 2.0 * f64::EPSILON * ours.abs()
        }
        _ => ours == theirs,
    }
}

#[test]
fn bare_scalars_are_read_as_kubectl_reads_them() {
    let toolbox = ensure(&[Tool::Kubectl], &mut |_| {}).expect("kubectl");
    let scalars = scalars();
    // A custom resource: kubectl has no type that would refuse a value.
    let lines: Vec<_> = scalars
        .iter()
        .map(|text| {
            format!(
                "- {text}
"
            )
        })
        .collect();
    let lines = lines.concat();
    let head = [("apiVersion", "example.org/v1"), ("kind", "Scalars")];
    let head: String = head
        .map(|(key, value)| format!("{key}: {value}\n"))
        .concat();
    let text = format!("{head}metadata:\n  name: all\nspec:\n{lines}");
    let folder = std::env::temp_dir().join(format!("fleet-yaml-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("all");
    std::fs::write(&file, &text).expect("written");
    let done = Command::new(toolbox.path(Tool::Kubectl).expect("kubectl"))
        .args(["annotate", "--local", "a=b", "-o", "json", "-f"])
        .arg(&file)
        .output()
        .expect("runs");
    std::fs::remove_dir_all(&folder).expect("removed");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let theirs: Value = serde_json::from_slice(&done.stdout).expect("json");
    let ours = Manifests::read("all", &text);
    let ours = &ours.objects()[0].value["spec"];
    let wrong: Vec<_> = scalars
        .iter()
        .enumerate()
        .map(|(index, text)| (text, &ours[index], &theirs["spec"][index]))
        .filter(|(_, ours, theirs)| !same(ours, theirs))
        .collect();
    assert_eq!(ours.as_array().map(Vec::len), Some(scalars.len()));
    assert!(wrong.is_empty(), "(text, ours, kubectl's): {wrong:#?}");
}
