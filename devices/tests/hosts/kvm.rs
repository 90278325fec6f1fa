//! A Linux host becomes one that runs virtual machines.

use fleet_devices::host::{Linux, Planned};
use fleet_devices::kvm::{Promotion, promote};
use fleet_devices::setup::Progress;
use fleet_devices_core::VmArchitecture;

use crate::machine::{Machine, skips};

/// For whom nobody watches.
struct Nobody;

impl Progress for Nobody {
    fn begins(&self, _: &str) {}
    fn says(&self, _: &str) {}
    fn ended(&self, _: &str, _: &fleet_devices::host::Outcome) {}
}

const GUESTS: VmArchitecture = VmArchitecture::X86_64;
/// What a bridge with its addresses takes.
const NETWORK: [&str; 4] = [
    "--cap-add=NET_ADMIN",
    "--cap-add=NET_RAW",
    "--security-opt=unmask=/proc/sys",
    "--sysctl=net.ipv4.ip_forward=1",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_promoted_once_and_stays_promoted() {
    if skips("promotion") {
        return;
    }
    let machine = Machine::start_with(&NETWORK).await;
    let ssh = machine.log_in("root").await.expect("let in");
    let planned = Linux::meet(Planned(ssh)).await.expect("a host");
    let plan = promote(planned, GUESTS, Some("admin"), &Nobody).await;
    assert!(matches!(plan, Ok(Promotion::Planned(_, 1))), "{plan:?}");

    let made = promote(machine.host().await, GUESTS, Some("admin"), &Nobody).await;
    let Ok(Promotion::Promoted(host, 1..)) = made else {
        panic!("{made:?}");
    };
    assert_eq!(host.connection().to_string(), "qemu:///system");
    // Whoever was named may ask, and finds the network.
    let list = "su -l admin -c 'virsh -c qemu:///system net-list --autostart --name'";
    assert_eq!(machine.sh(list), "default");

    let again = promote(machine.host().await, GUESTS, Some("admin"), &Nobody).await;
    assert!(matches!(again, Ok(Promotion::Promoted(_, 0))), "{again:?}");

    // What somebody stopped is started again.
    machine.sh(
        "virsh -c qemu:///system net-destroy default; systemctl disable --now libvirtd.service",
    );
    let mended = promote(machine.host().await, GUESTS, None, &Nobody).await;
    assert!(
        matches!(mended, Ok(Promotion::Promoted(_, 1..))),
        "{mended:?}"
    );
    assert_eq!(
        machine.sh("virsh -c qemu:///system net-list --name"),
        "default"
    );
}
