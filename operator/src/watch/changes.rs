//! All objects of a kind, and then what becomes of them.
//!
//! kube's watcher lists in pages. A page that is not the first one is answered from etcd once nothing of the kind has
//! changed for a few minutes, as in a fleet at rest, and takes the API server several times the work of an object that
//! it streams from memory. kube can stream too, but asks for "any" state, which behind several API servers may be an
//! older one than was told before; and one time limit serves its lists and its watches
//! (docs/adr/0047-objects-are-listed-as-a-stream.md).

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use fleet_service::cluster::WATCH_SECONDS;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{Error, Event};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

/// What an API server says that does not stream lists: "bad request", and "unprocessable".
const NOT_UNDERSTOOD: [u16; 2] = [400, 422];
/// HTTP's "gone": what happened since then is not known any more.
const GONE: u16 = 410;
/// How long all objects may take, whatever their number.
const LIST_SECONDS: u32 = 280;
/// Longer than a server is silent while it goes through them.
const LISTS_ON_WITHIN: Duration = Duration::from_secs(30);
/// How many objects a server without streams is asked for at once.
const PAGE: u32 = 500;
/// By it a server says that these were all.
const END_OF_LIST: &str = "k8s.io/initial-events-end";

type Events<K> = BoxStream<'static, kube::Result<WatchEvent<K>>>;

/// Tells of the objects of a kind for as long as it is asked.
pub(super) struct Changes<K> {
    api: Api<K>,
    state: State<K>,
    /// Whether lists are asked for as streams: until a server does not understand that, or does not keep it up.
    streams: bool,
}

enum State<K> {
    /// All is to be listed.
    Unknown,
    /// The server tells of one after the other.
    Streamed(Events<K>),
    /// The server is asked for some, and then for more.
    Paged(Page<K>),
    /// All is told as of this version.
    Known(String),
    /// What happens after it is listened to.
    Watched(String, Events<K>),
}

struct Page<K> {
    objects: VecDeque<K>,
    next: Next,
}

enum Next {
    First,
    After(String),
    /// There is none; that was the version of all.
    Complete(String),
}

impl<K> Changes<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
{
    pub(super) const fn of(api: Api<K>) -> Self {
        Self {
            api,
            state: State::Unknown,
            streams: true,
        }
    }

    /// Forgets where it was, for the server may be another one by now: all is listed again.
    pub(super) fn again(&mut self) {
        self.state = State::Unknown;
        self.streams = true;
    }

    /// Whether the next thing it does is to ask for a list.
    pub(super) const fn begins(&self) -> bool {
        matches!(self.state, State::Unknown)
    }

    /// The next thing that happened, in the terms of kube's watcher. After an error, asking again is trying again;
    /// so it is after an answer that was not waited for.
    pub(super) async fn next(&mut self) -> Result<Event<K>, Error> {
        loop {
            // What fails below is begun anew, unless it says where to go on.
            let state = std::mem::replace(&mut self.state, State::Unknown);
            let event = match state {
                State::Unknown => self.begin().await?,
                State::Streamed(events) => self.streamed(events).await?,
                State::Paged(page) => self.paged(page).await?,
                State::Known(version) => self.watch(version).await?,
                State::Watched(version, events) => self.watched(version, events).await?,
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    async fn begin(&mut self) -> Result<Option<Event<K>>, Error> {
        self.state = if self.streams {
            let all = WatchParams::default().timeout(LIST_SECONDS);
            // Without a version: as of now, not as of what some server remembers.
            match self.api.watch(&all.initial_events(), "").await {
                Ok(events) => State::Streamed(events.boxed()),
                Err(error) if is_not_understood(&error) => {
                    tracing::info!(%error, "this API server streams no lists; they are asked for in pages");
                    self.streams = false;
                    return Ok(None);
                }
                Err(error) => return Err(Error::InitialListFailed(error)),
            }
        } else {
            State::Paged(Page {
                objects: VecDeque::new(),
                next: Next::First,
            })
        };
        Ok(Some(Event::Init))
    }

    async fn streamed(&mut self, mut events: Events<K>) -> Result<Option<Event<K>>, Error> {
        let told = tokio::time::timeout(LISTS_ON_WITHIN, events.try_next()).await;
        let event = match told.unwrap_or(Ok(None)).map_err(Error::WatchFailed)? {
            Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                Some(Event::InitApply(object))
            }
            Some(WatchEvent::Bookmark(mark))
                if mark.metadata.annotations.contains_key(END_OF_LIST) =>
            {
                // Listened to anew: this stream was asked for with a list's time, in which a connection that has
                // fallen silent would not be noticed.
                self.state = State::Known(mark.metadata.resource_version);
                return Ok(Some(Event::InitDone));
            }
            Some(WatchEvent::Bookmark(_) | WatchEvent::Deleted(_)) => None,
            Some(WatchEvent::Error(status)) => return Err(Error::WatchError(status)),
            None => {
                tracing::warn!("a streamed list ended before its end; it is asked for in pages");
                self.streams = false;
                return Ok(None);
            }
        };
        self.state = State::Streamed(events);
        Ok(event)
    }

    async fn paged(&mut self, mut page: Page<K>) -> Result<Option<Event<K>>, Error> {
        if let Some(object) = page.objects.pop_front() {
            self.state = State::Paged(page);
            return Ok(Some(Event::InitApply(object)));
        }
        let mut wanted = ListParams::default().limit(PAGE);
        match page.next {
            Next::Complete(version) => {
                self.state = State::Known(version);
                return Ok(Some(Event::InitDone));
            }
            Next::After(token) => wanted = wanted.continue_token(&token),
            Next::First => {}
        }
        let list = self.api.list(&wanted).await;
        let list = list.map_err(Error::InitialListFailed)?;
        let more = some(list.metadata.continue_);
        let version = some(list.metadata.resource_version);
        let next = more
            .map(Next::After)
            .or_else(|| version.map(Next::Complete));
        self.state = State::Paged(Page {
            objects: list.items.into(),
            next: next.ok_or(Error::NoResourceVersion)?,
        });
        Ok(None)
    }

    async fn watch(&mut self, version: String) -> Result<Option<Event<K>>, Error> {
        let some_time = WatchParams::default().timeout(WATCH_SECONDS);
        let watch = self.api.watch(&some_time, &version).await;
        match watch {
            Ok(events) => {
                self.state = State::Watched(version, events.boxed());
                Ok(None)
            }
            Err(error) => {
                self.state = State::Known(version);
                Err(Error::WatchStartFailed(error))
            }
        }
    }

    async fn watched(
        &mut self,
        version: String,
        mut events: Events<K>,
    ) -> Result<Option<Event<K>>, Error> {
        // One that is silent for longer than it was to last has lost its connection.
        let within = Duration::from_secs(u64::from(WATCH_SECONDS) + 5);
        let told = tokio::time::timeout(within, events.try_next()).await;
        let (version, event) = match told.unwrap_or(Ok(None)) {
            Ok(Some(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                (version_of(&object)?, Event::Apply(object))
            }
            Ok(Some(WatchEvent::Deleted(object))) => (version_of(&object)?, Event::Delete(object)),
            Ok(Some(WatchEvent::Bookmark(mark))) => {
                self.state = State::Watched(mark.metadata.resource_version, events);
                return Ok(None);
            }
            Ok(Some(WatchEvent::Error(status))) => {
                if status.code != GONE {
                    self.state = State::Known(version);
                }
                return Err(Error::WatchError(status));
            }
            Ok(None) => {
                self.state = State::Known(version);
                return Ok(None);
            }
            Err(error) => {
                self.state = State::Known(version);
                return Err(Error::WatchFailed(error));
            }
        };
        self.state = State::Watched(version, events);
        Ok(Some(event))
    }
}

fn version_of<K: Resource>(object: &K) -> Result<String, Error> {
    some(object.resource_version()).ok_or(Error::NoResourceVersion)
}

/// Servers leave a text out, or empty.
fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn is_not_understood(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if NOT_UNDERSTOOD.contains(&status.code))
}
