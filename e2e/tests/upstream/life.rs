//! From an empty namespace to a bus that knows its users and an `OpenBao` that is set up.

use fleet_e2e::installed::{Admission, Wait};

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn bus_and_openbao_come_up_as_openshift_lets_them() {
    let name = "upstream-openshift";
    let Some(bed) = Bed::start(name, Admission::RestrictedV2).await else {
        return;
    };
    bed.platform
        .install(Wait::No, &[])
        .await
        .expect("installed");
    bed.wait_ready().await;
}
