//! The auth callout's way to end connections of devices: finding them and closing them by requests to
//! the servers themselves, from the system account.
//!
//! Its user may do these two things and nothing else there. The servers know no narrower right than
//! closing any connection, so the seed is to be kept as carefully as the issuer's.

use std::cmp::Ordering;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, Message};
use fleet_contracts::DeviceId;
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::account;
use crate::connect::{self, ConnectError, ConnectSettings};

/// The prefix of its inboxes; it must not hear what other users of the account are answered.
const INBOX: &str = "_INBOX_enforcer";
/// Where any server closes one of its connections: `<server id>` is the wildcard.
const KICK: &str = "$SYS.REQ.SERVER.*.KICK";
/// Servers that have not answered by then are not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// After an answer the next server's is waited for this long: nobody says how many servers there are.
const NEXT: Duration = Duration::from_millis(500);

/// Every server answers about its own connections of the account.
fn connections_subject() -> String {
    format!("$SYS.REQ.ACCOUNT.{}.CONNZ", account::DEVICES)
}

/// The permissions of the user, as a server's configuration has them.
pub(crate) fn permissions() -> Value {
    json!({
        "publish": {"allow": [KICK, connections_subject()]},
        "subscribe": {"allow": [format!("{INBOX}.>")]},
    })
}

/// Why connections were not found or closed.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The connection to the bus is closed.
    #[error("failed to ask the servers of the bus")]
    Send(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No server answered.
    #[error("no server of the bus answered about connections; may this user ask?")]
    Silent,
    /// A server did not answer, or not as one.
    #[error("failed to close connection {place:?}")]
    Close {
        /// Which.
        place: Place,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One connection. Servers never give the same number twice, and take a new id when they start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The server's id (`N…`).
    pub server: String,
    /// The connection's number there.
    pub client: u64,
}

/// The older of two connections of one server is less; between servers there is no order.
impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.server == other.server).then(|| self.client.cmp(&other.client))
    }
}

/// What became of a connection that was to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It was open until now.
    Now,
    /// It was gone already, or its server is.
    Before,
}

/// A connection to the system account.
#[derive(Debug, Clone)]
pub struct SystemBus {
    client: Client,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    server: Option<ServerId>,
    #[serde(default)]
    data: Option<Connections>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct ServerId {
    id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Connections {
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    cid: u64,
}

impl SystemBus {
    /// Connects, and fails if that does not work now; afterwards it reconnects for ever.
    ///
    /// # Errors
    /// When the seed cannot be read, or the server refuses or is not there.
    pub async fn connect(settings: &ConnectSettings) -> Result<Self, ConnectError> {
        let client = connect::dial(settings, |options| options.custom_inbox_prefix(INBOX)).await?;
        Ok(Self { client })
    }

    /// Whether the connection stands at this moment.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Closes all connections of a device, on all servers that answer; those that were open.
    ///
    /// # Errors
    /// When no server answers, or one does not close what it has.
    pub async fn close_all(&self, device: &DeviceId) -> Result<Vec<Place>, SystemError> {
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(sent)?;
        // The callout gives each user the device's id for a name, and by that it is found.
        let query = json!({"auth": true, "user": device});
        let (subject, query) = (connections_subject(), query.to_string());
        let asked = self.client.publish_with_reply(subject, inbox, query.into());
        asked.await.map_err(sent)?;
        let mut closed = Vec::new();
        let mut deadline = Instant::now() + PATIENCE;
        let mut answered = false;
        while let Ok(Some(message)) = timeout_at(deadline, answers.next()).await {
            let found = places(&message);
            answered |= found.is_some();
            for place in found.unwrap_or_default() {
                if self.close(&place).await? == Closed::Now {
                    closed.push(place);
                }
            }
            deadline = Instant::now() + NEXT;
        }
        // How that ends changes nothing: the inbox is never used again.
        let _ = answers.unsubscribe().await;
        if answered {
            Ok(closed)
        } else {
            Err(SystemError::Silent)
        }
    }

    /// Closes one connection.
    ///
    /// # Errors
    /// When its server cannot be asked or does not answer.
    pub async fn close(&self, place: &Place) -> Result<Closed, SystemError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SystemError::Close {
            place: place.clone(),
            source,
        };
        let subject = KICK.replace('*', &place.server);
        let request = async_nats::Request::new()
            .payload(json!({"cid": place.client}).to_string().into())
            .timeout(Some(PATIENCE));
        let answer = match self.client.send_request(subject, request).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                return Ok(Closed::Before);
            }
            Err(error) => return Err(failed(error.into())),
        };
        let answer: Answer =
            serde_json::from_slice(&answer.payload).map_err(|error| failed(error.into()))?;
        // The one error there is: no such connection.
        Ok(answer.error.map_or(Closed::Now, |_| Closed::Before))
    }
}

/// The connections in one server's answer; none if it is not one.
fn places(message: &Message) -> Option<Vec<Place>> {
    let answer: Answer = serde_json::from_slice(&message.payload).ok()?;
    let server = answer.server?.id;
    let connections = answer.data.unwrap_or_default().connections;
    let place = |connection: Connection| Place {
        server: server.clone(),
        client: connection.cid,
    };
    Some(connections.into_iter().map(place).collect())
}

fn sent(error: impl std::error::Error + Send + Sync + 'static) -> SystemError {
    SystemError::Send(error.into())
}
