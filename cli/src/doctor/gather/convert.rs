//! From Kubernetes' objects to the facts that are of interest.

use std::collections::{BTreeMap, BTreeSet};

use fleet_keys::SecretKey;
use fleet_keys::catalogue::{NEXT, Name, PREVIOUS};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::doctor::facts::{
    Claim, Container, Definition, Entry, Event, NamespaceFacts, Pod, SecretFacts,
};

const VERSION: &str = "app.kubernetes.io/version";

pub(super) fn version(metadata: &ObjectMeta) -> Option<String> {
    metadata.labels.as_ref()?.get(VERSION).cloned()
}

fn annotation(metadata: &ObjectMeta, name: &str) -> Option<String> {
    metadata.annotations.as_ref()?.get(name).cloned()
}

pub(super) fn namespace(found: core::Namespace) -> NamespaceFacts {
    let metadata = found.metadata;
    let labels = metadata.labels.as_ref();
    NamespaceFacts {
        ending: metadata.deletion_timestamp.is_some(),
        enforced: labels.and_then(|l| l.get("pod-security.kubernetes.io/enforce").cloned()),
        uid_range: annotation(&metadata, "openshift.io/sa.scc.uid-range"),
    }
}

pub(super) fn definition(crd: CustomResourceDefinition) -> Definition {
    let metadata = crd.metadata;
    let served = crd.spec.versions.into_iter();
    let served = served.filter(|v| v.served).map(|v| v.name);
    let conditions = crd.status.and_then(|status| status.conditions);
    let established = conditions
        .unwrap_or_default()
        .iter()
        .any(|c| c.type_ == "Established" && c.status == "True");
    Definition {
        served: served.collect(),
        established,
        version: version(&metadata),
        owner: owner(&metadata),
        name: metadata.name.unwrap_or_default(),
    }
}

/// Who brought an object: a release of Helm, or an application of Argo CD.
fn owner(metadata: &ObjectMeta) -> Option<String> {
    if let Some(id) = annotation(metadata, "argocd.argoproj.io/tracking-id") {
        let application = id.split(':').next().unwrap_or_default();
        return Some(format!("Argo CD application {application}"));
    }
    let release = annotation(metadata, "meta.helm.sh/release-name")?;
    let namespace = annotation(metadata, "meta.helm.sh/release-namespace").unwrap_or_default();
    Some(format!("Helm release {namespace}/{release}"))
}

pub(super) fn claim(found: core::PersistentVolumeClaim) -> Claim {
    Claim {
        namespace: found.metadata.namespace.unwrap_or_default(),
        name: found.metadata.name.unwrap_or_default(),
        bound: found
            .status
            .and_then(|s| s.phase)
            .is_some_and(|p| p == "Bound"),
        class: found.spec.and_then(|spec| spec.storage_class_name),
    }
}

pub(super) fn event(found: core::Event) -> Event {
    let at = found
        .series
        .and_then(|series| series.last_observed_time.map(|time| time.0))
        .or(found.last_timestamp.map(|time| time.0))
        .or(found.event_time.map(|time| time.0))
        .or(found.metadata.creation_timestamp.map(|time| time.0));
    Event {
        kind: found.involved_object.kind.unwrap_or_default(),
        namespace: found.involved_object.namespace.unwrap_or_default(),
        name: found.involved_object.name.unwrap_or_default(),
        reason: found.reason.unwrap_or_default(),
        message: found.message.unwrap_or_default(),
        at,
    }
}

/// The values are dropped here: of a key its public half stays.
pub(super) fn secret(found: core::Secret) -> SecretFacts {
    let name = found.metadata.name.unwrap_or_default();
    let key = Name::ALL.into_iter().find(|key| key.secret() == name);
    let entries = found.data.unwrap_or_default().into_iter();
    let entries = entries.map(|(entry, bytes)| {
        let of_key = key.filter(|key| is_slot(*key, &entry));
        let what = of_key.map_or(Entry::Other, |key| {
            let text = std::str::from_utf8(&bytes.0).ok();
            let key = text.and_then(|text| SecretKey::parse(key.kind(), text).ok());
            key.map_or(Entry::NoKey, |key| Entry::Key(key.public().to_owned()))
        });
        (entry, what)
    });
    SecretFacts {
        entries: entries.collect(),
    }
}

fn is_slot(key: Name, entry: &str) -> bool {
    let ending = entry.strip_prefix(key.entry());
    ending.is_some_and(|ending| ["", NEXT, PREVIOUS].contains(&ending))
}

pub(super) fn pod(found: core::Pod) -> Pod {
    let status = found.status.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let find = |wanted: &str| conditions.iter().find(|c| c.type_ == wanted);
    let unschedulable = find("PodScheduled").filter(|c| c.status == "False");
    let statuses = status.init_container_statuses.unwrap_or_default();
    let statuses = statuses
        .into_iter()
        .chain(status.container_statuses.unwrap_or_default());
    Pod {
        namespace: found.metadata.namespace.unwrap_or_default(),
        name: found.metadata.name.unwrap_or_default(),
        labels: found.metadata.labels.unwrap_or_default(),
        ending: found.metadata.deletion_timestamp.is_some(),
        succeeded: status.phase.is_some_and(|phase| phase == "Succeeded"),
        ready: find("Ready").is_some_and(|c| c.status == "True"),
        since: found.metadata.creation_timestamp.map(|time| time.0),
        unschedulable: unschedulable.map(|c| c.message.clone().unwrap_or_default()),
        containers: statuses.map(container).collect(),
    }
}

fn container(status: core::ContainerStatus) -> Container {
    let state = status.state.unwrap_or_default();
    let ended = state
        .terminated
        .filter(|ended| ended.exit_code != 0)
        .or(status.last_state.and_then(|last| last.terminated));
    let waits = state.waiting.map(|waiting| {
        let reason = waiting.reason.unwrap_or_default();
        (reason, waiting.message.unwrap_or_default())
    });
    Container {
        name: status.name,
        image: status.image,
        waits,
        ended: ended.map(|ended| ending(&ended)),
        restarts: status.restart_count,
        last_words: None,
    }
}

fn ending(ended: &core::ContainerStateTerminated) -> String {
    let reason = ended.reason.as_deref().unwrap_or("ended");
    let said = ended.message.as_deref().unwrap_or_default().trim();
    let colon = if said.is_empty() { "" } else { ": " };
    format!("{reason} with code {}{colon}{said}", ended.exit_code)
}

/// What a pod cannot be started without: Secrets with the entry, and `ConfigMap`s.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) secrets: BTreeSet<(String, Option<String>)>,
    pub(super) config_maps: BTreeSet<String>,
}

impl Needs {
    pub(super) fn of(spec: &core::PodSpec) -> Self {
        let mut needs = Self::default();
        for volume in spec.volumes.iter().flatten() {
            needs.add_volume(volume);
        }
        let containers = spec.init_containers.iter().flatten();
        for container in containers.chain(&spec.containers) {
            needs.add_environment(container);
        }
        needs
    }

    fn add_secret(&mut self, name: &str, entry: Option<&str>) {
        let entry = entry.map(str::to_owned);
        self.secrets.insert((name.to_owned(), entry));
    }

    fn add_items(&mut self, name: &str, items: Option<&Vec<core::KeyToPath>>) {
        self.add_secret(name, None);
        for item in items.into_iter().flatten() {
            self.add_secret(name, Some(&item.key));
        }
    }

    fn add_volume(&mut self, volume: &core::Volume) {
        if let Some(source) = &volume.secret
            && source.optional != Some(true)
            && let Some(name) = &source.secret_name
        {
            self.add_items(name, source.items.as_ref());
        }
        if let Some(source) = &volume.config_map
            && source.optional != Some(true)
        {
            self.config_maps.insert(source.name.clone());
        }
        let projected = volume.projected.iter().flat_map(|p| p.sources.iter());
        for source in projected.flatten() {
            if let Some(secret) = &source.secret
                && secret.optional != Some(true)
            {
                self.add_items(&secret.name, secret.items.as_ref());
            }
            if let Some(map) = &source.config_map
                && map.optional != Some(true)
            {
                self.config_maps.insert(map.name.clone());
            }
        }
    }

    fn add_environment(&mut self, container: &core::Container) {
        for variable in container.env.iter().flatten() {
            let from = variable.value_from.as_ref();
            if let Some(secret) = from.and_then(|from| from.secret_key_ref.as_ref())
                && secret.optional != Some(true)
            {
                self.add_secret(&secret.name, None);
                self.add_secret(&secret.name, Some(&secret.key));
            }
            if let Some(map) = from.and_then(|from| from.config_map_key_ref.as_ref())
                && map.optional != Some(true)
            {
                self.config_maps.insert(map.name.clone());
            }
        }
        for source in container.env_from.iter().flatten() {
            if let Some(secret) = &source.secret_ref
                && secret.optional != Some(true)
            {
                self.add_secret(&secret.name, None);
            }
            if let Some(map) = &source.config_map_ref
                && map.optional != Some(true)
            {
                self.config_maps.insert(map.name.clone());
            }
        }
    }
}

/// Storage classes, and whether each is the default.
pub(super) fn is_default(metadata: &ObjectMeta) -> bool {
    annotation(metadata, "storageclass.kubernetes.io/is-default-class")
        .is_some_and(|value| value == "true")
}

/// The newest last; those without a time first.
pub(super) fn by_time(events: Vec<Event>) -> Vec<Event> {
    let mut events = events;
    events.sort_by_key(|event| event.at.unwrap_or(Timestamp::MIN));
    events
}

/// Labels, or none.
pub(super) fn labels(metadata: &ObjectMeta) -> BTreeMap<String, String> {
    metadata.labels.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_pod_cannot_do_without_is_found_wherever_it_is_named() {
        let spec = json!({
            "volumes": [
                {"name": "a", "secret": {"secretName": "whole"}},
                {"name": "b", "secret": {"secretName": "one", "items": [{"key": "seed", "path": "s"}]}},
                {"name": "c", "secret": {"secretName": "perhaps", "optional": true}},
                {"name": "d", "projected": {"sources": [
                    {"secret": {"name": "part", "items": [{"key": "ca.crt", "path": "c"}]}},
                    {"configMap": {"name": "mapped"}},
                ]}},
                {"name": "e", "configMap": {"name": "volume"}},
            ],
            "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "all"}}]}],
            "containers": [{"name": "c", "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "variable", "key": "k"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": true}}},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "setting", "key": "k"}}},
            ]}],
        });
        let needs = Needs::of(&serde_json::from_value(spec).expect("a pod"));
        let named: Vec<_> = needs
            .secrets
            .iter()
            .map(|(name, entry)| (name.as_str(), entry.as_deref()))
            .collect();
        let expected = [
            ("all", None),
            ("one", None),
            ("one", Some("seed")),
            ("part", None),
            ("part", Some("ca.crt")),
            ("variable", None),
            ("variable", Some("k")),
            ("whole", None),
        ];
        assert_eq!(named, expected);
        let maps: Vec<_> = needs.config_maps.iter().map(String::as_str).collect();
        assert_eq!(maps, ["mapped", "setting", "volume"]);
    }

    #[test]
    fn of_a_key_only_the_public_half_stays() {
        let name = Name::Callout;
        let key = SecretKey::make(name.kind()).expect("a key");
        let found = json!({"metadata": {"name": name.secret()}});
        let mut found: core::Secret = serde_json::from_value(found).expect("a Secret");
        let bytes = |text: &str| k8s_openapi::ByteString(text.as_bytes().to_vec());
        found.data = Some(BTreeMap::from([
            ("seed".to_owned(), bytes(key.expose())),
            ("seed.next".to_owned(), bytes("SU")),
            ("note".to_owned(), bytes("hands off")),
        ]));
        let facts = secret(found);
        let expected = [
            ("note", Entry::Other),
            ("seed", Entry::Key(key.public().to_owned())),
            ("seed.next", Entry::NoKey),
        ];
        let expected = expected.map(|(entry, what)| (entry.to_owned(), what));
        assert_eq!(facts.entries, BTreeMap::from(expected));
    }
}
