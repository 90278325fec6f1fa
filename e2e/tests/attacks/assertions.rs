//! How a device gets a token: a machine user of the provider signs an assertion (RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_cli::login::http::Http;
use fleet_testbed::{Idp, MachineKey};
use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::claims::now;

/// A machine user that is this device.
pub(crate) fn machine(idp: &Idp, device: &str) -> MachineKey {
    let key = idp.machine(device, &["device"]).expect("a machine");
    let metadata = json!([{"key": "device-id", "value": STANDARD.encode(device)}]);
    let request = json!({"userId": key.user, "metadata": metadata});
    idp.call("SetUserMetadata", request).expect("noted");
    key
}

/// An assertion that ends then.
pub(crate) fn assertion(idp: &Idp, key: &MachineKey, ends: u64) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(key.key_id.clone());
    let claims = json!({
        "iss": key.user, "sub": key.user, "aud": idp.issuer(), "iat": now(), "exp": ends,
    });
    let pem = EncodingKey::from_rsa_pem(key.private_pem.as_bytes()).expect("a key");
    jsonwebtoken::encode(&header, &claims, &pem).expect("signed")
}

/// The token that the provider gives for it, or the error.
pub(crate) async fn exchange(idp: &Idp, assertion: &str) -> Result<String, String> {
    let project = idp.project();
    // Words with spaces between them, which a form writes thus.
    let scope = format!(
        "openid+urn:zitadel:iam:org:project:id:{project}:aud+urn:zitadel:iam:org:projects:roles\
         +urn:zitadel:iam:user:metadata"
    );
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&scope={scope}&assertion={assertion}"
    );
    let request = Request::post(format!("{}/oauth/v2/token", idp.issuer()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.into_bytes())
        .expect("a request");
    let client = Http::new(Some(idp.ca_file())).expect("a client");
    let answer = client.send(request).await.expect("an answer");
    let body: Value = serde_json::from_slice(answer.body()).expect("JSON");
    let text = |field: &str| body[field].as_str().map(str::to_owned);
    text("access_token").ok_or_else(|| text("error").expect("an error"))
}
