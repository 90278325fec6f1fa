//! Control plane and bus: faults and what outlives them.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::SOON;
use async_nats::jetstream;
use fleet_testbed::{Error, Testbed, wait};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, PostParams};

#[tokio::test(flavor = "multi_thread")]
async fn the_bus_keeps_its_data_over_a_stop_and_loses_it_when_wiped() {
    let bed = Testbed::builder("bus").nats().start().await.unwrap();
    let bus = bed.nats().unwrap();
    let bucket = |client| async move {
        let context = jetstream::new(client);
        let config = jetstream::kv::Config {
            bucket: "kept".to_owned(),
            ..Default::default()
        };
        context.create_key_value(config).await.unwrap()
    };
    let store = bucket(bus.operator_client().await.unwrap()).await;
    store.put("key", "value".into()).await.unwrap();

    bus.stop().await.unwrap();
    bus.start().await.unwrap();
    let store = bucket(bus.operator_client().await.unwrap()).await;
    assert_eq!(
        store.get("key").await.unwrap().as_deref(),
        Some(b"value".as_slice())
    );

    bus.wipe().await.unwrap();
    bus.start().await.unwrap();
    let store = bucket(bus.operator_client().await.unwrap()).await;
    assert_eq!(store.get("key").await.unwrap(), None);
}

/// A signal is on its way for as long as the threads of a process are not looked at: a thread that
/// goes on meanwhile answers a scenario that has begun to count on silence.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_answers_nothing_from_the_moment_it_is_said_to_be() {
    let bed = Testbed::builder("frozen").nats().start().await.unwrap();
    let bus = bed.nats().unwrap();
    for _ in 0..50 {
        bus.service().freeze().await.unwrap();
        // The kernel takes the connection; the server is the one to greet.
        let mut connection = TcpStream::connect(bus.address()).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let error = connection.read(&mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        bus.service().thaw().unwrap();
        connection.set_read_timeout(Some(SOON)).unwrap();
        assert!(connection.read(&mut [0; 16]).unwrap() > 0, "it is greeted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_added_at_runtime_logs_in_and_an_expelled_one_does_not() {
    let bed = Testbed::builder("admit").nats().start().await.unwrap();
    let bus = bed.nats().unwrap();
    let operator = bus.operator_client().await.unwrap();
    let device = bed.add_device("late").await.unwrap();
    assert!(bus.client_with_seed(&device.seed_path()).await.is_ok());
    // The reload left the others connected.
    operator.flush().await.unwrap();
    assert_eq!(
        operator
            .statistics()
            .connects
            .load(std::sync::atomic::Ordering::Relaxed),
        1
    );

    bus.expel(device.id()).await.unwrap();
    assert!(bus.client_with_seed(&device.seed_path()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_comes_back_with_its_data_after_each_of_its_parts_was_away() {
    let bed = Testbed::builder("control")
        .control_plane()
        .start()
        .await
        .unwrap();
    let client = bed.kube_client().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let mut map = ConfigMap::default();
    map.metadata.name = Some("kept".to_owned());
    maps.create(&PostParams::default(), &map).await.unwrap();

    let server = bed.api_server().unwrap();
    server.stop().await.unwrap();
    assert!(maps.get("kept").await.is_err());
    server.start().await.unwrap();
    assert!(maps.get("kept").await.is_ok());

    let etcd = bed.etcd().unwrap();
    etcd.stop().await.unwrap();
    etcd.start().unwrap();
    assert!(wait::until(SOON, || async { maps.get("kept").await.is_ok() }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_goes_with_all_in_it() {
    let bed = Testbed::builder("namespaces")
        .control_plane()
        .start()
        .await
        .unwrap();
    let client = bed.kube_client().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some("short".to_owned());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    namespaces
        .delete("short", &DeleteParams::default())
        .await
        .unwrap();
    let gone = || async { matches!(namespaces.get_opt("short").await, Ok(None)) };
    assert!(wait::until(Duration::from_secs(60), gone).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_were_not_asked_for_say_how_to_ask() {
    let bed = Testbed::builder("parts").nats().start().await.unwrap();
    let error = bed.kube_client().await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "this testbed does not have a control plane: call `.control_plane()` on the builder"
    );
    assert!(matches!(bed.device("dev-1"), Err(Error::NoDevice(_))));
    let error = bed.add_device("Not A Label").await.unwrap_err();
    assert!(matches!(error, Error::DeviceId(_)), "{error}");
}
