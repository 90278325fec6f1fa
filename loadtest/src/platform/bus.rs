//! Which server of the bus leads what.

use fleet_contracts::kv::Bucket;

use super::Platform;

impl Platform {
    /// The server that leads the stream of a bucket, counted from 0; none while nobody does.
    pub async fn bus_leader(&self, bucket: Bucket) -> Option<usize> {
        let nats = self.bed.nats().ok()?;
        if nats.servers() == 1 {
            return Some(0);
        }
        let stream = self.bus.context().get_stream(bucket.stream()).await.ok()?;
        let leader = stream.cached_info().cluster.as_ref()?.leader.clone()?;
        nats.server_named(&leader)
    }

    /// Whether every server of the bus has all that its streams hold: any may then be killed.
    pub async fn bus_is_whole(&self) -> bool {
        for bucket in Bucket::ALL {
            let Ok(stream) = self.bus.context().get_stream(bucket.stream()).await else {
                return false;
            };
            let info = stream.cached_info();
            let Some(cluster) = &info.cluster else {
                continue;
            };
            let copies = cluster.replicas.len() + 1;
            let behind = cluster
                .replicas
                .iter()
                .any(|peer| !peer.current || peer.offline);
            if cluster.leader.is_none() || copies != info.config.num_replicas || behind {
                return false;
            }
        }
        true
    }
}
