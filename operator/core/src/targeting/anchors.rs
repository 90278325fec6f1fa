use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;

use super::postings::Postings;
use super::selector::{Rule, Selector};
use crate::labels::Labels;

/// The other direction: which Deployments may be meant for a device with given labels.
///
/// Each Deployment hangs on one label that it requires, the rarest one when it was put in, so a
/// device's labels lead to the few Deployments that can match it. One without such a label (only
/// negative rules, or `targetAll`) is a candidate for every device.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    by_pair: HashMap<String, HashMap<String, RoaringBitmap>>,
    by_key: HashMap<String, RoaringBitmap>,
    free: RoaringBitmap,
    /// Who mentions a key at all: a change of other keys cannot concern them.
    mentions: HashMap<String, RoaringBitmap>,
    held: HashMap<u32, Held>,
}

#[derive(Debug)]
struct Held {
    anchor: Option<Rule>,
    keys: BTreeSet<String>,
}

impl Anchors {
    pub(crate) fn insert(&mut self, deployment: u32, selector: &Selector, devices: &Postings) {
        self.remove(deployment);
        let anchor = selector
            .rules()
            .iter()
            .filter_map(|rule| devices.reach(rule).map(|reach| (reach, rule)))
            .min_by_key(|(reach, _)| *reach)
            .map(|(_, rule)| rule.clone());
        self.edit(anchor.as_ref(), |set| {
            set.insert(deployment);
        });
        let keys: BTreeSet<_> = selector
            .rules()
            .iter()
            .map(|r| r.key().to_owned())
            .collect();
        for key in &keys {
            self.mentions
                .entry(key.clone())
                .or_default()
                .insert(deployment);
        }
        self.held.insert(deployment, Held { anchor, keys });
    }

    pub(crate) fn remove(&mut self, deployment: u32) {
        let Some(held) = self.held.remove(&deployment) else {
            return;
        };
        self.edit(held.anchor.as_ref(), |set| {
            set.remove(deployment);
        });
        for key in &held.keys {
            if let Some(set) = self.mentions.get_mut(key) {
                set.remove(deployment);
            }
        }
        self.drop_empty(&held);
    }

    /// The Deployments that can match a device with these labels; some of them may not.
    pub(crate) fn candidates(&self, labels: &Labels) -> RoaringBitmap {
        let mut found = self.free.clone();
        for (key, value) in labels {
            if let Some(set) = self.by_pair.get(key).and_then(|values| values.get(value)) {
                found |= set;
            }
            if let Some(set) = self.by_key.get(key) {
                found |= set;
            }
        }
        found
    }

    /// The Deployments whose selector looks at one of these keys.
    pub(crate) fn mentioning<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for set in keys.into_iter().filter_map(|key| self.mentions.get(key)) {
            found |= set;
        }
        found
    }

    fn edit(&mut self, anchor: Option<&Rule>, edit: impl Fn(&mut RoaringBitmap)) {
        match anchor {
            Some(Rule::In(key, values)) => {
                let held = self.by_pair.entry(key.clone()).or_default();
                for value in values {
                    edit(held.entry(value.clone()).or_default());
                }
            }
            Some(Rule::Exists(key)) => edit(self.by_key.entry(key.clone()).or_default()),
            Some(Rule::NotIn(..) | Rule::DoesNotExist(_)) | None => edit(&mut self.free),
        }
    }

    fn drop_empty(&mut self, held: &Held) {
        if let Some(Rule::In(key, values)) = &held.anchor
            && let Some(sets) = self.by_pair.get_mut(key)
        {
            for value in values {
                if sets.get(value).is_some_and(RoaringBitmap::is_empty) {
                    sets.remove(value);
                }
            }
            if sets.is_empty() {
                self.by_pair.remove(key);
            }
        }
        for key in &held.keys {
            if self.by_key.get(key).is_some_and(RoaringBitmap::is_empty) {
                self.by_key.remove(key);
            }
            if self.mentions.get(key).is_some_and(RoaringBitmap::is_empty) {
                self.mentions.remove(key);
            }
        }
    }
}
