//! Making the connections. On a bus of several servers they are spread over all of them; one that is lost
//! comes back wherever it can, as an agent's does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_agent_core::Tick;
use fleet_agent_core::link::Link;
use fleet_bus::async_nats::{Client, ClientError, ConnectOptions, Event, ServerError, Subscriber};
use fleet_contracts::subject;
use fleet_testbed::Testbed;
use futures::channel::mpsc;
use futures::future::try_join_all;
use nkeys::KeyPair;

use crate::Error;
use crate::fleet::{Device, Fleet};
use crate::platform::Door;

/// Logins at once: more would only wait for each other.
const LOGINS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);
/// What the client calls a refused login.
const REFUSED: &str = "authorization violation";

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
        open(bed, lane, options, format!("_INBOX.lane{lane}"), ramp)
    });
    try_join_all(dial).await
}

/// A connection for each device, with that device's own permissions; in the order of the fleet. Devices
/// show a token at the door, or a key that the bus knows where there is none.
///
/// # Errors
/// When a login is refused.
pub async fn each(
    bed: &Testbed,
    door: Option<&Door>,
    fleet: &Fleet,
    ramp: &Ramp,
) -> Result<Vec<Line>, Error> {
    let logins = match door {
        Some(door) => tokens(door, fleet),
        None => keys(bed, fleet).await?,
    };
    let mut lines = Vec::with_capacity(logins.len());
    let mut all = logins.into_iter().zip(&fleet.devices).enumerate();
    loop {
        let some: Vec<_> = all.by_ref().take(LOGINS).collect();
        if some.is_empty() {
            return Ok(lines);
        }
        let dial = some.into_iter().map(|(number, (login, device))| {
            let inbox = subject::inbox_prefix(&device.id);
            let options = login
                .name(device.id.as_ref())
                .custom_inbox_prefix(inbox.clone())
                .client_capacity(16)
                .subscription_capacity(16)
                .read_buffer_capacity(4 * 1024);
            open(bed, number, options, inbox, ramp)
        });
        lines.extend(try_join_all(dial).await?);
    }
}

/// A key for each device, which the bus is told.
async fn keys(bed: &Testbed, fleet: &Fleet) -> Result<Vec<ConnectOptions>, Error> {
    let keys: Vec<_> = fleet.devices.iter().map(|_| KeyPair::new_user()).collect();
    let ids = fleet.devices.iter().map(|device| device.id.clone());
    let admitted = ids.zip(keys.iter().map(KeyPair::public_key));
    bed.nats()?.admit_keys(admitted).await?;
    let seeds = keys.iter().map(|key| key.seed().map_err(Error::Key));
    seeds
        .map(|seed| Ok(ConnectOptions::with_nkey(seed?)))
        .collect()
}

/// A token of its own for each device.
fn tokens(door: &Door, fleet: &Fleet) -> Vec<ConnectOptions> {
    let login = |device: &Device| {
        let badge = door.badge(&device.id);
        ConnectOptions::with_auth_callback(move |_| {
            let shown = badge.present();
            async move { shown }
        })
    };
    fleet.devices.iter().map(login).collect()
}

/// What a connection knows of its attempts, as an agent's.
#[derive(Debug)]
struct Attempts {
    link: Mutex<Link>,
    born: Instant,
}

impl Attempts {
    fn link(&self) -> std::sync::MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this says that the connection came up or went down.
    fn hear(&self, event: &Event) -> Option<bool> {
        match event {
            Event::Connected => {
                self.link().answered();
                Some(true)
            }
            Event::Disconnected => Some(false),
            Event::ServerError(ServerError::AuthorizationViolation) => self.refused(),
            Event::ClientError(ClientError::Other(what)) if what == REFUSED => self.refused(),
            _ => None,
        }
    }

    fn refused(&self) -> Option<bool> {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.link().refused(Tick(now));
        None
    }
}

/// Attempts are as far apart as an agent's. The server is that of the connection's number; of the others
/// it hears from that one.
async fn open(
    bed: &Testbed,
    number: usize,
    options: ConnectOptions,
    inbox: String,
    ramp: &Ramp,
) -> Result<Line, Error> {
    let (tell, news) = mpsc::unbounded();
    let attempts = Arc::new(Attempts {
        link: Mutex::default(),
        born: Instant::now(),
    });
    let (trying, ramp) = (Arc::clone(&attempts), ramp.clone());
    let options = options
        .connection_timeout(PATIENCE)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(move |_| ramp.drawn(trying.link().attempt(&mut fastrand::f64)))
        .event_callback(move |event| {
            if let Some(up) = attempts.hear(&event) {
                // Nobody listens any more: the run is over.
                let _ = tell.unbounded_send(up);
            }
            async {}
        });
    let nats = bed.nats()?;
    let client = options
        .connect(nats.server_url(number % nats.servers()))
        .await;
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
