//! Tokens of the test IdP, asked for as machines ask.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_testbed::{Idp, MachineKey};
use jiff::Timestamp;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// A token for this audience, by the JWT profile grant (RFC 7523).
pub(crate) async fn token(idp: &Idp, machine: &MachineKey, audience: &str) -> String {
    // One for the process; another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pem = std::fs::read(idp.ca_file()).expect("a CA");
    let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let client = reqwest::Client::builder()
        .tls_certs_only([authority])
        .no_proxy()
        .build();
    let scope = format!(
        "openid+urn:zitadel:iam:org:project:id:{audience}:aud+urn:zitadel:iam:org:projects:roles"
    );
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let assertion = assertion(idp, machine);
    let body = format!("grant_type={grant}&scope={scope}&assertion={assertion}");
    let request = client
        .expect("a client")
        .post(format!("{}/oauth/v2/token", idp.issuer()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let answer = request.send().await.expect("an answer");
    let answer: Value =
        serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("json");
    let token = answer["access_token"].as_str();
    token.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn assertion(idp: &Idp, machine: &MachineKey) -> String {
    let der = PrivatePkcs8KeyDer::from_pem_slice(machine.private_pem.as_bytes());
    let pair = KeyPair::from_pkcs8(der.expect("PEM").secret_pkcs8_der()).expect("a key");
    let now = Timestamp::now().as_second();
    let header = json!({"alg": "RS256", "kid": machine.key_id});
    let claims = json!({
        "iss": machine.user, "sub": machine.user, "aud": idp.issuer(), "iat": now, "exp": now + 60,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = SystemRandom::new();
    pair.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .expect("signed");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
