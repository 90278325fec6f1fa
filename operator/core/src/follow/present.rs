use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

/// The keys of a bucket that have a value, so that the end of a list tells which of them are no more.
#[derive(Debug)]
pub(super) struct Present<K>(HashSet<K>);

impl<K> Default for Present<K> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<K: Ord + Hash + Display> Present<K> {
    /// A list begins. What devices said stays good although the stream that held it is gone: of a
    /// stream that was made again, nothing that was known can be missing.
    pub(super) fn begin(&mut self, recreated: bool) {
        if recreated {
            self.0.clear();
        }
    }

    /// A key has a value.
    pub(super) fn insert(&mut self, key: K) {
        self.0.insert(key);
    }

    /// A key has none any more.
    pub(super) fn remove(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// The list has ended: the keys that are not in it, in order. They are forgotten.
    pub(super) fn take_missing(&mut self, listed: &HashSet<String>) -> Vec<K> {
        let missing = self.0.extract_if(|key| !listed.contains(&key.to_string()));
        let mut missing: Vec<_> = missing.collect();
        missing.sort_unstable();
        missing
    }
}
