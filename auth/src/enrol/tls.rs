//! The service's certificate, and connections.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use fleet_files::private;
use http::Uri;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::AUTHORITY;
use super::args::ServeArgs;
use super::http::Peer;
use crate::certificate::{self, authority_params};

/// Connections at the same time; further ones wait to be accepted.
const CONNECTIONS: usize = 256;
/// A whole connection: devices make one for each call.
const CONNECTION: Duration = Duration::from_secs(30);
/// The head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the authority.
    #[error("failed to {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file with certificates or a key.
    #[error("{path} does not hold what it should, in PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Key and certificate do not belong together, say.
    #[error("the certificate cannot be used")]
    Certificate(#[from] rustls::Error),
    /// The authority cannot be made or used.
    #[error("the authority in the TLS folder cannot be made or used")]
    Authority(#[from] rcgen::Error),
    /// A public URL has no host.
    #[error("{0:?} is not an https:// URL")]
    Url(String),
}

/// The certificate given, or one of an authority of its own.
pub(super) fn server_config(args: &ServeArgs) -> Result<ServerConfig, TlsError> {
    let (chain, key) = match (&args.tls_cert_file, &args.tls_key_file, &args.tls_folder) {
        (Some(certificate), Some(key), _) => given(certificate, key)?,
        (_, _, Some(folder)) => made(folder, &args.public_urls)?,
        _ => return Err(TlsError::Url(String::new())),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn given(certificate: &Path, key: &Path) -> Result<Pair, TlsError> {
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(pem(certificate))?;
    let chain = chain.collect::<Result<_, _>>().map_err(pem(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    Ok((chain, key))
}

/// A certificate made anew at every start; the authority stays, since devices pin it.
fn made(folder: &Path, urls: &[String]) -> Result<Pair, TlsError> {
    let hosts = urls
        .iter()
        .map(|url| host(url))
        .collect::<Result<Vec<_>, _>>()?;
    let authority = authority(folder)?;
    let (certificate, key) = certificate::server(CertificateParams::new(hosts)?, &authority)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok((vec![certificate.der().clone()], key))
}

fn host(url: &str) -> Result<String, TlsError> {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.filter(|uri| uri.scheme_str() == Some("https"));
    let host = host.as_ref().and_then(Uri::host);
    let host = host.ok_or_else(|| TlsError::Url(url.to_owned()))?;
    Ok(host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned())
}

/// What is not there is made. Where both files are, nothing is written: they may be a Secret.
fn authority(folder: &Path) -> Result<Issuer<'static, KeyPair>, TlsError> {
    let (certificate, key_file) = (folder.join("ca.crt"), folder.join("ca.key"));
    let file = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File {
            operation,
            path,
            source,
        }
    };
    let key = match fs::read_to_string(&key_file) {
        Ok(pem) => KeyPair::from_pem(&pem)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder).map_err(file("make", folder))?;
            let key = KeyPair::generate()?;
            let pem = key.serialize_pem();
            private::create(&key_file, pem.as_bytes()).map_err(file("write", &key_file))?;
            key
        }
        Err(error) => return Err(file("read", &key_file)(error)),
    };
    let params = authority_params(AUTHORITY);
    // Killed between the two files: the same key makes an equally good certificate.
    if !certificate.exists() {
        let made = params.self_signed(&key)?;
        fs::write(&certificate, made.pem()).map_err(file("write", &certificate))?;
    }
    Ok(Issuer::new(params, key))
}

/// Accepts until `stop`; connections that are open then end with it.
pub(super) async fn accept(
    listener: TcpListener,
    config: ServerConfig,
    router: Router,
    stop: CancellationToken,
) {
    let tls = TlsAcceptor::from(Arc::new(config));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        tokio::select! {
            accepted = listener.accept() => {
                // Out of file descriptors, say; the client sees it.
                let Ok((stream, peer)) = accepted else { continue };
                let router = router.clone().layer(Extension(Peer(peer.ip())));
                let serving = serve(stream, tls.clone(), router);
                connections.spawn(async move {
                    // Who takes longer is cut off.
                    let _ = tokio::time::timeout(CONNECTION, serving).await;
                    drop(place);
                });
            }
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Clients that do not trust the certificate or go away are their own concern.
async fn serve(stream: TcpStream, tls: TlsAcceptor, router: Router) {
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}
