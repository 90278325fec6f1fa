//! Everything that is made sure of: the second time there is nothing to do.

use fleet_devices::host::{
    FileDelivery as _, Linux, Outcome, PackageInstaller as _, Planned, SystemdManager as _,
    Transport as _, UnixUserManager as _,
};
use fleet_devices_core::host::{
    Command, Content, Family, File, Linger, Need, Packages, Subordinates, Unit, User,
};

use crate::machine::{Machine, skips};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_made_so_once_and_left_alone_then() {
    if skips("everything twice") {
        return;
    }
    let machine = Machine::start().await;
    let host = machine.host().await;
    assert_eq!(host.distribution.family, Family::Debian);
    let packages = Packages::of(Family::Debian, [Need::SubordinateIds, Need::PacketFilter]);
    let user = User::system("worker", "/var/lib/worker", Family::Debian);
    let (ids, linger) = (
        Subordinates {
            user: "worker".to_owned(),
        },
        Linger {
            user: "worker".to_owned(),
        },
    );
    let content = Content::new(
        "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    );
    let file = File::new("/etc/systemd/system/sleeper.service", content);
    let secret = File::new(
        "/etc/worker/it's a \"secret\"; $(x)",
        Content::new([0, 159, 146, 10]),
    );
    let secret = secret.mode(0o600).owned_by("worker");
    let unit = Unit::system("sleeper.service");

    for again in [false, true] {
        let outcomes = [
            host.ensure_packages(&packages).await.expect("packages"),
            host.ensure_user(&user).await.expect("a user"),
            host.ensure_subordinates(&ids).await.expect("ids"),
            host.ensure_linger(&linger).await.expect("lingers"),
            host.ensure_file(&file).await.expect("a file"),
            host.ensure_file(&secret).await.expect("a file"),
            host.ensure_unit(&unit).await.expect("a unit"),
        ];
        let changed: Vec<_> = outcomes.iter().map(Outcome::is_change).collect();
        assert_eq!(changed, [!again; 7], "{outcomes:?}");
    }
    assert_eq!(machine.sh("stat -c '%a %U' /etc/worker/it*"), "600 worker");
    assert_eq!(
        machine.sh("cat /etc/worker/it* | od -An -tu1 | tr -s ' '"),
        "0 159 146 10"
    );
    assert_eq!(machine.sh("systemctl is-active sleeper"), "active");
    assert_eq!(machine.sh("grep -c '^worker:' /etc/subuid"), "1");

    // What somebody changed is set right again.
    machine.sh("chmod 644 /etc/worker/it*; systemctl disable --now sleeper; loginctl disable-linger worker");
    assert!(host.ensure_file(&secret).await.expect("a file").is_change());
    assert!(host.ensure_unit(&unit).await.expect("a unit").is_change());
    assert!(
        host.ensure_linger(&linger)
            .await
            .expect("lingers")
            .is_change()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_it_would_do_and_does_nothing() {
    if skips("a plan") {
        return;
    }
    let machine = Machine::start().await;
    let ssh = machine.log_in("root").await.expect("let in");
    let host = Linux::meet(Planned(ssh)).await.expect("a host");
    let user = User::system("worker", "/var/lib/worker", Family::Debian);
    let file = File::new("/etc/planned", Content::new("x"));
    let outcomes = [
        host.ensure_user(&user).await.expect("planned"),
        host.ensure_file(&file).await.expect("planned"),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Outcome::Planned(lines) if lines.len() == 1));
    }
    let there = machine.sh("ls /etc/planned /var/lib/worker 2>/dev/null || true");
    assert_eq!(there, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_heard_to_its_end() {
    if skips("a command to its end") {
        return;
    }
    let machine = Machine::start().await;
    let ssh = machine.log_in("root").await.expect("let in");
    // More than any window, both ways at once.
    let much: Vec<u8> = (0..6_000_000_u32).map(|n| (n % 251) as u8).collect();
    let echo = Command::look("cat", [""; 0]).reading(much.clone());
    let output = ssh.run(&echo).await.expect("an answer");
    assert!(output.output == much && output.status == 0);
    let fails = Command::look("sh", ["-c", "echo out; echo err >&2; exit 7"]);
    let output = ssh.run(&fails).await.expect("an answer");
    let said = (output.status, output.output, output.errors);
    assert_eq!(said, (7, b"out\n".to_vec(), b"err\n".to_vec()));
    // Without input there is an end to read, and who ends early is no failure of ours.
    let reads = ssh
        .run(&Command::look("cat", [""; 0]))
        .await
        .expect("an answer");
    assert_eq!((reads.status, reads.output.len()), (0, 0));
    let deaf = Command::look("true", [""; 0]).reading(much);
    assert_eq!(ssh.run(&deaf).await.expect("an answer").status, 0);
}
