//! OpenBao is away.

use std::time::{Duration, Instant};

use fleet_e2e::connections::State;
use fleet_e2e::{Error, rollout};

use crate::scene::{MEMBERS, NEWCOMER, SOON, Scene};

/// What is promised: from `fleet deny` to the end of the connection.
const DENIED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn while_openbao_is_away_the_fleet_works_and_who_is_new_waits() {
    // Sessions end and begin again during the outage.
    let scene = Scene::start("outage-openbao", Duration::from_secs(15)).await;
    scene.held(Box::pin(story(&scene)).await);
}

async fn story(scene: &Scene) -> Result<(), Error> {
    let (platform, openbao) = (&scene.platform, scene.platform.bed.openbao()?);
    let processes = scene.processes()?;
    let containers = platform.containers("dev-1").await?;
    openbao.stop().await.expect("stopped");
    let since = Instant::now();
    scene.newcomer.start_agent().await?;
    scene.stranger_waits("PolicyStoreFailed").await?;
    scene.stay(&MEMBERS, since).await?;
    assert_eq!(platform.containers("dev-1").await?, containers);

    // What changes arrives, and who was cut off comes back, by policies that were read long ago.
    rollout::roll_out(platform, "v2", &MEMBERS).await?;
    let stale = "fleet_auth_policy_reads_total{outcome=\"stale\"}";
    scene.counted(stale, SOON).await?;
    scene.restart_nats().await?;
    for device in MEMBERS {
        scene.connected(device).await?;
    }
    rollout::roll_out(platform, "v1", &MEMBERS).await?;
    let unknown = "nothing known of this device";
    scene
        .judged(NEWCOMER, &["PolicyUnavailable", unknown])
        .await?;
    scene.says(NEWCOMER, "LoginRefused").await?;
    assert_eq!(scene.connections.number(NEWCOMER).await?, 0);

    openbao.start().await.expect("started");
    scene.recovers("v2").await?;
    assert_eq!(scene.processes()?, processes);
    // The list of denials is followed again.
    let identity = scene.identity()?;
    let enrolment = identity.enrolment_of(NEWCOMER).await?.expect("enrolled");
    identity.deny(&enrolment).await?;
    let out = scene
        .connections
        .until(NEWCOMER, State::Disconnected, DENIED_WITHIN);
    out.await.map(drop)
}
