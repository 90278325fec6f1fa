//! Which devices get in with a token of Keycloak's, and why others do not.

use fleet_testbed::wait;

use crate::provider::{FLEET, NEIGHBOUR, Provider};
use crate::scene::{ADMITTED, SOON, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_gets_in_by_role_and_audience_and_others_are_refused_for_their_reason() {
    let Some(provider) = Provider::shared("devices with tokens of Keycloak").await else {
        return;
    };
    let scene = Scene::start(provider, FLEET).await;
    // The same server, the same client id and key; but the keys of its realm are not ours.
    let foreign = scene.device(NEIGHBOUR, "dev-1");
    let [good, no_role, audience, off] =
        ["dev-1", "dev-no-role", "dev-audience", "dev-off"].map(|id| scene.device(FLEET, id));

    scene
        .until_verdict(&[ADMITTED, "device=\"dev-1\""], &good)
        .await;
    for (agent, reason) in [
        (&no_role, "RoleMissing"),
        (&audience, "AudienceWrong"),
        (&foreign, "KeyUnknown"),
    ] {
        let said = format!("reason=\"{reason}\"");
        scene.until_verdict(&[&said], agent).await;
    }
    // Who is switched off there does not even get a token, and the device says so.
    let refused = || async { off.log().contains("reason=Refused") };
    assert!(wait::until(SOON, refused).await, "{}", off.log());

    let admitted = scene.verdicts(&[ADMITTED]);
    let only_one = |line: &String| line.contains("device=\"dev-1\"");
    assert!(admitted.iter().all(only_one), "{admitted:?}");
    assert_eq!(scene.verdicts(&["dev-off"]), Vec::<String>::new());
}
