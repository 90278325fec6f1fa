//! A share of the fleet and what it has under way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleet_bus::async_nats::{Client, HeaderMap, Message, Statistics, Subject, Subscriber};
use futures::channel::mpsc;
use futures::stream::SelectAll;
use futures::{Stream, StreamExt as _};

use super::Line;
use super::ack::Stored;
use crate::Error;

/// How long an answer may take before the report is sent again; as in the agent.
const PATIENCE: Duration = Duration::from_secs(10);

/// The numbers of connections, and whether each is up, as that changes.
pub type News = SelectAll<Turns>;

/// The turns of one connection.
#[derive(Debug)]
pub struct Turns {
    number: usize,
    news: mpsc::UnboundedReceiver<bool>,
}

impl Stream for Turns {
    type Item = (usize, bool);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let number = self.number;
        let turn = self.news.poll_next_unpin(context);
        turn.map(|up| up.map(|up| (number, up)))
    }
}

/// A report under way.
#[derive(Debug)]
struct Flight<T> {
    /// What the sender calls it.
    tag: T,
    sent: Instant,
    /// Tells an answer from a late one to what was in the slot before.
    turn: u32,
}

/// What became of a request.
#[derive(Debug)]
pub struct Answer<T> {
    /// What the sender called it.
    pub tag: T,
    /// What was answered; none if nobody did in time.
    pub message: Option<Message>,
    /// From sending to the answer.
    pub took: Duration,
}

impl<T> Answer<T> {
    /// Whether the report that was sent is stored; none if nobody answered.
    pub fn stored(&self) -> Option<Stored> {
        let message = self.message.as_ref()?;
        Some(Stored::read(&message.payload))
    }
}

/// Connections and requests under way on them, each with what its sender calls it.
#[derive(Debug)]
pub struct Lane<T> {
    clients: Vec<(Client, String)>,
    answers: SelectAll<Subscriber>,
    news: News,
    slots: Vec<Option<Flight<T>>>,
    free: Vec<usize>,
    turn: u32,
}

impl<T> Lane<T> {
    /// Over these connections: one for all of its devices, or one for each in their order.
    pub fn new(lines: Vec<Line>) -> Self {
        let (mut clients, mut answers) = (Vec::with_capacity(lines.len()), SelectAll::new());
        let mut news = SelectAll::new();
        for (number, line) in lines.into_iter().enumerate() {
            clients.push((line.client, line.inbox));
            answers.push(line.answers);
            let turns = Turns {
                number,
                news: line.news,
            };
            news.push(turns);
        }
        Self {
            clients,
            answers,
            news,
            slots: Vec::new(),
            free: Vec::new(),
            turn: 0,
        }
    }

    /// How many reports are under way.
    pub const fn under_way(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Sends for the lane's `device`th device; the answer will have this tag.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn send(
        &mut self,
        device: usize,
        tag: T,
        (subject, payload): (Subject, Bytes),
    ) -> Result<(), Error> {
        self.send_with(device, tag, HeaderMap::new(), (subject, payload))
            .await
    }

    /// The same with headers.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn send_with(
        &mut self,
        device: usize,
        tag: T,
        headers: HeaderMap,
        (subject, payload): (Subject, Bytes),
    ) -> Result<(), Error> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.turn = self.turn.wrapping_add(1);
        self.slots[slot] = Some(Flight {
            tag,
            sent: Instant::now(),
            turn: self.turn,
        });
        let (client, inbox) = &self.clients[device % self.clients.len()];
        let reply = format!("{inbox}.{slot}.{}", self.turn);
        let sent = if headers.is_empty() {
            client.publish_with_reply(subject, reply, payload).await
        } else {
            let sending = client.publish_with_reply_and_headers(subject, reply, headers, payload);
            sending.await
        };
        sent.map_err(Error::bus("report"))
    }

    /// The connection of a device, to send on beside what the lane has under way.
    pub fn connection(&self, device: usize) -> Client {
        self.clients[device % self.clients.len()].0.clone()
    }

    /// Sends something that nobody answers.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn tell(
        &self,
        device: usize,
        (subject, payload): (Subject, Bytes),
    ) -> Result<(), Error> {
        let (client, _) = &self.clients[device % self.clients.len()];
        let sent = client.publish(subject, payload).await;
        sent.map_err(Error::bus("send a heartbeat"))
    }

    /// Has the lane hear something; give the whole subject and the place of the device whose connection
    /// is meant.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn listen(&self, device: usize, subject: String) -> Result<Subscriber, Error> {
        let (client, _) = &self.clients[device % self.clients.len()];
        let heard = client.subscribe(subject).await;
        heard.map_err(Error::bus("listen"))
    }

    /// What went over each of its connections.
    pub fn traffic(&self) -> Vec<Arc<Statistics>> {
        let all = self.clients.iter();
        all.map(|(client, _)| client.statistics()).collect()
    }

    /// How many connections it has.
    pub const fn connections(&self) -> usize {
        self.clients.len()
    }

    /// The next answer that belongs to a report under way. Cancel-safe.
    pub async fn answer(&mut self) -> Answer<T> {
        loop {
            let Some(message) = self.answers.next().await else {
                // All connections are closed: what is under way will be found out by its age.
                return std::future::pending().await;
            };
            if let Some(answer) = self.take(message) {
                return answer;
            }
        }
    }

    /// Which connection came up or went down, from now on; nothing the second time.
    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// The reports that nobody answered in time.
    pub fn expired(&mut self) -> Vec<Answer<T>> {
        let mut expired = Vec::new();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let is_old = |flight: &mut Flight<T>| flight.sent.elapsed() > PATIENCE;
            if let Some(flight) = slot.take_if(is_old) {
                self.free.push(number);
                expired.push(Answer {
                    tag: flight.tag,
                    message: None,
                    took: flight.sent.elapsed(),
                });
            }
        }
        expired
    }

    fn take(&mut self, message: Message) -> Option<Answer<T>> {
        let (turn, number) = place(&message.subject)?;
        let slot = self.slots.get_mut(number)?;
        let flight = slot.take_if(|flight| flight.turn == turn)?;
        self.free.push(number);
        Some(Answer {
            tag: flight.tag,
            message: Some(message),
            took: flight.sent.elapsed(),
        })
    }
}

/// Turn and slot, the last two tokens of a reply subject.
fn place(subject: &str) -> Option<(u32, usize)> {
    let mut tokens = subject.rsplit('.');
    let turn = tokens.next()?.parse().ok()?;
    Some((turn, tokens.next()?.parse().ok()?))
}
