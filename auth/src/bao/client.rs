//! Reaching OpenBao, and logging in there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Url};
use rustify::clients::reqwest::Client as HttpClient;
use rustify::errors::ClientError as RestError;
use serde_json::Value;
use vaultrs::api::EndpointMiddleware;
use vaultrs::auth::{approle, kubernetes};
use vaultrs::client::{Client as _, VaultClient, VaultClientSettings};
use vaultrs::error::ClientError;

/// Longest time for one request that a login may wait for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why OpenBao could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum BaoError {
    /// Nobody said where OpenBao is.
    #[error("no OpenBao is named: give --bao-address or FLEET_BAO_ADDRESS, an https:// address")]
    NoAddress,
    /// The address is not one of HTTPS: tokens and policies never go over the wire in the
    /// clear.
    #[error("{0:?} is not an https:// address")]
    Address(String),
    /// A file cannot be read.
    #[error("failed to read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file for a key cannot be made, or is there already.
    #[error("failed to write a key to {path}, which must not exist before")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The client cannot be set up; mostly the authority is no certificate.
    #[error("failed to set up TLS towards OpenBao")]
    Tls(#[source] reqwest::Error),
    /// The login was refused or did not get through.
    #[error("failed to log in at OpenBao by {0}")]
    Login(&'static str, #[source] Answer),
    /// A request was refused or did not get through.
    #[error("OpenBao did not {what} {path}")]
    Request {
        /// What was asked for.
        what: &'static str,
        /// Of what.
        path: String,
        /// What it said.
        #[source]
        source: Answer,
    },
}

/// What OpenBao, or the way there, said to a request.
#[derive(Debug, thiserror::Error)]
pub enum Answer {
    /// It refused.
    #[error("status {code}: {errors}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// Its own words.
        errors: String,
    },
    /// It could not be asked, or its answer not be read.
    #[error(transparent)]
    Failed(ClientError),
}

impl From<ClientError> for Answer {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::APIError { code, errors } => Self::Refused {
                code,
                errors: errors.join("; "),
            },
            ClientError::RestClientError {
                source:
                    RestError::ServerResponseError {
                        code: 404,
                        content: Some(content),
                    },
            } if is_deleted(&content) => Self::Refused {
                code: 404,
                errors: "deleted".to_owned(),
            },
            other => Self::Failed(other),
        }
    }
}

/// Whether an answer is that of the store of records about one whose last version was deleted: no record, and no
/// error, but when it was. Whatever else answers 404 on the way there knows nothing of records.
fn is_deleted(content: &str) -> bool {
    let answer: Value = serde_json::from_str(content).unwrap_or_default();
    let record = &answer["data"];
    record["data"].is_null() && record["metadata"]["version"].is_u64()
}

impl Answer {
    /// Whether there is no such thing.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Whether somebody else wrote since it was read.
    pub fn is_outrun(&self) -> bool {
        matches!(self, Self::Refused { code: 400, errors } if errors.contains("check-and-set"))
    }

    /// Whether the token is not good, or not for this.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. })
    }
}

/// Where OpenBao is, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaoSettings {
    /// `https://host:port`.
    pub address: String,
    /// The authority that its certificate must be of; no other is trusted. None: the system's.
    pub ca_file: Option<PathBuf>,
    /// How to log in.
    pub login: BaoLogin,
}

/// How to log in. Files are read at every login, so that they can be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaoLogin {
    /// With the token of a service account, at `auth/kubernetes`.
    Kubernetes {
        /// The role.
        role: String,
        /// The file with the token.
        token_file: PathBuf,
    },
    /// With a secret id, at `auth/approle`.
    AppRole {
        /// The role's id.
        role_id: String,
        /// The file with the secret id.
        secret_id_file: PathBuf,
    },
}

/// A logged-in client.
pub struct Session {
    pub(super) client: VaultClient,
    /// How long the token is good; zero is for ever.
    pub(super) lease: Duration,
    pub(super) renewable: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client holds the token.
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Logs in.
    pub async fn open(settings: &BaoSettings) -> Result<Self, BaoError> {
        Self::open_with(settings, PATIENCE).await
    }

    /// The same where a request may take this long.
    pub async fn open_with(settings: &BaoSettings, patience: Duration) -> Result<Self, BaoError> {
        let mut client = connect(settings, patience)?;
        let auth = match &settings.login {
            BaoLogin::Kubernetes { role, token_file } => {
                let token = read(token_file)?;
                let login = kubernetes::login(&client, "kubernetes", role, &token).await;
                login.map_err(|error| BaoError::Login("kubernetes", error.into()))
            }
            BaoLogin::AppRole {
                role_id,
                secret_id_file,
            } => {
                let secret = read(secret_id_file)?;
                let login = approle::login(&client, "approle", role_id, &secret).await;
                login.map_err(|error| BaoError::Login("approle", error.into()))
            }
        }?;
        client.set_token(&auth.client_token);
        Ok(Self {
            client,
            lease: Duration::from_secs(auth.lease_duration),
            renewable: auth.renewable,
        })
    }

    /// Makes the token good for longer: for how long from now.
    pub(super) async fn renew(&self) -> Result<Duration, BaoError> {
        let renewed = self.client.renew(None).await;
        let auth = renewed.map_err(|error| BaoError::Request {
            what: "renew",
            path: "the token".to_owned(),
            source: error.into(),
        })?;
        Ok(Duration::from_secs(auth.lease_duration))
    }

    /// Gives the token back, for a program that is about to end.
    pub async fn close(self) -> Result<(), BaoError> {
        let revoked = self.client.revoke().await;
        revoked.map_err(|error| BaoError::Request {
            what: "take back",
            path: "the token".to_owned(),
            source: error.into(),
        })
    }
}

/// Our own HTTP client under the one of vaultrs: that one trusts the system's authorities beside
/// the given one, and takes proxies and more from the environment.
fn connect(settings: &BaoSettings, patience: Duration) -> Result<VaultClient, BaoError> {
    let wrong = || BaoError::Address(settings.address.clone());
    let address = Url::parse(&settings.address).map_err(|_| wrong())?;
    if address.scheme() != "https" || address.host().is_none() {
        return Err(wrong());
    }
    let mut http = reqwest::Client::builder()
        .timeout(patience)
        .https_only(true)
        .no_proxy()
        // A redirect would take the token along.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(path) = &settings.ca_file {
        let pem = fs::read(path).map_err(|source| file(path, source))?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(BaoError::Tls)?;
        http = http.tls_certs_only(authorities);
    }
    let http = http.build().map_err(BaoError::Tls)?;
    Ok(VaultClient {
        http: HttpClient::new(address.as_str(), http),
        middle: EndpointMiddleware {
            token: String::new(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: None,
        },
        settings: VaultClientSettings {
            address,
            ca_certs: Vec::new(),
            identity: None,
            timeout: Some(patience),
            token: String::new(),
            verify: true,
            version: 1,
            wrapping: false,
            namespace: None,
            proxy: None,
        },
    })
}

fn read(path: &Path) -> Result<String, BaoError> {
    let text = fs::read_to_string(path).map_err(|source| file(path, source))?;
    Ok(text.trim().to_owned())
}

fn file(path: &Path, source: io::Error) -> BaoError {
    BaoError::File {
        path: path.to_owned(),
        source,
    }
}
