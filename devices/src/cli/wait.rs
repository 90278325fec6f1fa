use std::time::Duration;

use fleet_cluster::{Cluster, ClusterError, ClusterFlags};

use crate::setup::{Check, Wait};

/// How long to wait, and for what.
#[derive(Debug, clap::Args)]
pub struct WaitArgs {
    /// End when the agent was started: neither wait until it has its connection, and put the one before back where
    /// it does not come up, nor until the fleet says that the device is Reachable
    #[arg(long)]
    pub no_wait: bool,

    /// How long each of approval, connection and Reachable may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,

    /// Where to ask whether the device is Reachable.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

impl WaitArgs {
    pub(super) fn within(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    pub(super) fn wait(&self) -> Wait {
        if self.no_wait {
            Wait::No
        } else {
            Wait::Within(self.within())
        }
    }

    /// Where to ask. Nothing is sent yet. What was named has to be usable; what was not, need not be there.
    pub(super) async fn check(&self, plan: bool) -> Result<Check, ClusterError> {
        if self.no_wait || plan {
            return Ok(Check::No);
        }
        let named = self.cluster.kubeconfig.is_some() || self.cluster.context.is_some();
        match Cluster::connect(&self.cluster).await {
            Ok(cluster) if named => Ok(Check::Named(Box::new(cluster))),
            Ok(cluster) => Ok(Check::Found(Box::new(cluster))),
            Err(error) if named => Err(error),
            Err(error) => Ok(Check::Cannot(fleet_service::chain(&error))),
        }
    }
}
