//! Hosts, keys that change, and faults on demand.

use std::time::{Duration, Instant};

use fleet_testbed::{Endpoint, Fault, Testbed};
use http::Request;
use jiff::SignedDuration;

use super::bed;
use super::client::{Client, claims, device_scope, signed};
use crate::common::skip;

#[tokio::test]
async fn another_host_is_another_instance() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let page = "/.well-known/openid-configuration";
    for host in ["idp.default.svc", "idp.default.svc:8080", "localhost", ""] {
        let answer = client.get_as(host, page).await;
        assert_eq!(answer.status, 404, "{host}");
        assert!(
            answer.text.contains("Instance not found"),
            "{}",
            answer.text
        );
    }
    // The port does not matter for that; but it makes another issuer.
    let domain = idp.address().ip().to_string();
    let answer = client.get_as(&format!("{domain}:1"), page).await;
    assert_eq!(answer.text("issuer"), format!("https://{domain}:1"));
    let answer = client.get_as(&domain, page).await;
    assert_eq!(answer.text("issuer"), format!("https://{domain}"));
    let answer = client.get(page).await;
    assert_eq!(answer.text("issuer"), idp.issuer());
}

#[tokio::test]
async fn an_assertion_for_one_issuer_is_none_for_another() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let assertion = signed(&key, &claims(idp, &key));
    let body = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&scope=openid&assertion={assertion}"
    );
    let request = Request::post("/oauth/v2/token")
        .header("host", format!("{}:1", idp.address().ip()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .unwrap();
    let answer = client.send(request).await.unwrap();
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn keys_rotate_and_old_ones_are_served_until_they_are_retired() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let scope = device_scope(idp.project());
    let mint = async || {
        let answer = client
            .exchange(&signed(&key, &claims(idp, &key)), &scope)
            .await;
        answer.text("access_token")
    };
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let old = mint().await;
    idp.rotate_keys().unwrap();
    let new = mint().await;
    assert_ne!(kid(&old), kid(&new));
    for token in [&old, &new] {
        client.verified(token, idp.project()).await.unwrap();
    }
    idp.retire_old_keys();
    client.verified(&new, idp.project()).await.unwrap();
    let refusal = client.verified(&old, idp.project()).await.unwrap_err();
    assert_eq!(refusal, "unknown kid");
}

#[tokio::test]
async fn a_token_of_an_unknown_key_is_refused_until_healed() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let scope = device_scope(idp.project());
    idp.sign_with_unknown_key().unwrap();
    let answer = client
        .exchange(&signed(&key, &claims(idp, &key)), &scope)
        .await;
    let refusal = client
        .verified(&answer.text("access_token"), idp.project())
        .await;
    assert_eq!(refusal.unwrap_err(), "unknown kid");
    idp.heal();
    let answer = client
        .exchange(&signed(&key, &claims(idp, &key)), &scope)
        .await;
    client
        .verified(&answer.text("access_token"), idp.project())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_provider_that_is_down_refuses_connections_and_comes_back_with_all_it_knew() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let answer = client
        .exchange(&signed(&key, &claims(idp, &key)), "openid")
        .await;
    let token = answer.text("access_token");
    idp.stop().await;
    let request = Request::get("/oauth/v2/keys").body(String::new()).unwrap();
    let error = client.send(request).await.unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::ConnectionRefused,
        "{error}"
    );
    idp.start().unwrap();
    assert!(idp.start().is_err(), "it runs already");
    let about = client.get_with_token("/oidc/v1/userinfo", &token).await;
    assert_eq!(about.text("sub"), key.user);
}

/// From within the device's own network, past whatever the host would allow itself.
#[tokio::test]
async fn a_device_reaches_the_provider() {
    let bed = Testbed::builder("idp")
        .idp()
        .devices(["dev-1"])
        .start()
        .await
        .unwrap();
    let (idp, device) = (bed.idp().unwrap(), bed.device("dev-1").unwrap());
    let address = idp.address();
    if address.ip().is_loopback() {
        let why = std::io::Error::other("devices share the host's network");
        return skip("the provider as a device sees it", &why);
    }
    let pid = device.podman_service().pid().unwrap();
    let connect = format!("exec 3<>/dev/tcp/{}/{}", address.ip(), address.port());
    let namespace = format!("--net=/proc/{pid}/ns/net");
    let connects = || {
        let mut command = std::process::Command::new("nsenter");
        command
            .args([&namespace, "bash", "-c", &connect])
            .output()
            .unwrap()
    };
    let outcome = connects();
    assert!(outcome.status.success(), "{outcome:?}");
    idp.stop().await;
    let outcome = connects();
    assert!(
        String::from_utf8_lossy(&outcome.stderr).contains("refused"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn faults_meet_the_endpoints_they_are_for_and_requests_are_counted() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    idp.inject_at(Endpoint::Keys, Fault::Status(503));
    assert_eq!(client.get("/oauth/v2/keys").await.status, 503);
    assert_eq!(
        client.get("/.well-known/openid-configuration").await.status,
        200
    );
    idp.inject(Fault::Status(502));
    assert_eq!(client.get("/oauth/v2/keys").await.status, 503);
    assert_eq!(client.token(&[]).await.status, 502);
    idp.heal();
    let delay = Duration::from_millis(300);
    idp.inject_at(Endpoint::Keys, Fault::Slow(delay));
    let begin = Instant::now();
    assert_eq!(client.get("/oauth/v2/keys").await.status, 200);
    assert!(begin.elapsed() >= delay);
    assert_eq!(idp.requests(Endpoint::Keys), 3);
    assert_eq!(idp.requests(Endpoint::Discovery), 1);
    assert_eq!(idp.requests(Endpoint::Token), 1);
    assert_eq!(idp.requests(Endpoint::Management), 0);
}

#[tokio::test]
async fn a_clock_that_is_off_makes_tokens_that_begin_or_end_elsewhen() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let scope = device_scope(idp.project());
    let behind = 3600;
    idp.set_clock_offset(SignedDuration::from_secs(-behind));
    let mut said = claims(idp, &key);
    for time in ["iat", "exp"] {
        said[time] = (said[time].as_i64().unwrap() - behind).into();
    }
    let answer = client.exchange(&signed(&key, &said), &scope).await;
    let refusal = client
        .verified(&answer.text("access_token"), idp.project())
        .await;
    assert_eq!(refusal.unwrap_err(), "ExpiredSignature");
}
