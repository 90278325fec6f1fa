//! A connection that comes back by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event, RequestErrorKind, Subject};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::watch;

/// The longest wait between two attempts to reconnect.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(10);

/// The longest wait for a server to hear of who waits.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How to reach the server, from the PLATFORM account.
#[derive(Debug, Clone)]
pub struct ConnectSettings {
    /// `nats://host:port` or `tls://host:port`, several separated by commas.
    pub url: String,
    /// A file with the seed (`SU…`) of the user's nkey.
    pub seed_file: PathBuf,
    /// Shown in the server's connection list.
    pub name: String,
    /// A PEM file with the certificate authority of the server, where it is not a public one.
    pub ca_file: Option<PathBuf>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The seed file cannot be read.
    #[error("failed to read the nkey seed from {path}")]
    SeedFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no seed.
    #[error("{path} holds no nkey seed (one line beginning with SU)")]
    MalformedSeed {
        /// The file.
        path: PathBuf,
    },
    /// The server did not answer or refused.
    #[error("failed to connect to NATS at {url}")]
    Connect {
        /// The server.
        url: String,
        /// What it said.
        #[source]
        source: async_nats::ConnectError,
    },
}

/// A connection to the PLATFORM account.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    context: Context,
    /// How often the connection was lost.
    losses: watch::Receiver<u64>,
}

impl Bus {
    /// Connects, and fails if that does not work now; afterwards it reconnects for ever.
    pub async fn connect(settings: &ConnectSettings) -> Result<Self, ConnectError> {
        let (lost, losses) = watch::channel(0);
        let lost = Arc::new(lost);
        let counting = move |options: ConnectOptions| {
            options.event_callback(move |event| {
                let lost = Arc::clone(&lost);
                async move {
                    if event == Event::Disconnected {
                        lost.send_modify(|losses| *losses += 1);
                    }
                    log_event(event).await;
                }
            })
        };
        let bus = Self::over(dial(settings, counting).await?);
        Ok(Self { losses, ..bus })
    }

    /// Over a connection that exists already. Watches over it do not hear when it is lost.
    pub fn over(client: Client) -> Self {
        let context = jetstream::ContextBuilder::new()
            .timeout(Duration::from_secs(10))
            .ack_timeout(Duration::from_secs(10))
            .max_ack_inflight(4096)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let (_, losses) = watch::channel(0);
        Self {
            client,
            context,
            losses,
        }
    }

    /// Changes whenever the connection is lost from now on.
    pub(crate) fn losses(&self) -> watch::Receiver<u64> {
        let mut losses = self.losses.clone();
        losses.mark_unchanged();
        losses
    }

    /// The plain connection.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// JetStream over it.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Waits until the server has taken all that was sent before.
    ///
    /// # Errors
    /// When the connection is closed; while it is only lost, this waits.
    pub async fn settle(&self) -> Result<(), BoxError> {
        settle(&self.client).await
    }

    /// Publishes to somebody who waits for it, and tries again while the server knows of nobody: another
    /// server of its cluster may be about to tell it.
    ///
    /// # Errors
    /// When the connection is closed; while it is only lost, or nobody waits, this waits.
    pub async fn deliver(&self, subject: Subject, payload: Bytes) -> Result<(), BoxError> {
        let mut pause = Duration::from_millis(1);
        loop {
            let sent = self.client.request(subject.clone(), payload.clone());
            tokio::select! {
                // A server that knows of nobody says so, and does it before it echoes what came later.
                biased;
                outcome = sent => match outcome {
                    Err(error) if error.kind() == RequestErrorKind::NoResponders => {}
                    Err(error) if error.kind() != RequestErrorKind::TimedOut => return Err(error.into()),
                    _ => return Ok(()),
                },
                settled = self.settle() => return settled,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the connection stands at this moment.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }
}

/// Why nothing more can be sent.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Waits until the server has taken all that was sent before.
pub(crate) async fn settle(client: &Client) -> Result<(), BoxError> {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, Bytes::new()).await?;
    echo.next().await;
    Ok(())
}

/// Connects with the options that all of ours have, and what `adjust` adds.
pub(crate) async fn dial(
    settings: &ConnectSettings,
    adjust: impl FnOnce(ConnectOptions) -> ConnectOptions,
) -> Result<Client, ConnectError> {
    let seed = read_seed(&settings.seed_file)?;
    let mut options = ConnectOptions::with_nkey(seed)
        .name(&settings.name)
        .max_reconnects(None)
        .connection_timeout(Duration::from_secs(10))
        .request_timeout(Some(Duration::from_secs(10)))
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(log_event);
    if let Some(ca) = &settings.ca_file {
        options = options.add_root_certificates(ca.clone());
    }
    let urls: Vec<_> = settings.url.split(',').map(str::trim).collect();
    let connected = adjust(options).connect(urls).await;
    connected.map_err(|source| ConnectError::Connect {
        url: settings.url.clone(),
        source,
    })
}

/// Exponential with full jitter: a fleet that lost its server must not come back in step.
pub fn reconnect_delay(attempt: usize) -> Duration {
    let exponent = u32::try_from(attempt.min(8)).unwrap_or(8);
    let ceiling = (Duration::from_millis(50) * 2_u32.pow(exponent)).min(MAX_RECONNECT_DELAY);
    ceiling.mul_f64(fastrand::f64())
}

pub(crate) async fn log_event(event: Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("connection to NATS lost; reconnecting"),
        Event::ServerError(error) => tracing::error!(%error, "NATS server reported an error"),
        Event::ClientError(error) => tracing::warn!(%error, "NATS client reported an error"),
        other => tracing::debug!(event = %other, "NATS event"),
    }
}

fn read_seed(path: &Path) -> Result<String, ConnectError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConnectError::SeedFile {
        path: path.to_owned(),
        source,
    })?;
    let seed = text.trim();
    nkeys::KeyPair::from_seed(seed)
        .map(|_| seed.to_owned())
        .map_err(|_| ConnectError::MalformedSeed {
            path: path.to_owned(),
        })
}
