//! What Helm says when definitions belong to another release, and how to go on.

use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, Wait};

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn definitions_of_another_release_are_taken_over_on_request_only() {
    let admission = Admission::Restricted;
    let Some(bed) = Bed::start("chart-names", Major::Four, admission).await else {
        return;
    };
    bed.chart.install(Wait::Yes, &[]).await.expect("installed");
    bed.chart.uninstall().await.expect("uninstalled");
    let other = bed.chart.named("other");
    let error = other.install(Wait::No, &[]).await.expect_err("refused");
    let text = error.to_string();
    assert!(
        text.contains("invalid ownership metadata") && text.contains("meta.helm.sh/release-name"),
        "{text}"
    );
    other
        .install(Wait::Yes, &["--take-ownership"])
        .await
        .expect("taken over");
    other.wait_ready(1).await.expect("ready");
}
