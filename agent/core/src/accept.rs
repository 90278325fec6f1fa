//! Which manifests a device takes.

use fleet_contracts::kv::Bucket;
use fleet_contracts::payload;
use fleet_contracts::signing::{self, TrustedKey};
use fleet_contracts::{DeviceId, Generation, Manifest, RefusalReason};

/// A manifest as it came over the bus or out of the ledger.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The body.
    pub body: &'a [u8],
    /// The header with the key's id; empty if absent.
    pub key_id: &'a str,
    /// The header with the signature; empty if absent.
    pub signature: &'a str,
}

/// The manifest the device follows.
#[derive(Debug, Clone, Copy)]
pub struct Previous<'a> {
    /// Its generation.
    pub generation: Generation,
    /// Its bytes.
    pub body: &'a [u8],
}

/// A manifest that may be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// The very one the device follows already.
    Unchanged,
    /// A newer one.
    Newer(Manifest),
}

/// A manifest that may not be followed. The previous one stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("manifest refused: {message}")]
pub struct Refused {
    /// Why.
    pub reason: RefusalReason,
    /// For people.
    pub message: String,
}

impl Refused {
    /// Puts a reason and its explanation together.
    pub fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Checks signature, device and generation, in this order: nothing unsigned is even parsed.
pub fn accept(
    device: &DeviceId,
    trusted: &[TrustedKey],
    previous: Option<Previous<'_>>,
    candidate: Candidate<'_>,
) -> Result<Accepted, Refused> {
    let Candidate {
        body,
        key_id,
        signature,
    } = candidate;
    signing::verify(trusted, key_id, signature, body)
        .map_err(|e| Refused::new(RefusalReason::BadSignature, e.to_string()))?;
    let manifest: Manifest = payload::decode(Bucket::DesiredState, body)
        .map_err(|e| Refused::new(RefusalReason::Malformed, e.to_string()))?;
    if manifest.device != *device {
        let message = format!("it is for device {}, this is {device}", manifest.device);
        return Err(Refused::new(RefusalReason::WrongDevice, message));
    }
    match previous {
        Some(p) if p.generation > manifest.generation => Err(Refused::new(
            RefusalReason::StaleGeneration,
            format!(
                "generation {} is older than {}",
                manifest.generation.0, p.generation.0
            ),
        )),
        Some(p) if p.generation == manifest.generation && p.body != body => Err(Refused::new(
            RefusalReason::ConflictingGeneration,
            format!(
                "generation {} came again with other content",
                manifest.generation.0
            ),
        )),
        Some(p) if p.generation == manifest.generation => Ok(Accepted::Unchanged),
        _ => Ok(Accepted::Newer(manifest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_contracts::signing::ManifestSigner;
    use std::collections::BTreeMap;

    fn device() -> DeviceId {
        "dev-1".parse().expect("id")
    }

    fn body(device: &str, generation: u64, keys: &[&str]) -> Vec<u8> {
        payload::encode(&Manifest {
            schema_version: 1,
            device: device.parse().expect("id"),
            generation: Generation(generation),
            deployments: BTreeMap::new(),
            order: vec![],
            announced_keys: keys.iter().map(ToString::to_string).collect(),
            retired_keys: vec![],
        })
    }

    fn offer(
        previous: Option<(u64, &[u8])>,
        offered: &[u8],
        seed: u8,
    ) -> Result<Accepted, RefusalReason> {
        let (ours, signer) = (
            ManifestSigner::from_seed(&[1; 32]),
            ManifestSigner::from_seed(&[seed; 32]),
        );
        let (key_id, signature) = (signer.key_id().to_string(), signer.sign(offered));
        let previous = previous.map(|(g, body)| Previous {
            generation: Generation(g),
            body,
        });
        let candidate = Candidate {
            body: offered,
            key_id: &key_id,
            signature: &signature,
        };
        accept(&device(), &[ours.trusted()], previous, candidate).map_err(|e| e.reason)
    }

    #[test]
    fn generations_only_rise() {
        let (five, six) = (body("dev-1", 5, &[]), body("dev-1", 6, &[]));
        assert!(matches!(offer(None, &five, 1), Ok(Accepted::Newer(_))));
        assert!(matches!(
            offer(Some((5, &five)), &six, 1),
            Ok(Accepted::Newer(_))
        ));
        assert_eq!(
            offer(Some((6, &six)), &five, 1),
            Err(RefusalReason::StaleGeneration)
        );
        assert_eq!(offer(Some((5, &five)), &five, 1), Ok(Accepted::Unchanged));
        let other = body("dev-1", 5, &["x"]);
        assert_eq!(
            offer(Some((5, &five)), &other, 1),
            Err(RefusalReason::ConflictingGeneration)
        );
    }

    #[test]
    fn forged_foreign_and_garbled_manifests_are_refused() {
        assert_eq!(
            offer(None, &body("dev-1", 5, &[]), 2),
            Err(RefusalReason::BadSignature)
        );
        assert_eq!(
            offer(None, &body("dev-2", 5, &[]), 1),
            Err(RefusalReason::WrongDevice)
        );
        assert_eq!(offer(None, b"garbage", 1), Err(RefusalReason::Malformed));
    }
}
