//! Who may depend on whom. `Cargo.toml` states each layer's permissions; these tests keep the
//! statements from growing.

use std::path::Path;

use crate::repository::{Kind, Member, assert_none, cargo, members, read, root, shown};
use crate::source::sources;

const CONTRACTS: &str = "fleet-contracts";
const API: &str = "fleet-api";
/// Permissions are data.
const RBAC: &str = "fleet-rbac";
/// Programs: they are run, never linked.
const PROGRAMS: [&str; 6] = [
    "fleet-operator",
    "fleet-agent",
    "fleet-auth",
    "fleet-cli",
    "fleet-check",
    "fleet-devices",
];
/// What only tests and the demo may use.
const TEST_ONLY: [&str; 4] = ["fleet-testbed", "fleet-tools", "fleet-e2e", "fleet-house"];
/// Crates that may use those outside tests.
const TEST_CRATES: [&str; 4] = [
    "fleet-testbed",
    "fleet-e2e",
    "fleet-house",
    "fleet-loadtest",
];

/// Crates without I/O and without async, and which of ours each may use.
fn pure_crates() -> [(&'static str, &'static [&'static str]); 9] {
    [
        (CONTRACTS, &[]),
        (API, &[CONTRACTS]),
        (RBAC, &[]),
        ("fleet-lease", &[CONTRACTS]),
        ("fleet-operator-core", &[CONTRACTS, API, RBAC]),
        ("fleet-agent-core", &[CONTRACTS, API]),
        ("fleet-auth-core", &[CONTRACTS, API, RBAC]),
        ("fleet-check-core", &[CONTRACTS, API, RBAC]),
        ("fleet-devices-core", &[CONTRACTS]),
    ]
}

fn ours(member: &Member, wanted: &[Kind]) -> Vec<String> {
    let kinds = |kind| wanted.contains(&kind);
    let ours = member
        .dependencies
        .iter()
        .filter(|d| kinds(d.kind) && d.name.starts_with("fleet-"));
    ours.map(|d| d.name.clone()).collect()
}

/// The names of all crates that `package` links, with the features it has when built alone.
fn linked(package: &str) -> Vec<String> {
    let args = ["tree", "-p", package, "-e", "normal", "--prefix", "none"];
    let mut names: Vec<_> = cargo(&args)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn pure_crates_depend_on_the_shared_types_only() {
    let all = members();
    let mut findings = Vec::new();
    for (name, allowed) in pure_crates() {
        let member = all.iter().find(|m| m.name == name).expect(name);
        let used = ours(member, &[Kind::Normal, Kind::Build]);
        findings.extend(
            used.iter()
                .filter(|d| !allowed.contains(&d.as_str()))
                .map(|d| format!("{name} depends on {d}")),
        );
    }
    assert_none(&findings, "see docs/adr/0001-api-depends-on-contracts.md");
}

#[test]
fn pure_crates_link_nothing_that_does_io() {
    let forbidden = [
        "async-nats",
        "axum",
        "hyper",
        "kube-client",
        "kube-runtime",
        "mio",
        "reqwest",
        "rustls",
        "socket2",
        "tokio",
    ];
    let mut findings = Vec::new();
    for (name, _) in pure_crates() {
        findings.extend(
            linked(name)
                .iter()
                .filter(|l| forbidden.contains(&l.as_str()))
                .map(|l| format!("{name} links {l}")),
        );
    }
    assert_none(&findings, "pure crates decide; the shells around them do");
}

#[test]
fn pure_crates_touch_neither_world_nor_clock() {
    let forbidden = [
        "std::env",
        "std::fs",
        "TcpListener",
        "TcpStream",
        "ToSocketAddrs",
        "UdpSocket",
        "std::os",
        "std::process",
        "std::thread",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "async fn",
        ".await",
    ];
    let mut findings = Vec::new();
    let pure = pure_crates();
    let is_pure = |m: &&Member| pure.iter().any(|(name, _)| m.name == *name);
    for source in members().iter().filter(is_pure).flat_map(sources) {
        for (number, line) in source.code_lines() {
            findings.extend(
                forbidden
                    .iter()
                    .filter(|f| line.contains(**f))
                    .map(|f| format!("{}:{number}: {f}", shown(&source.path))),
            );
        }
    }
    assert_none(&findings, "time and randomness come in as arguments");
}

#[test]
fn nobody_links_a_program() {
    let mut findings = Vec::new();
    for member in members() {
        let kinds = match member.name.as_str() {
            "fleet-e2e" => &[Kind::Normal, Kind::Build][..],
            _ => &[Kind::Normal, Kind::Build, Kind::Dev],
        };
        findings.extend(
            ours(&member, kinds)
                .iter()
                .filter(|d| PROGRAMS.contains(&d.as_str()))
                .map(|d| format!("{} depends on {d}", member.name)),
        );
    }
    assert_none(&findings, "what two programs share belongs in a library");
}

#[test]
fn products_use_the_testbed_in_tests_only() {
    let mut findings = Vec::new();
    for member in members() {
        if TEST_CRATES.contains(&member.name.as_str()) {
            continue;
        }
        findings.extend(
            ours(&member, &[Kind::Normal, Kind::Build])
                .iter()
                .filter(|d| TEST_ONLY.contains(&d.as_str()))
                .map(|d| format!("{} depends on {d}", member.name)),
        );
    }
    assert_none(&findings, "these are dev-dependencies of products");
}

#[test]
fn the_agent_knows_no_kubernetes() {
    let forbidden = ["kube", "kube-core", "k8s-openapi", "schemars", API];
    let linked = linked("fleet-agent");
    let findings: Vec<_> = linked
        .into_iter()
        .filter(|l| forbidden.contains(&l.as_str()))
        .collect();
    assert_none(
        &findings,
        "devices never see Kubernetes, so the agent links none of",
    );
}

#[test]
fn aws_lc_rs_is_the_only_tls_provider() {
    let edges = ["tree", "--workspace", "-e", "normal,build,dev"];
    let tree = cargo(&[&edges[..], &["--prefix", "none"]].concat());
    let findings: Vec<_> = tree
        .lines()
        .filter(|line| line.starts_with("ring v") || line.starts_with("openssl-sys v"))
        .map(str::to_owned)
        .collect();
    assert_none(
        &findings,
        "see docs/adr/0002-aws-lc-rs-and-ed25519-dalek.md",
    );
}

#[test]
fn every_crate_inherits_lints_and_package_data() {
    let mut findings = Vec::new();
    for member in members() {
        let manifest = manifest(&member.folder.join("Cargo.toml"));
        let inherits = |path: [&str; 2]| {
            let value = path.iter().try_fold(&manifest, |at, key| at.get(key));
            value.and_then(toml::Value::as_bool) == Some(true)
        };
        if !inherits(["lints", "workspace"]) {
            findings.push(format!("{}: lints", member.name));
        }
        let package = &manifest["package"];
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if package.get(key).and_then(|v| v.get("workspace")).is_none() {
                findings.push(format!("{}: {key}", member.name));
            }
        }
    }
    assert_none(&findings, "not inherited from the workspace");
}

/// A crate may ask for fewer features than the workspace does, not for another version.
#[test]
fn versions_are_chosen_in_one_place() {
    let mut findings = Vec::new();
    let workspace = manifest(&root().join("Cargo.toml"));
    let shared = &workspace["workspace"]["dependencies"];
    for member in members() {
        let manifest = manifest(&member.folder.join("Cargo.toml"));
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(table).and_then(toml::Value::as_table) else {
                continue;
            };
            let other = table.iter().filter(|(name, value)| {
                let shared = shared.get(name).map(version);
                shared.is_some_and(|shared| version(value).is_some_and(|v| Some(v) != shared))
            });
            findings.extend(other.map(|(name, _)| format!("{}: {name}", member.name)));
        }
    }
    assert_none(&findings, "another version than the workspace's");
}

/// The version a dependency states; none where it takes the workspace's, or a path.
fn version(dependency: &toml::Value) -> Option<&str> {
    match dependency {
        toml::Value::String(version) => Some(version),
        table => table.get("version").and_then(toml::Value::as_str),
    }
}

fn manifest(path: &Path) -> toml::Value {
    toml::from_str(&read(path)).unwrap_or_else(|e| panic!("{}: {e}", shown(path)))
}
