use bytes::Bytes;
use fleet_bus::WriteError;
use fleet_bus::async_nats::HeaderMap;
use fleet_contracts::brought::ENTRY_HEADER;
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER};
use fleet_contracts::{DeviceId, Manifest};
use fleet_operator_core::mirror::{Batch, Epoch, ManifestWrite, Put};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::Instrument as _;

use super::{Done, Failure, Writers};
use crate::clock;
use fleet_service::chain;

/// Deletions of one device under way at once; purging is work for the server.
const DELETIONS_AT_ONCE: usize = 8;

impl Writers {
    pub(super) async fn write_desired(&self, device: &DeviceId) -> Result<Done, Failure> {
        let plan = self.shared.lock().desired_plan(device, clock::wall())?;
        let (epoch, unchanged) = (plan.epoch, plan.is_empty());
        for batch in plan.batches() {
            if !self.still_due(epoch) {
                break;
            }
            match batch {
                Batch::Entries(puts) => self.put_entries(epoch, &puts).await?,
                Batch::Manifest(ManifestWrite::Put {
                    manifest,
                    body,
                    brings,
                    expected,
                }) => {
                    let (device, generation) = (&manifest.device, manifest.generation.0);
                    let span = tracing::info_span!("manifest", %device, generation);
                    let headers = self.sign(&manifest, &body, &brings);
                    let put = self.put_manifest(epoch, &manifest, headers, body, expected);
                    put.instrument(span).await?;
                }
                Batch::Manifest(ManifestWrite::Delete { expected }) => {
                    self.delete_manifest(epoch, device, expected).await?;
                }
                Batch::Deletions(keys) => self.delete_entries(epoch, &keys).await?,
            }
        }
        self.shared.lock().let_go(clock::now());
        Ok(if unchanged {
            Done::Unchanged
        } else {
            Done::Written
        })
    }

    /// Whether a plan of this epoch is to be gone on with. Not if the stream is told again, for it may
    /// be another, nor after this replica's time to lead: somebody looks at everything anew.
    fn still_due(&self, epoch: Epoch) -> bool {
        let state = self.shared.lock();
        state.mirror.epoch() == epoch && state.is_active(clock::now())
    }

    /// All are sent before the first acknowledgement is awaited.
    async fn put_entries(&self, epoch: Epoch, puts: &[Put]) -> Result<(), Failure> {
        let mut pending = Vec::with_capacity(puts.len());
        for put in puts {
            let key = put.key.to_string();
            let body = Bytes::from_owner(std::sync::Arc::clone(put.body.bytes()));
            let sent = self
                .bus
                .send(Bucket::DesiredState, &key, HeaderMap::new(), body, None);
            pending.push((put, sent.await?));
        }
        try_join_all(pending.into_iter().map(|(put, pending)| async move {
            let sequence = pending.acknowledged().await?;
            self.shared.lock().mirror.stored(epoch, put, sequence);
            Ok::<_, WriteError>(())
        }))
        .await?;
        Ok(())
    }

    fn sign(&self, manifest: &Manifest, body: &[u8], brings: &[String]) -> HeaderMap {
        let signer = self.shared.lock().mirror.sending(manifest, body);
        let mut headers = HeaderMap::new();
        headers.insert(KEY_HEADER, signer.key_id().to_string());
        headers.insert(SIGNATURE_HEADER, signer.sign(body));
        for entry in brings {
            headers.append(ENTRY_HEADER, entry.as_str());
        }
        headers
    }

    async fn put_manifest(
        &self,
        epoch: Epoch,
        manifest: &Manifest,
        headers: HeaderMap,
        body: Vec<u8>,
        expected: u64,
    ) -> Result<(), Failure> {
        let key = DesiredKey::Manifest(manifest.device.clone()).to_string();
        let bucket = Bucket::DesiredState;
        let sent = self
            .bus
            .send(bucket, &key, headers, body.into(), Some(expected));
        let stored = async { sent.await?.acknowledged().await };
        let stored = stored.await;
        if stored.is_err() {
            self.shared.lock().mirror.unanswered(&manifest.device);
        }
        let sequence = stored?;
        let taken = self
            .shared
            .lock()
            .manifest_stored(epoch, manifest, sequence, clock::now());
        self.shared.took(&taken);
        for (deployment, revision) in &manifest.deployments {
            let revision = revision.short();
            tracing::trace!(%deployment, revision, "named in the manifest");
        }
        let deployments = manifest.deployments.len();
        tracing::debug!(deployments, "manifest written");
        Ok(())
    }

    async fn delete_manifest(
        &self,
        epoch: Epoch,
        device: &DeviceId,
        expected: u64,
    ) -> Result<(), Failure> {
        let key = DesiredKey::Manifest(device.clone()).to_string();
        let bucket = Bucket::DesiredState;
        let sequence = self.bus.delete(bucket, &key, Some(expected)).await?;
        self.shared
            .lock()
            .mirror
            .manifest_deleted(epoch, device, sequence);
        Ok(())
    }

    /// Marks keys as deleted, for the watches of standbys, and then removes the markers: otherwise
    /// one would stay for every pair there ever was.
    async fn delete_entries(&self, epoch: Epoch, keys: &[EntryKey]) -> Result<(), Failure> {
        let deletions = keys.iter().cloned().map(|key| {
            let writers = self.clone();
            async move { writers.delete_entry(epoch, &key).await }
        });
        stream::iter(deletions)
            .buffer_unordered(DELETIONS_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }

    async fn delete_entry(&self, epoch: Epoch, key: &EntryKey) -> Result<(), WriteError> {
        let bucket = Bucket::DesiredState;
        let text = key.to_string();
        let sequence = self.bus.delete(bucket, &text, None).await?;
        let counts = self
            .shared
            .lock()
            .mirror
            .entry_deleted(epoch, key, sequence);
        if !counts {
            return Ok(());
        }
        if let Err(error) = self.bus.purge(bucket, &text, sequence).await {
            let error = chain(&error);
            tracing::debug!(key = text, error, "deletion marker not removed");
        }
        Ok(())
    }
}
