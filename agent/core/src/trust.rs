//! Whose manifests a device follows: the keys of its configuration, and what manifests taught it.

use fleet_contracts::Manifest;
use fleet_contracts::signing::TrustedKey;

/// What manifests said about keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// To trust beside the configured ones.
    pub announced: Vec<TrustedKey>,
    /// Not to trust any more, configured or not.
    pub retired: Vec<TrustedKey>,
}

impl Learned {
    /// The keys to trust.
    pub fn trusted(&self, configured: &[TrustedKey]) -> Vec<TrustedKey> {
        let further = self
            .announced
            .iter()
            .filter(|key| !configured.contains(key));
        let all = configured.iter().chain(further);
        let good = all.filter(|key| !self.retired.contains(key));
        good.cloned().collect()
    }

    /// What is known once a manifest was taken that the key of this id signed. The signer stays: a
    /// device that trusted nobody could not be told anything any more. Nobody can read what is no key.
    #[must_use]
    pub fn after(mut self, manifest: &Manifest, signer: &str) -> Self {
        let keys = |texts: &[String]| -> Vec<TrustedKey> {
            texts.iter().filter_map(|text| text.parse().ok()).collect()
        };
        for key in keys(&manifest.announced_keys) {
            self.retired.retain(|retired| *retired != key);
            if !self.announced.contains(&key) {
                self.announced.push(key);
            }
        }
        for key in keys(&manifest.retired_keys) {
            if key.id().to_string() == signer {
                continue;
            }
            self.announced.retain(|announced| *announced != key);
            if !self.retired.contains(&key) {
                self.retired.push(key);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use fleet_contracts::signing::ManifestSigner;
    use serde_json::json;

    use super::*;

    fn key(seed: u8) -> TrustedKey {
        ManifestSigner::from_seed(&[seed; 32]).trusted()
    }

    fn manifest(announced: &[TrustedKey], retired: &[TrustedKey]) -> Manifest {
        let made = json!({
            "schemaVersion": 1, "device": "dev-1", "generation": 1, "deployments": {},
            "announcedKeys": announced, "retiredKeys": retired,
        });
        serde_json::from_value(made).expect("a manifest")
    }

    #[test]
    fn a_key_is_learned_takes_over_and_the_old_one_is_trusted_no_more() {
        let (old, new) = (key(1), key(2));
        let configured = [old.clone()];
        let signer = |key: &TrustedKey| key.id().to_string();
        let one = std::slice::from_ref;
        let first = Learned::default().after(&manifest(one(&new), &[]), &signer(&old));
        assert_eq!(first.trusted(&configured), [old.clone(), new.clone()]);
        // Said no more, and still known.
        let then = first.after(&manifest(&[], &[]), &signer(&new));
        assert_eq!(then.trusted(&configured), [old.clone(), new.clone()]);
        let last = then.after(&manifest(&[], one(&old)), &signer(&new));
        assert_eq!(last.trusted(&configured), one(&new));
        let forgotten = last.after(&manifest(&[], &[]), &signer(&new));
        assert_eq!(forgotten.trusted(&configured), one(&new));
        let back = forgotten.after(&manifest(one(&old), &[]), &signer(&new));
        assert_eq!(back.trusted(&configured), [old, new]);
    }

    #[test]
    fn nobody_can_saw_off_the_branch_they_sit_on() {
        let (own, other) = (key(1), key(2));
        let all = [own.clone(), other];
        let learned = Learned::default().after(&manifest(&[], &all), &own.id().to_string());
        assert_eq!(learned.trusted(&all), [own]);
    }
}
