//! What a process does before it serves.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Why a process cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There can be one TLS provider, and it is another.
    #[error("another TLS provider is installed already")]
    Provider,
    /// Signals cannot be heard.
    #[error("failed to listen for SIGTERM and SIGINT")]
    Signals(#[source] std::io::Error),
}

/// TLS of the whole process is aws-lc-rs.
///
/// # Errors
/// When another provider was installed before.
pub fn install_tls_provider() -> Result<(), StartError> {
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    installed.map_err(|_| StartError::Provider)
}

/// Is cancelled by SIGTERM or SIGINT. To be called within a runtime.
///
/// # Errors
/// When the signals cannot be listened for.
pub fn stop_on_signals() -> Result<CancellationToken, StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}
