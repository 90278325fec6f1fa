//! What goes wrong has a name, and can be done again.

use fleet_devices::host::{
    ConnectError, FileDelivery as _, HostError, Linux, Outcome, Proof, Ssh, SshSettings,
    Transport as _, UnixUserManager as _,
};
use fleet_devices::key_pair;
use fleet_devices_core::host::{Command, Content, Family, File, User};

use crate::machine::{Machine, skips};

async fn refused(machine: &Machine, user: &str, settings: &SshSettings) -> ConnectError {
    let connected = Ssh::connect(&machine.address(user), settings).await;
    connected.expect_err("refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_believed_only_if_somebody_vouched_for_it() {
    if skips("host keys") {
        return;
    }
    let machine = Machine::start().await;
    let strict = SshSettings {
        accept_new: false,
        ..machine.settings()
    };
    // The machine's start has kept its key.
    let known = machine.log_in("root").await;
    assert!(known.is_ok());
    let stranger = SshSettings {
        known_hosts: machine.known_hosts().with_extension("empty"),
        ..strict.clone()
    };
    let error = refused(&machine, "root", &stranger).await;
    assert!(
        matches!(&error, ConnectError::UnknownHostKey { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("--accept-new-host-key"));
    machine.sh("rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh");
    for accept_new in [false, true] {
        let settings = SshSettings {
            accept_new,
            ..strict.clone()
        };
        let error = refused(&machine, "root", &settings).await;
        assert!(
            matches!(&error, ConnectError::ChangedHostKey { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_not_let_in_is_told_so() {
    if skips("logins") {
        return;
    }
    let machine = Machine::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("key");
    key_pair::ensure(&other).expect("a key");
    for proof in [Proof::Key(other), Proof::Password("wrong".to_owned())] {
        let settings = SshSettings {
            proof,
            ..machine.settings()
        };
        let error = refused(&machine, "admin", &settings).await;
        assert!(
            matches!(&error, ConnectError::Denied { user, .. } if user == "admin"),
            "{error:?}"
        );
        assert!(!error.to_string().contains("wrong"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_be_root_is_told_so_and_a_password_helps() {
    if skips("sudo") {
        return;
    }
    let machine = Machine::start().await;
    let met = Linux::meet(machine.log_in("admin").await.expect("let in")).await;
    let error = met.expect_err("no sudo");
    assert!(matches!(&error, HostError::NoSudo { .. }), "{error:?}");
    machine.sh("echo 'admin:secret word' | chpasswd; usermod -aG sudo admin");
    let user = User::system("worker", "/var/lib/worker", Family::Debian);
    for (password, works) in [("wrong", false), ("secret word", true)] {
        let settings = SshSettings {
            sudo_password: Some(password.to_owned()),
            ..machine.settings()
        };
        let ssh = Ssh::connect(&machine.address("admin"), &settings).await;
        match Linux::meet(ssh.expect("let in")).await {
            Ok(host) => {
                assert!(works);
                assert!(host.ensure_user(&user).await.expect("made").is_change());
                // What a command reads comes after the password, whole.
                let file = File::new("/etc/by-sudo", Content::new("line\n"));
                assert!(host.ensure_file(&file).await.expect("made").is_change());
            }
            Err(error) => {
                assert!(
                    !works && matches!(&error, HostError::NoSudo { .. }),
                    "{error:?}"
                );
                assert!(!error.to_string().contains("secret"));
            }
        }
    }
    // One who is asked for no password gives none away.
    machine.sh("echo 'admin ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/admin");
    let settings = SshSettings {
        sudo_password: Some("secret word".to_owned()),
        ..machine.settings()
    };
    let ssh = Ssh::connect(&machine.address("admin"), &settings).await;
    let host = Linux::meet(ssh.expect("let in")).await.expect("a host");
    let file = File::new("/etc/unasked", Content::new("line\n"));
    assert!(host.ensure_file(&file).await.expect("made").is_change());
    assert_eq!(machine.sh("cat /etc/unasked"), "line");
    assert_eq!(machine.sh("cat /etc/by-sudo"), "line");
}

/// sudo warns where the host does not find its own name; that is no refusal, though what comes after it may
/// rightly end with 1, such as a look for a file that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn what_sudo_only_warns_of_is_no_refusal() {
    if skips("sudo's warnings") {
        return;
    }
    let machine = Machine::start().await;
    machine.sh("echo 'admin ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/admin; : > /etc/hosts; : > /etc/resolv.conf");
    let ssh = machine.log_in("admin").await.expect("let in");
    let looked = Command::look("test", ["-e", "/nowhere"]).as_root();
    let warned = ssh.run(&looked).await.expect("an answer").errors;
    assert!(
        warned.starts_with(b"sudo: unable to resolve host"),
        "{warned:?}"
    );
    let host = Linux::meet(ssh).await.expect("a host");
    let file = File::new("/etc/warned", Content::new("line\n"));
    assert!(host.ensure_file(&file).await.expect("made").is_change());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_and_leaves_the_old_file() {
    if skips("a full disk") {
        return;
    }
    let machine = Machine::start().await;
    machine.sh(
        "mkdir /small; mount -t tmpfs -o size=1m none /small || exit 0; echo old > /small/file",
    );
    if machine.sh("stat -f -c %T /small") != "tmpfs" {
        eprintln!("skipped: a full disk: this container may mount nothing");
        return;
    }
    let host = machine.host().await;
    let file = File::new("/small/file", Content::new(vec![7; 4 << 20]));
    let error = host.ensure_file(&file).await.expect_err("no room");
    assert!(matches!(&error, HostError::NoSpace { .. }), "{error:?}");
    assert_eq!(machine.sh("cat /small/file"), "old");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_in_the_middle_of_a_file_leaves_the_old_one_and_a_second_run_mends_it() {
    if skips("a connection cut") {
        return;
    }
    let machine = Machine::start().await;
    let host = machine.host().await;
    machine.sh("echo old > /etc/big");
    let file = File::new("/etc/big", Content::new(vec![9; 64 << 20]));
    machine.in_background(
        "until test -e /etc/big.fleet-new; do sleep 0.01; done; pkill -KILL -f '^sshd: root'",
    );
    let error = host.ensure_file(&file).await.expect_err("cut");
    assert_eq!(error.reason(), "ConnectionLost", "{error:?}");
    assert_eq!(machine.sh("cat /etc/big"), "old");
    let host = machine.host().await;
    let outcome = host.ensure_file(&file).await.expect("whole");
    assert!(matches!(outcome, Outcome::Changed(_)));
    assert_eq!(machine.sh("stat -c %s /etc/big"), (64 << 20).to_string());
    assert_eq!(machine.sh("ls /etc/big*"), "/etc/big");
}
