//! Devices change their labels, and so enter and leave Deployments.

use super::live::{Live, Span, moves, spent::Spent};
use super::{Scene, setup};
use crate::Error;
use crate::platform::Platform;

/// Does so for as long as the parameters say.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let _sampler = platform.sample(&scene.record)?;
    let (live, mut agents) = Live::start(scene, platform).await?;
    setup::quiet(scene, platform).await?;
    let spent = Spent::by_now(scene, platform).await;
    scene.progress.say("devices change their labels");
    let span = Span::of(scene);
    tokio::try_join!(moves::carry(&live, span), live.show(&mut agents, span))?;
    spent.note(scene, platform).await;
    live.finish(platform, &[]).await
}
