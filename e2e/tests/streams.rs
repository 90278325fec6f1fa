//! The buckets' streams: made once, repaired when somebody changed them, and watched through the
//! loss of everything they held.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::{Duration, Instant};

use fleet_bus::stream::{Ensured, definition, ensure, ensure_all};
use fleet_bus::{Bus, Event, StoreError, StreamSettings, WriteError};
use fleet_contracts::kv::Bucket;
use fleet_testbed::{Testbed, wait};
use futures::TryStreamExt as _;

const LIMIT: Duration = Duration::from_secs(30);

/// Followers look every two seconds whether they may answer direct reads.
const FOLLOWERS_READ: Duration = Duration::from_secs(6);

async fn bus(name: &str) -> (Testbed, Bus) {
    let bed = Testbed::builder(name).nats().start().await.expect("starts");
    let client = bed
        .nats()
        .expect("has a bus")
        .operator_client()
        .await
        .expect("connects");
    (bed, Bus::over(client))
}

#[tokio::test]
async fn ensuring_again_changes_nothing_and_drift_is_repaired() {
    let (_bed, bus) = bus("streams-ensure").await;
    let (context, settings) = (bus.context(), StreamSettings::default());
    for bucket in Bucket::ALL {
        let first = ensure(context, bucket, &settings).await.expect("made");
        assert_eq!(first, Ensured::Created, "{bucket:?}");
        bus.put(bucket, "dev-1", "x".into()).await.expect("stored");
        let again = ensure(context, bucket, &settings).await.expect("found");
        assert_eq!(again, Ensured::Unchanged, "{bucket:?}");

        let mut drifted = definition(bucket, &settings);
        drifted.allow_rollup = true;
        drifted.republish = None;
        context
            .update_stream(drifted)
            .await
            .expect("changed by hand");
        let repaired = ensure(context, bucket, &settings).await.expect("repaired");
        assert_eq!(repaired, Ensured::Repaired, "{bucket:?}");
        let kept = bus
            .get(bucket, "dev-1")
            .await
            .expect("answers")
            .map(|s| s.value);
        assert_eq!(
            kept.as_deref(),
            Some(b"x".as_slice()),
            "a repair keeps the content"
        );
    }
}

#[tokio::test]
async fn a_write_that_did_not_see_the_last_one_is_refused() {
    let (_bed, bus) = bus("streams-cas").await;
    ensure_all(bus.context(), &StreamSettings::default())
        .await
        .expect("made");
    let send = async |expected| {
        let headers = async_nats::HeaderMap::new();
        let key = "dev-1._manifest";
        bus.send(
            Bucket::DesiredState,
            key,
            headers,
            "x".into(),
            Some(expected),
        )
        .await
        .expect("sent")
        .acknowledged()
        .await
    };
    let first = send(0).await.expect("the key was new");
    assert!(matches!(send(0).await, Err(WriteError::Conflict { .. })));
    let second = send(first).await.expect("nobody wrote since");
    let delete = async |expected| {
        bus.delete(Bucket::DesiredState, "dev-1._manifest", Some(expected))
            .await
    };
    assert!(matches!(
        delete(first).await,
        Err(WriteError::Conflict { .. })
    ));
    let marker = delete(second).await.expect("nobody wrote since");
    assert!(matches!(
        send(second).await,
        Err(WriteError::Conflict { .. })
    ));
    send(marker).await.expect("nobody wrote since");
}

#[tokio::test]
async fn a_watch_tells_what_is_there_then_what_comes_and_notices_the_loss_of_its_stream() {
    let (bed, bus) = bus("streams-watch").await;
    ensure_all(bus.context(), &StreamSettings::default())
        .await
        .expect("made");
    bus.put(Bucket::DeviceInfo, "dev-1", "1".into())
        .await
        .expect("stored");
    let mut watch = bus.watch(Bucket::DeviceInfo).await.expect("watched");
    assert!(matches!(watch.next().await, Ok(Event::Put(s)) if s.key == "dev-1"));
    assert!(matches!(watch.next().await, Ok(Event::Synced)));
    bus.put(Bucket::DeviceInfo, "dev-2", "2".into())
        .await
        .expect("stored");
    assert!(matches!(watch.next().await, Ok(Event::Put(s)) if s.key == "dev-2"));
    bus.delete(Bucket::DeviceInfo, "dev-1", None)
        .await
        .expect("deleted");
    assert!(matches!(watch.next().await, Ok(Event::Deleted { key, .. }) if key == "dev-1"));

    let nats = bed.nats().expect("has a bus");
    nats.wipe().await.expect("wiped");
    nats.start().await.expect("starts empty");
    let lost = tokio::time::timeout(LIMIT, watch.next())
        .await
        .expect("noticed in time");
    assert!(
        matches!(
            lost,
            Err(StoreError::Recreated(_) | StoreError::Server { .. })
        ),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_watch_that_hears_nothing_ends_instead_of_waiting_for_ever() {
    let (_bed, bus) = bus("streams-deaf").await;
    ensure_all(bus.context(), &StreamSettings::default())
        .await
        .expect("made");
    let bucket = Bucket::DeviceInfo;
    let mut watch = bus.watch(bucket).await.expect("watched");
    assert!(matches!(watch.next().await, Ok(Event::Synced)));
    // As one on a server that is away, but that it is still told that all is well.
    let stream = bus.context().get_stream(bucket.stream()).await;
    let stream = stream.expect("a stream");
    let names: Vec<String> = stream.consumer_names().try_collect().await.expect("names");
    let until = stream.cached_info().created + Duration::from_secs(3600);
    for name in names {
        stream.pause_consumer(&name, until).await.expect("paused");
    }
    bus.put(bucket, "dev-1", "1".into()).await.expect("stored");
    let next = tokio::time::timeout(LIMIT, watch.next()).await;
    let next = next.expect("noticed in time");
    assert!(matches!(next, Err(StoreError::Deaf(_))), "{next:?}");
    let mut again = bus.watch(bucket).await.expect("watched");
    assert!(matches!(again.next().await, Ok(Event::Put(s)) if s.key == "dev-1"));
}

/// Two of three servers are enough for a write to be stored, and a follower hears that it counts with
/// the next one only.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_read_at_every_server_of_a_cluster() {
    let bed = Testbed::builder("streams-late").nats_cluster(3);
    let bed = bed.start().await.expect("starts");
    let nats = bed.nats().expect("has a bus");
    let bus = Bus::over(nats.operator_client().await.expect("connects"));
    let settings = StreamSettings {
        replicas: 3,
        ..StreamSettings::default()
    };
    let made = || async { ensure_all(bus.context(), &settings).await.is_ok() };
    assert!(wait::until(LIMIT, made).await, "the streams are made");
    let seed = nats.operator_seed();
    let mut servers = Vec::new();
    for server in 0..nats.servers() {
        let client = nats.client_at(server, &seed).await.expect("connects");
        servers.push(Bus::over(client));
    }
    let until = Instant::now() + FOLLOWERS_READ;
    let writers = (0..20).map(|writer| write_and_read(writer, until, &bus, &servers));
    futures::future::join_all(writers).await;
}

async fn write_and_read(writer: usize, until: Instant, bus: &Bus, servers: &[Bus]) {
    let bucket = Bucket::DeviceInfo;
    for number in 0.. {
        if Instant::now() > until {
            return;
        }
        let key = format!("dev-{writer}-{number}");
        bus.put(bucket, &key, "x".into()).await.expect("stored");
        for (server, reader) in servers.iter().enumerate() {
            let stored = reader.get(bucket, &key).await.expect("answers");
            assert!(stored.is_some(), "{key} is not there at server {server}");
        }
    }
}
