//! Options of `provision zitadel`.

use std::path::PathBuf;

use clap::Args;

use super::connection::ConnectionArgs;
use super::wanted::{Api, Application, Configuration, Oidc, Organisation, Wanted, roles};
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
}

impl ProvisionArgs {
    /// Whether anything is written.
    pub const fn mode(&self) -> Mode {
        if self.plan { Mode::Plan } else { Mode::Apply }
    }

    /// What Zitadel has to hold.
    pub fn wanted(&self) -> Wanted {
        let application = |name: &str, configuration| Application {
            name: name.to_owned(),
            configuration,
        };
        let command_line = Configuration::Oidc(Oidc::command_line());
        let mut applications = vec![application("fleet-cli", command_line)];
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
