//! An enrolment service in memory that keeps the contract: what a test wants it to answer is set
//! beforehand, and proofs are verified as the contract says.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use fleet_contracts::enrolment::proof::{Call, PROOF_HEADER};
use fleet_contracts::enrolment::{
    DevicePublicKey, Enrolment, EnrolmentRefusal, EnrolmentRequest, EnrolmentState, Problem, Proof,
    SCHEMA_VERSION,
};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the service does.
pub(crate) struct Script {
    /// Answers, the last one again and again.
    pub(crate) answers: Vec<Result<EnrolmentState, EnrolmentRefusal>>,
    /// By how much its clock is ahead.
    pub(crate) ahead: i64,
    /// What it was asked.
    pub(crate) asked: Vec<Method>,
    /// What was posted last.
    pub(crate) request: Option<EnrolmentRequest>,
    key: Option<DevicePublicKey>,
    address: SocketAddr,
}

pub(crate) struct Service {
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) url: String,
    pub(crate) ca_file: PathBuf,
    _folder: TempDir,
    task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start(answers: Vec<Result<EnrolmentState, EnrolmentRefusal>>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ca_file = folder.path().join("ca.pem");
        let acceptor = certificate(&ca_file);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let script = Arc::new(Mutex::new(Script {
            answers,
            ahead: 0,
            asked: vec![],
            request: None,
            key: None,
            address,
        }));
        let router = Router::new().fallback(answer).with_state(script.clone());
        Self {
            script,
            url: format!("https://{address}"),
            ca_file,
            _folder: folder,
            task: tokio::spawn(serve(listener, acceptor, router)),
        }
    }

    pub(crate) fn script<T>(&self, look: impl FnOnce(&mut Script) -> T) -> T {
        look(&mut self.script.lock().expect("no panic"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn certificate(ca_file: &std::path::Path) -> TlsAcceptor {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new([]).expect("params");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).expect("signed").pem();
    std::fs::write(ca_file, pem).expect("written");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("params");
    let issued = params.signed_by(&key, &Issuer::from_params(&ca, &ca_key));
    let issued = issued.expect("signed").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![issued], key)
        .expect("a certificate");
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    loop {
        let (stream, _) = listener.accept().await.expect("accepted");
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            // A client that does not trust us says so by hanging up.
            if let Ok(stream) = acceptor.accept(stream).await {
                let service = TowerToHyperService::new(router);
                let _ = http1::Builder::new()
                    // Its own clock may be false.
                    .auto_date_header(false)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        });
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, String); 1], Vec<u8>) {
    let mut script = script.lock().expect("no panic");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let now = now.as_secs().saturating_add_signed(script.ahead);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
    script.asked.push(method.clone());
    let (status, body) = match script.judge(&method, uri.path(), &headers, &body, now) {
        Ok((id, state)) => {
            let pending = matches!(state, EnrolmentState::Pending { .. });
            let enrolment = Enrolment {
                schema_version: SCHEMA_VERSION,
                enrolment_id: id,
                state,
            };
            let status = if method == Method::POST && pending {
                202
            } else {
                200
            };
            (status, fleet_contracts::payload::encode(&enrolment))
        }
        Err(reason) => {
            let message = format!("the service says {reason}");
            let problem = Problem { reason, message };
            (reason.status(), fleet_contracts::payload::encode(&problem))
        }
    };
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("date", date)], body)
}

impl Script {
    fn judge(
        &mut self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
        now: u64,
    ) -> Result<(fleet_contracts::enrolment::EnrolmentId, EnrolmentState), EnrolmentRefusal> {
        if method == Method::POST {
            let request: EnrolmentRequest =
                serde_json::from_slice(body).map_err(|_| EnrolmentRefusal::Malformed)?;
            self.key = Some(request.public_key.clone());
            self.request = Some(request);
        }
        let key = self.key.clone().ok_or(EnrolmentRefusal::NotFound)?;
        let proof = headers.get(PROOF_HEADER).and_then(|p| p.to_str().ok());
        let proof = Proof::parse(proof.ok_or(EnrolmentRefusal::BadProof)?)?;
        let call = Call {
            method: method.as_str(),
            path,
            body,
        };
        let service = format!("https://{}", self.address);
        proof.covers(&[&service], &key.enrolment_id(), &call, now)?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_der())
            .verify(proof.signed(), proof.signature())
            .map_err(|_| EnrolmentRefusal::BadProof)?;
        let answer = if self.answers.len() > 1 {
            self.answers.remove(0)
        } else {
            self.answers[0].clone()
        };
        answer.map(|state| (key.enrolment_id(), state))
    }
}
