//! Where people log in and as what: from flags, or from the kubeconfig's user that a login wrote.

use std::path::{Path, PathBuf};

use clap::Parser;
use sha2::{Digest as _, Sha256};

use crate::args::ProviderFlags;

/// What every login asks for; `offline_access` brings the refresh token. `openid` goes without
/// saying.
const SCOPES: [&str; 3] = ["profile", "email", "offline_access"];

/// Hex digits of a key: nobody has two logins that agree in 128 bits.
const KEY_LENGTH: usize = 32;

/// fleet as an application at an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The provider.
    pub issuer: String,
    /// As what.
    pub client_id: String,
    /// Zitadel's project, whose roles are asked for.
    pub zitadel_project: Option<String>,
    /// Further scopes.
    pub further_scopes: Vec<String>,
    /// The authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Reads the flags back that [`Application::arguments`] gives.
#[derive(Debug, Parser)]
struct Written {
    #[command(flatten)]
    provider: ProviderFlags,
}

impl Application {
    /// What the flags say; `None` if they say nothing.
    pub fn of_flags(flags: &ProviderFlags) -> Option<Self> {
        let (Some(issuer), Some(client_id)) = (&flags.issuer, &flags.client_id) else {
            return None;
        };
        let ca_file = flags.ca_file.as_deref();
        Some(Self {
            issuer: issuer.clone(),
            client_id: client_id.clone(),
            zitadel_project: flags.zitadel_project.clone(),
            further_scopes: flags.scopes.clone(),
            // kubectl may run the plugin anywhere.
            ca_file: ca_file.map(|file| std::path::absolute(file).unwrap_or(file.to_owned())),
        })
    }

    /// What the command of a kubeconfig's user says, if it is one of ours.
    pub fn of_command(command: &str, arguments: &[String]) -> Option<Self> {
        let name = Path::new(command).file_stem()?.to_str()?;
        let (first, rest) = arguments.split_first()?;
        if !matches!(name, "fleet" | "kubectl-fleet") || first != "token" {
            return None;
        }
        let written = Written::try_parse_from(std::iter::once(first).chain(rest)).ok()?;
        Self::of_flags(&written.provider)
    }

    /// The arguments that make `fleet token` ask for this application.
    pub fn arguments(&self) -> Vec<String> {
        let pair = |flag: &str, value: &str| [flag.to_owned(), value.to_owned()];
        let mut arguments = vec!["token".to_owned()];
        arguments.extend(pair("--issuer", &self.issuer));
        arguments.extend(pair("--client-id", &self.client_id));
        if let Some(project) = &self.zitadel_project {
            arguments.extend(pair("--zitadel-project", project));
        }
        for scope in &self.further_scopes {
            arguments.extend(pair("--scope", scope));
        }
        if let Some(file) = &self.ca_file {
            arguments.extend(pair("--ca-file", &file.display().to_string()));
        }
        arguments
    }

    /// The scopes beside `openid`.
    pub fn scopes(&self) -> Vec<String> {
        let mut scopes: Vec<String> = SCOPES.iter().map(ToString::to_string).collect();
        if let Some(project) = &self.zitadel_project {
            // Zitadel states roles for projects in the audience only, for people as for devices.
            scopes.push(format!("urn:zitadel:iam:org:project:id:{project}:aud"));
            scopes.push("urn:zitadel:iam:org:projects:roles".to_owned());
        }
        for scope in &self.further_scopes {
            if scope != "openid" && !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        scopes
    }

    /// Names the login on disk: another provider, application or scope is another login.
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.issuer.as_str(), &self.client_id]
            .into_iter()
            .chain(self.scopes().iter().map(String::as_str))
        {
            hash.update(part.as_bytes());
            // Neither part can hold it, so parts cannot run into each other.
            hash.update([0]);
        }
        let mut digest = format!("{:x}", hash.finalize());
        digest.truncate(KEY_LENGTH);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> Application {
        Application {
            issuer: "https://id.example.com".to_owned(),
            client_id: "3129".to_owned(),
            zitadel_project: Some("3127".to_owned()),
            further_scopes: vec!["groups".to_owned(), "openid".to_owned()],
            ca_file: Some("/etc/ca.crt".into()),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let arguments = application().arguments();
        for command in ["fleet", "/usr/local/bin/fleet", "kubectl-fleet"] {
            let read = Application::of_command(command, &arguments);
            assert_eq!(read, Some(application()), "{command}");
        }
    }

    #[test]
    fn other_plugins_are_none_of_ours() {
        let arguments = application().arguments();
        assert_eq!(Application::of_command("aws", &arguments), None);
        assert_eq!(Application::of_command("fleet", &arguments[1..]), None);
        let newer = [arguments, vec!["--unheard-of".to_owned()]].concat();
        assert_eq!(Application::of_command("fleet", &newer), None);
    }

    #[test]
    fn zitadel_is_asked_for_roles_and_for_the_project_they_are_of() {
        assert_eq!(
            application().scopes(),
            [
                "profile",
                "email",
                "offline_access",
                "urn:zitadel:iam:org:project:id:3127:aud",
                "urn:zitadel:iam:org:projects:roles",
                "groups",
            ]
        );
    }

    #[test]
    fn another_scope_is_another_login() {
        let mut other = application();
        other.further_scopes.pop();
        assert_eq!(application().key(), other.key(), "openid is always there");
        other.further_scopes.pop();
        assert_ne!(application().key(), other.key());
    }
}
