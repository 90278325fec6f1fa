//! A platform as processes, and the check as a process of a user who may do what the chart grants.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use fleet_api::{Deployment, Device, DeviceEnrolment};
use fleet_check_core::rbac::{Scope, rules};
use fleet_e2e::identity::{ChainOptions, Identity, start_callout};
use fleet_testbed::{Operator, OperatorOptions, OperatorRights, Request, Testbed, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Of the account that the check runs as, and its roles.
pub(crate) const ACCOUNT: &str = "fleet-check";
/// What the API server calls it.
const USER: &str = "system:serviceaccount:fleet:fleet-check";
/// Of the Deployment.
pub(crate) const NAMESPACE: &str = "fleet";
pub(crate) const TOKENS: &str = "fleet-enrolment";
/// For what takes a moment on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) operator: Operator,
    pub(crate) identity: Identity,
    pub(crate) client: Client,
    pub(crate) bed: Testbed,
    kubeconfig: PathBuf,
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

impl Scene {
    pub(crate) async fn start(name: &str) -> Self {
        let bed = Testbed::builder(name).control_plane().audit([USER]);
        let bed = bed.callout().idp().openbao().start();
        let bed = Box::pin(bed).await.expect("testbed");
        bed.install_crds().await.expect("CRDs");
        let rights = OperatorRights::default();
        bed.grant_operator(&rights).await.expect("rights");
        let operator = bed.start_operator(OperatorOptions::default());
        let operator = operator.expect("an operator");
        let client = bed.kube_client().await.expect("a client");
        let callout = start_callout(&bed, &ChainOptions::default()).await;
        let callout = callout.expect("a callout");
        let identity = Identity::start(&bed, callout, client.clone(), TOKENS, &[]).await;
        let account = bed.account(NAMESPACE, ACCOUNT).await.expect("an account");
        // Exactly what the check states, for a user that is nobody else.
        for (scope, place) in [
            (Scope::Cluster, None),
            (Scope::Deployment, Some(NAMESPACE)),
            (Scope::Tokens, Some(TOKENS)),
        ] {
            let granted = account.grant(ACCOUNT, place, rules(scope)).await;
            granted.expect("granted");
        }
        let kubeconfig = account.kubeconfig().await.expect("a kubeconfig");
        Self {
            operator,
            identity: identity.expect("an enrolment service"),
            client,
            bed,
            kubeconfig,
        }
    }

    fn command(&self, timeout: u64) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-check"));
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .args(["round-trip", "--url", &self.identity.enrolment.url()])
            .args(["--namespace", NAMESPACE, "--token-namespace", TOKENS])
            .args(["--timeout", &timeout.to_string()])
            .arg("--ca-file")
            .arg(self.identity.enrolment.ca_file())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) fn spawn(&self, timeout: u64) -> Child {
        self.command(timeout).spawn().expect("started")
    }

    pub(crate) async fn run(&self, timeout: u64) -> Run {
        finished(self.spawn(timeout)).await
    }

    /// What is there of what a check makes, by kind.
    pub(crate) async fn left(&self) -> Vec<String> {
        let client = || self.client.clone();
        [
            names::<DeviceEnrolment>(Api::all(client())).await,
            names::<Device>(Api::all(client())).await,
            names::<Deployment>(Api::all(client())).await,
            names::<Secret>(Api::namespaced(client(), TOKENS)).await,
        ]
        .concat()
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        let server = self.bed.api_server().expect("a server");
        server.audited().expect("an audit log")
    }

    /// Whether somebody can log in as the device, by what the identity provider says.
    pub(crate) fn user_states(&self) -> Vec<String> {
        let idp = self.bed.idp().expect("a provider");
        let users = idp.call("ListUsers", json!({})).expect("users");
        let users = users["result"].as_array().cloned().unwrap_or_default();
        let of_device = |user: &&Value| {
            let name = user["username"].as_str().unwrap_or_default();
            name.contains("fleet-check")
        };
        let state = |user: &Value| user["state"].as_str().unwrap_or_default().to_owned();
        users.iter().filter(of_device).map(state).collect()
    }

    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, done: impl Fn() -> F) {
        assert!(wait::until(SOON, done).await, "never: {what}");
    }
}

pub(crate) async fn finished(child: Child) -> Run {
    let output = child.wait_with_output().await.expect("ran");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    eprintln!("{said}");
    Run {
        code: output.status.code(),
        said,
    }
}

async fn names<K>(api: Api<K>) -> Vec<String>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let all = api.list(&ListParams::default()).await.expect("a list");
    let name = |object: &K| {
        let name = object.meta().name.clone().unwrap_or_default();
        format!("{} {name}", K::kind(&()))
    };
    all.items.iter().map(name).collect()
}
