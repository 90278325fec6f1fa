//! Enrolment tokens, kept as Secrets: the API server's resource version is the compare-and-set.

use std::collections::BTreeMap;

use fleet_auth_core::enrol::{TokenId, TokenRecord, Use};
use fleet_contracts::enrolment::EnrolmentToken;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};

/// Why a token was not stored, found or used up.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The API server did not do it.
    #[error("failed to {operation} an enrolment token")]
    Kube {
        /// What was tried.
        operation: &'static str,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Somebody wrote something else there.
    #[error("the Secret {0} holds no enrolment token")]
    Malformed(String),
    /// No random bytes.
    #[error("the system has no random bytes")]
    Random,
}

/// Where tokens are.
#[derive(Clone)]
pub struct TokenStore {
    secrets: Api<Secret>,
}

/// A record, and the version of it that was seen.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What is kept of the token.
    pub record: TokenRecord,
    secret: Secret,
}

impl TokenStore {
    /// In this namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            secrets: Api::namespaced(client, namespace),
        }
    }

    /// Makes a token; only its hash is stored.
    pub async fn create(&self, bound: TokenBounds) -> Result<EnrolmentToken, TokenError> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| TokenError::Random)?;
        let token = EnrolmentToken::from_random(&bytes);
        let record = TokenRecord {
            hash: token.hash(),
            expires_at: bound.expires_at,
            device_id: bound.device_id,
            labels: bound.labels,
            fleet: bound.fleet,
            used: None,
        };
        let (params, secret) = (PostParams::default(), record.to_secret());
        let created = self.secrets.create(&params, &secret).await;
        created.map_err(kube("create"))?;
        Ok(token)
    }

    /// What is kept of a token.
    pub async fn find(&self, token: &EnrolmentToken) -> Result<Option<Stored>, TokenError> {
        let name = TokenId::of(token).secret_name();
        let found = self.secrets.get_opt(&name).await.map_err(kube("read"))?;
        found.map(|secret| stored(secret, &name)).transpose()
    }

    /// Writes beside the token by whom it was used; false if somebody changed it since it was read.
    pub async fn consume(&self, stored: &Stored, used: Use) -> Result<bool, TokenError> {
        let record = TokenRecord {
            used: Some(used),
            ..stored.record.clone()
        };
        let secret = record.write_to(stored.secret.clone());
        let name = secret.metadata.name.clone().unwrap_or_default();
        // It carries the resource version that was read: the API server refuses any other.
        let params = PostParams::default();
        match self.secrets.replace(&name, &params, &secret).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(kube("use up")(error)),
        }
    }
}

/// What a token is bound to.
#[derive(Debug, Clone)]
pub struct TokenBounds {
    /// Good until then, in seconds since 1970.
    pub expires_at: u64,
    /// The one device.
    pub device_id: Option<fleet_contracts::DeviceId>,
    /// The labels it may ask for.
    pub labels: Option<BTreeMap<String, String>>,
    /// The fleet it is made for.
    pub fleet: Option<fleet_contracts::FleetName>,
}

fn kube(operation: &'static str) -> impl Fn(kube::Error) -> TokenError {
    move |source| TokenError::Kube {
        operation,
        source: Box::new(source),
    }
}

fn stored(secret: Secret, name: &str) -> Result<Stored, TokenError> {
    let record = TokenRecord::of_secret(&secret);
    let record = record.ok_or_else(|| TokenError::Malformed(name.to_owned()))?;
    Ok(Stored { record, secret })
}
