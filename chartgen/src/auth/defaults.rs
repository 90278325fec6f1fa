//! What holds where the user says nothing.

use chartgen::common::{
    Annotations, ExistingSecret, FreeFormList, Global, Image, Labels, Resources, ServiceAccount,
};
use fleet_keys::catalogue::{self, AUTHORITY_NAME, Name};
use fleet_keys::identity::{TOKEN_ENTRY, TOKEN_NAME};

use super::enrolling::{
    Approval, Devices, EnrolmentApi, EnrolmentService, EnrolmentTokens, ServiceType,
};
use super::setup::Setup;
use super::values::{
    ExistingConfigMap, KeyRing, Keys, Logins, Nats, NetworkPolicy, Oidc, OnClone, OpenBao, Rbac,
    Values,
};
use crate::workload::values::{Log, Metrics, Task, Workload};

/// The API server, inside of the cluster.
pub(super) const KUBERNETES: &str = "https://kubernetes.default.svc";
/// A week.
const WEEK: u32 = 7 * 24 * 3600;

impl Default for Values {
    fn default() -> Self {
        Self {
            global: Global::default(),
            name_override: String::new(),
            fullname_override: String::new(),
            common_labels: Labels::default(),
            common_annotations: Annotations::default(),
            image: Image::of("localhost", "fleet-auth"),
            image_pull_secrets: Vec::new(),
            nats: Nats {
                url: "nats://nats:4222".to_owned(),
                ca: ExistingSecret::with_key("ca.crt"),
            },
            oidc: Oidc::default(),
            openbao: OpenBao {
                address: String::new(),
                ca: ExistingSecret::with_key("ca.crt"),
                external: false,
                provisioner_role: "fleet-provisioner".to_owned(),
                kubernetes_host: KUBERNETES.to_owned(),
            },
            keys: Keys::default(),
            log: Log::default(),
            callout: Workload {
                // It asks the API server nothing.
                service_account: ServiceAccount::default(),
                ..workload("256Mi")
            },
            logins: Logins::default(),
            enrolment: workload("128Mi"),
            enrolment_api: EnrolmentApi::default(),
            enrolment_tokens: EnrolmentTokens {
                namespace: "fleet-enrolment".to_owned(),
                create_namespace: true,
            },
            approval: Approval {
                rules: Vec::new(),
                timeout_seconds: WEEK,
            },
            devices: Devices {
                nats_url: String::new(),
                nats_ca: ExistingSecret::with_key("ca.crt"),
                issuer_ca: ExistingSecret::with_key("ca.crt"),
                key_lifetime_seconds: 90 * 24 * 3600,
            },
            secrets_job: Task::default(),
            openbao_job: Task {
                // Nor does this one.
                service_account: ServiceAccount::default(),
                ..Task::default()
            },
            zitadel_job: Task {
                enabled: false,
                ..Task::default()
            },
            rbac: Rbac { create: true },
            network_policy: NetworkPolicy::default(),
            metrics: Metrics::default(),
            extra_objects: FreeFormList::default(),
        }
    }
}

fn workload(memory: &str) -> Workload {
    Workload {
        service_account: ServiceAccount {
            automount: true,
            ..ServiceAccount::default()
        },
        resources: Resources::default()
            .request("cpu", "50m")
            .request("memory", "32Mi")
            .limit("memory", memory),
        ..Workload::default()
    }
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            url: String::new(),
            host: String::new(),
            jwks_url: String::new(),
            ca: ExistingSecret::with_key("ca.crt"),
            project: String::new(),
            organisation: String::new(),
            role: "device".to_owned(),
            token: secret(TOKEN_NAME, TOKEN_ENTRY),
            setup: Setup::default(),
        }
    }
}

impl Default for Keys {
    fn default() -> Self {
        let login = |name: Name| secret(name.secret(), name.entry());
        let ring = |name: Name| KeyRing {
            name: name.secret().to_owned(),
            entries: vec![name.entry().to_owned()],
        };
        Self {
            callout: login(Name::Callout),
            enforcer: login(Name::Enforcer),
            issuer: ring(Name::Issuer),
            xkey: ring(Name::Xkey),
            seal_number: 1,
            openbao_hosts: Vec::new(),
            zitadel_masterkey: false,
            manifests: ExistingConfigMap {
                name: catalogue::PUBLIC_NAME.to_owned(),
                key: catalogue::MANIFEST_KEYS_ENTRY.to_owned(),
            },
        }
    }
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            on_clone: OnClone::Alert,
            max_lifetime_seconds: 3600,
            policy_max_age_seconds: 86_400,
            burst: 10,
            per_minute: 30,
            failure_burst: 300,
            failures_per_minute: 120,
        }
    }
}

impl Default for EnrolmentApi {
    fn default() -> Self {
        Self {
            public_urls: Vec::new(),
            tls_secret: String::new(),
            authority_secret: AUTHORITY_NAME.to_owned(),
            call_burst: 30,
            calls_per_minute: 60,
            service: EnrolmentService {
                r#type: ServiceType::ClusterIP,
                port: 8443,
                node_port: 0,
                annotations: Annotations::default(),
            },
        }
    }
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self {
            enabled: false,
            // What `kubernetes.default` is translated to differs: 443 at most hosted clusters, 6443
            // elsewhere.
            api_server_ports: vec![443, 6443],
            nats_ports: vec![4222],
            openbao_ports: vec![8200],
            oidc_ports: vec![443, 8080],
            metrics_from: FreeFormList::default(),
            devices_from: FreeFormList::default(),
            extra_egress: FreeFormList::default(),
        }
    }
}

fn secret(name: &str, key: &str) -> ExistingSecret {
    ExistingSecret {
        name: name.to_owned(),
        key: key.to_owned(),
    }
}
