//! Which devices are connected, as the bus itself says.

use std::time::{Duration, Instant};

use async_nats::Client;
use fleet_testbed::Testbed;
use serde::Deserialize;
use serde_json::json;

use crate::Error;
use crate::platform::expect;

/// What a server with one node answers about the connections of devices.
const SUBJECT: &str = "$SYS.REQ.ACCOUNT.DEVICES.CONNZ";

/// A look at the bus from its system account.
#[derive(Debug)]
pub struct Connections {
    client: Client,
}

#[derive(Deserialize)]
struct Answer {
    data: Page,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {}

impl Connections {
    /// Logs in to the system account.
    ///
    /// # Errors
    /// When the testbed has no bus, or it does not answer.
    pub async fn of(bed: &Testbed) -> Result<Self, Error> {
        let nats = bed.nats()?;
        let client = nats.client_with_seed(&nats.system_seed()).await?;
        Ok(Self { client })
    }

    /// How many connections a device has at this moment.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn number(&self, device: &str) -> Result<usize, Error> {
        let silent = |error: &dyn std::fmt::Display| {
            Error::Unexpected(format!("the bus does not say who is connected: {error}"))
        };
        let query = json!({"auth": true, "user": device}).to_string();
        let answer = self.client.request(SUBJECT, query.into()).await;
        let answer = answer.map_err(|e| silent(&e))?;
        let answer: Answer = serde_json::from_slice(&answer.payload).map_err(|e| silent(&e))?;
        Ok(answer.data.connections.len())
    }

    /// Waits until a device is connected, or is not; how long that took.
    ///
    /// # Errors
    /// When that does not happen within `limit`.
    pub async fn until(
        &self,
        device: &str,
        state: State,
        limit: Duration,
    ) -> Result<Duration, Error> {
        let start = Instant::now();
        let reached = || async {
            let number = self.number(device).await;
            number.is_ok_and(|number| (number > 0) == (state == State::Connected))
        };
        expect(limit, format!("{device} is {state:?}"), reached).await?;
        Ok(start.elapsed())
    }
}

/// Whether a device has the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has a connection.
    Connected,
    /// It has none.
    Disconnected,
}
