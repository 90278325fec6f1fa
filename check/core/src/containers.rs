//! Containers that are nothing but records: what a podman says of itself that runs nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// What a container is made from, as far as a check looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Spec {
    /// Its name, of which there is one.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What it is made from.
    pub spec: Spec,
    /// When it was started, in seconds since 1970; none if it only was created.
    pub started: Option<i64>,
}

/// Why a call is refused, as podman would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody pulled it.
    #[error("{0}: image not known")]
    NoImage(String),
    /// There is none of this id.
    #[error("no container with name or ID {0:?} found: no such container")]
    NoContainer(String),
    /// Another one is called so.
    #[error("the container name {0:?} is already in use")]
    NameTaken(String),
}

/// All containers and images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Containers {
    images: BTreeSet<String>,

    by_id: BTreeMap<String, Container>,
    /// How many were ever made: ids do not come twice.
    made: u64,
}

impl Containers {
    /// An image is there from now on.
    pub fn pull(&mut self, image: &str) {
        self.images.insert(image.to_owned());
    }

    /// Whether an image is there.
    pub fn has_image(&self, image: &str) -> bool {
        self.images.contains(image)
    }

    /// Makes a container, and says its id.
    pub fn create(&mut self, spec: Spec) -> Result<String, Refused> {
        if !self.has_image(&spec.image) {
            return Err(Refused::NoImage(spec.image));
        }
        if self.by_id.values().any(|c| c.spec.name == spec.name) {
            return Err(Refused::NameTaken(spec.name));
        }
        self.made += 1;
        // As long as podman's, and different where they are shown shortened.
        let id = format!("{:012x}{:052x}", self.made, 0);
        let container = Container {
            spec,
            started: None,
        };
        self.by_id.insert(id.clone(), container);
        Ok(id)
    }

    /// Starts one, unless it runs.
    pub fn start(&mut self, id: &str, now: i64) -> Result<(), Refused> {
        let container = self.by_id.get_mut(id);
        let container = container.ok_or_else(|| Refused::NoContainer(id.to_owned()))?;
        container.started.get_or_insert(now);
        Ok(())
    }

    /// Stops and removes one.
    pub fn remove(&mut self, id: &str) -> Result<(), Refused> {
        let removed = self.by_id.remove(id).map(drop);
        removed.ok_or_else(|| Refused::NoContainer(id.to_owned()))
    }

    /// Those that carry all of these labels, each `key` or `key=value`, by their ids.
    pub fn labelled(&self, wanted: &[String]) -> impl Iterator<Item = (&str, &Container)> {
        let carries = |container: &Container, wanted: &String| match wanted.split_once('=') {
            Some((key, value)) => container.spec.labels.get(key).map(String::as_str) == Some(value),
            None => container.spec.labels.contains_key(wanted),
        };
        let all = self.by_id.iter();
        all.filter(move |(_, container)| wanted.iter().all(|label| carries(container, label)))
            .map(|(id, container)| (id.as_str(), container))
    }

    /// What is still different from one running container of this image and environment variable, and
    /// no other; nothing if it is so.
    pub fn lacks(&self, image: &str, (key, value): (&str, &str)) -> Option<String> {
        let mut all = self.by_id.values();
        let (Some(container), None) = (all.next(), all.next()) else {
            return Some(match self.by_id.len() {
                0 => "the device runs no container".to_owned(),
                several => format!("the device has {several} containers instead of one"),
            });
        };
        if container.started.is_none() {
            return Some("the container is not started".to_owned());
        }
        if container.spec.image != image {
            return Some(format!("the container runs {}", container.spec.image));
        }
        let other = container.spec.env.get(key).map(String::as_str) != Some(value);
        other.then(|| "the container is the one from before the change".to_owned())
    }

    /// What is still there, in words; nothing if nothing is.
    pub fn remains(&self) -> Option<String> {
        let names: Vec<_> = self.by_id.values().map(|c| &*c.spec.name).collect();
        (!names.is_empty()).then(|| format!("the device still runs {}", names.join(", ")))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use super::*;

    fn spec(name: &str, value: &str) -> Spec {
        let pair = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        Spec {
            name: name.to_owned(),
            image: "a:1".to_owned(),
            labels: pair("device", "d"),
            env: pair("K", value),
        }
    }

    #[test]
    fn a_container_is_done_when_it_alone_runs_as_it_was_asked_for() {
        let mut all = Containers::default();
        let said = |all: &Containers| all.lacks("a:1", ("K", "1")).unwrap_or_default();
        assert!(said(&all).contains("no container"));
        assert_eq!(
            all.create(spec("one", "1")),
            Err(Refused::NoImage("a:1".to_owned()))
        );
        all.pull("a:1");
        let first = all.create(spec("one", "1")).expect("made");
        assert!(said(&all).contains("not started"));
        all.start(&first, 7).expect("started");
        assert_eq!(said(&all), "");
        assert!(all.lacks("a:2", ("K", "1")).expect("other").contains("a:1"));
        assert!(all.lacks("a:1", ("K", "2")).is_some());
        let taken = Refused::NameTaken("one".to_owned());
        assert_eq!(all.create(spec("one", "2")), Err(taken));
        let second = all.create(spec("two", "1")).expect("made");
        assert!(said(&all).contains("2 containers"));
        for id in [&first, &second] {
            assert!(all.remains().is_some());
            all.remove(id).expect("removed");
        }
        assert_eq!(all.remains(), None);
        assert_eq!(all.start(&first, 8), Err(Refused::NoContainer(first)));
    }

    #[test]
    fn labels_filter_and_ids_do_not_come_twice() {
        let mut all = Containers::default();
        all.pull("a:1");
        let first = all.create(spec("one", "1")).expect("made");
        let found = |wanted: &str, all: &Containers| all.labelled(&[wanted.to_owned()]).count();
        for (wanted, number) in [
            ("device=d", 1),
            ("device", 1),
            ("device=e", 0),
            ("other", 0),
        ] {
            assert_eq!(found(wanted, &all), number, "{wanted}");
        }
        all.remove(&first).expect("removed");
        let second = all.create(spec("one", "1")).expect("made");
        assert_ne!(first[..12], second[..12]);
    }
}
