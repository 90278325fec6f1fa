//! Connections. The server has threads of its own, as another process would: a test that blocks
//! does not keep it from answering.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::IdpError;
use crate::process::lock;

/// Signatures take most of the time, and tests have other work for the other cores.
const THREADS: usize = 2;

#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    router: Router,
    tls: Arc<ServerConfig>,
    /// Taken when dropped only.
    runtime: Option<Runtime>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    pub(super) fn new(
        address: SocketAddr,
        router: Router,
        tls: Arc<ServerConfig>,
    ) -> Result<Self, IdpError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("idp")
            .enable_all()
            .build()
            .map_err(IdpError::Listen)?;
        Ok(Self {
            address,
            router,
            tls,
            runtime: Some(runtime),
            accepting: Mutex::new(None),
        })
    }

    pub(super) fn start(&self) -> Result<(), IdpError> {
        let mut accepting = lock(&self.accepting);
        let Some(runtime) = self.runtime.as_ref().filter(|_| accepting.is_none()) else {
            return Err(IdpError::Running);
        };
        let listener = TcpListener::bind(self.address).map_err(IdpError::Listen)?;
        listener.set_nonblocking(true).map_err(IdpError::Listen)?;
        let tls = TlsAcceptor::from(Arc::clone(&self.tls));
        *accepting = Some(runtime.spawn(accept(listener, tls, self.router.clone())));
        Ok(())
    }

    /// Closes the port and all connections: once this returns, connections are refused.
    pub(super) async fn stop(&self) {
        let accepting = lock(&self.accepting).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // Ended by the abort, which is what was wanted.
            let _ = accepting.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed here: this may be a thread of the test's own runtime.
            runtime.shutdown_background();
        }
    }
}

/// Owns the connections, so that they end with it.
async fn accept(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Out of file descriptors, say; the client sees it.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, tls.clone(), router.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Clients that do not trust the certificate or go away are their own concern.
async fn serve(stream: TcpStream, tls: TlsAcceptor, router: Router) {
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}
