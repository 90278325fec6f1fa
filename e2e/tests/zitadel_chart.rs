//! The platform with Zitadel by its own chart, as a real API server judges it: every object that either
//! Helm renders, and every pod that these would bring forth, in a namespace with Pod Security
//! "restricted" and in one with OpenShift's restricted-v2.
//!
//! Nothing of it runs: Zitadel needs its image and a database. A dry run goes through everything that
//! judges a write: schema, validation, admission. A workload is let in whatever its pods are, so the
//! pods are asked about as well.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chartgen_lint::{Manifests, Object};
use fleet_e2e::helm::{Helm, Major, write_values};
use fleet_e2e::installed::{Admission, make_namespace};
use fleet_e2e::umbrella;
use fleet_testbed::Testbed;
use kube::api::{DynamicObject, GroupVersionKind, TypeMeta};
use kube::core::Resource as _;
use kube::discovery::{Discovery, Scope};
use serde_json::{Value, json};

/// Pods of Zitadel: the servers, and the Jobs before them.
const ZITADEL: [&str; 4] = [
    "Deployment fleet-zitadel",
    "Deployment fleet-zitadel-login",
    "Job fleet-zitadel-init",
    "Job fleet-zitadel-setup",
];

/// An installation: a namespace with rules, and the profiles that are meant for it.
struct Case {
    namespace: &'static str,
    admission: Admission,
    profiles: &'static [&'static str],
}

const CASES: [Case; 4] = [
    Case {
        namespace: "plain",
        admission: Admission::Restricted,
        profiles: &[],
    },
    Case {
        namespace: "plain-ha",
        admission: Admission::Restricted,
        profiles: &["ha"],
    },
    Case {
        namespace: "openshift",
        admission: Admission::RestrictedV2,
        profiles: &["okd"],
    },
    Case {
        namespace: "openshift-ha",
        admission: Admission::RestrictedV2,
        profiles: &["okd", "ha"],
    },
];

/// An API server, and what it serves.
struct Judge {
    client: kube::Client,
    served: Discovery,
}

impl Judge {
    /// Asks for an object, without keeping it or with keeping it.
    async fn ask(&self, object: &Value, namespace: &str, keep: bool) -> Result<(), String> {
        let text = |place: &str| object.pointer(place).and_then(Value::as_str);
        let types = TypeMeta {
            api_version: text("/apiVersion").expect("a version").to_owned(),
            kind: text("/kind").expect("a kind").to_owned(),
        };
        let kind = GroupVersionKind::try_from(&types).expect("a version");
        let Some((resource, capabilities)) = self.served.resolve_gvk(&kind) else {
            return Err(format!("{} is not served", kind.kind));
        };
        let namespace = text("/metadata/namespace").unwrap_or(namespace);
        let namespace = (capabilities.scope == Scope::Namespaced).then_some(namespace);
        let path = DynamicObject::url_path(&resource, namespace);
        let dry_run = if keep { "" } else { "&dryRun=All" };
        let request = http::Request::post(format!("{path}?fieldValidation=Strict{dry_run}"))
            .header("content-type", "application/json")
            .body(object.to_string().into_bytes());
        match self
            .client
            .request::<Value>(request.expect("a request"))
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if keep && status.reason == "AlreadyExists" => Ok(()),
            Err(kube::Error::Api(status)) => Err(status.message),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// What it refuses of an installation, each with the reason, and how much it was asked.
    async fn refusals(&self, objects: &[Object], namespace: &str) -> (Vec<String>, usize) {
        // What others name: a pod is refused without its account, and everything without its namespace.
        for kind in ["Namespace", "ServiceAccount"] {
            for object in objects.iter().filter(|object| object.kind() == kind) {
                let kept = self.ask(&object.value, namespace, true).await;
                kept.unwrap_or_else(|why| panic!("{object}: {why}"));
            }
        }
        let (mut refused, mut asked) = (Vec::new(), 0);
        for object in objects {
            let kept = ["Namespace", "ServiceAccount"].contains(&object.kind());
            let itself = (!kept).then(|| object.value.clone());
            for wanted in itself.into_iter().chain(pod(object)) {
                asked += 1;
                if let Err(why) = self.ask(&wanted, namespace, false).await {
                    refused.push(format!("{object}: {}: {why}", wanted["kind"]));
                }
            }
        }
        (refused, asked)
    }
}

/// The pod that a workload would make.
fn pod(workload: &Object) -> Option<Value> {
    let template = workload.value.pointer("/spec/template")?;
    template.pointer("/spec/containers")?;
    let mut pod = template.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["generateName"] = json!(format!("{}-", workload.name()));
    // As the controller of a StatefulSet does.
    let claims = workload.value.pointer("/spec/volumeClaimTemplates");
    for claim in claims.and_then(Value::as_array).into_iter().flatten() {
        let name = &claim["metadata"]["name"];
        let volume = json!({"name": name, "persistentVolumeClaim": {"claimName": "claim-0"}});
        let volumes = &mut pod["spec"]["volumes"];
        match volumes.as_array_mut() {
            Some(volumes) => volumes.push(volume),
            None => *volumes = json!([volume]),
        }
    }
    Some(pod)
}

/// The chart in a folder, with Helm of both versions.
struct Charts {
    folder: PathBuf,
    chart: PathBuf,
    kubernetes: String,
}

impl Charts {
    async fn render(&self, major: Major, namespace: &str, profiles: &[&str]) -> Vec<Object> {
        let values = self.folder.join("zitadel-values.json");
        write_values(&values, &wanted()).expect("written");
        let of_profile = |profile: &&str| self.chart.join(format!("values-{profile}.yaml"));
        let mut args = vec![
            "template".to_owned(),
            "fleet".to_owned(),
            shown(&self.chart),
            format!("--namespace={namespace}"),
            format!("--kube-version={}", self.kubernetes),
            // Zitadel's schema refers to others, which Helm would fetch.
            "--skip-schema-validation".to_owned(),
        ];
        let files = profiles.iter().map(of_profile).chain([values]);
        args.extend(files.map(|file| format!("--values={}", shown(&file))));
        let helm = Helm::offline(major, &self.folder).expect("helm");
        let text = helm.run(args).await.expect("rendered");
        Manifests::read("rendered", &text).objects().to_vec()
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// All that nobody can know beforehand, and doors for people. What needs definitions that Kubernetes
/// does not have is off, as by default: routes of the Gateway API, and monitors of Prometheus.
fn wanted() -> Value {
    json!({
        "auth": {
            "devices": {"natsUrl": "tls://bus.example.com:4222"},
            "enrolmentApi": {"publicUrls": ["https://join.example.com"]},
        },
        "zitadel": {
            "zitadel": {"configmapConfig": {"ExternalDomain": "id.example.com"}},
            "ingress": {"enabled": true},
            "login": {"ingress": {"enabled": true}},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_of_a_platform_with_zitadel_is_let_in_where_only_the_restricted_are() {
    if std::env::var_os(umbrella::UPSTREAM).is_none() {
        let variable = umbrella::UPSTREAM;
        writeln!(
            std::io::stderr(),
            "skipped: Zitadel's chart at an API server: {variable} names no folder with nats, openbao and zitadel"
        )
        .expect("said");
        return;
    }
    let bed = Testbed::builder("zitadel-chart").control_plane();
    let bed = bed.start().await.expect("starts");
    let client = bed.kube_client().await.expect("connects");
    let judge = Judge {
        served: Discovery::new(client.clone()).run().await.expect("served"),
        client,
    };
    let charts = charts(&bed, &judge).await;
    for case in CASES {
        let namespace = case.namespace;
        let made = make_namespace(&judge.client, namespace, case.admission).await;
        made.expect("a namespace");
        for major in Major::BOTH {
            let objects = charts.render(major, namespace, case.profiles).await;
            let pods = objects.iter().filter(|object| pod(object).is_some());
            let pods: Vec<_> = pods.map(|o| format!("{} {}", o.kind(), o.name())).collect();
            for zitadel in ZITADEL {
                assert!(pods.iter().any(|pod| pod == zitadel), "{zitadel}: {pods:?}");
            }
            let (refused, asked) = judge.refusals(&objects, namespace).await;
            assert_eq!(refused, Vec::<String>::new(), "{major}, {namespace}");
            println!("{namespace}, {major}: {asked} objects and pods are let in");
        }
    }
    without_its_profile_openshift_refuses_it(&charts, &judge).await;
}

async fn charts(bed: &Testbed, judge: &Judge) -> Charts {
    let (chart, _) = umbrella::folder(bed.folder()).expect("the chart");
    let version = judge.client.apiserver_version().await.expect("a version");
    Charts {
        folder: bed.folder().to_owned(),
        chart,
        kubernetes: version.git_version,
    }
}

/// What the profile is for, and that the dry run would have said so.
async fn without_its_profile_openshift_refuses_it(charts: &Charts, judge: &Judge) {
    let objects = charts.render(Major::Four, "openshift", &[]).await;
    let (refused, _) = judge.refusals(&objects, "openshift").await;
    for zitadel in ZITADEL {
        let (_, name) = zitadel.split_once(' ').expect("kind and name");
        let about =
            |why: &&String| why.contains(&format!("/{name}:")) && why.contains("restricted-v2: ");
        assert!(
            refused.iter().any(|why| about(&why)),
            "{zitadel}: {refused:#?}"
        );
    }
}
