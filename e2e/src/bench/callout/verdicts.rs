//! How many verdicts in a second, with the token's verification and without.

use std::time::{Duration, Instant};

use fleet_bus::async_nats::{Client, Subscriber};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::super::process::cpu_seconds;
use super::super::stats::round;
use super::metrics::Metrics;
use super::raw::Raw;
use super::scene::Scene;
use super::server::{Question, Server};
use crate::Error;

/// Questions that are under way at the same time; a restarted server asks no fewer.
const UNDER_WAY: usize = 512;
/// The longest wait for any one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where answers go, in the callout's account.
const ANSWERS: &str = "bench.answers";
/// So many answers from one sign of life to the next.
const PROGRESS: usize = 2_500;

/// What one round came to.
struct Round {
    per_second: f64,
    /// Processor time of the callout for each, all its threads, in microseconds.
    cpu_us: f64,
    p99_ms: Option<f64>,
}

/// Asks about `number` devices, then about all of them again.
pub(super) async fn measure(
    scene: &Scene,
    number: usize,
    raw: &Raw,
    say: &impl Fn(&str),
) -> Result<Value, Error> {
    let server = Server::new(scene)?;
    let holders = scene.tokens("verdict", number, say)?;
    let questions = |offset: usize| -> Result<Vec<Question>, Error> {
        let numbered = holders.iter().enumerate();
        numbered
            .map(|(i, holder)| server.ask(holder, offset + i))
            .collect()
    };
    let nats = scene.bed.nats()?;
    let client = nats.client_with_seed(&nats.auth_seed()).await?;
    let mut answers = client
        .subscribe(ANSWERS)
        .await
        .map_err(|e| Error::Unexpected(format!("cannot listen for answers: {e}")))?;
    let mut asking = Asking {
        scene,
        server: &server,
        client: &client,
        answers: &mut answers,
    };
    let cold = asking.round("cold", questions(1)?, say).await?;
    let cached = asking.round("cached", questions(1 + number)?, say).await?;
    Ok(json!({
        "number": number,
        "cold_per_second": cold.per_second.round(),
        "cached_per_second": cached.per_second.round(),
        "cold_cpu_us": round(cold.cpu_us, 1),
        "cached_cpu_us": round(cached.cpu_us, 1),
        "cold_cpu_over_cryptography": round(cold.cpu_us / raw.cold_us(), 2),
        "cached_cpu_over_cryptography": round(cached.cpu_us / raw.cached_us(), 2),
        "cold_p99_ms": cold.p99_ms,
        "cached_p99_ms": cached.p99_ms,
    }))
}

struct Asking<'a> {
    scene: &'a Scene,
    server: &'a Server,
    client: &'a Client,
    answers: &'a mut Subscriber,
}

impl Asking<'_> {
    async fn round(
        &mut self,
        name: &str,
        questions: Vec<Question>,
        say: &impl Fn(&str),
    ) -> Result<Round, Error> {
        let (address, pid) = (self.scene.callout.metrics_addr(), self.scene.callout_pid()?);
        let number = questions.len();
        let before = Metrics::read(address).await?;
        let (cpu_before, start) = (cpu_seconds(pid)?, Instant::now());
        self.all(questions, |answered| {
            if answered % PROGRESS == 0 {
                let rate = per_second(answered, start.elapsed());
                say(&format!(
                    "{name}: {answered} of {number} verdicts, {rate:.0} per second"
                ));
            }
        })
        .await?;
        let took = start.elapsed();
        let cpu = cpu_seconds(pid)? - cpu_before;
        let done = Metrics::read(address).await?.since(&before);
        if usize::try_from(done.admitted()) != Ok(number) {
            let message = format!(
                "{} of {number} were let in; refused: {:?}",
                done.admitted(),
                done.refused()
            );
            return Err(Error::Unexpected(message));
        }
        Ok(Round {
            per_second: per_second(number, took),
            cpu_us: cpu * 1e6 / per_second(number, Duration::from_secs(1)),
            p99_ms: done.within_ms(0.99),
        })
    }

    /// Sends all, a number of them at the same time, and waits for all answers.
    async fn all(
        &mut self,
        questions: Vec<Question>,
        mut progress: impl FnMut(usize),
    ) -> Result<(), Error> {
        let (number, headers) = (questions.len(), self.server.headers());
        let mut questions = questions.into_iter();
        let (mut sent, mut answered) = (0, 0);
        while answered < number {
            while sent < number && sent - answered < UNDER_WAY {
                let Some(Question(body)) = questions.next() else {
                    break;
                };
                let (subject, headers) = (Server::subject(), headers.clone());
                let asked = self
                    .client
                    .publish_with_reply_and_headers(subject, ANSWERS, headers, body);
                let asked = asked.await;
                asked.map_err(|e| Error::Unexpected(format!("cannot ask the callout: {e}")))?;
                sent += 1;
            }
            let answer = tokio::time::timeout(PATIENCE, self.answers.next()).await;
            if !matches!(answer, Ok(Some(_))) {
                let what = format!("answer {} of {number} of the callout", answered + 1);
                let limit = PATIENCE;
                return Err(Error::Timeout { what, limit });
            }
            answered += 1;
            progress(answered);
        }
        Ok(())
    }
}

fn per_second(number: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / took.as_secs_f64()
}
