//! Tokens of devices without a request for each: for simulations of more devices than there are users.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_contracts::DeviceId;
use serde_json::json;

use super::http::Shared;
use super::{Idp, SigningError};
use crate::process::lock;

/// The provider's own hand, for tasks that outlive a borrow of it.
#[derive(Debug, Clone)]
pub struct Minter {
    shared: Arc<Shared>,
    issuer: String,
    project: String,
    organisation: String,
}

impl Minter {
    /// A token that says what Zitadel says of a machine user with the role `device`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn mint(&self, device: &DeviceId, life: Duration) -> Result<String, SigningError> {
        let (project, organisation) = (&self.project, &self.organisation);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let claims = json!({
            "iss": self.issuer,
            "sub": format!("user-of-{device}"),
            "aud": [project],
            "client_id": format!("user-of-{device}"),
            "iat": now,
            "nbf": now,
            "exp": now + life.as_secs(),
            "jti": format!("V2_{device}-at_{now}"),
            format!("urn:zitadel:iam:org:project:{project}:roles"): {
                "device": {organisation: "fleet.example.com"},
            },
            "urn:zitadel:iam:user:resourceowner:id": organisation,
            "urn:zitadel:iam:user:metadata": {"device-id": URL_SAFE_NO_PAD.encode(device.as_str())},
        });
        lock(&self.shared.state).signing.sign(&claims)
    }
}

impl Idp {
    /// Mints tokens of devices without asking it. Nothing is checked.
    pub fn minter(&self) -> Minter {
        Minter {
            shared: Arc::clone(&self.shared),
            issuer: self.issuer(),
            project: self.project.clone(),
            organisation: self.organisation.clone(),
        }
    }
}
