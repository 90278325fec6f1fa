//! Keys, tokens and kubeconfig of the API server.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::ControlPlaneError;
use super::node_access::NodeAccess;
use crate::secret;

/// The user that the operator is to the API server. It is in no group but the one of everybody who
/// is logged in, so it may do what its roles say.
pub const OPERATOR_USER: &str = "fleet-operator";

/// Where everything is, and the users' tokens.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) certificates: PathBuf,
    /// Made by the server at its first start, with the certificate of its authority below it.
    pub(super) certificate: PathBuf,
    pub(super) tokens: PathBuf,
    pub(super) public_key: PathBuf,
    pub(super) private_key: PathBuf,
    pub(super) volume_plugins: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) operator_kubeconfig: PathBuf,
    token: String,
    operator_token: String,
}

impl Files {
    /// Makes what the server needs before its first start.
    pub(super) fn create(
        home: &Path,
        node: Option<&NodeAccess>,
    ) -> Result<Self, ControlPlaneError> {
        make_folder(home)?;
        let certificates = home.join("certs");
        let files = Self {
            certificate: certificates.join("apiserver.crt"),
            certificates,
            tokens: home.join("tokens.csv"),
            public_key: home.join("sa.pub"),
            private_key: home.join("sa.key"),
            volume_plugins: home.join("volume-plugins"),
            kubeconfig: home.join("admin.kubeconfig"),
            operator_kubeconfig: home.join("operator.kubeconfig"),
            token: secret::token(),
            operator_token: secret::token(),
        };
        let users = format!(
            "{},admin,admin,\"system:masters\"\n{},{OPERATOR_USER},{OPERATOR_USER}\n",
            files.token, files.operator_token
        );
        let components = node.map(NodeAccess::tokens).unwrap_or_default();
        write_secret(&files.tokens, &(users + &components))?;
        files.write_keys()?;
        Ok(files)
    }

    /// Whether the server has finished writing its certificate and its authority's.
    pub(super) fn has_certificate(&self) -> bool {
        let pem = fs::read_to_string(&self.certificate).unwrap_or_default();
        pem.matches("-----END CERTIFICATE-----").count() >= 2
    }

    /// The server's own certificate, as clients trust it.
    pub(super) fn authority(&self) -> Result<Authority, ControlPlaneError> {
        let pem = fs::read(&self.certificate).map_err(|source| ControlPlaneError::File {
            path: self.certificate.clone(),
            source,
        })?;
        Ok(Authority(STANDARD.encode(pem)))
    }

    /// Writes the kubeconfigs of the admin and the operator.
    pub(super) fn write_kubeconfigs(
        &self,
        authority: &Authority,
        url: &str,
    ) -> Result<(), ControlPlaneError> {
        let users = [
            (&self.kubeconfig, "admin", &self.token),
            (
                &self.operator_kubeconfig,
                OPERATOR_USER,
                &self.operator_token,
            ),
        ];
        users.into_iter().try_for_each(|(path, user, token)| {
            write_secret(path, &authority.kubeconfig(url, user, token))
        })
    }

    /// The key pair for service account tokens.
    fn write_keys(&self) -> Result<(), ControlPlaneError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| ControlPlaneError::Key)?;
        let private = key.to_pkcs8v1().map_err(|_| ControlPlaneError::Key)?;
        let public = AsDer::as_der(key.public_key()).map_err(|_| ControlPlaneError::Key)?;
        write_secret(&self.private_key, &pem("PRIVATE KEY", private.as_ref()))?;
        write_secret(&self.public_key, &pem("PUBLIC KEY", public.as_ref()))
    }
}

/// The certificate that clients of the API server trust.
#[derive(Debug)]
pub(super) struct Authority(String);

impl Authority {
    /// JSON is YAML, so every client of kubeconfigs reads this.
    pub(super) fn kubeconfig(&self, url: &str, user: &str, token: &str) -> String {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testbed", "cluster": {
                "server": url,
                // The certificate names the address that the server listens on, or the one that it
                // advertises; this name it has always.
                "tls-server-name": "kubernetes",
                "certificate-authority-data": self.0,
            }}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
            "current-context": "testbed",
        });
        format!("{kubeconfig:#}\n")
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

fn make_folder(path: &Path) -> Result<(), ControlPlaneError> {
    fs::create_dir_all(path).map_err(|source| ControlPlaneError::File {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn write_secret(path: &Path, content: &str) -> Result<(), ControlPlaneError> {
    secret::write(path, content.as_bytes()).map_err(|source| ControlPlaneError::File {
        path: path.to_owned(),
        source,
    })
}
