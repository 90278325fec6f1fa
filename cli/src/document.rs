//! Documents in and out: JSON or YAML is read, YAML is written so that YAML 1.1 reads the same.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::args::DocumentFormat;

/// Larger input than this cannot become an object: the API server takes 3 MiB at most.
const MAX_BYTES: u64 = 4 << 20;

/// Why a document could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large for any object.
    #[error("{} is larger than {} MiB, which no API server takes", path.display(), MAX_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not JSON.
    #[error("{} is not valid JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Not YAML.
    #[error("{} is not valid YAML", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// Several documents where one is wanted.
    #[error("{} holds {count} documents; split it, one Deployment at a time", path.display())]
    Several {
        /// The file.
        path: PathBuf,
        /// How many it holds.
        count: usize,
    },
    /// YAML could not be written.
    #[error("cannot write the object as YAML")]
    WriteYaml(#[from] serde_saphyr::ser::Error),
    /// JSON could not be written.
    #[error("cannot write the object as JSON")]
    WriteJson(#[from] serde_json::Error),
}

/// Reads a file, or standard input for `-`, as one JSON or YAML document.
pub fn read(path: &Path) -> Result<Value, DocumentError> {
    parse(path, &read_text(path)?)
}

fn read_text(path: &Path) -> Result<String, DocumentError> {
    let failed = |source| DocumentError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_BYTES + 1)
            .read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text)
    }
    .map_err(failed)?;
    if read as u64 > MAX_BYTES {
        return Err(DocumentError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Parses one document; `path` is only for messages.
pub fn parse(path: &Path, text: &str) -> Result<Value, DocumentError> {
    // JSON is YAML, but its own parser gives the better messages for it.
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|source| DocumentError::Json {
            path: path.to_owned(),
            source,
        });
    }
    let mut documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|source| DocumentError::Yaml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
    documents.retain(|document| !document.is_null());
    match (documents.len(), documents.pop()) {
        (1, Some(document)) => Ok(document),
        (0, _) => Ok(Value::Null),
        (count, _) => Err(DocumentError::Several {
            path: path.to_owned(),
            count,
        }),
    }
}

/// Writes a document, with a line end.
pub fn write(value: &Value, format: DocumentFormat) -> Result<String, DocumentError> {
    Ok(match format {
        DocumentFormat::Yaml => serde_saphyr::to_string(value)?,
        DocumentFormat::Json => serde_json::to_string_pretty(value)? + "\n",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    fn parsed(text: &str) -> Result<Value, String> {
        parse(Path::new("in"), text).map_err(|e| e.to_string())
    }

    #[rstest]
    #[case("{\"a\": 1}")]
    #[case("a: 1\n")]
    #[case("---\na: 1\n---\n")]
    fn json_and_yaml_are_taken(#[case] text: &str) {
        assert_eq!(parsed(text), Ok(json!({"a": 1})));
    }

    #[rstest]
    #[case("{\"a\": ", "in is not valid JSON")]
    #[case("a: [", "in is not valid YAML")]
    #[case(
        "a: 1\n---\na: 2\n",
        "in holds 2 documents; split it, one Deployment at a time"
    )]
    fn what_is_wrong_is_said(#[case] text: &str, #[case] message: &str) {
        assert_eq!(parsed(text), Err(message.to_owned()));
    }

    #[rstest]
    #[case("y")]
    #[case("NO")]
    #[case("on")]
    #[case("0x1f")]
    #[case("1_000")]
    #[case("12:30:45")]
    #[case("~")]
    #[case("1e3")]
    fn texts_that_yaml_1_1_would_misread_are_quoted(#[case] text: &str) {
        let yaml = write(&json!({"v": text}), DocumentFormat::Yaml).expect("writes");
        let value = yaml.trim_end().strip_prefix("v: ").expect("one key");
        assert!(value.starts_with(['"', '\'']), "{yaml}");
    }

    proptest! {
        #[test]
        fn any_text_survives_the_round_trip(text in "\\PC*", other in ".*") {
            let value = json!({"v": text, "w": [other]});
            let yaml = write(&value, DocumentFormat::Yaml).expect("writes");
            prop_assert_eq!(parsed(&yaml), Ok(value));
        }
    }
}
