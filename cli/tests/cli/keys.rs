//! Keys of a new platform: what is made is what a real NATS server takes.

use std::fs;
use std::process::Command;

use crate::support::{program, run};
use fleet_tools::Tool;

#[test]
fn the_printed_configuration_is_one_that_nats_takes() {
    let home = tempfile::tempdir().expect("a folder");
    let keys = home.path().join("keys");
    let keys = keys.to_str().expect("a name");
    let fleet = |args: &[&str]| run(program(env!("CARGO_BIN_EXE_fleet")), args);

    let made = fleet(&["keys", "create", keys, "--device", "pi-7"]).ok();
    assert!(made.contains("devices/pi-7.nk"), "{made}");
    for secret in ["manifest.key", "operator.nk", "auth.nk", "devices/pi-7.nk"] {
        let secret = fs::read_to_string(home.path().join("keys").join(secret)).expect("there");
        assert!(!made.contains(secret.trim()), "on the screen: {made}");
    }
    let more = fleet(&["keys", "create", keys, "--device", "pi-8"]).ok();
    assert!(more.contains("kept") && more.contains("pi-8"), "{more}");

    let config = fleet(&["keys", "nats-config", keys, "--listen", "127.0.0.1:4222"]).ok();
    let public = fs::read_to_string(home.path().join("keys/devices/pi-7.pub")).expect("there");
    assert!(config.contains(public.trim()), "{config}");
    assert!(config.contains("up.info.pi-8"), "{config}");

    let file = home.path().join("nats.conf");
    fs::write(&file, config).expect("written");
    let tools = fleet_tools::ensure(&[Tool::NatsServer], &mut |_| {}).expect("a server");
    let server = tools.path(Tool::NatsServer).expect("a server");
    let check = Command::new(server)
        .args(["-t".as_ref(), "-c".as_ref(), file.as_os_str()])
        .output()
        .expect("started");
    assert!(check.status.success(), "{check:?}");
}

#[test]
fn keys_that_are_not_there_are_named() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().to_str().expect("a name");
    let error = run(
        program(env!("CARGO_BIN_EXE_fleet")),
        ["keys", "nats-config", folder],
    )
    .failed();
    assert!(error.contains("auth.nk"), "{error}");
}
