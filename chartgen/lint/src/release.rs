//! The Secret in which Helm keeps a release.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::object::Place;
use crate::options::Options;
use crate::report::Finding;
use crate::rule::Rule;

/// What a release costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseSize {
    /// The release as JSON: manifests, and the files of the chart in base64.
    pub json: usize,
    /// The same compressed.
    pub compressed: usize,
    /// As it is sent and shown: Helm writes base64, and the Secret's JSON base64 of that again.
    pub stored: usize,
}

/// What Helm would store for these manifests and these files of the chart (name and content). An
/// estimate: times, notes and the user's values are left out, they take a few hundred bytes.
pub fn release_size(manifests: &str, chart: &[(String, Vec<u8>)]) -> ReleaseSize {
    let mut json = serde_json::Value::from(manifests).to_string();
    for (name, content) in chart {
        json.push_str(&serde_json::Value::from(name.as_str()).to_string());
        // Go writes bytes in JSON as base64, which compresses worse than the text would.
        json.push_str(&STANDARD.encode(content));
    }
    let mut encoder = GzEncoder::new(Counter(0), Compression::best());
    // Writing to a counter cannot fail.
    let written = encoder
        .write_all(json.as_bytes())
        .and_then(|()| encoder.finish());
    let compressed = written.map_or(json.len(), |counter| counter.0);
    let stored = base64_length(base64_length(compressed));
    ReleaseSize {
        json: json.len(),
        compressed,
        stored,
    }
}

pub(crate) fn lint(text: &str, chart: &[(String, Vec<u8>)], options: &Options) -> Option<Finding> {
    let size = release_size(text, chart);
    (size.stored >= options.release_limit).then(|| Finding {
        rule: Rule::ReleaseSize,
        severity: Rule::ReleaseSize.severity(),
        place: Place { file: "release".to_owned(), ..Place::default() },
        object: String::new(),
        container: None,
        message: format!(
            "the release takes about {} bytes in its Secret ({} before compression); the limit is {}",
            size.stored, size.json, options.release_limit
        ),
    })
}

/// Counts what is written.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_chart_count_and_repetition_does_not() {
        let step = |state: &u64| {
            Some(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            )
        };
        let states = std::iter::successors(Some(1), step);
        let random: Vec<u8> = states
            .take(30_000)
            .map(|state| state.to_be_bytes()[0])
            .collect();
        let without = release_size("kind: A\n", &[]);
        let with = release_size("kind: A\n", &[("files/blob".to_owned(), random)]);
        assert!(with.stored > without.stored + 30_000, "{with:?}");
        let long = release_size(&"kind: A\n".repeat(10_000), &[]);
        assert!(long.json > 80_000 && long.stored < 2_000, "{long:?}");
    }

    #[test]
    fn a_release_over_the_limit_is_found() {
        let options = Options {
            release_limit: 50,
            ..Options::default()
        };
        let finding = lint("kind: A\n", &[], &options).expect("found");
        assert_eq!(finding.rule, Rule::ReleaseSize);
        assert!(lint("kind: A\n", &[], &Options::default()).is_none());
    }
}
