use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;

use super::selector::{Rule, Selector};
use crate::labels::Labels;

/// Which devices carry which labels: one bitmap per key and one per (key, value).
#[derive(Debug, Default)]
pub(crate) struct Postings {
    all: RoaringBitmap,
    keys: HashMap<String, KeyPosting>,
}

#[derive(Debug, Default)]
struct KeyPosting {
    any: RoaringBitmap,
    values: HashMap<String, RoaringBitmap>,
}

impl Postings {
    pub(crate) fn insert(&mut self, device: u32, labels: &Labels) {
        self.all.insert(device);
        for (key, value) in labels {
            let posting = self.keys.entry(key.clone()).or_default();
            posting.any.insert(device);
            posting
                .values
                .entry(value.clone())
                .or_default()
                .insert(device);
        }
    }

    /// Takes a device out; `labels` are those it was put in with.
    pub(crate) fn remove(&mut self, device: u32, labels: &Labels) {
        self.all.remove(device);
        for (key, value) in labels {
            let Some(posting) = self.keys.get_mut(key) else {
                continue;
            };
            posting.any.remove(device);
            if let Some(devices) = posting.values.get_mut(value) {
                devices.remove(device);
                if devices.is_empty() {
                    posting.values.remove(value);
                }
            }
            if posting.any.is_empty() {
                self.keys.remove(key);
            }
        }
    }

    /// The devices that a selector means.
    pub(crate) fn select(&self, selector: &Selector) -> RoaringBitmap {
        let mut found = self.all.clone();
        for rule in selector.rules() {
            match rule {
                Rule::In(key, values) => found &= self.with_values(key, values),
                Rule::NotIn(key, values) => found -= self.with_values(key, values),
                Rule::Exists(key) => match self.keys.get(key) {
                    Some(posting) => found &= &posting.any,
                    None => return RoaringBitmap::new(),
                },
                Rule::DoesNotExist(key) => {
                    if let Some(posting) = self.keys.get(key) {
                        found -= &posting.any;
                    }
                }
            }
        }
        found
    }

    /// How many devices satisfy a rule that asks for a label; negative rules ask for none.
    pub(crate) fn reach(&self, rule: &Rule) -> Option<u64> {
        match rule {
            Rule::In(key, values) => Some(self.with_values(key, values).len()),
            Rule::Exists(key) => Some(self.keys.get(key).map_or(0, |p| p.any.len())),
            Rule::NotIn(..) | Rule::DoesNotExist(_) => None,
        }
    }

    fn with_values(&self, key: &str, values: &BTreeSet<String>) -> RoaringBitmap {
        let Some(posting) = self.keys.get(key) else {
            return RoaringBitmap::new();
        };
        let mut found = RoaringBitmap::new();
        for devices in values.iter().filter_map(|value| posting.values.get(value)) {
            found |= devices;
        }
        found
    }
}
