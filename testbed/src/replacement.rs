//! The worst that can happen to a cluster, and what people do then: another one in its place.

use crate::error::Error;
use crate::testbed::Testbed;

impl Testbed {
    /// Loses the cluster with all that it kept, at once, and starts an empty one in its place: at the
    /// same addresses, for the same clients, on a node that has the same images and nothing else.
    /// What is no part of it stays: devices, and servers beside it.
    ///
    /// # Errors
    /// When the testbed has no control plane, or the new one does not come up.
    pub async fn replace_cluster(&self) -> Result<(), Error> {
        let (etcd, server) = (self.etcd()?, self.api_server()?);
        if let Some(node) = &self.node {
            node.lose().await?;
        }
        server.kill_all().await?;
        etcd.wipe().await?;
        etcd.start()?;
        server.start().await?;
        let Some(node) = &self.node else {
            return Ok(());
        };
        let client = server.client().await?;
        Ok(node.replace(&client).await?)
    }
}
