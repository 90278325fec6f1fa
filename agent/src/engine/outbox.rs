//! Sending what the bus has to be told.

use fleet_agent_core::engine::{Input, Item, Parcel};
use futures::{StreamExt as _, stream};

use crate::bus::Bus;

/// Waiting for an acknowledgement at once.
const PARALLEL: usize = 16;

/// Has the bus store a batch, and says what it acknowledged.
pub(super) async fn send(batch: Vec<Parcel>, bus: &Bus) -> Input {
    let mut answers = stream::iter(batch)
        .map(
            |Parcel {
                 item,
                 version,
                 body,
             }| async move {
                let result = match &item {
                    Item::Info => bus.put_info(body.unwrap_or_default()).await,
                    Item::State(deployment) => bus.put_state(deployment, body).await,
                };
                (item, version, result)
            },
        )
        .buffer_unordered(PARALLEL);
    let (mut acknowledged, mut failed) = (vec![], None);
    while let Some((item, version, result)) = answers.next().await {
        match result {
            Ok(()) => acknowledged.push((item, version)),
            Err(error) => failed = Some(error.to_string()),
        }
    }
    Input::Sent {
        acknowledged,
        failed,
    }
}
