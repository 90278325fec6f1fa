//! The name of an image.

use std::fmt;
use std::str::FromStr;

/// The full name of an image: registry, repository and tag.
///
/// Never short: podman and containerd complete short names differently (`localhost/` and
/// `docker.io/library/`), and an image must have the name that a pod asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    text: String,
    /// Where the tag begins, after its colon.
    tag: usize,
}

impl Reference {
    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The tag alone.
    pub fn tag(&self) -> &str {
        &self.text[self.tag..]
    }

    /// The last part of the repository: the program, as a rule.
    pub fn name(&self) -> &str {
        let repository = &self.text[..self.tag - 1];
        repository.rsplit('/').next().unwrap_or(repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is wrong with a name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It does not begin with a host.
    #[error(
        "{0:?} does not begin with a registry (a name with a dot or a port, or localhost) and a slash"
    )]
    NoRegistry(String),
    /// It has no tag, or a digest.
    #[error("{0:?} does not end with a colon and a tag")]
    NoTag(String),
    /// Characters that are not allowed.
    #[error("{0:?} is not a name: lower-case letters, digits and . _ - in parts, then a tag")]
    Malformed(String),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let Some((registry, rest)) = text.split_once('/') else {
            return Err(ReferenceError::NoRegistry(text.to_owned()));
        };
        if registry != "localhost" && !registry.contains(['.', ':']) {
            return Err(ReferenceError::NoRegistry(text.to_owned()));
        }
        let Some((repository, tag)) = rest.split_once(':') else {
            return Err(ReferenceError::NoTag(text.to_owned()));
        };
        let good = is_registry(registry) && repository.split('/').all(is_part) && is_tag(tag);
        if !good {
            return Err(ReferenceError::Malformed(text.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            tag: text.len() - tag.len(),
        })
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "0"));
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-[]:".contains(c);
    !host.is_empty() && host.chars().all(is_host) && port.parse::<u16>().is_ok()
}

fn is_part(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    edge(text.chars().next()) && edge(text.chars().next_back()) && text.chars().all(inner)
}

fn is_tag(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=128).contains(&text.len()) && !text.starts_with(['.', '-']) && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_registry_a_repository_and_a_tag() {
        let local: Reference = "localhost/fleet/operator:0.1.0".parse().unwrap();
        assert_eq!((local.name(), local.tag()), ("operator", "0.1.0"));
        let port: Reference = "127.0.0.1:5000/web:v1".parse().unwrap();
        assert_eq!((port.name(), port.tag()), ("web", "v1"));
    }

    #[test]
    fn what_tools_would_complete_or_refuse_is_refused() {
        for (text, error) in [
            ("operator:1", ReferenceError::NoRegistry as fn(String) -> _),
            ("fleet/operator:1", ReferenceError::NoRegistry),
            ("localhost/operator", ReferenceError::NoTag),
            ("localhost/Operator:1", ReferenceError::Malformed),
            ("localhost/operator:", ReferenceError::Malformed),
            ("localhost/operator:1+2", ReferenceError::Malformed),
            ("localhost//operator:1", ReferenceError::Malformed),
            ("localhost/operator:1@sha256:0", ReferenceError::Malformed),
            ("local.example:x/operator:1", ReferenceError::Malformed),
        ] {
            assert_eq!(text.parse::<Reference>(), Err(error(text.to_owned())));
        }
    }
}
