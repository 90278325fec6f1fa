//! What an idle agent costs: memory, processor time, size on disk.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{cpu_seconds, kib_to_mib, pss_mib};
use super::{machine, stats};
use crate::identity::ChainOptions;
use crate::platform::{Login, Place, Platform, Wanted};
use crate::{Error, http, workload};

pub(super) const DEVICE: &str = "bench-1";
pub(super) const PORT: u16 = 8080;
/// What we advise for tokens. With Zitadel's own twelve hours none would be asked for while the agent
/// is watched.
const TOKEN_LIFE: Duration = Duration::from_secs(600);

/// How the agent logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// With tokens of an identity provider, as in a fleet.
    Tokens,
    /// With the seed of a static nkey, for comparison.
    StaticKey,
}

/// Runs one container under the agent and watches the agent for `span`.
pub async fn run(
    span: Duration,
    credentials: Credentials,
    say: impl Fn(&str),
) -> Result<Value, Error> {
    let platform = Box::pin(start(credentials, &say)).await?;
    platform
        .apply(&workload::web("idle", ("device-id", DEVICE), "v1", PORT)?)
        .await?;
    http::wait_for(
        platform.address(DEVICE, PORT)?,
        "v1",
        Duration::from_secs(60),
    )
    .await?;
    platform
        .wait_deployment("idle", "has succeeded", |d| {
            d.status
                .as_ref()
                .is_some_and(|s| s.aggregate.succeeded == 1)
        })
        .await?;
    let pid = agent_process(&platform)?;
    let (cpu_before, start) = (cpu_seconds(pid)?, Instant::now());
    while start.elapsed() < span {
        let left = span.saturating_sub(start.elapsed());
        tokio::time::sleep(left.min(Duration::from_secs(30))).await;
        say(&format!(
            "{:4.0} of {} s: PSS {:.2} MiB",
            start.elapsed().as_secs_f64(),
            span.as_secs(),
            pss_mib(pid)?
        ));
    }
    let cpu = cpu_seconds(pid)? - cpu_before;
    let cpu_percent = cpu / start.elapsed().as_secs_f64() * 100.0;
    let program =
        fs::read_link(format!("/proc/{pid}/exe")).map_err(unreadable("the agent's program"))?;
    Ok(json!({
        "agent_pss_mib": stats::round(pss_mib(pid)?, 2),
        "agent_cpu_percent": stats::round(cpu_percent, 4),
        "binary_mib": stats::round(size_mib(&program)?, 2),
        "credentials": match credentials {
            Credentials::Tokens => "tokens",
            Credentials::StaticKey => "static key",
        },
        "seconds": span.as_secs(),
        "machine": machine::describe().await,
    }))
}

pub(super) async fn start(
    credentials: Credentials,
    say: &impl Fn(&str),
) -> Result<Platform, Error> {
    let login = match credentials {
        Credentials::Tokens => Login::Chain(ChainOptions::default()),
        Credentials::StaticKey => Login::StaticKeys,
    };
    let wanted = Wanted {
        name: "bench-agent",
        devices: &[DEVICE],
        heartbeat: None,
        operator: Place::Process,
        login,
    };
    let platform = Platform::start_wanted(wanted, say).await?;
    if credentials == Credentials::Tokens {
        // The token that the agent holds is an old one, so it begins anew.
        platform.bed.idp()?.set_token_lifetime(TOKEN_LIFE);
        let device = platform.bed.device(DEVICE)?;
        device.stop_agent().await?;
        device.start_agent().await?;
    }
    Ok(platform)
}

/// The agent's own process: the testbed may have started it through a wrapper.
pub(super) fn agent_process(platform: &Platform) -> Result<u32, Error> {
    let pid = platform.bed.device(DEVICE)?.agent().pid();
    pid.ok_or_else(|| Error::Unexpected("the agent does not run".into()))
}

fn size_mib(program: &Path) -> Result<f64, Error> {
    let bytes = fs::metadata(program)
        .map_err(unreadable("the agent's program"))?
        .len();
    Ok(kib_to_mib(bytes / 1024))
}

/// For `map_err` on files that cannot be read.
fn unreadable(what: &str) -> impl FnOnce(std::io::Error) -> Error {
    move |error| Error::Unexpected(format!("failed to read {what}: {error}"))
}
