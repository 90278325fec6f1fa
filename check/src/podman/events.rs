//! Events: that something happened, which is all that the agent looks at.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream::{self, Stream};
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};

/// More than happens before a listener looks.
const KEPT: usize = 64;

/// Rings whenever a container changes.
#[derive(Debug, Clone)]
pub(super) struct Bell(broadcast::Sender<Bytes>);

impl Default for Bell {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl Bell {
    /// An action on a container.
    pub(super) fn ring(&self, action: &str, id: &str) {
        let event = json!({"Type": "container", "Action": action, "Actor": {"ID": id}});
        // Without listeners there is nobody to tell.
        let _ = self.0.send(Bytes::from(format!("{event}\n")));
    }

    /// What happens from now on, one event a line.
    pub(super) fn listen(&self) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        stream::unfold(self.0.subscribe(), |mut heard| async move {
            loop {
                match heard.recv().await {
                    Ok(event) => return Some((Ok(event), heard)),
                    // The next one says as much: listeners list all containers anyway.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        })
    }
}
