//! A device with a key of its own, which speaks to the service as the agent does.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use bytes::Bytes;
use fleet_contracts::enrolment::proof::{Call, PROOF_HEADER, signing_input};
use fleet_contracts::enrolment::rotation::{key_path, next_key_path};
use fleet_contracts::enrolment::{
    COLLECTION, DevicePublicKey, Enrolment, EnrolmentId, EnrolmentRefusal, EnrolmentRequest,
    EnrolmentState, EnrolmentToken, KeyChange, NEW_KEY_PROOF_HEADER, NextKey, NextKeyState,
    Problem, SCHEMA_VERSION, path,
};
use fleet_contracts::jws;
use futures::future::join_all;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;

pub(crate) struct Device {
    key: KeyPair,
    pub(crate) public: DevicePublicKey,
    pub(crate) id: EnrolmentId,
}

/// How a call came out; `Err` is a connection that broke.
pub(crate) type Answer = Result<Enrolment, EnrolmentRefusal>;

impl Device {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: PublicKeyX509Der<'_> = key.public_key().as_der().expect("encoded");
        let public = DevicePublicKey::from_der(der.as_ref()).expect("a device's key");
        let id = public.enrolment_id();
        drop(der);
        Self { key, public, id }
    }

    pub(crate) fn request(&self, token: &EnrolmentToken, device: Option<&str>) -> EnrolmentRequest {
        EnrolmentRequest {
            schema_version: SCHEMA_VERSION,
            token: token.clone(),
            public_key: self.public.clone(),
            device_id: device.map(|id| id.parse().expect("an id")),
            labels: std::collections::BTreeMap::default(),
            facts: fleet_contracts::payload::Inventory::default(),
        }
    }

    pub(crate) async fn post(&self, door: &Door, request: &EnrolmentRequest) -> Answer {
        let body = serde_json::to_vec(request).expect("json");
        let proof = self.proof(door, "POST", COLLECTION, &body);
        door.send("POST", COLLECTION, &proof, body).await
    }

    /// Asks to join with this token.
    pub(crate) async fn ask(&self, door: &Door, token: &EnrolmentToken) -> Answer {
        self.post(door, &self.request(token, None)).await
    }

    pub(crate) async fn get(&self, door: &Door) -> Answer {
        self.look(door, &self.id).await
    }

    /// Looks at an enrolment that may have been opened with an earlier key.
    pub(crate) async fn look(&self, door: &Door, enrolment: &EnrolmentId) -> Answer {
        let path = path(enrolment);
        let proof = self.proof(door, "GET", &path, &[]);
        door.send("GET", &path, &proof, vec![]).await
    }

    pub(crate) fn change(&self) -> Vec<u8> {
        let change = KeyChange {
            schema_version: SCHEMA_VERSION,
            public_key: self.public.clone(),
        };
        serde_json::to_vec(&change).expect("json")
    }

    /// Offers `next` to come after this key.
    pub(crate) async fn offer(
        &self,
        door: &Door,
        enrolment: &EnrolmentId,
        next: &Self,
    ) -> Result<NextKeyState, EnrolmentRefusal> {
        let (path, body) = (next_key_path(enrolment), next.change());
        let proofs = [self, next].map(|key| key.proof(door, "PUT", &path, &body));
        door.offer(&path, &proofs, body).await
    }

    /// Says that this is the key it uses.
    pub(crate) async fn take_up(&self, door: &Door, enrolment: &EnrolmentId) -> Answer {
        let (path, body) = (key_path(enrolment), self.change());
        let proof = self.proof(door, "PUT", &path, &body);
        door.send("PUT", &path, &proof, body).await
    }

    pub(crate) fn proof(&self, door: &Door, method: &str, path: &str, body: &[u8]) -> String {
        let call = Call { method, path, body };
        let input = signing_input(&door.url, &self.id, &call, fleet_auth::clock::now());
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self
            .key
            .sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature);
        signed.expect("signed");
        jws::compact(&input, &signature)
    }
}

/// The service's address and authority.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) url: String,
    tls: Arc<ClientConfig>,
}

impl Door {
    pub(crate) fn new(url: &str, ca_file: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca_file).expect("certificates") {
            roots.add(certificate.expect("PEM")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            url: url.to_owned(),
            tls: Arc::new(tls),
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        proof: &str,
        body: Vec<u8>,
    ) -> Answer {
        self.call(method, path, &[(PROOF_HEADER, proof)], body)
            .await
    }

    /// With the proofs of the key there is and of the new one.
    pub(crate) async fn offer(
        &self,
        path: &str,
        proofs: &[String; 2],
        body: Vec<u8>,
    ) -> Result<NextKeyState, EnrolmentRefusal> {
        let headers = [
            (PROOF_HEADER, proofs[0].as_str()),
            (NEW_KEY_PROOF_HEADER, proofs[1].as_str()),
        ];
        let next: NextKey = self.call("PUT", path, &headers, body).await?;
        Ok(next.state)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<T, EnrolmentRefusal> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*self.tls).clone())
            .https_only()
            .enable_http1()
            .build();
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let answer = client.request(request).await.expect("an answer");
        assert!(
            answer.headers().contains_key("date"),
            "devices without a clock need it"
        );
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        if status < 300 {
            return Ok(serde_json::from_slice(&body).expect("an answer"));
        }
        let problem: Problem = serde_json::from_slice(&body).expect("a problem");
        assert_eq!(problem.reason.status(), status);
        Err(problem.reason)
    }
}

/// Eight devices ask at once with one token: one gets in, and all others hear that it is used.
pub(crate) async fn one_of_eight_gets_in(
    door: &Door,
    token: &EnrolmentToken,
) -> Vec<(Device, Answer)> {
    let devices: Vec<_> = (0..8).map(|_| Device::new()).collect();
    let answers = join_all(devices.iter().map(|device| device.ask(door, token))).await;
    let pending = answers.iter().filter(|answer| is_pending(answer)).count();
    assert_eq!(pending, 1, "{answers:?}");
    let refused = |answer: &&Answer| matches!(answer, Err(EnrolmentRefusal::TokenUsed));
    assert_eq!(answers.iter().filter(refused).count(), 7, "{answers:?}");
    devices.into_iter().zip(answers).collect()
}

pub(crate) fn is_pending(answer: &Answer) -> bool {
    matches!(
        answer,
        Ok(Enrolment {
            state: EnrolmentState::Pending { .. },
            ..
        })
    )
}
