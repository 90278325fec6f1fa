//! What goes wrong has a name, and can be done again.

use std::fs;
use std::net::TcpListener;
use std::num::NonZeroU16;

use fleet_devices::host::Outcome;
use fleet_devices::vm::{Folders, Intent, PlainQemuHost, VirtualMachineHost as _, VmState};
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::VmSpec;

use crate::support::{Home, empty, image, path, skips};

const X86: VmArchitecture = VmArchitecture::X86_64;

async fn refused(host: &PlainQemuHost, wanted: &VmSpec) -> &'static str {
    let error = host.ensure(wanted, Intent::Carry).await;
    error.expect_err("refused").reason()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_made_is_left_alone() {
    if skips("somebody else's", X86) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let wanted = empty("theirs", X86);
    let folder = home.folders().machines().join("theirs");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("disk.qcow2"), "precious").expect("written");
    for record in ["", "{\"madeBy\": \"somebody\", \"schemaVersion\": 1}"] {
        if !record.is_empty() {
            fs::write(folder.join("machine.json"), record).expect("written");
        }
        assert_eq!(refused(&host, &wanted).await, "NameTaken");
        let deleted = host.delete(&wanted.name).await;
        assert_eq!(deleted.expect_err("refused").reason(), "NameTaken");
        let cycled = host.power_cycle(&wanted.name).await;
        assert_eq!(cycled.expect_err("refused").reason(), "NameTaken");
        assert!(host.list().await.expect("listed").is_empty());
    }
    let disk = fs::read(folder.join("disk.qcow2")).expect("there");
    assert_eq!(disk, b"precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_ours_that_cannot_be_read_can_still_be_deleted() {
    if skips("a record that cannot be read", X86) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let wanted = empty("broken", X86);
    host.ensure(&wanted, Intent::Carry).await.expect("made");
    let record = home.machine("broken").record;
    let text = fs::read_to_string(&record).expect("a record");
    fs::write(&record, text.replace("x86_64", "z80")).expect("written");
    assert_eq!(refused(&host, &wanted).await, "RecordInvalid");
    host.delete(&wanted.name).await.expect("deleted");
    let deleted = host.delete(&wanted.name).await;
    assert_eq!(deleted.expect_err("gone").reason(), "NotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_somebody_else_is_named_and_another_one_does() {
    if skips("a port that is taken", X86) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let mut wanted = empty("port", X86);
    wanted.ssh_port = NonZeroU16::new(port);
    assert_eq!(refused(&host, &wanted).await, "PortTaken");
    let state = host.info(&wanted.name).await.expect("defined").state;
    assert_eq!(state, VmState::Off);
    drop(taken);
    let again = host.ensure(&wanted, Intent::Carry).await.expect("started");
    assert_eq!(again, Outcome::Changed(vec!["+ it runs".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_no_disk_can_be_made_of_are_named() {
    if skips("images", X86) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let with = |image: &std::path::Path| VmSpec {
        image: Some(path(image)),
        ..empty("image", X86)
    };
    let nowhere = with(&home.path().join("nowhere.qcow2"));
    assert_eq!(refused(&host, &nowhere).await, "File");
    let other = with(&image(home.path(), "vmdk", "1M"));
    assert_eq!(refused(&host, &other).await, "ImageFormat");
    let large = with(&image(home.path(), "qcow2", "3G"));
    assert_eq!(refused(&host, &large).await, "ImageTooLarge");
    let broken = home.path().join("broken.qcow2");
    fs::write(&broken, b"QFI\xfb\0\0\0\x63 and no more").expect("written");
    assert_eq!(refused(&host, &with(&broken)).await, "ImageUnreadable");
    assert!(host.list().await.expect("listed").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_over_an_image_that_changed_is_not_started() {
    if skips("an image that changed", X86) {
        return;
    }
    let home = Home::new();
    let host = home.host();
    let image = image(home.path(), "raw", "1M");
    let wanted = VmSpec {
        image: Some(path(&image)),
        ..empty("over", X86)
    };
    host.ensure(&wanted, Intent::Carry).await.expect("made");
    fs::write(&image, [7; 4096]).expect("written");
    let cycled = host.power_cycle(&wanted.name).await;
    assert_eq!(cycled.expect_err("refused").reason(), "ImageChanged");
    let other = VmSpec {
        image: None,
        ..wanted.clone()
    };
    assert_eq!(refused(&host, &other).await, "OtherImage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_too_deep_for_sockets_is_named() {
    let home = Home::new();
    let folders = Folders::below(&home.path().join("x".repeat(100)));
    let host = PlainQemuHost::new(&folders).expect("a host");
    assert_eq!(refused(&host, &empty("deep", X86)).await, "FolderTooDeep");
}

/// What is ours there may be passwords, and QEMU lives long; whoever marks what belongs together finds it by the rest.
#[test]
fn qemu_is_started_without_our_settings() {
    if skips("the environment of a machine", X86) {
        return;
    }
    let home = Home::new();
    let image = image(home.path(), "qcow2", "1M");
    let words = [
        "vm",
        "create",
        "bare",
        "--no-wait",
        "--memory",
        "256",
        "--image",
    ];
    let mut create = home.command(&words);
    create.arg(image);
    create
        .env("FLEET_VM_ADMIN_PASSWORD", "a secret of ours")
        .env("MARKED", "by whom");
    let created = create.output().expect("it runs");
    assert!(created.status.success(), "{created:?}");
    let environment = fs::read(format!("/proc/{}/environ", home.pid("bare")));
    let environment = environment.expect("an environment");
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("MARKED=by whom"), "{environment}");
    assert!(!environment.contains("FLEET_"), "{environment}");
}

/// As a user sees it: the firmware finds nothing to start, and the console says so.
#[test]
fn a_machine_that_does_not_come_up_shows_the_end_of_its_console() {
    if skips("a machine that does not come up", X86) {
        return;
    }
    let home = Home::new();
    let image = image(home.path(), "qcow2", "1M");
    let image = image.to_str().expect("text");
    let create = ["vm", "create", "lost", "--image", image, "--cpus", "1"];
    let plan = home.succeed(&[&create[..], &["--plan"]].concat());
    assert!(plan.contains("+ memory 1024 MiB"), "{plan}");
    let cloud = ["vm", "create", "lost", "--image", "debian-13", "--plan"];
    let plan = home.succeed(&cloud);
    assert!(plan.contains("+ its image, from https://"), "{plan}");
    assert!(!home.path().join("data").exists());
    let made = home.succeed(&[&create[..], &["--memory", "256", "--no-wait"]].concat());
    assert!(made.starts_with("changed    machine lost"), "{made}");
    let says = |word: &str| {
        let log = fs::read(&home.machine("lost").files.serial_log).unwrap_or_default();
        String::from_utf8_lossy(&log).contains(word)
    };
    crate::support::until(
        "firmware speaks",
        std::time::Duration::from_secs(120),
        || says("BdsDxe"),
    );
    let timeout = ["--memory", "256", "--timeout", "1"];
    let error = home.fail(&[&create[..], &timeout].concat());
    for part in [
        "TCG (emulated",
        "error: BootTimeout: lost was not up within 1 s",
        "console said last:\n  ",
    ] {
        let kvm = part.starts_with("TCG") && error.contains("KVM");
        assert!(error.contains(part) || kvm, "{part} in {error}");
    }
    let table = home.succeed(&["vm", "list"]);
    let row = table.lines().nth(1).expect("a row");
    assert!(row.starts_with("lost   running   x86_64"), "{table}");
    assert!(
        home.succeed(&["vm", "console", "lost", "--log"])
            .contains("BdsDxe")
    );
    let more = home.fail(&[&create[..], &["--disk", "8"]].concat());
    assert!(
        more.contains("error: DiskShrinks: the disk of lost has 16 GiB"),
        "{more}"
    );
    assert_eq!(
        home.succeed(&["vm", "delete", "lost"]),
        "deleted    machine lost\n"
    );
    assert!(
        home.fail(&["vm", "console", "lost"])
            .starts_with("error: NotFound: ")
    );
}
