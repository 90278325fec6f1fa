//! The server's configuration, in its own language.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// What the configuration names.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) home: &'a Path,
    pub(super) address: SocketAddr,
    pub(super) cluster_address: SocketAddr,
    pub(super) audit_log: &'a Path,
    /// All users.
    pub(super) users: &'a [Grant<'a>],
}

/// A user of the method `approle`: its role, its policy and its secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant<'a> {
    pub(super) role: &'a str,
    pub(super) policy: &'a str,
    pub(super) secret: &'a str,
}

/// What the provisioner may do. Whoever writes policies and roles can give itself everything, so
/// this shows what is needed, and keeps nobody from more.
const PROVISIONER: &str = r#"
path "sys/mounts" { capabilities = ["read"] }
path "sys/mounts/*" { capabilities = ["create", "read", "update"] }
path "sys/auth" { capabilities = ["read"] }
path "sys/auth/*" { capabilities = ["create", "read", "update", "sudo"] }
path "sys/policies/acl/*" { capabilities = ["create", "read", "update", "list"] }
path "sys/policy/*" { capabilities = ["create", "read", "update", "list"] }
path "sys/rotate/recovery/init" { capabilities = ["create", "read", "update", "sudo"] }
path "sys/audit" { capabilities = ["read", "list", "sudo"] }
path "auth/kubernetes/*" { capabilities = ["create", "read", "update", "list"] }
path "auth/jwt/*" { capabilities = ["create", "read", "update", "list"] }
path "kv/config" { capabilities = ["create", "read", "update"] }
"#;

/// The whole file. The server initializes itself with it at its first start and then revokes its
/// root token.
pub(super) fn render(settings: &Settings<'_>) -> String {
    let path = |name: &str| text(&settings.home.join(name).to_string_lossy());
    let address = settings.address;
    let cluster = settings.cluster_address;
    let mut config = format!(
        r#"storage "raft" {{
  path = {data}
  node_id = "testbed"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "{address}"
  cluster_address = "{cluster}"
  tls_cert_file = {certificate}
  tls_key_file = {key}
}}
api_addr = "https://{address}"
cluster_addr = "https://{cluster}"
audit "file" "log" {{
  options {{ file_path = {audit} }}
}}
"#,
        data = path("data"),
        certificate = path("server.crt"),
        key = path("server.key"),
        audit = text(&settings.audit_log.to_string_lossy()),
    );
    config.push_str("initialize \"testbed\" {\n");
    let policy = Request::new("sys/policies/acl/fleet-provisioner").set("policy", PROVISIONER);
    config.push_str(&policy.render("policy"));
    let method = Request::new("sys/auth/approle").set("type", "approle");
    config.push_str(&method.render("approle"));
    for grant in settings.users {
        config.push_str(&login(grant));
    }
    config.push_str("}\n");
    config
}

/// A key that seals, and the name it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealKey {
    /// Its name; another key needs another one.
    pub id: String,
    /// 32 bytes in base64.
    pub key: String,
}

/// The configuration of the seal, a file of its own. What the previous key has sealed is sealed anew
/// with the current one at the next start.
pub(super) fn render_seal(current: &SealKey, previous: Option<&SealKey>) -> String {
    let mut seal = "seal \"static\" {\n".to_owned();
    let keys = [("current", Some(current)), ("previous", previous)];
    for (slot, key) in keys {
        if let Some(SealKey { id, key }) = key {
            let _ = writeln!(seal, "  {slot}_key_id = {}", text(id));
            let _ = writeln!(seal, "  {slot}_key = {}", text(key));
        }
    }
    seal + "}\n"
}

/// The requests that make a user: role, the role's id, and its secret.
fn login(grant: &Grant<'_>) -> String {
    let base = format!("auth/approle/role/{}", grant.role);
    let role = Request::new(&base)
        .set("token_policies", grant.policy)
        .set("token_ttl", "5m")
        .set("token_max_ttl", "1h");
    let id = Request::new(&format!("{base}/role-id")).set("role_id", grant.role);
    let secret = Request::new(&format!("{base}/custom-secret-id")).set("secret_id", grant.secret);
    [(role, ""), (id, "-id"), (secret, "-secret")]
        .iter()
        .map(|(request, ending)| request.render(&[grant.role, ending].concat()))
        .collect()
}

/// One request of the self-initialization.
struct Request<'a> {
    path: String,
    data: Vec<(&'a str, &'a str)>,
}

impl<'a> Request<'a> {
    fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            data: Vec::new(),
        }
    }

    fn set(mut self, key: &'a str, value: &'a str) -> Self {
        self.data.push((key, value));
        self
    }

    fn render(&self, name: &str) -> String {
        let mut block = format!("  request {} {{\n    operation = \"update\"\n", text(name));
        let _ = writeln!(block, "    path = {}\n    data = {{", text(&self.path));
        for (key, value) in &self.data {
            let _ = writeln!(block, "      {key} = {}", text(value));
        }
        block.push_str("    }\n  }\n");
        block
    }
}

/// A string in quotes. HCL reads the escapes of JSON; nothing here holds its `${`.
fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}
