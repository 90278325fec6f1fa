//! An installation that brings the servers of others itself: bus, OpenBao and identity provider are the
//! testbed's.

use std::fs;
use std::time::Duration;

use fleet_e2e::cluster::{Cluster, with_root};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE};
use fleet_e2e::{Installation, umbrella};
use fleet_testbed::Testbed;
use serde_json::{Value, json};

use crate::device::{DEVICE, DOOR, door};
use crate::site::{Site, our_images};

/// For what takes a moment on an idle machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// What OpenBao's administrator gave to whoever sets it up.
const LOGIN: &str = "openbao-login";
/// What the identity provider's administrator gave.
const ADMINISTRATOR: &str = "idp-administrator";

/// Nothing where there is no root, which is said: a node cannot be without.
pub(crate) async fn start(name: &str, major: Major) -> Option<Site> {
    let builder = Testbed::builder(name).control_plane().node();
    let builder = builder.callout().idp().openbao().devices([DEVICE]);
    let parts = with_root(name, Box::pin(builder.start()).await).expect("a cluster")?;
    let cluster = Cluster::of_testbed(&parts).await.expect("an image");
    let admission = Admission::RestrictedV2;
    let operator = Installation::prepare(&cluster, &parts, major, NAMESPACE, admission).await;
    let operator = operator.expect("a namespace with Secrets");
    let (chart, _) = umbrella::folder(parts.folder()).expect("the chart");
    let images = our_images(&parts, &cluster).await;
    let platform = operator.of_chart(chart, "fleet", values(&parts));
    let site = Site {
        platform: platform.with(&images),
        client: cluster.client,
        parts,
        limit: LIMIT,
    };
    bring_secrets(&site).await;
    site.load_images().await;
    Some(site)
}

/// What is the installation's own: its bus' keys, authorities, and logins elsewhere.
pub(crate) async fn bring_secrets(site: &Site) {
    let (nats, idp) = (site.parts.nats(), site.parts.idp().expect("a provider"));
    let nats = nats.expect("a bus");
    let (issuer, xkey) = nats.callout_seeds().expect("a callout's keys");
    let openbao = site.parts.openbao().expect("openbao");
    let login = openbao.provisioner().secret_id_file;
    let files = [
        ("fleet-auth-nats", "seed", nats.auth_seed()),
        ("fleet-auth-enforcer", "seed", nats.enforcer_seed()),
        ("fleet-auth-issuer", "seed", issuer),
        ("fleet-auth-xkey", "seed", xkey),
        ("idp-ca", "ca.crt", idp.ca_file().to_owned()),
        ("openbao-ca", "ca.crt", openbao.ca_file()),
        (LOGIN, "secret-id", login),
    ];
    for (name, key, path) in files {
        site.bring(name, key, fs::read(path).expect("a file")).await;
    }
    let token = idp.admin_token().as_bytes().to_vec();
    site.bring(ADMINISTRATOR, "token", token).await;
}

/// An installation that brings its own bus, OpenBao and identity provider.
fn values(bed: &Testbed) -> Value {
    let nats = bed.nats().expect("a bus").url();
    json!({
        "nats": {"enabled": false},
        "openbao": {"enabled": false},
        "zitadel": {"enabled": false},
        "operator": {"nats": {"url": nats}},
        "auth": auth_values(bed, &nats),
    })
}

fn auth_values(bed: &Testbed, nats: &str) -> Value {
    let idp = bed.idp().expect("a provider");
    let openbao = bed.openbao().expect("openbao");
    let login = openbao.provisioner();
    // By the address that pods know it by, too: it is the one in its certificate.
    let host = bed.nats().expect("a bus").address().ip().to_string();
    let api_server = bed.api_server().expect("an API server").url();
    let api_server = api_server.replace("127.0.0.1", &host);
    json!({
        "nats": {"url": nats},
        "oidc": {
            "issuer": idp.issuer(),
            "url": "",
            "ca": {"name": "idp-ca"},
            // All else is found out.
            "setup": {"token": {"name": ADMINISTRATOR, "key": "token"}},
        },
        "openbao": {
            "address": openbao.url(),
            "ca": {"name": "openbao-ca"},
            "external": true,
            "kubernetesHost": api_server,
        },
        "enrolmentApi": {
            "publicUrls": [door(bed)],
            "service": {"type": "NodePort", "nodePort": DOOR},
        },
        "devices": {"natsUrl": nats, "issuerCa": {"name": "idp-ca"}},
        // Whoever sets it up logs in as its administrator says.
        "openbaoJob": {
            "extraArgs": [
                format!("--bao-approle-id={}", login.role_id),
                "--bao-approle-secret-file=/etc/openbao-login/secret-id",
            ],
            "extraVolumes": [{"name": "login", "secret": {"secretName": LOGIN}}],
            "extraVolumeMounts": [{"name": "login", "mountPath": "/etc/openbao-login"}],
        },
    })
}
