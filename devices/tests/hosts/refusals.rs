//! What cannot be set up is refused with a name, before anything is changed.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::machine::{Machine, skips};
use crate::program::{Program, agent};

fn written(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).expect("written");
    path
}

fn setup(machine: &Machine, agent: impl AsRef<Path>, config: &Path) -> Program {
    Program::new(["setup", "--host"])
        .args([machine.address("root").to_string()])
        .args(machine.login_options())
        .option("--agent", agent.as_ref())
        .option("--config", config)
}

/// Begins like a program for another processor.
fn for_another_processor() -> Vec<u8> {
    let other: u16 = if cfg!(target_arch = "x86_64") {
        183
    } else {
        62
    };
    let mut header = vec![0; 64];
    header[..6].copy_from_slice(b"\x7fELF\x02\x01");
    header[18..20].copy_from_slice(&other.to_le_bytes());
    header
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_one_and_an_agent_that_does_not_fit_are_refused() {
    if skips("hosts that cannot be devices") {
        return;
    }
    let machine = Machine::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = written(&folder, "config", "device_id = \"robot-1\"\n");
    let other = written(&folder, "other", for_another_processor());
    let script = written(&folder, "script", "#!/bin/sh\n");
    let here = std::env::consts::ARCH;
    let elsewhere = if here == "x86_64" { "arm64" } else { "amd64" };

    let ran = setup(&machine, &other, &config).run().await;
    assert_eq!(ran.reason(), "ArchitectureMismatch", "{}", ran.complained);
    assert!(ran.complained.contains(here), "{}", ran.complained);
    let ran = setup(&machine, script, &config).run().await;
    assert_eq!(ran.reason(), "AgentInvalid");
    let ran = setup(&machine, agent(), &config).option("--arch", elsewhere);
    assert_eq!(ran.run().await.reason(), "ArchitectureUnexpected");
    let ran = setup(&machine, folder.path().join("none"), &config)
        .run()
        .await;
    assert_eq!(ran.reason(), "AgentUnreadable");
    let ran = setup(&machine, agent(), &config).cluster(Path::new("/nonexistent"));
    assert_eq!(ran.run().await.reason(), "Cluster");

    machine.sh("printf 'ID=gentoo\\nPRETTY_NAME=Gentoo\\n' > /etc/os-release");
    let ran = setup(&machine, agent(), &config).run().await;
    assert_eq!(ran.reason(), "DistributionUnsupported");
    assert!(ran.complained.contains("Gentoo"), "{}", ran.complained);
    assert_eq!(machine.sh("getent passwd fleet-agent || echo none"), "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_file_is_read_whole_before_any_host_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let agents = format!(
        "[defaults]\nuser = \"pi\"\nenrol_url = \"https://enrol.example\"\nagents = [{:?}]\n",
        agent()
    );
    let host = "[[hosts]]\naddress = \"robot-1\"\n";
    let cases = [
        (format!("{agents}{host}{host}"), "DuplicateHost", "line 7"),
        (
            format!("{agents}{host}lables = {{}}\n"),
            "FleetFileInvalid",
            "line 7, column 1",
        ),
        (agents.clone(), "FleetFileEmpty", "[[hosts]]"),
        (
            format!("{agents}config = \"none.toml\"\n{host}"),
            "Unreadable",
            "none.toml",
        ),
    ];
    for (text, reason, says) in cases {
        let path = written(&folder, "fleet.toml", &text);
        for command in ["setup", "plan"] {
            let ran = Program::new([command, "--fleet"]).args([&path]).run().await;
            assert_eq!(ran.reason(), reason, "{}", ran.complained);
            assert!(ran.complained.contains(says), "{}", ran.complained);
        }
    }
    let none = Program::new(["setup", "--fleet", "/nonexistent.toml"])
        .run()
        .await;
    assert_eq!(none.reason(), "Unreadable");
}
