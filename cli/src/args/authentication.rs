//! `fleet authentication-config`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use fleet_people::{ClaimPath, Prefix};

use super::DocumentFormat;

const EXAMPLES: &str = "Examples:
  # Zitadel: ids as `fleet-auth provision zitadel` prints them
  fleet authentication-config --issuer https://id.example.com --client-id 3129 \\
    --zitadel-project 3127 --zitadel-organisation 3120 --prefix zitadel: > authentication.yaml

  # Keycloak and others, whose id tokens name roles in a list
  fleet authentication-config --issuer https://sso.example.com/realms/fleet --client-id fleet \\
    --roles-claim /groups --prefix keycloak: > authentication.yaml

The API server takes the file with --authentication-config. Nothing in it is a secret.";

/// `fleet authentication-config`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("roles").required(true).args(["zitadel_project", "roles_claim"]))]
pub struct AuthenticationConfigArgs {
    /// The provider's issuer, an https:// address, exactly as its tokens state it
    #[arg(long, value_name = "URL")]
    pub issuer: String,
    /// An application that people log in to; can be repeated
    #[arg(long = "client-id", value_name = "ID", required = true)]
    pub client_ids: Vec<String>,
    /// Zitadel: the project whose roles become groups
    #[arg(long, value_name = "ID")]
    pub zitadel_project: Option<String>,
    /// Zitadel: only roles that were granted in this organisation; else in any that the project was granted to
    #[arg(long, value_name = "ID", requires = "zitadel_project")]
    pub zitadel_organisation: Option<String>,
    /// Others: where an id token lists somebody's roles, as a JSON pointer such as /groups
    #[arg(long, value_name = "PATH")]
    pub roles_claim: Option<ClaimPath>,
    /// What stands before the names of users and groups, such as zitadel:
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Prefix,
    /// The role of devices at the provider; whoever has it is no person
    #[arg(long, value_name = "ROLE", default_value = "device")]
    pub device_role: String,
    /// Let the API server trust the certificate authority in this file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    pub output: DocumentFormat,
}
