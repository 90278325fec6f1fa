//! Policies from OpenBao while it is there, away, and back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_auth::bao::{Freshness, OpenBaoPolicies};
use fleet_auth::metrics::Metrics;
use fleet_auth::policy::{PolicyError, PolicySource as _};
use fleet_auth_core::DevicePolicy;
use fleet_contracts::DeviceId;
use fleet_testbed::wait;
use serde_json::json;

use crate::vault::{bed, decide, delete, provisioned, reader};

const SOON: Duration = Duration::from_secs(60);

fn device(id: &str) -> DeviceId {
    id.parse().expect("valid")
}

fn source(settings: fleet_auth::bao::BaoSettings, max_age: Duration) -> Arc<OpenBaoPolicies> {
    // One for the process; another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let freshness = Freshness {
        fresh: Duration::from_millis(200),
        max_age,
        capacity: 100,
    };
    Arc::new(OpenBaoPolicies::new(
        settings,
        freshness,
        Arc::new(Metrics::default()),
    ))
}

async fn denied(source: &Arc<OpenBaoPolicies>, id: &str) -> Result<Option<bool>, PolicyError> {
    let policy = source.of(&device(id)).await?;
    Ok(policy.map(|policy| policy.denied))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_a_policy_none_is_none_and_what_is_neither_is_an_error() {
    let bed = bed("records").await;
    let server = bed.openbao().expect("openbao");
    provisioned(server, &[]);
    let policies = source(reader(server), SOON);
    assert_eq!(policies.of(&device("dev-1")).await.expect("read"), None);
    decide(server, "dev-1", &json!({"maxPayload": 1024}));
    let wanted = DevicePolicy {
        max_payload: Some(1024),
        ..DevicePolicy::default()
    };
    let seen = || async {
        let policy = policies.of(&device("dev-1")).await.expect("read");
        policy.as_ref() == Some(&wanted)
    };
    assert!(wait::until(SOON, seen).await);

    // A newer version's restriction is not overlooked.
    decide(server, "dev-2", &json!({"onlyAtNight": true}));
    let error = policies.of(&device("dev-2")).await.expect_err("no policy");
    let text = fleet_service::chain(&error);
    assert!(
        text.contains("the record of this device is no policy"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_openbao_is_away_known_devices_go_on_new_ones_wait_and_its_return_needs_no_one() {
    let bed = bed("away").await;
    let server = bed.openbao().expect("openbao");
    provisioned(server, &[]);
    decide(server, "known", &json!({"denied": false}));
    decide(server, "new", &json!({"denied": false}));
    let policies = source(reader(server), Duration::from_secs(600));
    assert_eq!(denied(&policies, "known").await.expect("read"), Some(false));

    server.stop().await.expect("stopped");
    // Longer than what is fresh: the new one is refused only once OpenBao was asked in vain.
    let waits = || async { denied(&policies, "new").await.is_err() };
    assert!(wait::until(SOON, waits).await);
    let error = denied(&policies, "new").await.expect_err("unknown");
    let text = fleet_service::chain(&error);
    let reason = "OpenBao cannot be read, and nothing known of this device";
    assert!(text.contains(reason), "{text}");
    assert_eq!(denied(&policies, "known").await.expect("kept"), Some(false));

    server.start().await.expect("started");
    decide(server, "known", &json!({"denied": true}));
    let back = || async { denied(&policies, "known").await.ok() == Some(Some(true)) };
    assert!(wait::until(SOON, back).await, "the change is seen");
    let back = || async { denied(&policies, "new").await.ok() == Some(Some(false)) };
    assert!(wait::until(SOON, back).await, "the new one is let in");
}

/// It is no outage, in which what was read before would go on being used.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_deleted_lets_nobody_in_any_more() {
    let bed = bed("deleted").await;
    let server = bed.openbao().expect("openbao");
    provisioned(server, &[]);
    decide(server, "dev-1", &json!({}));
    let policies = source(reader(server), Duration::from_secs(600));
    assert_eq!(denied(&policies, "dev-1").await.expect("read"), Some(false));
    delete(server, "dev-1");
    let gone = || async { denied(&policies, "dev-1").await.ok() == Some(None) };
    assert!(wait::until(SOON, gone).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_not_used_for_longer_than_was_said() {
    let bed = bed("too-old").await;
    let server = bed.openbao().expect("openbao");
    provisioned(server, &[]);
    decide(server, "known", &json!({}));
    let policies = source(reader(server), Duration::from_secs(2));
    assert_eq!(denied(&policies, "known").await.expect("read"), Some(false));
    server.kill().await.expect("killed");
    let refused = || async { denied(&policies, "known").await.is_err() };
    assert!(wait::until(SOON, refused).await);
    let error = denied(&policies, "known").await.expect_err("too old");
    let text = fleet_service::chain(&error);
    assert!(text.contains("too little known of this device"), "{text}");
}

/// A server of the bus gives up on a login after five seconds, and there is more to do than this.
const DECIDED_WITHIN: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn an_openbao_that_hangs_holds_up_no_login_for_longer_than_a_server_waits() {
    let bed = bed("hangs").await;
    let server = bed.openbao().expect("openbao");
    provisioned(server, &[]);
    decide(server, "known", &json!({}));
    let policies = source(reader(server), Duration::from_secs(600));
    // As in the service: it reads the list all the time, and is in the way of nobody.
    let following = tokio::spawn(Arc::clone(&policies).follow());
    assert_eq!(denied(&policies, "known").await.expect("read"), Some(false));

    // Its address takes connections, and nothing comes back.
    server.service().freeze().await.expect("frozen");
    let since = Instant::now();
    let over = || async {
        let asked = Instant::now();
        assert_eq!(denied(&policies, "known").await.expect("kept"), Some(false));
        let took = asked.elapsed();
        assert!(took < DECIDED_WITHIN, "a known device waits {took:.1?}");
        let asked = Instant::now();
        let error = denied(&policies, "new").await.expect_err("unknown");
        let text = fleet_service::chain(&error);
        assert!(text.contains("nothing known of this device"), "{text}");
        let took = asked.elapsed();
        assert!(took < DECIDED_WITHIN, "a new device waits {took:.1?}");
        since.elapsed() > Duration::from_secs(20)
    };
    assert!(wait::until(SOON, over).await);

    server.service().thaw().expect("thawed");
    decide(server, "known", &json!({"denied": true}));
    let back = || async { denied(&policies, "known").await.ok() == Some(Some(true)) };
    assert!(wait::until(SOON, back).await, "the change is seen");
    following.abort();
}
