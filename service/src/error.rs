//! Errors as people and logs are shown them.

use std::error::Error;
use std::process::ExitCode;

/// An error with all its sources, in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        // The client wraps what the API server said in words of its own, with all fields of it.
        let status = match error.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) if !status.message.is_empty() => Some(status),
            _ => None,
        };
        let said = status.map_or_else(|| error.to_string(), |status| status.message.clone());
        // Some repeat their source.
        if !text.ends_with(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
        next = status.map_or_else(|| error.source(), |_| None);
    }
    text
}

/// How a process ends: what went wrong is one line on standard error.
pub fn ended<E: Into<Box<dyn Error + Send + Sync>>>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error: Box<dyn Error> = error.into();
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use kube::core::Status;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to write")]
    struct Failed(#[source] Box<dyn Error + Send + Sync>);

    #[test]
    fn what_the_api_server_said_is_said_once_and_without_its_wrapping() {
        let status = Status::failure("namespaces \"x\" not found", "NotFound").with_code(404);
        let failed = Failed(kube::Error::Api(Box::new(status)).into());
        assert_eq!(
            chain(&failed),
            "failed to write: namespaces \"x\" not found"
        );
    }

    #[test]
    fn every_source_is_said_and_none_twice() {
        let failed = Failed(Failed(io::Error::other("disk full").into()).into());
        assert_eq!(chain(&failed), "failed to write: disk full");
    }
}
