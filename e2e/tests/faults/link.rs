//! The network of a device: cut for long, flapping, losing packets.

use std::time::{Duration, Instant};

use fleet_testbed::{DeviceError, Testbed, wait};

use crate::fleet::Fleet;
use crate::gate;

/// Of a link that comes and goes.
const FLAP: Duration = Duration::from_millis(700);
const FLAPS: usize = 10;
/// What a round trip takes longer on a bad network.
const LATE: Duration = Duration::from_millis(500);

/// Lets time pass: an outage is that.
pub(crate) async fn pass(time: Duration) {
    let since = Instant::now();
    wait::until(time * 2, || async { since.elapsed() >= time }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_a_network_runs_on_and_catches_up() {
    let fleet = Fleet::start(Testbed::builder("fault-cut"), &["dev-1", "dev-2"]).await;
    let device = fleet.device("dev-2");
    let before = fleet.running("dev-2").await;
    match device.disconnect() {
        Err(error @ DeviceError::NoCable(_)) => {
            return gate::skipped("a device without a network", &error.to_string());
        }
        cut => cut.expect("cut"),
    }
    fleet.ask("v2").await;
    fleet.shows("dev-1", "v2").await;
    fleet.counts([2, 1, 0, 1]).await;
    pass(gate::outage()).await;
    assert_eq!(fleet.running("dev-2").await, before, "nothing moved there");

    device.reconnect().expect("plugged");
    let back = fleet.shows("dev-2", "v2").await;
    fleet.counts([2, 2, 0, 0]).await;
    fleet.held("network of a device cut", vec![back]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_flaps_costs_no_container_a_restart() {
    let fleet = Fleet::start(Testbed::builder("fault-flap"), &["dev-1"]).await;
    let device = fleet.device("dev-1");
    let before = fleet.starts("dev-1").await;
    for flap in 0..FLAPS {
        match device.disconnect() {
            Err(error @ DeviceError::NoCable(_)) => {
                return gate::skipped("a link that flaps", &error.to_string());
            }
            cut => cut.expect("cut"),
        }
        pass(FLAP).await;
        device.reconnect().expect("plugged");
        if flap == FLAPS / 2 {
            fleet.ask("v2").await;
        }
        pass(FLAP).await;
    }
    let took = fleet.shows("dev-1", "v2").await;
    fleet.counts([1, 1, 0, 0]).await;
    let after = fleet.starts("dev-1").await;
    assert_eq!(after, before + 1, "one start, that of v2");
    fleet.held("flapping link", vec![took]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_slows_a_roll_out_and_breaks_nothing() {
    let fleet = Fleet::start(Testbed::builder("fault-loss"), &["dev-1"]).await;
    let device = fleet.device("dev-1");
    let before = fleet.starts("dev-1").await;
    if let Err(error) = device.lose_packets(20) {
        return gate::skipped("a network that loses packets", &error.to_string());
    }
    // Packets, or, where the kernel cannot, what the agent says to the bus.
    let delayed = device.delay_packets(LATE);
    let nats = fleet.scene.bed.nats().expect("a bus");
    let way = nats.slow_way(LATE).await.expect("a way");
    if delayed.is_err() {
        device.set_nats_url(way.url());
    }
    // The agent connects anew through it, too.
    device.kill_agent().await.expect("killed");
    device.start_agent().await.expect("started");
    fleet.ask("v2").await;
    let asked = Instant::now();
    // The page is asked for over the same network: what counts is what the device says itself.
    fleet.counts([1, 1, 0, 0]).await;
    let took = asked.elapsed();
    device.keep_packets().expect("kept");
    if delayed.is_ok() {
        device.hurry_packets().expect("hurried");
    }
    fleet.shows("dev-1", "v2").await;
    let after = fleet.starts("dev-1").await;
    assert_eq!(after, before + 1, "one start, that of v2");
    fleet.held("20 % of packets lost, 500 ms later", vec![took]);
}
