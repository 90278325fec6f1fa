//! Options of `provision zitadel`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use fleet_keys::identity::TOKEN_ENTRY;

use super::connection::ConnectionArgs;
use super::wanted::{
    Api, Application, COMMAND_LINE, Configuration, Oidc, Organisation, Wanted, roles,
};
use crate::steps::Mode;

/// Options of `provision zitadel`. The token is one of an `ORG_OWNER`; to make an organisation, of an
/// `IAM_OWNER`.
#[derive(Debug, Clone, Args)]
pub struct ProvisionArgs {
    /// Only say what would be done.
    #[arg(long)]
    pub plan: bool,
    /// How Zitadel is reached.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// The id of the organisation that owns the project and its devices.
    #[arg(long, env = "FLEET_OIDC_ORGANISATION")]
    pub oidc_organisation: Option<String>,
    /// The name of that organisation instead; it is made if it is not there.
    #[arg(
        long,
        env = "FLEET_ORGANISATION_NAME",
        required_unless_present = "oidc_organisation",
        conflicts_with = "oidc_organisation"
    )]
    pub organisation_name: Option<String>,
    /// The name of the project.
    #[arg(long, env = "FLEET_PROJECT_NAME", default_value = "fleet")]
    pub project_name: String,
    /// The role that makes a device.
    #[arg(long, env = "FLEET_OIDC_ROLE", default_value = "device")]
    pub oidc_role: String,
    /// Where a web page for people takes its code; sets up an application for it. Repeatable.
    #[arg(long = "web-redirect-uri")]
    pub web_redirect_uris: Vec<String>,
    /// Where the browser may go after a logout there. Repeatable.
    #[arg(long = "web-logout-uri", requires = "web_redirect_uris")]
    pub web_logout_uris: Vec<String>,
    /// Set up an application for a service that asks Zitadel what tokens are worth. Ours need none:
    /// they check tokens by themselves.
    #[arg(long)]
    pub api: bool,
    /// A file for the ids that others have to be told, as JSON.
    #[arg(long)]
    pub ids_file: Option<PathBuf>,
    /// What is kept in the cluster.
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Seconds for which to wait for a provider that is not there yet.
    #[arg(long, env = "FLEET_WAIT", default_value_t = 0)]
    pub wait: u64,
}

/// What is kept in the cluster of KUBECONFIG, or the pod's own.
#[derive(Debug, Clone, Args)]
pub struct KeepArgs {
    /// The namespace of the platform.
    #[arg(long, env = "FLEET_NAMESPACE", default_value = "fleet-system")]
    pub namespace: String,
    /// A `ConfigMap` there for the ids that others have to be told; made if it is not there.
    #[arg(long, env = "FLEET_IDENTITY_MAP")]
    pub identity_map: Option<String>,
    /// A Secret there for the enrolment service's token. Makes a machine user that may manage users of the
    /// organisation, and a token for it; a Secret that somebody brought is left alone.
    #[arg(long, env = "FLEET_ENROL_TOKEN_SECRET")]
    pub enrol_token_secret: Option<String>,
    /// Its entry with the token.
    #[arg(long, env = "FLEET_ENROL_TOKEN_ENTRY", default_value = TOKEN_ENTRY)]
    pub enrol_token_entry: String,
    /// The name of that user.
    #[arg(long, env = "FLEET_ENROL_USER", default_value = "fleet-enrolment")]
    pub enrol_user: String,
}

impl ProvisionArgs {
    /// Whether anything is written.
    pub const fn mode(&self) -> Mode {
        if self.plan { Mode::Plan } else { Mode::Apply }
    }

    /// How long to wait for Zitadel.
    pub const fn patience(&self) -> Duration {
        Duration::from_secs(self.wait)
    }

    /// What Zitadel has to hold.
    pub fn wanted(&self) -> Wanted {
        let application = |name: &str, configuration| Application {
            name: name.to_owned(),
            configuration,
        };
        let command_line = Configuration::Oidc(Oidc::command_line());
        let mut applications = vec![application(COMMAND_LINE, command_line)];
        if !self.web_redirect_uris.is_empty() {
            let redirects = self.web_redirect_uris.clone();
            let web = Oidc::web(redirects, self.web_logout_uris.clone());
            applications.push(application("fleet-web", Configuration::Oidc(web)));
        }
        if self.api {
            let api = Configuration::Api(Api::with_key());
            applications.push(application("fleet-api", api));
        }
        let name = self.organisation_name.clone().unwrap_or_default();
        let organisation = self.oidc_organisation.clone();
        Wanted {
            organisation: organisation.map_or(Organisation::Name(name), Organisation::Id),
            project: self.project_name.clone(),
            roles: roles(&self.oidc_role),
            applications,
        }
    }
}
