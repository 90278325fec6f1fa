//! A disk that forgets what was not synced.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

use fleet_agent_core::ledger::Folder;

use crate::dice::Dice;

/// One folder. Content is kept by number, names point to it.
#[derive(Debug, Default)]
pub struct Disk {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    /// What a power cut leaves of the names.
    kept: BTreeMap<String, usize>,
    /// Changes of names since the last sync: a power cut keeps the first few of them.
    changes: Vec<Change>,
    /// How many more operations succeed; then the power is gone.
    budget: Option<usize>,
    /// Whether writing waits for the disk: not, in a simulator that is tested itself.
    careless: bool,
}

#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    synced: bool,
}

#[derive(Debug)]
enum Change {
    Made(String, usize),
    Renamed(String, String),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Made(name, content) => {
                names.insert(name.clone(), *content);
            }
            Self::Renamed(from, to) => {
                if let Some(content) = names.remove(from) {
                    names.insert(to.clone(), content);
                }
            }
        }
    }
}

impl Disk {
    /// An empty one.
    pub fn new(careless: bool) -> Self {
        Self {
            careless,
            ..Self::default()
        }
    }

    /// The power goes after so many further operations.
    pub const fn fails_after(&mut self, operations: usize) {
        self.budget = Some(operations);
    }

    /// The power comes back: what was not synced may be gone, the later the sooner.
    pub fn power_cut(&mut self, dice: &mut Dice) {
        let survived = dice.place(self.changes.len() + 1);
        for change in self.changes.drain(..).take(survived) {
            change.apply(&mut self.kept);
        }
        for content in self.contents.iter_mut().filter(|content| !content.synced) {
            content.bytes.truncate(dice.place(content.bytes.len() + 1));
            content.synced = true;
        }
        self.names.clone_from(&self.kept);
        self.budget = None;
    }

    /// What a power cut right now would leave under a name, at least.
    pub fn durable(&self, name: &str) -> Option<&[u8]> {
        let content = self.contents.get(*self.kept.get(name)?)?;
        content.synced.then_some(content.bytes.as_slice())
    }

    fn operate(&mut self) -> io::Result<()> {
        match &mut self.budget {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl Folder for Disk {
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let content = self.names.get(name).and_then(|c| self.contents.get(*c));
        content
            .map(|content| content.bytes.clone())
            .ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }

    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let whole = self.operate();
        self.contents.push(Content {
            bytes: content.to_vec(),
            synced: whole.is_ok() && !self.careless,
        });
        self.change(Change::Made(name.to_owned(), self.contents.len() - 1));
        whole
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.operate()?;
        self.change(Change::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operate()?;
        for change in self.changes.drain(..) {
            change.apply(&mut self.kept);
        }
        Ok(())
    }

    fn shown(&self, name: &str) -> String {
        format!("/state/{name}")
    }
}
