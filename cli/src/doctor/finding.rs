//! What `fleet doctor` can find: closed sets, each word with its meaning and what to do about it. The
//! documentation is printed from them.

use std::fmt;

use serde::{Serialize, Serializer};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Could not be looked at: neither good nor bad.
    Unknown,
    /// Works, but somebody should look at it.
    Warning,
    /// Does not work.
    Error,
}

impl Severity {
    /// All of them, the worst last.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Unknown, Self::Warning, Self::Error];

    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Does the API server answer, and is it new enough?
    ApiServer,
    /// May this user install?
    Permissions,
    /// Is the namespace there, and which pods does it let in?
    Namespace,
    /// Are the definitions there, served, and whose are they?
    Definitions,
    /// Can NATS and `OpenBao` have volumes?
    Storage,
    /// Are the Secrets there, with the right entries?
    Secrets,
    /// Does the `ConfigMap` with public keys fit the Secrets?
    PublicKeys,
    /// Does the operator run?
    Operator,
    /// Does the auth callout run?
    Callout,
    /// Does the enrolment service run?
    Enrolment,
    /// Does the bus run?
    Nats,
    /// Does `OpenBao` run, and is it open?
    OpenBao,
    /// Does the identity provider run?
    Zitadel,
    /// Do the versions fit each other?
    Versions,
    /// Are devices heard?
    Devices,
    /// Do Deployments come along?
    Deployments,
    /// Does somebody wait to be let in?
    Enrolments,
}

impl Check {
    /// All of them, in the order in which they are shown: what others depend on comes first.
    pub const ALL: [Self; 17] = [
        Self::ApiServer,
        Self::Permissions,
        Self::Namespace,
        Self::Definitions,
        Self::Storage,
        Self::Secrets,
        Self::PublicKeys,
        Self::Operator,
        Self::Callout,
        Self::Enrolment,
        Self::Nats,
        Self::OpenBao,
        Self::Zitadel,
        Self::Versions,
        Self::Devices,
        Self::Deployments,
        Self::Enrolments,
    ];

    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "api-server",
            Self::Permissions => "permissions",
            Self::Namespace => "namespace",
            Self::Definitions => "definitions",
            Self::Storage => "storage",
            Self::Secrets => "secrets",
            Self::PublicKeys => "public-keys",
            Self::Operator => "operator",
            Self::Callout => "callout",
            Self::Enrolment => "enrolment",
            Self::Nats => "nats",
            Self::OpenBao => "openbao",
            Self::Zitadel => "zitadel",
            Self::Versions => "versions",
            Self::Devices => "devices",
            Self::Deployments => "deployments",
            Self::Enrolments => "enrolments",
        }
    }

    /// What is looked at, for the documentation.
    pub const fn question(self) -> &'static str {
        match self {
            Self::ApiServer => "The API server answers, and is of a version that the charts take",
            Self::Permissions => {
                "This user may make what the charts are made of (before an installation)"
            }
            Self::Namespace => {
                "The namespace is there; what Pod Security and OpenShift demand in it"
            }
            Self::Definitions => {
                "The custom resource definitions are served in our version, and by whom they were installed"
            }
            Self::Storage => "NATS and OpenBao can have volumes; claims are bound",
            Self::Secrets => {
                "Every Secret that a workload names is there with its entry, and the keys of the platform are keys. No value is shown"
            }
            Self::PublicKeys => "The ConfigMap `fleet-public-keys` says what the Secrets hold",
            Self::Operator => "The operator's pods are ready; if not, what they wait for",
            Self::Callout => "The same of the auth callout",
            Self::Enrolment => "The same of the enrolment service",
            Self::Nats => "The same of NATS, where it runs in the namespace",
            Self::OpenBao => "The same of OpenBao, and whether it is initialized and unsealed",
            Self::Zitadel => {
                "The same of Zitadel, where it runs in the namespace, and whether the Job that sets it up is done"
            }
            Self::Versions => {
                "Operator, definitions, auth services, agents and this program are of versions that fit"
            }
            Self::Devices => "How many devices are stale, and whether they take their manifests",
            Self::Deployments => "Counts add up, statuses are current, nothing is stalled",
            Self::Enrolments => "Who waits for a decision, and which approved ones do not get on",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident: $severity:ident, $meaning:literal, $remedy:literal;)*) => {
        /// Why a finding is what it is. Severity and meaning belong to the word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What to do about it, in general; a finding says it for its object.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

reasons! {
    Fine: Ok, "as it should be", "nothing";
    NotPermitted: Unknown, "this user may not read it, so nothing is known of it", "run it as a user who may, or have the right granted";
    Unreadable: Unknown, "the API server did not answer the question, or not in words that this version knows", "the message says what it answered; try again";
    Unreachable: Error, "the API server does not answer", "check the kubeconfig's address, the network and the login";
    ServerTooOld: Error, "the API server is older than the charts allow", "upgrade the cluster";
    NotAllowed: Error, "this user may not make something that the charts are made of", "install as a cluster administrator, or have the right granted";
    NamespaceMissing: Warning, "the namespace is not there", "`kubectl create namespace`, or `helm install --create-namespace`";
    NamespaceEnding: Error, "the namespace is being deleted", "wait until it is gone, or find what holds it";
    DefinitionMissing: Error, "a custom resource definition is not there", "install the chart fleet-operator with `crds.enabled`, or the chart fleet-crds";
    DefinitionNotServed: Error, "a definition does not serve the version that this platform uses, or is not established", "upgrade the chart that brought it";
    DefinitionOwners: Warning, "the definitions belong to different releases", "let one release own them: `helm upgrade --take-ownership`";
    NoStorageClass: Warning, "the cluster has no default storage class, so claims without a class stay pending", "name a class in the values of NATS and OpenBao, or make one the default";
    SeveralStorageClasses: Warning, "the cluster has several default storage classes; the newest is taken", "leave the annotation on one of them";
    ClaimPending: Error, "a claim has no volume", "the message says why; often a storage class that does not exist";
    SecretAwaited: Warning, "keys of the platform are not there yet", "`fleet-auth secrets ensure` makes them, as a Job of the chart or by hand";
    SecretMissing: Error, "a workload names a Secret that is not there", "`fleet-auth secrets ensure` makes the platform's own; others are yours to make";
    SecretEntryMissing: Error, "a workload names an entry that its Secret does not have", "add the entry, or name the right one in the values";
    KeyUnusable: Error, "an entry of a platform key holds no such key", "put the right one back; or delete the Secret and let `fleet-auth secrets ensure` make a new one";
    PublicKeysMissing: Error, "a workload needs the `ConfigMap` fleet-public-keys, and it is not there", "`fleet-auth secrets ensure` writes it";
    PublicKeysDiffer: Error, "the `ConfigMap` fleet-public-keys does not say what the Secrets hold: logins or manifests are refused", "`fleet-auth secrets ensure` writes it anew; then restart NATS";
    NotInstalled: Warning, "nothing of the platform runs in the namespace", "install it, or name the right one with --namespace";
    OperatorMissing: Error, "other parts of the platform are there, and no operator", "install the chart fleet-operator, or name the right namespace with --namespace";
    ScaledToZero: Warning, "a workload is asked to run no pods", "`kubectl scale --replicas=1`";
    PodRefused: Error, "the cluster does not let the pod in: Pod Security, a security context constraint, a policy or a quota", "the message says which rule; the platform's own pods fit `restricted` and `restricted-v2` as they are";
    WaitsForSecret: Error, "a pod waits for a Secret or `ConfigMap`", "`fleet-auth secrets ensure` makes the platform's own; the pod goes on by itself";
    ImageNotPulled: Error, "a node cannot get the image", "check registry, tag and pull secret in the values";
    PodUnschedulable: Error, "no node takes the pod", "the message says why: room, taints, volumes";
    ContainerNotStarted: Error, "the container cannot be started", "the message is the node's";
    CrashLoop: Error, "the container ends again and again", "`kubectl logs --previous`";
    NotReady: Error, "the pod runs and does not answer its readiness probe", "`kubectl logs`; `/readyz` of our programs says in words what is in the way";
    Starting: Warning, "pods are coming up", "wait, and look again";
    OpenBaoSealed: Error, "OpenBao is sealed: no policy can be read", "check its seal key's Secret; docs/rotate-keys.md has the turns";
    OpenBaoUninitialized: Error, "OpenBao was never initialized", "`bao operator init`, then `fleet-auth provision openbao`";
    DefinitionsDiffer: Error, "operator and definitions are of different versions", "upgrade the chart that brings the definitions along with the operator's";
    VersionsDiffer: Warning, "parts of the platform are of different versions", "upgrade them together";
    AgentsNewer: Warning, "devices run an agent that is newer than the operator", "upgrade the operator";
    AgentsOlder: Warning, "devices run an agent of an older minor version than the operator", "upgrade the agents";
    SomeDevicesStale: Warning, "a tenth of the devices or more is not heard", "`fleet get devices`: power, network, or the agent";
    MostDevicesStale: Error, "half of the devices or more is not heard, which is more than devices by themselves", "look at NATS and the callout first; docs/outages.md";
    ManifestsRefused: Error, "devices refuse what the operator signed", "docs/troubleshooting.md, `ManifestRefused`";
    CountsBroken: Error, "a Deployment's counts do not add up", "a defect of the operator: restart it, and report it";
    StatusBehind: Warning, "the status of a Deployment is about an earlier generation", "passes by itself within seconds; if not, look at the operator";
    Stalled: Warning, "a Deployment cannot go on without help", "`fleet describe deployment` says why";
    EnrolmentsWait: Warning, "devices wait for a decision", "`fleet get enrolments`, then `fleet approve` or `fleet deny`";
    EnrolmentStuck: Warning, "an approved enrolment does not become ready", "docs/troubleshooting.md explains the reason";
}

macro_rules! shown {
    ($($name:ident),*) => {
        $(
            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(self.as_str())
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.as_str())
                }
            }
        )*
    };
}

shown!(Severity, Check, Reason);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// The word for it.
    pub reason: Reason,
    /// What it is about, as `kind/name`; none where it is about the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// In words.
    pub message: String,
    /// What to do, where something is to be done: a command where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding, with the remedy of its reason.
    pub fn new(check: Check, reason: Reason, message: impl Into<String>) -> Self {
        let severity = reason.severity();
        let wanted = severity > Severity::Ok;
        Self {
            check,
            severity,
            reason,
            object: None,
            message: message.into(),
            remedy: wanted.then(|| reason.remedy().to_owned()),
        }
    }

    /// All is well.
    pub fn fine(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Reason::Fine, message)
    }

    /// About this object.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// With what exactly to do.
    #[must_use]
    pub fn mend(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// All findings, in the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where the platform is, or shall be.
    pub namespace: String,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        let of_it = |finding: &&Finding| finding.severity == severity;
        self.findings.iter().filter(of_it).count()
    }

    /// Whether something does not work.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }
}
