//! What can go wrong with podman, and what it means for a deployment.

use std::io;

use fleet_contracts::DeviceReason;
use hyper::StatusCode;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PodmanError {
    /// The socket is absent or refuses.
    #[error("podman's socket {socket} does not answer ({source}): is podman.socket enabled?")]
    Unreachable {
        /// The socket.
        socket: String,
        /// Why.
        source: io::Error,
    },
    /// No answer in time.
    #[error("podman did not answer {call} within {seconds} s")]
    Timeout {
        /// The call.
        call: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The connection broke.
    #[error("the connection to podman broke during {call}: {source}")]
    Broken {
        /// The call.
        call: String,
        /// Why.
        source: hyper::Error,
    },
    /// podman said no.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What podman said.
        message: String,
    },
    /// The answer cannot be read.
    #[error("podman's answer to {call} cannot be read: {message}")]
    Malformed {
        /// The call.
        call: String,
        /// What is wrong with it.
        message: String,
    },
    /// A pull ended with an error in its stream.
    #[error("cannot pull {image}: {message}")]
    Pull {
        /// The image.
        image: String,
        /// What podman said.
        message: String,
    },
    /// The policy forbids pulling, and the image is not there.
    #[error("image {0} is not on this device, and its pull policy is Never")]
    NeverPulled(String),
    /// Inline files cannot be written.
    #[error("cannot write the inline files of the service: {0}")]
    Files(#[from] crate::files::FilesError),
}

/// What was being done: the same words mean different things in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Fetching an image.
    Image,
    /// Creating a container.
    Create,
    /// Starting one.
    Start,
    /// Removing one.
    Remove,
}

impl PodmanError {
    /// Whether podman said that there is no such thing.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether podman itself is the problem.
    pub(crate) const fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Broken { .. }
        )
    }

    /// The reason to report.
    pub(crate) fn reason(&self, stage: Stage) -> DeviceReason {
        match self {
            _ if self.is_unavailable() => DeviceReason::PodmanUnavailable,
            Self::NeverPulled(_) => DeviceReason::ImageNotFound,
            _ => classify(&self.to_string().to_lowercase(), stage),
        }
    }
}

/// podman answers most failures with 500 and a sentence; these are its and the registries' words.
fn classify(text: &str, stage: Stage) -> DeviceReason {
    let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if says(&["no space left on device"]) {
        return DeviceReason::NoSpace;
    }
    match stage {
        Stage::Image => image(&says),
        // Removed by hand since we looked: the next attempt pulls it.
        Stage::Create if says(&["image not known"]) => DeviceReason::ImageNotFound,
        Stage::Create if says(&["is already in use"]) => DeviceReason::NameInUse,
        Stage::Create => DeviceReason::CreateFailed,
        Stage::Start if says(&["address already in use", "port is already allocated"]) => {
            DeviceReason::PortInUse
        }
        Stage::Start | Stage::Remove => DeviceReason::StartFailed,
    }
}

fn image(says: &dyn Fn(&[&str]) -> bool) -> DeviceReason {
    if says(&[
        "unauthorized",
        "authentication required",
        "denied",
        "invalid username/password",
    ]) {
        DeviceReason::RegistryUnauthorized
    } else if says(&[
        "manifest unknown",
        "name unknown",
        "not found",
        "image not known",
    ]) {
        DeviceReason::ImageNotFound
    } else if says(&[
        "connection refused",
        "no such host",
        "i/o timeout",
        "network is unreachable",
        "no route to host",
        "server misbehaving",
        "deadline exceeded",
        "connection reset",
        "tls handshake timeout",
        "temporary failure in name resolution",
    ]) {
        DeviceReason::RegistryUnreachable
    } else {
        DeviceReason::PullFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_podman_and_registries_become_reasons() {
        use DeviceReason::*;
        let cases = [
            (
                Stage::Image,
                "pinging container registry 127.0.0.1:1: dial tcp: connect: connection refused",
                RegistryUnreachable,
            ),
            (
                Stage::Image,
                "reading manifest v9 in localhost:5000/web: manifest unknown: manifest unknown",
                ImageNotFound,
            ),
            (
                Stage::Image,
                "unable to retrieve auth token: invalid username/password: unauthorized",
                RegistryUnauthorized,
            ),
            (
                Stage::Image,
                "writing blob: storing blob: write /x: no space left on device",
                NoSpace,
            ),
            (Stage::Image, "something new", PullFailed),
            (
                Stage::Create,
                "localhost/nope:1: image not known",
                ImageNotFound,
            ),
            (
                Stage::Create,
                "the container name \"a.b.c\" is already in use by 123",
                NameInUse,
            ),
            (
                Stage::Start,
                "cannot listen on the TCP port: listen tcp4 :8080: bind: address already in use",
                PortInUse,
            ),
            (
                Stage::Start,
                "runc: exec: \"nope\": executable file not found",
                StartFailed,
            ),
        ];
        for (stage, message, expected) in cases {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let error = PodmanError::Refused {
                status,
                message: message.into(),
            };
            assert_eq!(error.reason(stage), expected, "{message}");
        }
    }
}
