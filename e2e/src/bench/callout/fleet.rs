//! Devices that log in as the agent does: the same client with the same settings, the same count of
//! attempts and back-off, and up once the bus has answered.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleet_agent_core::Tick;
use fleet_agent_core::link::{Link, LoginRefusal};
use fleet_bus::async_nats::{
    Auth, AuthError, Client, ClientError, ConnectOptions, Event, RequestErrorKind, ServerError,
};
use fleet_contracts::{DeviceId, subject};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::scene::Holder;
use crate::Error;

/// Within which the bus must answer, as in the agent.
const REQUEST: Duration = Duration::from_secs(10);
/// What the client calls a refused login.
const REFUSED: &str = "authorization violation";

/// What devices met with.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Refused at once: somebody has decided so.
    pub(super) refused: AtomicUsize,
    /// Nobody had decided when the server gave up.
    pub(super) unanswered: AtomicUsize,
}

/// One device.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: DeviceId,
    token: String,
    link: Mutex<Link>,
    born: Instant,
    /// When it presented its token last, in milliseconds since it was born.
    presented: AtomicU64,
    /// Logins so far, and whether it is connected.
    state: watch::Sender<State>,
    counts: Arc<Counts>,
}

/// Where a device stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// Whether the bus answers it.
    pub(super) up: bool,
    /// How often it did, after a login.
    pub(super) logins: usize,
    /// When it did last.
    pub(super) since: Option<Instant>,
    /// How long that login took, from the token to the answer.
    pub(super) took: Duration,
}

/// All devices, connected for as long as this lives.
pub(super) struct Fleet {
    pub(super) devices: Vec<Arc<Device>>,
    pub(super) counts: Arc<Counts>,
    _clients: Vec<Client>,
}

impl Fleet {
    /// Has all of them begin to connect.
    pub(super) async fn start(url: &str, holders: Vec<Holder>) -> Result<Self, Error> {
        let counts: Arc<Counts> = Arc::default();
        let (mut devices, mut clients) = (vec![], vec![]);
        for holder in holders {
            let device = Arc::new(Device {
                id: holder.device,
                token: holder.token,
                link: Mutex::default(),
                born: Instant::now(),
                presented: AtomicU64::new(0),
                state: watch::Sender::new(State::default()),
                counts: counts.clone(),
            });
            clients.push(device.connect(url).await?);
            devices.push(device);
        }
        Ok(Self {
            devices,
            counts,
            _clients: clients,
        })
    }

    /// How many have logged in at least this often, and are connected.
    pub(super) fn up(&self, logins: usize) -> usize {
        let up = |device: &&Arc<Device>| {
            let state = device.state();
            state.up && state.logins >= logins
        };
        self.devices.iter().filter(up).count()
    }
}

impl Device {
    /// Where it stands.
    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Waits until it has lost its connection.
    pub(super) async fn lost(&self) {
        let mut state = self.state.subscribe();
        // The sender is in `self`.
        let _ = state.wait_for(|state| !state.up).await;
    }

    /// Waits until it is connected.
    pub(super) async fn back(&self) {
        let mut state = self.state.subscribe();
        // The sender is in `self`.
        let _ = state.wait_for(|state| state.up).await;
    }

    async fn connect(self: &Arc<Self>, url: &str) -> Result<Client, Error> {
        let (login, attempts) = (self.clone(), self.clone());
        let (notices, heard) = mpsc::channel(16);
        let options = ConnectOptions::with_auth_callback(move |_| {
            let answer = login.present();
            async move { Ok::<_, AuthError>(answer) }
        })
        .name(self.id.as_ref())
        .custom_inbox_prefix(subject::inbox_prefix(&self.id))
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(move |_| attempts.attempt())
        .connection_timeout(REQUEST)
        .request_timeout(Some(REQUEST))
        .ping_interval(Duration::from_secs(60))
        .client_capacity(64)
        .subscription_capacity(64)
        .read_buffer_capacity(8 * 1024)
        .event_callback(move |event| {
            let notices = notices.clone();
            async move {
                // The device has gone: so will this.
                let _ = notices.send(event).await;
            }
        });
        let failed = |what: String| Error::Unexpected(format!("a device cannot connect: {what}"));
        let client = options.connect(url).await;
        let client = client.map_err(|e| failed(e.to_string()))?;
        let doorbell = client.subscribe(subject::down_desired(&self.id)).await;
        let doorbell = doorbell.map_err(|e| failed(e.to_string()))?;
        tokio::spawn(self.clone().follow(client.clone(), heard, doorbell));
        Ok(client)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Tick {
        Tick(u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn attempt(&self) -> Duration {
        Duration::from_millis(self.link().attempt(&mut fastrand::f64))
    }

    fn present(&self) -> Auth {
        let now = self.now();
        self.link().presented(now);
        self.presented.store(now.0, Ordering::Relaxed);
        let mut auth = Auth::new();
        auth.token = Some(self.token.clone());
        auth
    }

    /// As the agent follows its connection. The doorbell is held for as long.
    async fn follow(
        self: Arc<Self>,
        client: Client,
        mut notices: mpsc::Receiver<Event>,
        _doorbell: fleet_bus::async_nats::Subscriber,
    ) {
        let mut greeted = false;
        loop {
            let notice = tokio::select! {
                notice = notices.recv() => notice,
                () = answered(&client, &self.id), if greeted => {
                    greeted = false;
                    self.up();
                    continue;
                }
            };
            match notice {
                None => return,
                Some(Event::Connected) => greeted = true,
                Some(Event::Disconnected) => {
                    greeted = false;
                    self.state.send_modify(|state| state.up = false);
                }
                Some(Event::ServerError(ServerError::AuthorizationViolation)) => self.refused(),
                Some(Event::ClientError(ClientError::Other(what))) if what == REFUSED => {
                    self.refused();
                }
                Some(_) => {}
            }
        }
    }

    fn up(&self) {
        self.link().answered();
        let presented = self.presented.load(Ordering::Relaxed);
        let took = Duration::from_millis(self.now().0.saturating_sub(presented));
        self.state.send_modify(|state| {
            *state = State {
                up: true,
                logins: state.logins + 1,
                since: Some(Instant::now()),
                took,
            };
        });
    }

    fn refused(&self) {
        let count = match self.link().refused(self.now()).why {
            LoginRefusal::LoginRefused => &self.counts.refused,
            LoginRefusal::LoginUnanswered => &self.counts.unanswered,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn answered(client: &Client, device: &DeviceId) {
    let subject = subject::get_nothing(device);
    loop {
        match client.request(subject.clone(), bytes::Bytes::new()).await {
            Ok(_) => return,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => return,
            Err(_) => sleep(Duration::from_secs(1)).await,
        }
    }
}
