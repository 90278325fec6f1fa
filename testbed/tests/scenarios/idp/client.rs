//! A client that trusts the testbed's authority, and asks as `curl` would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleet_testbed::{Idp, MachineKey};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(super) const JWT_PROFILE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The field of a body that must be there.
    pub(super) fn text(&self, field: &str) -> String {
        let body = self.json();
        let value = body.get(field).and_then(Value::as_str);
        value.ok_or(self).unwrap().to_owned()
    }

    /// Status and OAuth error.
    pub(super) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.text("error"))
    }

    pub(super) fn location(&self) -> String {
        self.headers["location"].to_str().unwrap().to_owned()
    }
}

/// Asks one provider.
pub(super) struct Client {
    address: SocketAddr,
    tls: TlsConnector,
}

impl Client {
    pub(super) fn of(idp: &Idp) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(idp.ca_file()).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            address: idp.address(),
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    pub(super) async fn send(&self, request: Request<String>) -> std::io::Result<Answer> {
        let exchange = async {
            let stream = TcpStream::connect(self.address).await?;
            let name = ServerName::from(self.address.ip());
            let stream = self.tls.connect(name, stream).await?;
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = handshake.map_err(std::io::Error::other)?;
            let connection = tokio::spawn(connection);
            let request = request.map(|body| Full::new(body.into_bytes().into()));
            let request: Request<Full<hyper::body::Bytes>> = request;
            let answer = sender.send_request(request).await;
            let (parts, body) = answer.map_err(std::io::Error::other)?.into_parts();
            let body = body.collect().await.map_err(std::io::Error::other)?;
            connection.abort();
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                text: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            })
        };
        tokio::time::timeout(PATIENCE, exchange).await?
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let host = self.address.to_string();
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        let request = self.request("GET", path).body(String::new()).unwrap();
        self.send(request).await.unwrap()
    }

    pub(super) async fn get_as(&self, host: &str, path: &str) -> Answer {
        let request = Request::builder().uri(path).header("host", host);
        self.send(request.body(String::new()).unwrap())
            .await
            .unwrap()
    }

    pub(super) async fn get_with_token(&self, path: &str, token: &str) -> Answer {
        let request = self
            .request("GET", path)
            .header("authorization", format!("Bearer {token}"));
        self.send(request.body(String::new()).unwrap())
            .await
            .unwrap()
    }

    pub(super) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self
            .request("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded(fields));
        self.send(request.unwrap()).await.unwrap()
    }

    pub(super) async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.form("/oauth/v2/token", fields).await
    }

    /// The JWT profile grant.
    pub(super) async fn exchange(&self, assertion: &str, scope: &str) -> Answer {
        let fields = [
            ("grant_type", JWT_PROFILE),
            ("assertion", assertion),
            ("scope", scope),
        ];
        self.token(&fields).await
    }

    /// A call of the API; `body` null for none.
    pub(super) async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        let request = self
            .request(method, path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(if body.is_null() {
                String::new()
            } else {
                body.to_string()
            });
        self.send(request.unwrap()).await.unwrap()
    }

    /// The claims of a token that a verifier accepts, which has only the issuer's own documents.
    pub(super) async fn verified(&self, token: &str, audience: &str) -> Result<Value, String> {
        let discovery = self.get("/.well-known/openid-configuration").await;
        let issuer = discovery.text("issuer");
        let keys = discovery.text("jwks_uri");
        let keys = self.get(keys.strip_prefix(&issuer).unwrap()).await;
        let keys: JwkSet = serde_json::from_str(&keys.text).map_err(|e| e.to_string())?;
        let header = jsonwebtoken::decode_header(token).map_err(|e| e.to_string())?;
        let key = keys
            .find(&header.kid.ok_or("no kid")?)
            .ok_or("unknown kid")?;
        let key = DecodingKey::from_jwk(key).map_err(|e| e.to_string())?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = 0;
        let decoded = jsonwebtoken::decode::<Value>(token, &key, &validation);
        decoded.map(|token| token.claims).map_err(|e| e.to_string())
    }
}

/// Fields of a form or query.
pub(super) fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    let field = |(name, value): &(&str, &str)| {
        format!("{name}={}", value.bytes().map(escape).collect::<String>())
    };
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

pub(super) fn now() -> i64 {
    jsonwebtoken::get_current_timestamp().try_into().unwrap()
}

/// What a device would claim.
pub(super) fn claims(idp: &Idp, key: &MachineKey) -> Value {
    json!({
        "iss": key.user, "sub": key.user, "aud": idp.issuer(), "iat": now(), "exp": now() + 60,
    })
}

pub(super) fn signed(key: &MachineKey, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(key.key_id.clone());
    sign_as(key, &header, claims)
}

pub(super) fn sign_as(key: &MachineKey, header: &Header, claims: &Value) -> String {
    let private = EncodingKey::from_rsa_pem(key.private_pem.as_bytes()).unwrap();
    jsonwebtoken::encode(header, claims, &private).unwrap()
}

/// The scopes that the platform's devices ask for.
pub(super) fn device_scope(project: &str) -> String {
    format!(
        "openid urn:zitadel:iam:org:project:id:{project}:aud urn:zitadel:iam:org:projects:roles \
         urn:zitadel:iam:user:resourceowner urn:zitadel:iam:user:metadata"
    )
}
