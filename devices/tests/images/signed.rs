//! Lists that a distribution signs: here, one of our own, with a key made for it.

use std::path::Path;
use std::process::Command;

use fleet_devices::image::{ImageFailure, Images};
use fleet_devices_core::vm::image::{
    ChecksumAlgorithm, CloudImage, Fingerprint, Signature, SigningKey, Verification,
};
use tempfile::TempDir;

use super::fetched::{content, patience, sum};
use super::server::{Fault, Served, Server};

/// Somebody who signs.
struct Signer {
    home: TempDir,
    fingerprint: Fingerprint,
}

impl Signer {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let mut signer = Self {
            home,
            fingerprint: "0".repeat(40).parse().expect("a fingerprint"),
        };
        signer.gpg(&[
            "--quick-gen-key",
            "images@example.com",
            "ed25519",
            "sign",
            "never",
        ]);
        let listed = signer.gpg(&["--with-colons", "--list-keys"]);
        let listed = String::from_utf8(listed).expect("text");
        let line = listed
            .lines()
            .find(|line| line.starts_with("fpr"))
            .expect("a key");
        let hex = line.split(':').nth(9).expect("a fingerprint");
        signer.fingerprint = hex.parse().expect("a fingerprint");
        signer
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.home.path());
        gpg.args([
            "--batch",
            "--quiet",
            "--yes",
            "--passphrase",
            "",
            "--pinentry-mode",
            "loopback",
        ]);
        let output = gpg.args(arguments).output().expect("gpg runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    fn key(&self, armored: bool) -> Vec<u8> {
        self.gpg(if armored {
            &["--armor", "--export"]
        } else {
            &["--export"]
        })
    }

    fn sign(&self, how: &str, text: &str) -> Vec<u8> {
        let file = self.home.path().join("text");
        std::fs::write(&file, text).expect("written");
        self.gpg(&["--output", "-", how, file.to_str().expect("a path")])
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let mut agent = Command::new("gpgconf");
        agent.arg("--homedir").arg(self.home.path());
        let _ = agent.args(["--kill", "gpg-agent"]).output();
    }
}

fn skips() -> bool {
    let missing = ["gpg", "gpgv", "gpgconf"].into_iter().find(|program| {
        let ran = Command::new(program).arg("--version").output();
        !ran.is_ok_and(|output| output.status.success())
    });
    if let Some(program) = missing {
        eprintln!("skipped: {program} is not installed");
    }
    missing.is_some()
}

/// A server with an image, a list of it, and a key.
struct Distribution {
    server: Server,
    signer: Signer,
    cache: TempDir,
    list: String,
}

impl Distribution {
    async fn new() -> Self {
        let content = content();
        let server = Server::start().await;
        server.body("/disk.img", &content);
        let signer = Signer::new();
        server.body("/key", &signer.key(true));
        Self {
            list: format!("{} *disk.img\n", sum(&content).hex()),
            server,
            signer,
            cache: tempfile::tempdir().expect("a folder"),
        }
    }

    fn image(&self, signature: Signature) -> CloudImage {
        let url = |path: &str| self.server.body("/unused", b"").replace("/unused", path);
        CloudImage {
            url: url("/disk.img"),
            verification: Verification::SignedList {
                url: url("/list"),
                algorithm: ChecksumAlgorithm::Sha256,
                signature,
                key: SigningKey {
                    fingerprint: self.signer.fingerprint.clone(),
                    files: &[],
                    url: url("/key"),
                },
            },
        }
    }

    fn beside(&self) -> CloudImage {
        let url = self
            .server
            .body("/unused", b"")
            .replace("/unused", "/list.gpg");
        self.image(Signature::Beside(url))
    }

    async fn fetch(
        &self,
        image: &CloudImage,
        keyring: Option<&Path>,
    ) -> Result<Vec<u8>, ImageFailure> {
        let keyring = keyring.map(Path::to_owned);
        let images = Images::at(self.cache.path(), keyring, patience(1)).expect("a folder");
        let path = images.ensure(image, &mut ()).await?;
        Ok(std::fs::read(path).expect("a file"))
    }
}

#[tokio::test]
async fn a_list_with_its_signature_beside_it_is_believed() {
    if skips() {
        return;
    }
    let it = Distribution::new().await;
    it.server.body("/list", it.list.as_bytes());
    it.server
        .body("/list.gpg", &it.signer.sign("--detach-sign", &it.list));
    let image = it.beside();
    assert_eq!(it.fetch(&image, None).await.expect("fetched"), content());
    // The network is gone: what was verified once is right.
    for path in ["/list", "/list.gpg", "/disk.img", "/key"] {
        it.server.put(
            path,
            Served {
                faults: [Fault::Hangs].into(),
                ..Served::default()
            },
        );
    }
    assert_eq!(it.fetch(&image, None).await.expect("kept"), content());
}

#[tokio::test]
async fn a_list_within_its_signature_is_believed_and_nothing_around_it() {
    if skips() {
        return;
    }
    let it = Distribution::new().await;
    let keyring = it.cache.path().join("keyring");
    std::fs::write(&keyring, it.signer.key(false)).expect("written");
    let fedora = format!(
        "# disk.img: 5 bytes\nSHA256 (disk.img) = {}\n",
        sum(&content()).hex()
    );
    let signed = it.signer.sign("--clear-sign", &fedora);
    it.server.body("/list", &signed);
    let image = it.image(Signature::Inline);
    assert_eq!(
        it.fetch(&image, Some(&keyring)).await.expect("fetched"),
        content()
    );
    // A line that nobody signed says something else, before and after.
    let lie = format!("SHA256 (disk.img) = {}\n", "0".repeat(64));
    for around in [
        [lie.as_bytes(), &signed].concat(),
        [&signed, lie.as_bytes()].concat(),
    ] {
        it.server.body("/list", &around);
        let fetched = it.fetch(&image, Some(&keyring)).await;
        assert_eq!(fetched.expect("what was signed counts"), content());
    }
}

#[tokio::test]
async fn a_list_that_somebody_else_signed_or_changed_is_not_believed() {
    if skips() {
        return;
    }
    let (it, other) = (Distribution::new().await, Signer::new());
    let changed = it.list.replace("disk", "desk");
    let image = it.beside();
    for (name, list, signature) in [
        (
            "another key",
            &it.list,
            other.sign("--detach-sign", &it.list),
        ),
        (
            "another list",
            &changed,
            it.signer.sign("--detach-sign", &it.list),
        ),
        ("no signature", &it.list, b"<html>404</html>".to_vec()),
    ] {
        it.server.body("/list", list.as_bytes());
        it.server.body("/list.gpg", &signature);
        let error = it.fetch(&image, None).await.expect_err(name);
        assert_eq!(error.reason(), "ListNotSigned", "{name}: {error}");
    }
    // The server of keys gives somebody else's, who signs.
    let other_key = it.cache.path().join("other");
    std::fs::write(&other_key, other.key(false)).expect("written");
    it.server.body("/list", it.list.as_bytes());
    it.server
        .body("/list.gpg", &other.sign("--detach-sign", &it.list));
    let error = it
        .fetch(&image, Some(&other_key))
        .await
        .expect_err("another key");
    assert_eq!(error.reason(), "ListNotSigned", "{error}");
    std::fs::write(&other_key, "no key").expect("written");
    let error = it
        .fetch(&image, Some(&other_key))
        .await
        .expect_err("no key");
    assert_eq!(error.reason(), "KeyInvalid", "{error}");
    assert!(
        it.server
            .asked()
            .iter()
            .all(|asked| asked.path != "/disk.img")
    );
}

#[tokio::test]
async fn a_signed_list_that_does_not_name_the_image_is_no_help() {
    if skips() {
        return;
    }
    let it = Distribution::new().await;
    let list = it.list.replace("disk", "desk");
    it.server.body("/list", list.as_bytes());
    it.server
        .body("/list.gpg", &it.signer.sign("--detach-sign", &list));
    let error = it.fetch(&it.beside(), None).await.expect_err("not listed");
    assert_eq!(error.reason(), "ChecksumNotListed", "{error}");
}
