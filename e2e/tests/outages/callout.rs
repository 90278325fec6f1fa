//! The auth callout is away.

use std::time::{Duration, Instant};

use fleet_e2e::connections::State;
use fleet_e2e::{Error, rollout};

use crate::scene::{MEMBERS, NEWCOMER, Scene};

/// Long enough for a change to arrive before sessions end, on a busy machine.
const TOKENS: Duration = Duration::from_secs(60);
/// The longest that a session lasts here: as long as a token.
const LONGEST: Duration = Duration::from_secs(660);

#[tokio::test(flavor = "multi_thread")]
async fn while_the_callout_is_away_sessions_last_and_nobody_else_gets_in_until_it_is_back() {
    let scene = Scene::start("outage-callout", TOKENS).await;
    scene.held(Box::pin(story(&scene)).await);
}

async fn story(scene: &Scene) -> Result<(), Error> {
    let platform = &scene.platform;
    let processes = scene.processes()?;
    let callout = &scene.identity()?.callout;
    callout.kill().await?;
    let since = Instant::now();
    rollout::roll_out(platform, "v2", &MEMBERS).await?;
    // Who loses the connection waits for a verdict; it knows that there is none.
    scene.cut("dev-2").await?;
    scene.says("dev-2", "LoginUnanswered").await?;
    assert!(rollout::shows(platform, "v2", "dev-2").await?);
    scene.newcomer.start_agent().await?;
    scene.says(NEWCOMER, "LoginUnanswered").await?;
    // Joining the fleet does not need the callout.
    scene.identity()?.enrol(&scene.stranger).await?;

    let ended = scene
        .connections
        .until("dev-1", State::Disconnected, LONGEST);
    ended.await?;
    scene.says("dev-1", "LoginUnanswered").await?;
    scene.stay(&[], since).await?;
    rollout::ask_for(platform, "v1").await?;
    for device in [MEMBERS[0], MEMBERS[1], NEWCOMER] {
        assert_eq!(scene.connections.number(device).await?, 0, "{device}");
    }
    assert!(rollout::shows(platform, "v2", "dev-1").await?);

    callout.start_again()?;
    for device in MEMBERS {
        scene.connected(device).await?;
    }
    rollout::shown(platform, "v1", &MEMBERS).await?;
    scene.recovers("v2").await?;
    assert_eq!(scene.processes()?, processes);
    Ok(())
}
