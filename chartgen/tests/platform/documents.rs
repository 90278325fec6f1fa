//! What the pages about installing say can be typed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::scene::{Scene, rendered, unknown};
use crate::support::{Case, charts, path, program};

/// The parts of the platform, by the keys of their values.
const OURS: [&str; 4] = ["operator", "auth", "check", "global"];
const OTHERS: [&str; 3] = ["nats", "openbao", "zitadel"];
/// What kubectl is asked for beside our own kinds.
const KINDS: [&str; 11] = [
    "all",
    "configmap",
    "crd",
    "events",
    "job",
    "jobs",
    "namespace",
    "nodes",
    "pods",
    "secret",
    "statefulset",
];

/// All pages about installing, by their names.
fn pages() -> Vec<(String, String)> {
    let root = charts().join("..");
    let entries = fs::read_dir(root.join("docs/install")).expect("a folder");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let others = ["README.md", "charts/fleet-platform/README.md"].map(|file| root.join(file));
    let all = files.chain(others);
    let mut pages: Vec<_> = all
        .map(|file| {
            (
                file.display().to_string(),
                fs::read_to_string(&file).expect("read"),
            )
        })
        .collect();
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

fn page(name: &str) -> String {
    fs::read_to_string(charts().join("../docs/install").join(name)).expect(name)
}

/// What stands between fences of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let (mut blocks, mut open) = (Vec::new(), None::<(bool, Vec<&str>)>);
    for line in page.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(told)) => open = Some((told == language, Vec::new())),
            (Some((wanted, lines)), Some(_)) => {
                blocks.extend(wanted.then(|| lines.join("\n")));
                open = None;
            }
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

/// The commands of a page, one a line, without what is said about them.
fn commands(page: &str) -> Vec<String> {
    let joined = blocks(page, "sh").join("\n").replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(|line| line.split("  #").next().unwrap_or(line).trim());
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// As a shell takes them apart, as far as quotes go.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().expect("a word").push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A documented installation, as the chart is rendered.
fn case(scene: &Scene, command: &str) -> Case {
    let mut case = Case::of(&scene.chart());
    let words = words(command);
    let mut words = words.iter().map(String::as_str).skip(1);
    while let Some(word) = words.next() {
        let (flag, given) = word
            .split_once('=')
            .map_or((word, None), |(flag, value)| (flag, Some(value)));
        let mut value = || given.or_else(|| words.next()).expect("a value");
        case = match flag {
            "upgrade" | "install" | "fleet" | "--install" | "--create-namespace" | "--wait"
            | "--take-ownership" => case,
            "--namespace" | "-n" | "--version" => {
                assert!(!value().is_empty(), "{command}");
                case
            }
            "--skip-schema-validation" => case.args(["--skip-schema-validation"]),
            "--set" => case.args(["--set", value()]),
            "--values" => match value() {
                "my-values.yaml" => case.values(unknown()),
                file => {
                    // What one makes of the chart's own file, as the page says.
                    let name = if file == "airgap.yaml" {
                        "values-airgap.yaml"
                    } else {
                        file
                    };
                    let name = name.rsplit('/').next().unwrap_or(name);
                    let file = scene.chart().join(name);
                    assert!(file.is_file(), "{command}: there is no {name}");
                    case.args(["--values", path(&file)])
                }
            },
            chart => {
                assert!(
                    chart.contains("fleet-platform"),
                    "{command}: what is {chart}?"
                );
                case
            }
        };
    }
    case
}

#[test]
fn every_installation_of_the_pages_renders() {
    let scene = Scene::with_stand_ins();
    let mut seen = 0;
    for (name, page) in pages() {
        let commands = commands(&page).into_iter();
        let installs = commands.filter(|command| {
            (command.starts_with("helm upgrade") || command.starts_with("helm install"))
                && command.contains("fleet-platform")
        });
        for command in installs {
            let text = rendered(&case(&scene, &command));
            assert!(text.contains("kind: Deployment"), "{name}: {command}");
            seen += 1;
        }
    }
    assert!(seen >= 7, "{seen}");
}

#[test]
fn values_of_the_pages_are_values_of_the_chart() {
    let scene = Scene::with_stand_ins();
    let mut seen = 0;
    for (name, page) in pages() {
        for block in blocks(&page, "yaml") {
            let Ok(values) = serde_saphyr::from_str::<Value>(&block) else {
                panic!("{name}: no YAML: {block}");
            };
            let of_the_chart =
                |key: &String| OURS.contains(&key.as_str()) || OTHERS.contains(&key.as_str());
            if !values
                .as_object()
                .is_some_and(|map| map.keys().all(of_the_chart))
            {
                continue;
            }
            rendered(&Case::of(&scene.chart()).values(unknown()).values(values));
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

/// Whether a schema knows a place; below what is open, it knows all.
fn knows(schema: &Value, place: &str) -> bool {
    let mut at = schema;
    for key in place.split('.') {
        let below = &at["properties"][key];
        if below.is_null() {
            return at["additionalProperties"] != false && at["type"] == "object";
        }
        at = below;
    }
    true
}

#[test]
fn keys_that_the_pages_name_exist() {
    let text = fs::read_to_string(charts().join("fleet-platform/values.schema.json"));
    let schema: Value = serde_json::from_str(&text.expect("read")).expect("JSON");
    let mut unknown = BTreeSet::new();
    let mut seen = 0;
    for (name, page) in pages() {
        for span in page.split('`').skip(1).step_by(2) {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
            let start = span.split('.').next().unwrap_or_default();
            let part = OURS.contains(&start) || OTHERS.contains(&start);
            if !part || !span.contains('.') || !span.chars().all(plain) {
                continue;
            }
            seen += 1;
            if !knows(&schema, span) {
                unknown.insert(format!("{name}: {span}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(seen > 50, "{seen}");
}

#[test]
fn kubectl_is_asked_for_kinds_that_exist() {
    let mut known: BTreeSet<_> = KINDS.map(str::to_owned).into();
    for crd in fleet_api::crds().expect("definitions") {
        let names = crd.spec.names;
        known.insert(format!("{}.{}", names.plural, crd.spec.group));
        known.extend(names.short_names.unwrap_or_default());
        known.insert(names.plural);
    }
    let mut seen = 0;
    for (name, page) in pages() {
        for command in commands(&page).iter().filter(|c| c.starts_with("kubectl ")) {
            let words = words(command);
            let mut after = words
                .iter()
                .skip_while(|word| !["get", "delete", "label"].contains(&word.as_str()));
            let Some(kinds) = after.nth(1) else {
                continue;
            };
            for kind in kinds.split(',') {
                let kind = kind.split('/').next().unwrap_or(kind);
                assert!(known.contains(kind), "{name}: {kind} in {command}");
                seen += 1;
            }
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn our_own_commands_take_what_the_pages_give_them() {
    for ours in ["fleet", "fleet-auth"] {
        let Some(program) = program(ours, "commands of the pages about installing") else {
            continue;
        };
        for (name, page) in pages() {
            let commands = commands(&page).into_iter();
            for command in commands.filter(|c| c.split_whitespace().next() == Some(ours)) {
                // What a shell makes of the rest is not the program's.
                let command = command.split([';', '|', '>']).next().expect("a command");
                let command = command
                    .split_once("$(")
                    .map_or(command, |(before, _)| before);
                // With `--help` behind them arguments are still parsed: a wrong one is an error.
                let args = words(command)
                    .into_iter()
                    .skip(1)
                    .filter(|word| *word != "…");
                let args = args.chain(["--help".to_owned()]);
                let output = Command::new(&program).args(args).output().expect("it runs");
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{name}: {command}: {said}");
            }
        }
    }
}

#[test]
fn from_the_installation_to_the_first_container_there_are_ten_commands_at_most() {
    let page = page("quickstart.md");
    let (_, rest) = page
        .split_once("## To the first container")
        .expect("a heading");
    let (section, _) = rest.split_once("\n## ").expect("another heading");
    let commands = commands(section);
    assert!(
        commands[0].starts_with("helm upgrade --install "),
        "{commands:?}"
    );
    let last = commands.last().expect("a command");
    assert!(
        last.starts_with("fleet deploy ") && last.ends_with("--wait"),
        "{last}"
    );
    assert!(commands.len() <= 10, "{commands:#?}");
}

#[test]
fn every_alert_is_explained() {
    let page = page("sizing.md");
    let listed = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `Fleet"));
    let listed = listed.filter_map(|line| line.split('`').next());
    let listed: BTreeSet<_> = listed.map(str::to_owned).collect();
    let files = [
        "fleet-operator/templates/prometheusrule.yaml",
        "fleet-auth/templates/prometheusrules.yaml",
    ];
    let mut there = BTreeSet::new();
    for file in files.map(|file| charts().join(Path::new(file))) {
        let text = fs::read_to_string(file).expect("read");
        let alerts = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- alert: Fleet"));
        there.extend(alerts.map(str::to_owned));
    }
    assert_eq!(listed, there);
    assert!(there.len() > 10);
}
