//! A cluster with a node that has all images, an identity provider and a device beside it, and the
//! chart with its values.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use fleet_chartgen::platform::profiles;
use fleet_e2e::cluster::Cluster;
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE};
use fleet_e2e::{Installation, stand_ins, umbrella};
use fleet_testbed::{Node, Testbed};
use serde_json::{Value, json};

use crate::device::{DEVICE, DOOR, door};
use crate::site::{Site, our_images};

/// For what takes a moment on an idle machine.
const LIMIT: Duration = Duration::from_secs(180);

/// The port of nodes at which devices find the bus.
const BUS: u16 = 30_422;
/// The authority of the identity provider.
const PROVIDER: &str = "idp-ca";

/// Nothing where something is missing, which is said.
pub(crate) async fn start(name: &str, major: Major, admission: Admission) -> Option<Site> {
    if let Err(why) = possible() {
        writeln!(std::io::stderr(), "skipped: {name}: {why}").expect("said");
        return None;
    }
    // Volumes for three servers of the bus, and OpenBao. Devices are those of a bus with a callout;
    // that of the testbed itself has nothing to do here.
    let builder = Testbed::builder(name).node().local_volumes(4);
    let builder = builder.callout().idp().devices([DEVICE]);
    let parts = Box::pin(builder.start()).await.expect("a cluster");
    let cluster = Cluster::of_testbed(&parts).await.expect("an image");
    let (chart, _) = umbrella::folder(parts.folder()).expect("the chart");
    let bare = Installation::bare(&cluster, &parts, major, NAMESPACE, admission).await;
    let bare = bare.expect("a namespace");
    let platform = bare.of_chart(chart, "fleet", json!({}));
    let platform = match admission {
        Admission::Restricted => platform,
        Admission::RestrictedV2 => platform.with(&openshift()),
    };
    let platform = platform.with(&our_images(&parts, &cluster).await);
    let platform = platform.with(&images_of_others(&parts).await);
    let site = Site {
        platform: platform.with(&values(&parts)),
        client: cluster.client,
        parts,
        limit: LIMIT,
    };
    bring_logins(&site).await;
    site.load_images().await;
    Some(site)
}

/// What belongs to an identity provider of one's own. All other keys the platform makes.
pub(super) async fn bring_logins(site: &Site) {
    let idp = site.parts.idp().expect("a provider");
    let authority = fs::read(idp.ca_file()).expect("an authority");
    let token = idp.admin_token().as_bytes().to_vec();
    site.bring(PROVIDER, "ca.crt", authority).await;
    site.bring("fleet-idp-token", "token", token).await;
}

/// What has to be on this machine.
fn possible() -> Result<(), String> {
    if std::env::var_os(umbrella::UPSTREAM).is_none() {
        let variable = umbrella::UPSTREAM;
        return Err(format!(
            "{variable} names no folder with nats, openbao and zitadel"
        ));
    }
    Node::supported().map_err(|error| error.to_string())?;
    fleet_testbed::busybox().map_err(|error| error.to_string())?;
    Ok(())
}

/// The profile for clusters that choose ids.
fn openshift() -> Value {
    let all = profiles().into_iter();
    let mut okd = all.filter(|profile| profile.name() == "okd");
    okd.next().expect("a profile").values()
}

/// Where devices find the bus.
pub(super) fn bus(parts: &Testbed) -> String {
    let node = parts.node().expect("a node");
    format!("nats://{}:{BUS}", node.host_ip())
}

/// The images of what is not ours, on the node and as values.
async fn images_of_others(parts: &Testbed) -> Value {
    let nats = stand_ins::nats(parts).await.expect("an image");
    let openbao = stand_ins::openbao(parts).await.expect("an image");
    json!({
        "nats": {"container": {"image": nats.values()}, "reloader": {"enabled": false}},
        "openbao": {"server": {"image": openbao.values()}},
    })
}

/// What the README asks for, with an identity provider of one's own, and how devices reach the
/// cluster.
fn values(parts: &Testbed) -> Value {
    let idp = parts.idp().expect("a provider");
    let port = json!({"op": "add", "path": "/spec/ports/0/nodePort", "value": BUS});
    json!({
        "zitadel": {"enabled": false},
        "auth": {
            "oidc": {
                "issuer": idp.issuer(),
                "url": "",
                "project": idp.project(),
                "organisation": idp.organisation(),
                "ca": {"name": PROVIDER},
            },
            "zitadelJob": {"enabled": false},
            "enrolmentApi": {
                "publicUrls": [door(parts)],
                "service": {"type": "NodePort", "nodePort": DOOR},
            },
            "devices": {"natsUrl": bus(parts), "issuerCa": {"name": PROVIDER}},
        },
        "nats": {"service": {"merge": {"spec": {"type": "NodePort"}}, "patch": [port]}},
    })
}
