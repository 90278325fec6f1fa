//! The one time of an image.

use std::str::FromStr;

use jiff::Timestamp;

/// Seconds since 1970, the time of every file and the date of creation.
///
/// Comes from `SOURCE_DATE_EPOCH` (reproducible-builds.org): the time of the source and not of the
/// build. 0 where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epoch(Timestamp);

impl Epoch {
    /// The seconds, for headers of archives.
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or_default()
    }

    /// As in RFC 3339, for documents.
    pub fn rfc3339(self) -> String {
        self.0.to_string()
    }
}

/// A time that is none.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a number of seconds since 1970")]
pub struct EpochError(String);

impl FromStr for Epoch {
    type Err = EpochError;

    fn from_str(text: &str) -> Result<Self, EpochError> {
        let seconds = text.parse::<u32>().map(i64::from).ok();
        let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.map(Self).ok_or_else(|| EpochError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_whole_seconds_and_nothing_else() {
        let epoch: Epoch = "1700000000".parse().unwrap();
        assert_eq!(epoch.rfc3339(), "2023-11-14T22:13:20Z");
        assert_eq!(epoch.seconds(), 1_700_000_000);
        for text in ["", "-1", "1.5", "today"] {
            assert!(text.parse::<Epoch>().is_err(), "{text}");
        }
    }
}
