//! The configuration of the server: storage, seal, audit log, and how it sets itself up.

use std::num::NonZeroU32;

use fleet_keys::catalogue::{OPENBAO_AUDIENCE, SEAL_ENTRY, seal_secret};

use super::hcl::Body;
use crate::platform::names;

/// Where the chart mounts a Secret that it is given by name.
const SECRETS: &str = "/openbao/userconfig";
/// What the provisioner may do. Whoever writes policies and roles can give itself everything, so this
/// shows what is needed, and keeps nobody from more.
const PROVISIONER_RULES: [(&str, &[&str]); 11] = [
    ("sys/mounts", &["read"]),
    ("sys/mounts/*", &["create", "read", "update"]),
    ("sys/auth", &["read"]),
    ("sys/auth/*", &["create", "read", "update", "sudo"]),
    ("sys/policies/acl/*", &["create", "read", "update", "list"]),
    ("sys/policy/*", &["create", "read", "update", "list"]),
    (
        "sys/rotate/recovery/init",
        &["create", "read", "update", "sudo"],
    ),
    ("sys/audit", &["read", "list", "sudo"]),
    ("auth/kubernetes/*", &["create", "read", "update", "list"]),
    ("auth/jwt/*", &["create", "read", "update", "list"]),
    ("kv/config", &["create", "read", "update"]),
];

/// The first seal key, which `fleet-auth secrets ensure` makes.
pub(super) fn seal() -> String {
    seal_secret(NonZeroU32::MIN)
}

/// The whole file. The chart takes it for a template.
pub(super) fn text() -> String {
    let listener = Body::default()
        .set("address", "[::]:8200")
        .set("cluster_address", "[::]:8201")
        .set("tls_cert_file", &secret(names::OPENBAO_TLS, "tls.crt"))
        .set("tls_key_file", &secret(names::OPENBAO_TLS, "tls.key"));
    let key = format!("file://{}", secret(&seal(), SEAL_ENTRY));
    let number = NonZeroU32::MIN.to_string();
    Body::default()
        .off("ui")
        .block("listener", &["tcp"], listener)
        .block(
            "storage",
            &["raft"],
            Body::default().set("path", "/openbao/data"),
        )
        .comment("It unseals itself. Without this key everything is lost: back it up.")
        .block(
            "seal",
            &["static"],
            Body::default()
                .set("current_key_id", &number)
                .set("current_key", &key),
        )
        .comment("Into the log of the pod.")
        .block(
            "audit",
            &["file", "log"],
            Body::default().block("options", &[], Body::default().set("file_path", "stdout")),
        )
        .comment("Done once, at the first start; there is never a root token.")
        .block("initialize", &["fleet"], initialize())
        .text()
}

/// Where an entry of a Secret is.
fn secret(name: &str, entry: &str) -> String {
    format!("{SECRETS}/{name}/{entry}")
}

/// How the provisioner logs in, and what it may do.
fn initialize() -> Body {
    let role = format!("auth/kubernetes/role/{}", names::PROVISIONER);
    let requests = [
        (
            "policy",
            format!("sys/policies/acl/{}", names::PROVISIONER),
            Body::default().lines("policy", &policy()),
        ),
        (
            "method",
            "sys/auth/kubernetes".to_owned(),
            Body::default().set("type", "kubernetes"),
        ),
        (
            "server",
            "auth/kubernetes/config".to_owned(),
            Body::default().set("kubernetes_host", "https://kubernetes.default.svc"),
        ),
        (
            "role",
            role,
            Body::default()
                .list("bound_service_account_names", &[names::PROVISIONER_ACCOUNT])
                // The chart fills it in.
                .list(
                    "bound_service_account_namespaces",
                    &["{{ .Release.Namespace }}"],
                )
                .set("audience", OPENBAO_AUDIENCE)
                .list("token_policies", &[names::PROVISIONER])
                .set("token_ttl", "5m")
                .set("token_max_ttl", "1h"),
        ),
    ];
    requests
        .into_iter()
        .fold(Body::default(), |body, (name, path, data)| {
            let request = Body::default()
                .set("operation", "update")
                .set("path", &path);
            body.block("request", &[name], request.object("data", data))
        })
}

fn policy() -> String {
    PROVISIONER_RULES
        .iter()
        .fold(Body::default(), |body, (path, capabilities)| {
            let rule = Body::default().list("capabilities", capabilities);
            body.block("path", &[path], rule)
        })
        .text()
}
