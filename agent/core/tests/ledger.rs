#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

//! A power cut at every moment of writing the ledger, on a file system that forgets what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use fleet_agent_core::ledger::{self, Content, FILE, Folder, LedgerError, Signed};
use fleet_agent_core::trust::Learned;
use fleet_contracts::signing::{ManifestSigner, TrustedKey};
use fleet_contracts::{DeviceId, UnixMillis};
use serde_json::json;

/// A folder as a journalling file system may leave it: content is written when `write` returns, names
/// when `sync` does; before that each may or may not be there.
#[derive(Debug, Clone, Default)]
struct Disk {
    /// By name: what a reader sees now.
    now: BTreeMap<String, Vec<u8>>,
    /// What is certain to be there after a power cut.
    kept: BTreeMap<String, Vec<u8>>,
    /// Operations until the power goes.
    left: Option<usize>,
    /// Every state that a power cut may leave.
    after: Vec<BTreeMap<String, Vec<u8>>>,
}

impl Disk {
    fn operate(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::Error::other("no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What may be found when the power comes back.
    fn outcomes(&self) -> Vec<Disk> {
        let states = [&self.kept, &self.now].into_iter().chain(&self.after);
        let disk = |names: &BTreeMap<String, Vec<u8>>| Disk {
            now: names.clone(),
            kept: names.clone(),
            ..Disk::default()
        };
        states.map(disk).collect()
    }
}

impl Folder for Disk {
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let content = self.now.get(name).cloned();
        content.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        // Cut anywhere in the middle of it.
        for cut in 0..content.len() {
            let mut torn = self.now.clone();
            torn.insert(name.to_owned(), content[..cut].to_vec());
            self.after.push(torn);
        }
        self.operate()?;
        self.after.clear();
        self.now.insert(name.to_owned(), content.to_vec());
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.operate()?;
        self.after.push(self.now.clone());
        let content = self.now.remove(from).expect("it was written");
        self.now.insert(to.to_owned(), content);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operate()?;
        self.after.clear();
        self.kept = self.now.clone();
        Ok(())
    }

    fn shown(&self, name: &str) -> String {
        name.to_owned()
    }
}

fn device() -> DeviceId {
    "dev-1".parse().expect("an id")
}

fn keys() -> [TrustedKey; 1] {
    [signer().trusted()]
}

fn signer() -> ManifestSigner {
    ManifestSigner::from_seed(&[7; 32])
}

fn content(generation: u64) -> Content {
    let body = json!({
        "schemaVersion": 1, "device": "dev-1", "generation": generation, "deployments": {},
    });
    let body = body.to_string();
    Content {
        manifest: serde_json::from_str(&body).expect("a manifest"),
        signed: Signed {
            key_id: signer().key_id().to_string(),
            signature: signer().sign(body.as_bytes()),
            body,
        },
        bodies: BTreeMap::new(),
        learned: Learned::default(),
        departed: BTreeSet::new(),
    }
}

fn load(disk: &mut Disk) -> Result<Option<u64>, LedgerError> {
    let loaded = ledger::load(disk, &device(), &keys(), UnixMillis(5))?;
    Ok(loaded.map(|content| content.manifest.generation.0))
}

#[test]
fn a_power_cut_at_any_moment_leaves_the_old_ledger_or_the_new_one_whole() {
    let mut before = Disk::default();
    ledger::store(&mut before, &content(1)).expect("stored");
    let mut found = BTreeSet::new();
    for left in 0..3 {
        let mut disk = before.clone();
        disk.left = Some(left);
        ledger::store(&mut disk, &content(2)).expect_err("the power goes");
        for mut after in disk.outcomes() {
            let generation = load(&mut after).expect("a whole ledger");
            assert!(matches!(generation, Some(1 | 2)), "after {left} operations");
            found.insert(generation);
            // It goes on from there.
            ledger::store(&mut after, &content(3)).expect("stored");
            assert_eq!(load(&mut after).expect("a ledger"), Some(3));
        }
    }
    assert_eq!(found, [Some(1), Some(2)].into());
}

#[test]
fn what_was_said_to_be_stored_is_there_after_a_power_cut() {
    let mut disk = Disk::default();
    for generation in 1..4 {
        ledger::store(&mut disk, &content(generation)).expect("stored");
        for mut after in disk.outcomes() {
            assert_eq!(load(&mut after).expect("a ledger"), Some(generation));
        }
    }
}

#[test]
fn a_ledger_cut_short_or_changed_anywhere_is_set_aside_and_says_so() {
    let mut whole = Disk::default();
    ledger::store(&mut whole, &content(1)).expect("stored");
    let bytes = whole.now[FILE].clone();
    let truncated = (0..bytes.len()).map(|end| bytes[..end].to_vec());
    let flipped = (0..bytes.len()).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x04;
        bytes
    });
    let mut kept = 0;
    for damaged in truncated.chain(flipped) {
        let mut disk = Disk::default();
        disk.now.insert(FILE.to_owned(), damaged.clone());
        match load(&mut disk) {
            // A bit that means nothing, in the name of a field with a default.
            Ok(generation) => {
                assert_eq!(generation, Some(1));
                kept += 1;
            }
            Err(LedgerError::Corrupt { aside, .. }) => {
                assert_eq!(disk.now.get(&aside), Some(&damaged), "nothing is deleted");
                assert_eq!(load(&mut disk).expect("none yet"), None);
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(kept < 20, "{kept} damaged ledgers were taken");
}
