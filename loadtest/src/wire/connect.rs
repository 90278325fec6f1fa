//! Making the connections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet_agent_core::link::Link;
use fleet_bus::async_nats::{Client, ConnectOptions, Event, Subscriber};
use fleet_contracts::subject;
use fleet_testbed::Testbed;
use futures::channel::mpsc;
use futures::future::try_join_all;
use nkeys::KeyPair;

use crate::Error;
use crate::fleet::Fleet;

/// Logins at once: more would only wait for each other.
const LOGINS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with a subscription to all answers on it.
#[derive(Debug)]
pub struct Line {
    /// The connection.
    pub client: Client,
    /// What its reply subjects begin with.
    pub inbox: String,
    /// The answers.
    pub answers: Subscriber,
    /// Whether it is connected, each time that changes.
    pub news: mpsc::UnboundedReceiver<bool>,
}

/// The longest pause before an attempt that any connection has drawn.
#[derive(Debug, Clone, Default)]
pub struct Ramp(Arc<AtomicU64>);

impl Ramp {
    /// It.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Begins anew.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn drawn(&self, millis: u64) -> Duration {
        self.0.fetch_max(millis, Ordering::Relaxed);
        Duration::from_millis(millis)
    }
}

/// So many connections, each as a user that may speak for every device.
///
/// # Errors
/// When a login is refused.
pub async fn multiplexed(bed: &Testbed, lanes: usize, ramp: &Ramp) -> Result<Vec<Line>, Error> {
    let key = KeyPair::new_user();
    let seed = key.seed().map_err(Error::Key)?;
    bed.nats()?.admit_simulator(key.public_key()).await?;
    let dial = (0..lanes).map(|lane| {
        let options = ConnectOptions::with_nkey(seed.clone())
            .name(format!("simulated devices, lane {lane}"))
            .client_capacity(8_192)
            .subscription_capacity(65_536);
        open(bed, options, format!("_INBOX.lane{lane}"), ramp)
    });
    try_join_all(dial).await
}

/// A connection for each device, with that device's own permissions; in the order of the fleet.
///
/// # Errors
/// When a login is refused.
pub async fn each(bed: &Testbed, fleet: &Fleet, ramp: &Ramp) -> Result<Vec<Line>, Error> {
    let keys: Vec<_> = fleet.devices.iter().map(|_| KeyPair::new_user()).collect();
    let ids = fleet.devices.iter().map(|device| device.id.clone());
    let admitted = ids.zip(keys.iter().map(KeyPair::public_key));
    bed.nats()?.admit_keys(admitted).await?;
    let mut lines = Vec::with_capacity(keys.len());
    let both: Vec<_> = fleet.devices.iter().zip(&keys).collect();
    for some in both.chunks(LOGINS) {
        let dial = some.iter().map(|(device, key)| async move {
            let inbox = subject::inbox_prefix(&device.id);
            let options = ConnectOptions::with_nkey(key.seed().map_err(Error::Key)?)
                .name(device.id.as_ref())
                .custom_inbox_prefix(inbox.clone())
                .client_capacity(16)
                .subscription_capacity(16)
                .read_buffer_capacity(4 * 1024);
            open(bed, options, inbox, ramp).await
        });
        lines.extend(try_join_all(dial).await?);
    }
    Ok(lines)
}

/// Attempts are as far apart as an agent's.
async fn open(
    bed: &Testbed,
    options: ConnectOptions,
    inbox: String,
    ramp: &Ramp,
) -> Result<Line, Error> {
    let (tell, news) = mpsc::unbounded();
    let link = Arc::new(Mutex::new(Link::default()));
    let (attempts, answered, ramp) = (Arc::clone(&link), link, ramp.clone());
    let options = options
        .connection_timeout(PATIENCE)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(move |_| {
            let mut link = attempts.lock().unwrap_or_else(PoisonError::into_inner);
            ramp.drawn(link.attempt(&mut fastrand::f64))
        })
        .event_callback(move |event| {
            let up = match event {
                Event::Connected => Some(true),
                Event::Disconnected => Some(false),
                _ => None,
            };
            if let Some(up) = up {
                if up {
                    let mut link = answered.lock().unwrap_or_else(PoisonError::into_inner);
                    link.answered();
                }
                // Nobody listens any more: the run is over.
                let _ = tell.unbounded_send(up);
            }
            async {}
        });
    let client = options.connect(bed.nats()?.url()).await;
    let client = client.map_err(Error::bus("log in"))?;
    let answers = client.subscribe(format!("{inbox}.>")).await;
    let answers = answers.map_err(Error::bus("subscribe"))?;
    client.flush().await.map_err(Error::bus("subscribe"))?;
    Ok(Line {
        client,
        inbox,
        answers,
        news,
    })
}
