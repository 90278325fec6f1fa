//! The Events about an object.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt as _};

use super::Related;
use super::text::Text;
use crate::cluster::Cluster;
use crate::output::age;
use crate::resource::KindName;

/// Events of cluster-scoped objects live here.
const CLUSTER_EVENTS: &str = "default";

/// The Events about an object, the oldest first.
pub(super) async fn of(
    cluster: &Cluster,
    kind: KindName,
    object: &impl Resource,
) -> Related<Event> {
    let namespace = object
        .namespace()
        .unwrap_or_else(|| CLUSTER_EVENTS.to_owned());
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &namespace);
    let (kind, name) = (kind.kind(), object.name_any());
    let fields = format!("involvedObject.kind={kind},involvedObject.name={name}");
    let mut events = cluster
        .list(&api, ListParams::default().fields(&fields))
        .await?;
    // The kind `Deployment` is also one of apps/v1, and an earlier object may have had the name.
    events.retain(|e| e.involved_object.uid.is_none() || e.involved_object.uid == object.uid());
    events.sort_by_key(last_seen);
    Ok(events)
}

/// When an Event happened last: series, then the fields of the older and the newer API.
fn last_seen(event: &Event) -> Option<Time> {
    let micro = |time: &k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime| Time(time.0);
    let series = event
        .series
        .as_ref()
        .and_then(|s| s.last_observed_time.as_ref())
        .map(micro);
    series
        .or_else(|| event.last_timestamp.clone())
        .or_else(|| event.event_time.as_ref().map(micro))
        .or_else(|| event.metadata.creation_timestamp.clone())
}

fn count(event: &Event) -> i32 {
    event
        .series
        .as_ref()
        .and_then(|s| s.count)
        .or(event.count)
        .unwrap_or(1)
}

/// Adds them to a description.
pub(super) fn render(text: &mut Text, events: &Related<Event>, now: Timestamp) {
    text.related(
        "Events",
        &["TYPE", "REASON", "AGE", "FROM", "MESSAGE"],
        events,
        |event| {
            let ago = age(last_seen(event).as_ref(), now);
            let times = count(event);
            let ago = if times > 1 {
                format!("{ago} (x{times})")
            } else {
                ago
            };
            let source = event.source.as_ref().and_then(|s| s.component.clone());
            vec![
                event.type_.clone().unwrap_or_default(),
                event.reason.clone().unwrap_or_default(),
                ago,
                source
                    .or_else(|| event.reporting_component.clone())
                    .unwrap_or_default(),
                event.message.clone().unwrap_or_default(),
            ]
        },
    );
}
