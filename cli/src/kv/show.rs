//! Values of buckets as text.

use std::fmt::Write as _;

use fleet_bus::Stored;
use fleet_contracts::kv::Bucket;
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER};
use fleet_contracts::time::UnixMillis;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::header;
use crate::output::{age, printable};

/// Columns of `fleet kv ls BUCKET`.
pub(super) const HEADER: &[&str] = &["KEY", "SEQUENCE", "BYTES", "AGE", "SIGNED-BY"];

/// A line of `fleet kv ls BUCKET`.
pub(super) fn row(stored: &Stored, now: Timestamp) -> Vec<String> {
    vec![
        stored.key.clone(),
        stored.sequence.to_string(),
        stored.value.len().to_string(),
        age(moment(stored.received).as_ref(), now),
        header(stored, KEY_HEADER).unwrap_or("").to_owned(),
    ]
}

/// What is known of a value beside itself.
pub(super) fn headers(bucket: Bucket, stored: &Stored, now: Timestamp) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{:17}{}", format!("{name}:"), printable(value));
    };
    line("Key", &format!("{}/{}", bucket.name(), stored.key));
    line("Sequence", &stored.sequence.to_string());
    if let Some(time) = moment(stored.received) {
        line(
            "Stored",
            &format!("{} ({} ago)", time.0, age(Some(&time), now)),
        );
    }
    for name in [KEY_HEADER, SIGNATURE_HEADER] {
        if let Some(value) = header(stored, name) {
            line(name, value);
        }
    }
    text
}

/// The value: JSON laid out, anything else as text that does no harm to a terminal.
pub(super) fn value(bytes: &[u8]) -> String {
    let json = serde_json::from_slice::<serde_json::Value>(bytes);
    if let Ok(pretty) = json.and_then(|value| serde_json::to_string_pretty(&value)) {
        return pretty + "\n";
    }
    let text = printable(&String::from_utf8_lossy(bytes));
    format!("<{} bytes, not JSON> {text}\n", bytes.len())
}

/// A value that was written, for `fleet kv watch`.
pub(super) fn change(bucket: Bucket, stored: &Stored) -> String {
    let time = moment(stored.received).map_or_else(String::new, |t| t.0.to_string());
    let key = header(stored, KEY_HEADER).map(|k| format!(" {KEY_HEADER}={}", printable(k)));
    let (bucket, name, sequence) = (bucket.name(), printable(&stored.key), stored.sequence);
    let head = format!(
        "{time} PUT {bucket}/{name} sequence={sequence}{}\n",
        key.unwrap_or_default()
    );
    value(&stored.value)
        .lines()
        .fold(head, |text, line| text + "  " + line + "\n")
}

/// A key that was deleted, for `fleet kv watch`.
pub(super) fn deletion(bucket: Bucket, key: &str, sequence: u64) -> String {
    format!(
        "DEL {}/{} sequence={sequence}\n",
        bucket.name(),
        printable(key)
    )
}

fn moment(at: UnixMillis) -> Option<Time> {
    let millis = i64::try_from(at.0).ok()?;
    Timestamp::from_millisecond(millis).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_bus::async_nats::HeaderMap;

    fn stored(value: &'static [u8]) -> Stored {
        let mut headers = HeaderMap::new();
        headers.insert(KEY_HEADER, "0123456789abcdef");
        headers.insert(SIGNATURE_HEADER, "c2ln");
        Stored {
            key: "pi-7._manifest".into(),
            sequence: 12,
            received: UnixMillis(1_767_225_600_000),
            headers,
            value: value.into(),
        }
    }

    #[test]
    fn a_signed_manifest() {
        let manifest = stored(br#"{"generation":7,"deployments":{}}"#);
        let now = "2026-01-01T00:00:30Z".parse().expect("time");
        insta::assert_snapshot!(
            headers(Bucket::DesiredState, &manifest, now) + &value(&manifest.value),
            @r#"
        Key:             desired-state/pi-7._manifest
        Sequence:        12
        Stored:          2026-01-01T00:00:00Z (30s ago)
        Fleet-Key:       0123456789abcdef
        Fleet-Signature: c2ln
        {
          "generation": 7,
          "deployments": {}
        }
        "#
        );
        insta::assert_snapshot!(change(Bucket::DesiredState, &manifest), @r#"
        2026-01-01T00:00:00Z PUT desired-state/pi-7._manifest sequence=12 Fleet-Key=0123456789abcdef
          {
            "generation": 7,
            "deployments": {}
          }
        "#);
    }

    #[test]
    fn garbage_is_shown_without_harm() {
        assert_eq!(value(b"\x1b[2J\xff"), "<5 bytes, not JSON> ?[2J\u{fffd}\n");
    }
}
