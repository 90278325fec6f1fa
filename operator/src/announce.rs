//! Tells in an Event on its own pod what keeps a replica from being ready.
//!
//! The kubelet's Event about a probe that fails names a status code and nothing else. Whoever looks at
//! the pod must not have to know of `/readyz` and logs to read that the bus is away.

use std::time::Duration;

use fleet_service::chain;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::http::Pages;
use crate::write::MANAGER;

/// From look to look. Twice the same is worth an Event: what passes by itself within seconds is not.
const PERIOD: Duration = Duration::from_secs(5);
/// The same again becomes a series of one Event: API servers forget Events after an hour.
const AGAIN: u32 = 120;
/// The API server refuses longer ones.
const NOTE: usize = 1_000;

/// What was seen, and what was said of it.
#[derive(Debug, Default)]
struct Story {
    seen: Vec<String>,
    told: Vec<String>,
    rounds: u32,
}

impl Story {
    /// What is to be said now, if anything.
    fn news(&mut self, problems: Vec<String>) -> Option<(String, String)> {
        let steady = self.seen == problems;
        self.seen = problems;
        self.rounds = self.rounds.saturating_add(1);
        if self.seen.is_empty() {
            self.told.clear();
            return None;
        }
        if !steady || (self.told == self.seen && self.rounds < AGAIN) {
            return None;
        }
        self.rounds = 0;
        self.told.clone_from(&self.seen);
        let first = self.seen.first()?;
        let (reason, _) = first.split_once(':').unwrap_or((first, ""));
        let note = self.seen.join("; ").chars().take(NOTE).collect();
        Some((reason.to_owned(), note))
    }
}

/// Looks for as long as the process runs. Outside of a pod there is nothing to hang an Event on.
pub async fn announce(pages: Pages, client: Client, namespace: String, pod: String) {
    let reporter = Reporter {
        controller: MANAGER.to_owned(),
        instance: Some(pod.clone()),
    };
    let recorder = Recorder::new(client, reporter);
    let place = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(namespace),
        name: Some(pod),
        ..ObjectReference::default()
    };
    let mut story = Story::default();
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some((reason, note)) = story.news(pages.problems()) else {
            continue;
        };
        let event = Event {
            type_: EventType::Warning,
            reason,
            note: Some(note),
            action: "Start".to_owned(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &place).await {
            let (reason, error) = (&event.reason, chain(&error));
            tracing::warn!(reason, error, "Event not sent");
            // Once more with the next look.
            story.told.clear();
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn what_stays_is_said_once_and_what_passes_never() {
        let mut story = Story::default();
        let away = lines(&["BusUnreachable: no connection", "PermissionMissing: patch"]);
        assert_eq!(story.news(away.clone()), None);
        let (reason, note) = story.news(away.clone()).expect("news");
        assert_eq!(reason, "BusUnreachable");
        assert_eq!(
            note,
            "BusUnreachable: no connection; PermissionMissing: patch"
        );
        assert_eq!(story.news(away.clone()), None);
        assert_eq!(story.news(Vec::new()), None);
        // Away again for one look, and back.
        assert_eq!(story.news(away.clone()), None);
        assert_eq!(story.news(Vec::new()), None);
        // And for longer.
        assert_eq!(story.news(away.clone()), None);
        assert!(story.news(away).is_some());
    }

    #[test]
    fn what_lasts_is_said_again_before_it_is_forgotten() {
        let mut story = Story::default();
        let away = lines(&["BusUnreachable: no connection"]);
        let hour = 3600 / PERIOD.as_secs();
        let said = (0..hour).filter(|_| story.news(away.clone()).is_some());
        assert!((2..=6).contains(&said.count()));
    }
}
