//! The device's one connection to the fleet.

mod credentials;
mod link;
mod sync;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Message, StatusCode};
use bytes::Bytes;
use fleet_agent_core::engine::Input;
use fleet_agent_core::sync::{Doorbell, Got};
use fleet_contracts::kv::DesiredKey;
use fleet_contracts::{DeploymentRef, DeviceId, subject};
use futures::StreamExt as _;
use tokio::sync::mpsc;

pub(crate) use credentials::{Authentication, CredentialError, CredentialSource, SeedFile};
pub(crate) use sync::fetch;

use link::Link;

use crate::clock::wall_seconds;
use crate::config::Config;
use crate::https::{self, TlsError, Trust};

/// Within which the bus must answer a request.
const REQUEST: Duration = Duration::from_secs(10);
/// What the client said and nobody looked at yet.
const NOTICES: usize = 16;

/// 2026-01-01: a clock before this was never set. Only then the client reads certificates our way,
/// which costs memory for as long as the agent runs.
const CLOCK_SET: u64 = 1_767_225_600;

/// What can go wrong on the bus.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BusError {
    /// The options do not lead to a connection.
    #[error("cannot connect to {url}: {source}")]
    Connect {
        /// The address.
        url: String,
        /// Why.
        source: async_nats::ConnectError,
    },
    /// The certificates to trust cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Subscribing failed.
    #[error("cannot subscribe to the doorbell: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
    /// No answer.
    #[error("no answer on {subject}: {source}")]
    Request {
        /// The subject.
        subject: String,
        /// Why.
        source: async_nats::RequestError,
    },
    /// The store refused a value.
    #[error("the bus refused {subject}: {message}")]
    Refused {
        /// The subject.
        subject: String,
        /// What it said.
        message: String,
    },
}

/// The connection. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    client: Client,
    device: DeviceId,
}

impl Bus {
    /// Starts connecting; does not wait for it. Ups, downs and doorbells go to `inputs`.
    pub(crate) async fn start(
        config: &Config,
        credentials: Arc<dyn CredentialSource>,
        inputs: mpsc::Sender<Input>,
    ) -> Result<Self, BusError> {
        let device = config.device_id.clone();
        let link = Link::new(credentials);
        let (login, attempts) = (link.clone(), link.clone());
        let (notices, heard) = mpsc::channel(NOTICES);
        let mut options = ConnectOptions::with_auth_callback(move |nonce| {
            let answer = login.authenticate(nonce);
            async move { answer.await.map_err(async_nats::AuthError::new) }
        })
        .name(device.as_str())
        .custom_inbox_prefix(subject::inbox_prefix(&device))
        .retry_on_initial_connect()
        .max_reconnects(None)
        // Not by the client's own count: that begins anew with the server's first word.
        .reconnect_delay_callback(move |_| attempts.attempt())
        // Longer than the server gives a login, so that its verdict is heard.
        .connection_timeout(REQUEST)
        .request_timeout(Some(REQUEST))
        .ping_interval(Duration::from_secs(60))
        // A device sends and hears little; large buffers would be a good part of its memory.
        .client_capacity(64)
        .subscription_capacity(64)
        .read_buffer_capacity(8 * 1024)
        .event_callback(move |event| {
            let notices = notices.clone();
            async move {
                // The loop has ended: so will this.
                let _ = notices.send(event).await;
            }
        });
        if let Some(ca) = &config.nats.ca_file {
            options = options.add_root_certificates(ca.clone());
        }
        if wall_seconds() < CLOCK_SET {
            options = options.tls_client_config(bear_the_clock(config)?);
        }
        let url = &config.nats.url;
        let addresses: Vec<&str> = url.split(',').map(str::trim).collect();
        let client = options.connect(addresses).await;
        let client = client.map_err(|source| BusError::Connect {
            url: url.clone(),
            source,
        })?;
        let doorbell = client.subscribe(subject::down_desired(&device)).await?;
        tokio::spawn(listen(doorbell, inputs.clone()));
        tokio::spawn(link.follow(client.clone(), device.clone(), heard, inputs));
        Ok(Self { client, device })
    }

    /// The current value of a key; `None` if there is none.
    async fn get(&self, key: &DesiredKey) -> Result<Option<Got>, BusError> {
        let subject = subject::get_desired(key);
        let answer = self
            .request(subject.clone(), HeaderMap::new(), Bytes::new())
            .await?;
        match answer.status {
            None | Some(StatusCode::OK) => {}
            Some(StatusCode::NOT_FOUND) => return Ok(None),
            Some(status) => {
                let message = format!("status {status}");
                return Err(BusError::Refused { subject, message });
            }
        }
        let headers = answer.headers.as_ref();
        // A deleted key answers with its marker.
        if headers.is_some_and(|headers| headers.get("KV-Operation").is_some()) {
            return Ok(None);
        }
        Ok(Some(got(answer)))
    }

    /// Stores what the device is.
    pub(crate) async fn put_info(&self, body: Bytes) -> Result<(), BusError> {
        self.store(subject::up_info(&self.device), HeaderMap::new(), body)
            .await
    }

    /// Stores what became of a deployment; without a body, deletes it.
    pub(crate) async fn put_state(
        &self,
        deployment: &DeploymentRef,
        body: Option<Bytes>,
    ) -> Result<(), BusError> {
        let mut headers = HeaderMap::new();
        if body.is_none() {
            headers.insert("KV-Operation", "DEL");
        }
        let subject = subject::up_state(&self.device, deployment);
        self.store(subject, headers, body.unwrap_or_default()).await
    }

    /// Sends a sign of life. Nobody acknowledges it: the next one follows.
    pub(crate) async fn heartbeat(&self, body: Bytes) {
        let subject = subject::up_heartbeat(&self.device);
        if let Err(error) = self.client.publish(subject, body).await {
            tracing::debug!(%error, "heartbeat not sent");
        }
    }

    /// Gives what was published a moment to leave.
    pub(crate) async fn flush(&self) {
        // On the way out nothing is left to be done about a failure.
        let _ = tokio::time::timeout(Duration::from_millis(500), self.client.flush()).await;
    }

    async fn store(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), BusError> {
        let answer = self.request(subject.clone(), headers, body).await?;
        let ack: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        if ack.get("seq").is_some() {
            return Ok(());
        }
        let said = ack.pointer("/error/description").and_then(|d| d.as_str());
        let message = said
            .unwrap_or("no acknowledgement of the stream")
            .to_owned();
        Err(BusError::Refused { subject, message })
    }

    async fn request(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Message, BusError> {
        let mut request = async_nats::Request::new().payload(body);
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        let answer = self.client.send_request(subject.clone(), request).await;
        answer.map_err(|source| BusError::Request { subject, source })
    }
}

fn bear_the_clock(config: &Config) -> Result<rustls::ClientConfig, TlsError> {
    tracing::warn!("the clock of this device was never set; bearing with it");
    https::patient(&Trust::from_file(config.nats.ca_file.as_deref()))
}

async fn listen(mut doorbell: async_nats::Subscriber, inputs: mpsc::Sender<Input>) {
    while let Some(message) = doorbell.next().await {
        let doorbell = Doorbell::new(got(message));
        if inputs.send(Input::Doorbell(doorbell)).await.is_err() {
            return;
        }
    }
}

fn got(message: Message) -> Got {
    let headers = message.headers.unwrap_or_default();
    Got::read(message.payload, |name| {
        headers.get_all(name).map(async_nats::HeaderValue::as_str)
    })
}
