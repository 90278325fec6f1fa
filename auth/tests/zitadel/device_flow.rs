//! The device flow (RFC 8628) as a client without a browser goes through it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_testbed::Idp;
use serde_json::Value;

/// What the id token says about a person who approves the login of this client.
pub(crate) async fn id_token(idp: &Idp, client: &str, person: &str) -> Value {
    // One for the process; another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pem = std::fs::read(idp.ca_file()).expect("a CA");
    let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let http = reqwest::Client::builder()
        .tls_certs_only([authority])
        .no_proxy()
        .build()
        .expect("a client");
    let post = async |address: String, body: String| -> Value {
        let request = http
            .post(address)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.expect("an answer");
        let body = answer.bytes().await.expect("a body");
        serde_json::from_slice(&body).expect("json")
    };
    let discovery = format!("{}/.well-known/openid-configuration", idp.issuer());
    let discovery = http.get(discovery).send().await.expect("an answer");
    let discovery = discovery.bytes().await.expect("a body");
    let discovery: Value = serde_json::from_slice(&discovery).expect("json");
    let address = |name: &str| discovery[name].as_str().expect(name).to_owned();
    let scope = format!(
        "openid+profile+urn:zitadel:iam:org:project:id:{}:aud",
        idp.project()
    );
    let body = format!("client_id={client}&scope={scope}");
    let begun = post(address("device_authorization_endpoint"), body).await;
    let code = |name: &str| begun[name].as_str().unwrap_or_else(|| panic!("{begun}"));
    assert!(idp.approve_device(code("user_code"), person));
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let device = code("device_code");
    let body = format!("client_id={client}&grant_type={grant}&device_code={device}");
    let tokens = post(address("token_endpoint"), body).await;
    let token = tokens["id_token"].as_str();
    let token = token.unwrap_or_else(|| panic!("{tokens}"));
    let claims = token.split('.').nth(1).expect("three parts");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64");
    serde_json::from_slice(&claims).expect("claims")
}
