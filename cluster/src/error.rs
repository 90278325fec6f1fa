//! What can go wrong between here and the API server, in words a user can act on.

use std::error::Error as StdError;
use std::fmt::Write as _;

use fleet_api::GROUP;
use fleet_output::printable;
use kube::client::AuthError;
use kube::config::KubeconfigError;
use kube::core::Status;

/// What can go wrong between here and the API server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Nothing says where the cluster is.
    #[error(
        "no cluster is configured: KUBECONFIG names no file that exists, there is no \
         ~/.kube/config, and this is not a pod; state --kubeconfig"
    )]
    NoKubeconfig,
    /// A kubeconfig cannot be used.
    #[error("cannot use kubeconfig {file}")]
    Kubeconfig {
        /// The file, or several.
        file: String,
        /// What is wrong with it.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// The context does not exist.
    #[error(
        "context {context:?} does not exist in {file}; `kubectl config get-contexts` lists them"
    )]
    NoContext {
        /// What was asked for.
        context: String,
        /// Where it was looked up.
        file: String,
    },
    /// The configuration holds something a client cannot be made of.
    #[error("cannot make a client from {source_name}")]
    Client {
        /// Where the configuration is from.
        source_name: String,
        /// What is wrong with it.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer.
    #[error("cannot reach the API server at {url} (from {config}): {cause}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// Which configuration says so.
        config: String,
        /// Why not.
        cause: String,
    },
    /// The credential program or token of the kubeconfig failed.
    #[error("cannot get credentials for {url} (from {config})")]
    Credentials {
        /// The server.
        url: String,
        /// Which configuration names the credentials.
        config: String,
        /// What failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// The credential program of the kubeconfig has no token, and says why.
    #[error("no credentials for {url} (from {config}): {said}")]
    NoToken {
        /// The server.
        url: String,
        /// Which configuration names the program.
        config: String,
        /// What the program said.
        said: String,
    },
    /// The server does not know who this is.
    #[error("the API server at {url} did not accept the credentials of {config}; log in again")]
    Unauthorized {
        /// The server.
        url: String,
        /// Which configuration names the credentials.
        config: String,
    },
    /// The server does not know our resources.
    #[error(
        "the API server at {url} has no resources of {GROUP}; is fleet-platform installed in this \
         cluster? Its CRDs come with the chart fleet-crds, or from `fleet-operator crds | kubectl \
         apply -f -`"
    )]
    NotInstalled {
        /// The server.
        url: String,
    },
    /// The object breaks a rule.
    #[error("the API server refused it:{0}")]
    Invalid(String),
    /// Someone else set the fields.
    #[error("{0}\nTo take these fields over, add --force-conflicts")]
    Conflict(String),
    /// The server said no: not found, forbidden, and all else.
    #[error("the API server answered ({reason}): {message}")]
    Refused {
        /// The server's reason, `NotFound` for example.
        reason: String,
        /// The server's message.
        message: String,
    },
    /// Not one of the above.
    #[error("the exchange with the API server at {url} failed")]
    Other {
        /// The server.
        url: String,
        /// What failed.
        #[source]
        source: Box<kube::Error>,
    },
}

impl ClusterError {
    /// Whether an object does not exist (while its type does).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == "NotFound")
    }

    /// Whether the user may not do this.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == "Forbidden")
    }
}

/// Turns what kube says into what a user can act on.
pub(super) fn explain(error: kube::Error, url: &str, config: &str) -> ClusterError {
    let (url, config) = (url.to_owned(), config.to_owned());
    if let Some(said) = program_said(&error) {
        return ClusterError::NoToken { url, config, said };
    }
    match error {
        kube::Error::Api(status) => refused(&status, url, config),
        source @ kube::Error::Auth(_) => ClusterError::Credentials {
            url,
            config,
            source: Box::new(source),
        },
        kube::Error::Service(source) => ClusterError::Unreachable {
            url,
            config,
            cause: innermost(source.as_ref()),
        },
        kube::Error::HyperError(source) => ClusterError::Unreachable {
            url,
            config,
            cause: innermost(&source),
        },
        source => ClusterError::Other {
            url,
            source: Box::new(source),
        },
    }
}

/// What a credential program that failed said; kube shows the whole command and output around it.
fn program_said(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(AuthError::AuthExecRun { out, .. }) = error.downcast_ref() {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.trim().trim_start_matches("error: ");
            let lines: Vec<String> = said.lines().map(printable).collect();
            return (!said.is_empty()).then(|| lines.join("\n"));
        }
        next = error.source();
    }
    None
}

/// The outer layers only say that a request failed; the last says why.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn refused(status: &Status, url: String, config: String) -> ClusterError {
    let named = status.details.as_ref().is_some_and(|d| !d.name.is_empty());
    match (status.code, status.reason.as_str()) {
        (401, _) => ClusterError::Unauthorized { url, config },
        // A type the server does not serve has no object to name.
        (404, _) if !named => ClusterError::NotInstalled { url },
        (409, "Conflict") if has_cause(status, "FieldManagerConflict") => {
            ClusterError::Conflict(status.message.clone())
        }
        (422, _) => ClusterError::Invalid(causes(status)),
        _ => ClusterError::Refused {
            reason: Some(&status.reason)
                .filter(|r| !r.is_empty())
                .map_or_else(|| format!("HTTP {}", status.code), Clone::clone),
            message: status.message.clone(),
        },
    }
}

fn has_cause(status: &Status, reason: &str) -> bool {
    status
        .details
        .iter()
        .flat_map(|d| &d.causes)
        .any(|c| c.reason == reason)
}

/// One line for each field, instead of the one long line of the message.
fn causes(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|d| &d.causes);
    let mut lines = causes.fold(String::new(), |mut lines, cause| {
        let field = Some(cause.field.as_str()).filter(|f| !f.is_empty() && *f != "<nil>");
        // Writing to a String cannot fail.
        let _ = write!(
            lines,
            "\n  {}{}{}",
            field.unwrap_or(""),
            field.map_or("", |_| ": "),
            cause.message
        );
        lines
    });
    if lines.is_empty() {
        let _ = write!(lines, " {}", status.message);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(value: serde_json::Value) -> ClusterError {
        let status: Status = serde_json::from_value(value).expect("status");
        explain(
            kube::Error::Api(status.boxed()),
            "https://cluster:6443",
            "kube/config",
        )
    }

    #[test]
    fn a_missing_type_is_not_a_missing_object() {
        let no_type = json!({"status": "Failure", "code": 404, "reason": "NotFound",
            "message": "404 page not found"});
        assert!(matches!(status(no_type), ClusterError::NotInstalled { .. }));
        let no_object = status(
            json!({"status": "Failure", "code": 404, "reason": "NotFound",
            "message": "devices \"x\" not found", "details": {"name": "x"}}),
        );
        assert!(no_object.is_not_found());
    }

    #[test]
    fn a_refused_object_is_shown_field_by_field() {
        let error = status(
            json!({"status": "Failure", "code": 422, "reason": "Invalid",
            "message": "long", "details": {"name": "web", "causes": [
                {"field": "spec.score", "message": "Invalid value: must be x"},
                {"field": "<nil>", "message": "too many"}]}}),
        );
        assert_eq!(
            error.to_string(),
            "the API server refused it:\n  spec.score: Invalid value: must be x\n  too many"
        );
    }

    #[test]
    fn a_conflict_says_how_to_go_on() {
        let error = status(
            json!({"status": "Failure", "code": 409, "reason": "Conflict",
            "message": "conflict with \"kubectl\": .spec.targetAll", "details": {"name": "web",
            "causes": [{"reason": "FieldManagerConflict", "field": ".spec.targetAll"}]}}),
        );
        assert!(error.to_string().ends_with("--force-conflicts"), "{error}");
    }
}
