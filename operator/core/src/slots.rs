use std::collections::HashMap;
use std::hash::Hash;

/// Values by name and by a small dense number, which is what bitmaps hold.
#[derive(Debug)]
pub(crate) struct Slots<K, V> {
    by_name: HashMap<K, u32>,
    values: Vec<Option<(K, V)>>,
    free: Vec<u32>,
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Self {
            by_name: HashMap::new(),
            values: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Default> Slots<K, V> {
    pub(crate) fn find(&self, name: &K) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The number of `name`, a new one with an empty value if it has none.
    pub(crate) fn intern(&mut self, name: &K) -> u32 {
        if let Some(slot) = self.find(name) {
            return slot;
        }
        let value = Some((name.clone(), V::default()));
        let slot = if let Some(slot) = self.free.pop() {
            if let Some(place) = self.values.get_mut(slot as usize) {
                *place = value;
            }
            slot
        } else {
            self.values.push(value);
            // Four thousand million devices are out of this index's reach; see "shards" in the design.
            u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX)
        };
        self.by_name.insert(name.clone(), slot);
        slot
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&V> {
        self.entry(slot).map(|(_, value)| value)
    }

    pub(crate) fn entry(&self, slot: u32) -> Option<&(K, V)> {
        self.values.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.values
            .get_mut(slot as usize)?
            .as_mut()
            .map(|(_, value)| value)
    }

    pub(crate) fn entry_mut(&mut self, slot: u32) -> Option<(&K, &mut V)> {
        let (name, value) = self.values.get_mut(slot as usize)?.as_mut()?;
        Some((name, value))
    }

    pub(crate) fn name(&self, slot: u32) -> Option<&K> {
        self.entry(slot).map(|(name, _)| name)
    }

    pub(crate) fn by_name(&self, name: &K) -> Option<&V> {
        self.get(self.find(name)?)
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        let taken = self.values.get_mut(slot as usize).and_then(Option::take);
        if let Some((name, _)) = taken {
            self.by_name.remove(&name);
            self.free.push(slot);
        }
    }

    /// All numbers in use.
    pub(crate) fn slots(&self) -> Vec<u32> {
        self.by_name.values().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &K, &V)> {
        (0..).zip(&self.values).filter_map(|(slot, entry)| {
            let (name, value) = entry.as_ref()?;
            Some((slot, name, value))
        })
    }
}
