//! `fleet login`, `fleet token` and `fleet logout`: who a person is.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::parse_duration;

pub(super) const LOGIN_EXAMPLES: &str = "Examples:
  # The first time: where people log in, and make kubectl use it in the current context
  fleet login --issuer https://id.example.com --client-id 3129 --zitadel-project 3127 --write-kubeconfig

  # From then on the kubeconfig says where
  fleet login

  # On a machine without a browser
  fleet login --device

  # Another provider, whose groups come with a scope of its own
  fleet login --issuer https://sso.example.com/realms/fleet --client-id fleet --scope groups";

pub(super) const TOKEN_EXAMPLES: &str = "Examples:
  # Who does the cluster think I am?
  kubectl auth whoami

  # What kubectl runs, as `fleet login --write-kubeconfig` writes it
  fleet token --issuer https://id.example.com --client-id 3129 --zitadel-project 3127

It never asks anybody: without a login, or when the login has ended, it fails and says so.";

/// Where people log in, and as which application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Identity provider")]
pub struct ProviderFlags {
    /// The provider's issuer, an https:// address; else the kubeconfig's user says all of this
    #[arg(long, value_name = "URL", requires = "client_id")]
    pub issuer: Option<String>,
    /// The application that stands for fleet at the provider; it has no secret
    #[arg(long, value_name = "ID", requires = "issuer")]
    pub client_id: Option<String>,
    /// Zitadel: the project whose roles count
    #[arg(long, value_name = "ID", requires = "issuer")]
    pub zitadel_project: Option<String>,
    /// Ask for this scope, too; can be repeated
    #[arg(long = "scope", value_name = "SCOPE", requires = "issuer")]
    pub scopes: Vec<String>,
    /// Trust the certificate authority in this file instead of the system's
    #[arg(long, value_name = "FILE", requires = "issuer")]
    pub ca_file: Option<PathBuf>,
}

/// `fleet login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Where.
    #[command(flatten)]
    pub provider: ProviderFlags,
    /// Show a code to be entered on another machine, instead of opening a browser on this one
    #[arg(long, conflicts_with_all = ["no_browser", "port"])]
    pub device: bool,
    /// Only print the address to be opened
    #[arg(long)]
    pub no_browser: bool,
    /// Wait for the browser on this port of 127.0.0.1, where the provider allows no other
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Give up after this time, such as 90s or 5m
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Write a user of this name into the kubeconfig, and let the context use it
    #[arg(
        long,
        value_name = "USER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "fleet"
    )]
    pub write_kubeconfig: Option<String>,
    /// Print the credential for kubectl at the end, as `fleet token` does
    #[arg(long)]
    pub exec: bool,
}

/// `fleet token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Where.
    #[command(flatten)]
    pub provider: ProviderFlags,
}

/// `fleet logout`.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// Where.
    #[command(flatten)]
    pub provider: ProviderFlags,
    /// Forget every login of this machine's user
    #[arg(long, conflicts_with = "issuer")]
    pub all: bool,
}
