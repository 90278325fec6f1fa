//! What the parts of the platform are called in a namespace. A parent cannot compute the names that a
//! dependency gives its objects, so they are fixed: they do not depend on the release's name.

use fleet_keys::catalogue;

/// The operator's objects.
pub const OPERATOR: &str = "fleet-operator";
/// Who may use the bus, and how devices join: the start of the names of its objects.
pub const AUTH: &str = "fleet-auth";
/// The bus: its Service and `StatefulSet`.
pub const NATS: &str = "fleet-nats";
/// Where decisions about devices are kept: its Service and `StatefulSet`.
pub const OPENBAO: &str = "fleet-openbao";
/// The identity provider: its Service and Deployment.
pub const ZITADEL: &str = "fleet-zitadel";

/// The check of `helm test`: all that it makes is called so, here and by itself.
pub const CHECK: &str = fleet_check_core::NAME;

/// The address of the bus.
pub const NATS_URL: &str = "nats://fleet-nats:4222";
/// The address of `OpenBao`.
pub const OPENBAO_URL: &str = "https://fleet-openbao:8200";

/// The address of Zitadel, inside of the cluster.
pub const ZITADEL_URL: &str = "http://fleet-zitadel:8080";
/// The `ConfigMap` with Zitadel's issuer.
pub const ZITADEL_ISSUER: &str = "fleet-zitadel-issuer";

/// The Secret with the certificate of `OpenBao`, which the names in its address have to be in.
pub const OPENBAO_TLS: &str = catalogue::OPENBAO_TLS_NAME;
/// Its entry with the authority, by which others know the certificate for genuine.
pub const OPENBAO_CA: &str = catalogue::AUTHORITY_CERTIFICATE;
/// The role at `OpenBao`'s `auth/kubernetes` that may set everything up.
pub const PROVISIONER: &str = "fleet-provisioner";
/// The service account that takes it: that of the job in the chart `fleet-auth`.
pub const PROVISIONER_ACCOUNT: &str = "fleet-auth-openbao";
/// The Secret with Zitadel's master key, 32 characters below `masterkey`.
pub const ZITADEL_MASTERKEY: &str = catalogue::ZITADEL_NAME;
/// The Secret with the address of Zitadel's database and the login there, below `dsn`.
pub const ZITADEL_DATABASE: &str = "fleet-zitadel-database";
