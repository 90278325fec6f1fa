#![allow(clippy::expect_used, reason = "test code")]

use std::num::NonZeroU32;

use super::*;
use crate::architecture::VmArchitecture;
use crate::vm::definition::{DiskCache, Forward};
use crate::vm::fixtures::{path, port};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq0c2Zr9t0o1lH0XbqJw0y6n5m1mVn0q2Gm9w4bJx3Z ops@example";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBq0c2Zr9t0o1lH0XbqJw0y6n5m1mVn0q2Gm9w4bJxZZ jo";
const HASH: &str = "$6$rounds=5000$abcdefgh$Hs1vbqz0dYlUt6zBw3pFz3b7F8a1QeKJ0n9rT5mXc2W";

fn admin(keys: &[&str], password: Option<&str>) -> AdminUser {
    let keys = keys.iter().map(|key| key.parse().expect("a key"));
    let password = password.map(|hash| hash.parse().expect("a hash"));
    AdminUser::new(keys.collect(), password).expect("a login")
}

fn wanted() -> VmSpec {
    VmSpec {
        name: "pi-1".parse().expect("a name"),
        architecture: VmArchitecture::X86_64,
        vcpus: port(2),
        memory_mib: NonZeroU32::new(1024).expect("not zero"),
        disk_gib: NonZeroU32::new(16).expect("not zero"),
        disk_cache: DiskCache::Writeback,
        image: Some(path("/images/debian.qcow2")),
        ssh_port: None,
        forwards: vec![Forward {
            host: port(8080),
            guest: port(80),
        }],
        admin: admin(&[KEY], Some(HASH)),
    }
}

fn record() -> VmRecord {
    VmRecord {
        spec: wanted(),
        ssh_port: port(22_022),
        image: Some(BackingImage {
            path: path("/images/debian.qcow2"),
            bytes: 472_055_808,
            modified: 1_795_476_543_000_000_001,
        }),
        created: 1_795_476_600,
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let text = record().to_text();
    assert_eq!(VmRecord::of_text(&text), Ok(record()));
    insta::assert_snapshot!(text);
}

#[test]
fn what_newer_ones_add_is_passed_over() {
    let text = record().to_text();
    let more = text.replacen('{', "{\n  \"more\": [1],", 1);
    assert_eq!(VmRecord::of_text(&more), Ok(record()));
}

#[test]
fn the_records_of_others_are_not_ours() {
    let text = record().to_text();
    let read = |from: &str, to: &str| VmRecord::of_text(&text.replace(from, to));
    for given in ["", "{}", "[]", "no JSON"] {
        assert_eq!(VmRecord::of_text(given), Err(RecordError::Foreign));
    }
    let other = read("\"fleet-devices\"", "\"somebody\"");
    assert_eq!(other, Err(RecordError::Foreign));
    let newer = read("\"schemaVersion\": 1", "\"schemaVersion\": 2");
    assert_eq!(newer, Err(RecordError::Newer(2)));
    for (from, to, what) in [
        ("pi-1", "../pi", "name"),
        ("x86_64", "pdp11", "architecture"),
        ("writeback", "none", "disk cache"),
        ("/images", "images", "image"),
        ("fleet-admin", "root", "administrator"),
        ("\"vcpus\": 2", "\"vcpus\": 0", "content"),
    ] {
        assert_eq!(read(from, to), Err(RecordError::Invalid(what)), "{to}");
    }
}

#[test]
fn what_is_as_wanted_is_left_alone() {
    assert_eq!(record().redefine(&wanted()), Ok(None));
    let same_port = VmSpec {
        ssh_port: Some(port(22_022)),
        ..wanted()
    };
    assert_eq!(record().redefine(&same_port), Ok(None));
}

#[test]
fn what_differs_is_told_and_nothing_is_left_after_it() {
    let other = VmSpec {
        vcpus: port(4),
        memory_mib: NonZeroU32::new(2048).expect("not zero"),
        disk_gib: NonZeroU32::new(20).expect("not zero"),
        ssh_port: Some(port(2222)),
        forwards: vec![],
        admin: admin(&[KEY, OTHER], None),
        ..wanted()
    };
    let redefined = record().redefine(&other).expect("possible");
    let redefined = redefined.expect("a difference");
    assert!(redefined.disk_grows);
    insta::assert_snapshot!(redefined.difference.join("\n"), @r"
    - processors 2
    - memory 1024 MiB
    - disk 16 GiB
    - port 22022 to 22
    - port 8080 to 80
    - fleet-admin logs in with a password (b4ed1776)
    + processors 4
    + memory 2048 MiB
    + disk 20 GiB
    + port 2222 to 22
    + fleet-admin logs in with ssh-ed25519 ...q2Gm9w4bJxZZ jo
    ");
    assert_eq!(redefined.record.redefine(&other), Ok(None));
    assert_ne!(redefined.record.instance_id(), record().instance_id());
}

#[test]
fn only_what_is_seeded_makes_another_instance() {
    let mut more = record();
    more.spec.memory_mib = NonZeroU32::new(4096).expect("not zero");
    assert_eq!(more.instance_id(), record().instance_id());
    more.spec.admin = admin(&[OTHER], Some(HASH));
    assert_ne!(more.instance_id(), record().instance_id());
}

#[test]
fn what_would_take_another_disk_is_refused() {
    let reason = |wanted: &VmSpec| record().redefine(wanted).map_err(|error| error.reason());
    let arm = VmSpec {
        architecture: VmArchitecture::Aarch64,
        ..wanted()
    };
    assert_eq!(reason(&arm), Err("OtherArchitecture"));
    let image = VmSpec {
        image: None,
        ..wanted()
    };
    assert_eq!(reason(&image), Err("OtherImage"));
    let small = VmSpec {
        disk_gib: NonZeroU32::MIN,
        ..wanted()
    };
    assert_eq!(reason(&small), Err("DiskShrinks"));
}

#[test]
fn an_image_is_what_qemu_says_it_is() {
    let said = r#"{"virtual-size": 2621440, "filename": "a", "format": "qcow2", "actual-size": 7}"#;
    let described = BackingImage::described(said);
    assert_eq!(described, Some(("qcow2".to_owned(), 2_621_440)));
    assert_eq!(BackingImage::described("{}"), None);
}
