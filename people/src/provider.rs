//! An identity provider as the cluster shall see it.

use std::fmt;
use std::str::FromStr;

use crate::cel;
use crate::configuration::{
    AuthenticationConfiguration, Claim, ClaimMappings, ClaimValidationRule, Expression, Extra,
    Issuer, JwtAuthenticator, PrefixedClaim,
};

/// Shown in audit logs beside the user's id, which says nothing to people.
const NAME_KEY: &str = "identity.fleet.nationtech.io/name";
/// The role that makes a device one at the provider, unless it is called otherwise there.
const DEVICE_ROLE: &str = "device";

/// Why a provider cannot be described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProvider {
    /// Another user or group could be meant.
    #[error(
        "{0:?} is no prefix for users and groups: 1 to 64 of a-z, 0-9, '-', '.', ending with ':', \
         and not \"system:\""
    )]
    Prefix(String),
    /// The API server takes no other.
    #[error("the issuer {0:?} is not an https:// address")]
    Issuer(String),
    /// Nobody could log in.
    #[error("no application is named whose tokens count")]
    NoClients,
    /// A path to nothing.
    #[error("{0:?} is no path to a claim: names after slashes, such as /realm_access/roles")]
    Path(String),
}

/// What stands before every user and group of a provider, so that it can name nobody whom the
/// cluster or another provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// The text, with its colon.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = InvalidProvider;

    fn from_str(text: &str) -> Result<Self, InvalidProvider> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        let name = text.strip_suffix(':').unwrap_or_default();
        let fits = (1..=63).contains(&name.len()) && name.chars().all(plain);
        if fits && name != "system" {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidProvider::Prefix(text.to_owned()))
        }
    }
}

/// Where a provider's tokens name somebody's roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// Zitadel's object: role to organisation to domain.
    Zitadel {
        /// The project whose roles count.
        project: String,
        /// Only roles that were granted in this organisation; else in any that the project was
        /// granted to.
        organisation: Option<String>,
    },
    /// A list of strings, as of Keycloak, Dex, Entra ID and others.
    List(ClaimPath),
}

/// The names that lead to a claim, such as `/realm_access/roles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

impl FromStr for ClaimPath {
    type Err = InvalidProvider;

    fn from_str(text: &str) -> Result<Self, InvalidProvider> {
        let invalid = || InvalidProvider::Path(text.to_owned());
        let names = text.strip_prefix('/').ok_or_else(invalid)?.split('/');
        // As in JSON pointers (RFC 6901 §4): claims may be addresses, with slashes.
        let names = names.map(|name| name.replace("~1", "/").replace("~0", "~"));
        let names: Vec<String> = names.collect();
        if names.iter().any(String::is_empty) {
            return Err(invalid());
        }
        Ok(Self(names))
    }
}

impl ClaimPath {
    /// CEL for the claim; an empty list if it is not there.
    ///
    /// The API server's `claims` knows neither `in` nor a walk over what it holds: names are looked
    /// up with `[?…]`, and what is found is taken out of its wrapping by `dyn`.
    fn expression(&self) -> String {
        let mut value = "claims".to_owned();
        for (place, name) in self.0.iter().enumerate() {
            let is_last = place + 1 == self.0.len();
            let none = if is_last { "[]" } else { "{}" };
            value = format!("dyn({value}[?{}].orValue({none}))", cel::string(name));
        }
        value
    }
}

impl Roles {
    fn path(&self) -> ClaimPath {
        match self {
            Self::Zitadel { project, .. } => {
                ClaimPath(vec![format!("urn:zitadel:iam:org:project:{project}:roles")])
            }
            Self::List(path) => path.clone(),
        }
    }

    /// CEL for the groups: roles with a prefix. Of an object CEL walks over the keys.
    fn groups(&self, prefix: &Prefix) -> String {
        let roles = self.path().expression();
        let group = format!("{} + role", cel::string(prefix.as_str()));
        match self {
            Self::Zitadel {
                organisation: Some(id),
                ..
            } => {
                let here = format!("{} in {roles}[role]", cel::string(id));
                format!("{roles}.map(role, {here}, {group})")
            }
            _ => format!("{roles}.map(role, {group})"),
        }
    }

    /// CEL for whether somebody has a role, wherever it was granted.
    fn has(&self, role: &str) -> String {
        let roles = self.path().expression();
        format!("{roles}.exists(role, role == {})", cel::string(role))
    }
}

/// An identity provider that people log in at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    issuer: String,
    clients: Vec<String>,
    roles: Roles,
    prefix: Prefix,
    device_role: String,
    authority: Option<String>,
}

impl Provider {
    /// A provider with the applications that people log in to, by their client ids.
    pub fn new(
        issuer: impl Into<String>,
        clients: impl IntoIterator<Item = impl Into<String>>,
        roles: Roles,
        prefix: Prefix,
    ) -> Result<Self, InvalidProvider> {
        let (issuer, clients) = (issuer.into(), clients.into_iter().map(Into::into).collect());
        let provider = Self {
            issuer,
            clients,
            roles,
            prefix,
            device_role: DEVICE_ROLE.to_owned(),
            authority: None,
        };
        if !provider.issuer.starts_with("https://") {
            return Err(InvalidProvider::Issuer(provider.issuer));
        }
        if provider.clients.is_empty() || provider.clients.iter().any(String::is_empty) {
            return Err(InvalidProvider::NoClients);
        }
        Ok(provider)
    }

    /// Its certificate is of this authority, in PEM.
    #[must_use]
    pub fn with_authority(mut self, pem: impl Into<String>) -> Self {
        self.authority = Some(pem.into());
        self
    }

    /// Devices have this role there; whoever has it is no person.
    #[must_use]
    pub fn with_device_role(mut self, role: impl Into<String>) -> Self {
        self.device_role = role.into();
        self
    }

    /// The API server's file.
    pub fn configuration(&self) -> AuthenticationConfiguration {
        AuthenticationConfiguration {
            api_version: "apiserver.config.k8s.io/v1".to_owned(),
            kind: "AuthenticationConfiguration".to_owned(),
            jwt: vec![JwtAuthenticator {
                issuer: Issuer {
                    url: self.issuer.clone(),
                    certificate_authority: self.authority.clone(),
                    audiences: self.clients.clone(),
                    audience_match_policy: (self.clients.len() > 1).then(|| "MatchAny".to_owned()),
                },
                claim_validation_rules: self.rules(),
                claim_mappings: self.mappings(),
            }],
        }
    }

    fn rules(&self) -> Vec<ClaimValidationRule> {
        let clients = cel::strings(self.clients.iter().map(String::as_str));
        vec![
            // The audience proves nothing: a machine may ask for any. To whom a token was given is
            // the provider's own word, and machines log in to no application.
            ClaimValidationRule {
                expression: format!("has(claims.azp) && claims.azp in {clients}"),
                message: "the token was not given to an application that people log in to"
                    .to_owned(),
            },
            ClaimValidationRule {
                expression: format!("!{}", self.roles.has(&self.device_role)),
                message: "a device is no person".to_owned(),
            },
        ]
    }

    fn mappings(&self) -> ClaimMappings {
        let name = "has(claims.preferred_username) ? claims.preferred_username : \"\"";
        ClaimMappings {
            // Names can be changed, and given to somebody else later; subjects cannot.
            username: PrefixedClaim {
                claim: "sub".to_owned(),
                prefix: self.prefix.to_string(),
            },
            groups: Expression {
                expression: self.roles.groups(&self.prefix),
            },
            uid: Claim {
                claim: "sub".to_owned(),
            },
            extra: vec![Extra {
                key: NAME_KEY.to_owned(),
                value_expression: name.to_owned(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    #[test]
    fn zitadel_names_roles_in_an_object() {
        let roles = Roles::Zitadel {
            project: "3127".to_owned(),
            organisation: Some("3120".to_owned()),
        };
        let provider = Provider::new("https://id.example.com", ["3129"], roles, prefix("id:"))
            .expect("a provider")
            .with_authority("-----BEGIN CERTIFICATE-----\n");
        insta::assert_json_snapshot!(provider.configuration());
    }

    #[test]
    fn others_name_them_in_a_list() {
        let path = "/realm_access/roles".parse().expect("a path");
        let clients = ["fleet", "dashboard"];
        let issuer = "https://sso.example.com/realms/fleet";
        let provider = Provider::new(issuer, clients, Roles::List(path), prefix("sso:"));
        insta::assert_json_snapshot!(provider.expect("a provider").configuration());
    }

    #[rstest]
    #[case("system:")]
    #[case(":")]
    #[case("")]
    #[case("zitadel")]
    #[case("system:masters:")]
    #[case("Zitadel:")]
    #[case("a b:")]
    fn a_prefix_keeps_the_clusters_own_names_apart(#[case] text: &str) {
        let error = InvalidProvider::Prefix(text.to_owned());
        assert_eq!(text.parse::<Prefix>(), Err(error));
    }

    #[rstest]
    #[case("groups")]
    #[case("/")]
    #[case("/a//b")]
    #[case("")]
    fn a_path_leads_somewhere(#[case] text: &str) {
        assert!(text.parse::<ClaimPath>().is_err());
    }

    #[test]
    fn a_claim_may_be_an_address() {
        let path: ClaimPath = "/https:~1~1example.com~1roles".parse().expect("a path");
        assert_eq!(
            path.expression(),
            "dyn(claims[?\"https://example.com/roles\"].orValue([]))"
        );
    }

    #[test]
    fn what_nobody_could_log_in_with_is_refused() {
        let roles = || Roles::List("/groups".parse().expect("a path"));
        let new = |issuer: &str, clients: &[&str]| {
            Provider::new(issuer, clients.iter().copied(), roles(), prefix("a:")).err()
        };
        let plain = "http://id.example.com";
        let error = InvalidProvider::Issuer(plain.to_owned());
        assert_eq!(new(plain, &["a"]), Some(error));
        let issuer = "https://id.example.com";
        assert_eq!(new(issuer, &[]), Some(InvalidProvider::NoClients));
        assert_eq!(new(issuer, &[""]), Some(InvalidProvider::NoClients));
    }
}
