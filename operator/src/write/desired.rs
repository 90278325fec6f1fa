use bytes::Bytes;
use fleet_bus::WriteError;
use fleet_bus::async_nats::HeaderMap;
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER};
use fleet_contracts::{DeviceId, Manifest};
use fleet_operator_core::mirror::{ManifestWrite, Plan, Put};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Done, Failure, Writers};
use crate::clock;
use fleet_service::chain;

/// Deletions of one device under way at once; purging is work for the server.
const DELETIONS_AT_ONCE: usize = 8;

/// Bodies first, then the manifest that names them, then the deletion of bodies nobody names: a
/// device that follows its manifest at any moment finds what it needs.
impl Writers {
    pub(super) async fn write_desired(&self, device: &DeviceId) -> Result<Done, Failure> {
        let plan = self.plan(device)?;
        if plan.is_empty() {
            self.let_go();
            return Ok(Done::Unchanged);
        }
        self.put_entries(&plan.puts).await?;
        match &plan.manifest {
            Some(ManifestWrite::Put {
                manifest,
                body,
                expected,
            }) => self.put_manifest(manifest, body, *expected).await?,
            Some(ManifestWrite::Delete) => self.delete_manifest(device).await?,
            None => {}
        }
        self.delete_entries(&plan.deletes).await?;
        self.let_go();
        Ok(Done::Written)
    }

    fn plan(&self, device: &DeviceId) -> Result<Plan, Failure> {
        let state = self.shared.lock();
        let desired = state.index.desired(device);
        Ok(state.mirror.plan(device, desired.as_ref(), clock::wall())?)
    }

    /// All are sent before the first acknowledgement is awaited.
    async fn put_entries(&self, puts: &[Put]) -> Result<(), Failure> {
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
            self.shared.lock().mirror.stored(put, sequence);
            Ok::<_, WriteError>(())
        }))
        .await?;
        Ok(())
    }

    async fn put_manifest(
        &self,
        manifest: &Manifest,
        body: &[u8],
        expected: u64,
    ) -> Result<(), Failure> {
        let signer = self.shared.lock().mirror.sending(&manifest.device, body);
        let mut headers = HeaderMap::new();
        headers.insert(KEY_HEADER, signer.key_id().to_string());
        headers.insert(SIGNATURE_HEADER, signer.sign(body));
        let key = DesiredKey::Manifest(manifest.device.clone()).to_string();
        let body = Bytes::copy_from_slice(body);
        let bucket = Bucket::DesiredState;
        let sent = self.bus.send(bucket, &key, headers, body, Some(expected));
        let sequence = sent.await?.acknowledged().await?;
        let mut state = self.shared.lock();
        state.mirror.manifest_stored(manifest, sequence);
        tracing::debug!(
            device = %manifest.device, generation = manifest.generation.0,
            deployments = manifest.deployments.len(), "manifest written"
        );
        Ok(())
    }

    async fn delete_manifest(&self, device: &DeviceId) -> Result<(), Failure> {
        let key = DesiredKey::Manifest(device.clone()).to_string();
        let sequence = self.bus.delete(Bucket::DesiredState, &key).await?;
        self.shared.lock().mirror.manifest_deleted(device, sequence);
        Ok(())
    }

    /// Marks keys as deleted, for the watches of standbys, and then removes the markers: otherwise
    /// one would stay for every pair there ever was.
    async fn delete_entries(&self, keys: &[EntryKey]) -> Result<(), Failure> {
        let deletions = keys.iter().cloned().map(|key| {
            let writers = self.clone();
            async move { writers.delete_entry(&key).await }
        });
        stream::iter(deletions)
            .buffer_unordered(DELETIONS_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }

    async fn delete_entry(&self, key: &EntryKey) -> Result<(), WriteError> {
        let bucket = Bucket::DesiredState;
        let text = key.to_string();
        let sequence = self.bus.delete(bucket, &text).await?;
        self.shared.lock().mirror.entry_deleted(key, sequence);
        if let Err(error) = self.bus.purge(bucket, &text, sequence).await {
            let error = chain(&error);
            tracing::debug!(key = text, error, "deletion marker not removed");
        }
        Ok(())
    }

    /// Deployments that are being deleted may have lost their last key.
    fn let_go(&self) {
        let mut state = self.shared.lock();
        let free: Vec<_> = state
            .known
            .leaving
            .iter()
            .filter(|reference| !state.mirror.names(reference))
            .cloned()
            .collect();
        state.queues.finalizers.mark(free, clock::now());
    }
}
