//! The buckets, on a real NATS.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use fleet_bus::async_nats::HeaderMap;
use fleet_bus::{Bus, StreamSettings, stream};
use fleet_contracts::kv::Bucket;
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER};
use fleet_testbed::Testbed;

use crate::support::{self, Said};

fn program(bed: &Testbed) -> Command {
    let nats = bed.nats().expect("a bus");
    let mut command = support::program(env!("CARGO_BIN_EXE_fleet"));
    command
        .env("NATS_URL", nats.url())
        .env("NATS_SEED_FILE", nats.operator_seed());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buckets_can_be_looked_into() {
    let bed = Testbed::builder("cli-kv")
        .nats()
        .start()
        .await
        .expect("a testbed");
    let fleet = |args: &[&str]| -> Said { support::run(program(&bed), args) };
    let client = bed
        .nats()
        .expect("a bus")
        .operator_client()
        .await
        .expect("a client");
    let bus = Bus::over(client);

    stream::ensure_all(bus.context(), &StreamSettings::default())
        .await
        .expect("streams");
    let buckets = fleet(&["kv", "ls"]).ok();
    assert_eq!(buckets.lines().count(), 1 + Bucket::ALL.len(), "{buckets}");
    assert_eq!(
        fleet(&["kv", "ls", "device-info"]).err,
        "No keys found in device-info.\n"
    );

    let mut headers = HeaderMap::new();
    headers.insert(KEY_HEADER, "0123456789abcdef");
    headers.insert(SIGNATURE_HEADER, "c2lnbmF0dXJl");
    let subject = Bucket::DesiredState.subject(&"pi-7._manifest");
    let published =
        bus.context()
            .publish_with_headers(subject, headers, r#"{"generation":7}"#.into());
    published.await.expect("sent").await.expect("stored");
    bus.put(
        Bucket::DesiredState,
        "pi-70.shop.web",
        "garbage\u{1b}[2J".into(),
    )
    .await
    .expect("stored");

    let keys = fleet(&["kv", "ls", "desired-state", "pi-7"]).ok();
    assert!(
        keys.contains("pi-7._manifest") && !keys.contains("pi-70"),
        "{keys}"
    );
    assert!(keys.contains("0123456789abcdef"), "{keys}");
    let manifest = fleet(&["kv", "get", "desired-state", "pi-7._manifest"]);
    assert!(
        manifest.err.contains("Fleet-Key:       0123456789abcdef\n"),
        "{manifest:?}"
    );
    assert_eq!(manifest.ok(), "{\n  \"generation\": 7\n}\n");
    let raw = fleet(&["kv", "get", "desired-state", "pi-70.shop.web", "--raw"]).ok();
    assert_eq!(raw, "garbage\u{1b}[2J");
    let error = fleet(&["kv", "get", "desired-state", "pi-8._manifest"]).failed();
    assert!(error.contains("no key \"pi-8._manifest\""), "{error}");

    let mut child = program(&bed)
        .args(["kv", "watch", "desired-state", "*._manifest"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    // Where a stream begins to count is its maker's business; from there on it counts writes.
    let put = next();
    let (put, key) = put.split_once(" Fleet-Key=").expect("a key");
    let first = sequence(put, "PUT desired-state/pi-7._manifest");
    assert_eq!(key, "0123456789abcdef");
    assert_eq!(
        [next(), next(), next()],
        ["  {", "    \"generation\": 7", "  }"]
    );
    bus.delete(Bucket::DesiredState, "pi-7._manifest", None)
        .await
        .expect("deleted");
    assert_eq!(
        sequence(&next(), "DEL desired-state/pi-7._manifest"),
        first + 2
    );
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_refuses_or_is_empty_is_explained() {
    let bed = Testbed::builder("cli-kv-errors")
        .nats()
        .start()
        .await
        .expect("a testbed");
    let error = support::run(program(&bed), ["kv", "ls"]).failed();
    assert!(
        error.contains("bucket desired-state cannot be read"),
        "{error}"
    );

    let seed = bed.folder().join("foreign.seed");
    std::fs::write(&seed, "not a seed").expect("written");
    let mut command = program(&bed);
    command.env("NATS_SEED_FILE", &seed);
    let error = support::run(command, ["kv", "ls"]).failed();
    assert!(error.contains("holds no nkey seed"), "{error}");

    bed.nats().expect("a bus").stop().await.expect("stopped");
    let error = support::run(program(&bed), ["kv", "ls"]).failed();
    assert!(
        error.contains("failed to connect to NATS at nats://"),
        "{error}"
    );
}

/// The number in a line that says, perhaps after its time, what was written and under which sequence.
fn sequence(line: &str, what: &str) -> u64 {
    let (said, sequence) = line.rsplit_once(" sequence=").expect("a sequence");
    assert!(said.ends_with(what), "{line}");
    sequence.parse().expect("a number")
}
