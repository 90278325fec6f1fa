//! `fleet-auth provision openbao`.

use std::time::Duration;

use super::args::ProvisionArgs;
use super::client::{BaoError, Session};
use super::provision::{ProvisionError, provision};
use crate::steps::{Mode, Step};

/// Longest time for one request. Nobody's login waits for it, and a busy OpenBao takes its time to start what
/// was enabled.
const PATIENCE: Duration = Duration::from_secs(60);

/// Logs in, sets up or plans, and gives the token back.
///
/// # Errors
/// When OpenBao refuses or cannot be reached.
pub async fn run(args: &ProvisionArgs) -> Result<Vec<Step>, ProvisionError> {
    let settings = args.bao.settings().ok_or(BaoError::NoAddress)?;
    let setup = args.setup()?;
    let mode = if args.plan { Mode::Plan } else { Mode::Apply };
    let session = Session::open_with(&settings, PATIENCE).await?;
    let steps = provision(&session, &setup, mode).await;
    // It ends by itself soon; what was done counts more than this.
    if let Err(error) = session.close().await {
        tracing::warn!(error = fleet_service::chain(&error), "a token is left");
    }
    steps
}
