//! What the bus answers to a report.

use serde::Deserialize;

/// Whether a report is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is.
    Yes,
    /// The bus refused it, or nobody was there to take it.
    No,
}

/// The part of JetStream's acknowledgement that says so.
#[derive(Debug, Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
}

impl Stored {
    /// Reads an acknowledgement. A refusal has no sequence, and "no responders" no body.
    pub fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Ack>(body) {
            Ok(ack) if ack.seq > 0 => Self::Yes,
            _ => Self::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stored;

    #[test]
    fn only_a_sequence_means_stored() {
        let yes = br#"{"stream":"KV_device-state","seq":22}"#;
        assert_eq!(Stored::read(yes), Stored::Yes);
        let no = br#"{"error":{"code":400,"description":"x"},"stream":"KV_device-state","seq":0}"#;
        assert_eq!(Stored::read(no), Stored::No);
        assert_eq!(Stored::read(b""), Stored::No);
    }
}
