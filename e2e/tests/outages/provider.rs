//! The identity provider is away.

use std::time::{Duration, Instant};

use fleet_e2e::connections::State;
use fleet_e2e::{Error, rollout};

use crate::scene::{MEMBERS, NEWCOMER, SOON, Scene};

/// Long enough for what a device is to do with its last token, on a busy machine.
const TOKENS: Duration = Duration::from_secs(75);
/// The longest that a token of the provider lasts here.
const LONGEST: Duration = Duration::from_secs(660);

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_away_devices_work_until_their_tokens_end_and_come_back_with_it() {
    let scene = Scene::start("outage-idp", TOKENS).await;
    scene.held(Box::pin(story(&scene)).await);
}

async fn story(scene: &Scene) -> Result<(), Error> {
    let (platform, idp) = (&scene.platform, scene.platform.bed.idp()?);
    let processes = scene.processes()?;
    idp.stop().await;
    let since = Instant::now();
    rollout::roll_out(platform, "v2", &MEMBERS).await?;
    // Keys that can be read no more still verify the tokens that devices have.
    let failed = "fleet_auth_jwks_reads_total{outcome=\"IdpUnreachable\"}";
    scene.counted(failed, LONGEST).await?;
    scene.restart_nats().await?;
    for device in MEMBERS {
        scene.connected(device).await?;
    }
    rollout::roll_out(platform, "v1", &MEMBERS).await?;
    scene.newcomer.start_agent().await?;
    let no_token = "no token to present (Unreachable)";
    scene.says(NEWCOMER, no_token).await?;
    scene.stranger_waits("IdentityProviderFailed").await?;

    // A session ends with its token, and what runs goes on.
    let containers = platform.containers("dev-1").await?;
    for device in MEMBERS {
        let ended = scene
            .connections
            .until(device, State::Disconnected, LONGEST);
        ended.await?;
        scene.says(device, no_token).await?;
    }
    scene.stay(&[], since).await?;
    rollout::ask_for(platform, "v2").await?;
    assert_eq!(platform.containers("dev-1").await?, containers);
    assert!(rollout::shows(platform, "v1", "dev-1").await?);

    idp.start().expect("started");
    for device in MEMBERS {
        let back = scene.connections.until(device, State::Connected, SOON);
        println!("{device} is back after {:.0?}", back.await?);
    }
    rollout::shown(platform, "v2", &MEMBERS).await?;
    scene.recovers("v1").await?;
    assert_eq!(scene.processes()?, processes);
    Ok(())
}
