//! What the control plane and a node have to know of each other: addresses, tokens, certificates.

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::ControlPlaneError;
use super::files::{Authority, pem, write_secret};
use crate::secret;

/// A node that will join.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    pub(crate) name: &'static str,
    pub(crate) node_ip: Ipv4Addr,
    /// At which the node and its pods reach this host.
    pub(crate) host_ip: Ipv4Addr,
}

/// The cluster's own components as users of the API server, and the API server as a user of the
/// kubelet.
#[derive(Debug)]
pub(crate) struct NodeAccess {
    pub(crate) joining: Joining,
    pub(crate) kubelet: Login,
    pub(crate) proxy: Login,
    pub(crate) scheduler: Login,
    /// Whose signature kubelet and API server trust on each other.
    pub(crate) authority: PathBuf,
    pub(crate) kubelet_server: Identity,
    kubelet_client: Identity,
}

/// A user of the API server, with a token.
#[derive(Debug)]
pub(crate) struct Login {
    user: String,
    group: Option<&'static str>,
    token: String,
    pub(crate) kubeconfig: PathBuf,
}

/// A certificate and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl NodeAccess {
    pub(super) fn create(home: &Path, joining: Joining) -> Result<Self, ControlPlaneError> {
        let folder = home.join("node");
        fs::create_dir_all(&folder).map_err(|source| ControlPlaneError::File {
            path: folder.clone(),
            source,
        })?;
        let identity = |name: &str| Identity {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        let user = format!("system:node:{}", joining.name);
        // The users and groups that the API server's own roles and its node authorizer know.
        let access = Self {
            kubelet: Login::new(&folder, user, Some("system:nodes")),
            proxy: Login::new(&folder, "system:kube-proxy".to_owned(), None),
            scheduler: Login::new(&folder, "system:kube-scheduler".to_owned(), None),
            authority: folder.join("ca.crt"),
            kubelet_server: identity("kubelet-server"),
            kubelet_client: identity("kubelet-client"),
            joining,
        };
        access.write_certificates()?;
        Ok(access)
    }

    /// The lines of the file of tokens.
    pub(super) fn tokens(&self) -> String {
        self.logins().map(Login::line).concat()
    }

    /// How the API server reaches the kubelet, and where pods reach the API server.
    pub(super) fn server_args(&self) -> Vec<OsString> {
        let Identity { certificate, key } = &self.kubelet_client;
        vec![
            // The host's own clients come over loopback, pods over the bridge.
            "--bind-address=0.0.0.0".into(),
            // The address behind the Service `kubernetes`.
            format!("--advertise-address={}", self.joining.host_ip).into(),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--kubelet-certificate-authority".into(),
            self.authority.clone().into(),
            "--kubelet-client-certificate".into(),
            certificate.clone().into(),
            "--kubelet-client-key".into(),
            key.clone().into(),
            // A kubelet may touch its own node and pods only.
            "--enable-admission-plugins=NodeRestriction".into(),
        ]
    }

    pub(super) fn write_kubeconfigs(
        &self,
        authority: &Authority,
        port: u16,
    ) -> Result<(), ControlPlaneError> {
        let url = format!("https://{}:{port}", self.joining.host_ip);
        self.logins().iter().try_for_each(|login| {
            let kubeconfig = authority.kubeconfig(&url, &login.user, &login.token);
            write_secret(&login.kubeconfig, &kubeconfig)
        })
    }

    fn logins(&self) -> [&Login; 3] {
        [&self.kubelet, &self.proxy, &self.scheduler]
    }

    /// One authority for the kubelet and the API server as its client: each knows that it talks to
    /// the other, so the kubelet needs no open door.
    fn write_certificates(&self) -> Result<(), ControlPlaneError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "fleet-testbed-node");
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?;
        write_secret(&self.authority, &pem("CERTIFICATE", authority.der()))?;
        let issuer = Issuer::new(params, key);

        let mut server = CertificateParams::new([self.joining.node_ip.to_string()])?;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.kubelet_server.issue(&server, &issuer)?;

        let mut client = CertificateParams::default();
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let name = &mut client.distinguished_name;
        name.push(DnType::CommonName, "kube-apiserver-kubelet-client");
        // The kubelet asks the API server what this user may do; that group may do everything.
        name.push(DnType::OrganizationName, "system:masters");
        self.kubelet_client.issue(&client, &issuer)
    }
}

impl Login {
    fn new(folder: &Path, user: String, group: Option<&'static str>) -> Self {
        let name = user.trim_start_matches("system:").replace(':', "-");
        Self {
            kubeconfig: folder.join(format!("{name}.kubeconfig")),
            user,
            group,
            token: secret::token(),
        }
    }

    /// `token,user,uid` and groups if there are any.
    fn line(&self) -> String {
        let Self { user, token, .. } = self;
        let group = self.group.map(|group| format!(",{group}"));
        format!("{token},{user},{user}{}\n", group.unwrap_or_default())
    }
}

impl Identity {
    fn issue(
        &self,
        params: &CertificateParams,
        issuer: &Issuer<'_, KeyPair>,
    ) -> Result<(), ControlPlaneError> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        write_secret(&self.certificate, &pem("CERTIFICATE", certificate.der()))?;
        write_secret(&self.key, &pem("PRIVATE KEY", key.serialized_der()))
    }
}
