//! The drill with the bus and `OpenBao` in the cluster, which are lost with it.

use fleet_e2e::helm::Major;
use fleet_e2e::installed::Admission;

use super::bed;
use crate::drill;

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_of_a_cluster_that_is_lost_with_its_bus_and_openbao() {
    let bed = bed::start("upstream-drill", Major::Four, Admission::Restricted);
    let Some(bed) = Box::pin(bed).await else {
        return;
    };
    drill::run(&bed, bed::bring_logins, async |_| {}).await;
}
