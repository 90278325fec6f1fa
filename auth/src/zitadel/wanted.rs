//! What Zitadel has to hold for the fleet.
//!
//! Names of fields and values are those of Zitadel's `project/v2` and `application/v2`. Its answers
//! leave out what is false, zero or empty, so all fields have these as defaults.

use serde::{Deserialize, Serialize};

/// The application that people log in with, by `fleet login`.
pub const COMMAND_LINE: &str = "fleet-cli";

/// A project and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whose it is.
    pub organisation: Organisation,
    /// The project's name.
    pub project: String,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Its applications.
    pub applications: Vec<Application>,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Organisation {
    /// One that is there.
    Id(String),
    /// One of this name, which is made if it is not there.
    Name(String),
}

/// A role that can be granted in the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// As tokens have it.
    pub key: String,
    /// As people read it.
    pub display_name: String,
}

impl Role {
    fn new(key: &str, display_name: &str) -> Self {
        Self {
            key: key.to_owned(),
            display_name: display_name.to_owned(),
        }
    }
}

/// The roles of devices and people. What each of the latter may do is said in the cluster, by whom
/// its group is bound to.
pub fn roles(device: &str) -> Vec<Role> {
    vec![
        Role::new(device, "Device"),
        Role::new("fleet-viewer", "Sees devices and deployments"),
        Role::new("fleet-editor", "Deploys"),
        Role::new("fleet-admin", "Decides which devices belong to the fleet"),
    ]
}

/// An application, found again by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its name, which people see when they log in.
    pub name: String,
    /// What it is.
    pub configuration: Configuration,
}

/// What an application is; under the names that requests and answers have for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Configuration {
    /// People log in with it.
    #[serde(rename = "oidcConfiguration")]
    Oidc(Oidc),
    /// It takes tokens and asks what they are worth.
    #[serde(rename = "apiConfiguration")]
    Api(Api),
}

impl Configuration {
    /// Whether what is there is what is wanted; the order in lists means nothing.
    pub fn matches(&self, there: &Self) -> bool {
        match (self, there) {
            (Self::Oidc(wanted), Self::Oidc(there)) => {
                let mut there = there.clone();
                if wanted.post_logout_redirect_uris.is_empty() {
                    there.post_logout_redirect_uris.clear();
                }
                wanted.clone().sorted() == there.sorted()
            }
            (Self::Api(wanted), Self::Api(there)) => wanted == there,
            _ => false,
        }
    }

    /// Whether both are of one kind. Zitadel cannot make one of the other.
    pub const fn is_like(&self, there: &Self) -> bool {
        matches!(
            (self, there),
            (Self::Oidc(_), Self::Oidc(_)) | (Self::Api(_), Self::Api(_))
        )
    }
}

/// `OIDCConfiguration`, of which only this much is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "Zitadel's own fields")]
pub struct Oidc {
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// Where the browser may be sent after a logout. An empty list takes none away, because Zitadel
    /// takes it for "as it was".
    pub post_logout_redirect_uris: Vec<String>,
    /// `OIDC_RESPONSE_TYPE_…`
    pub response_types: Vec<String>,
    /// `OIDC_GRANT_TYPE_…`
    pub grant_types: Vec<String>,
    /// Where it runs.
    pub application_type: ApplicationType,
    /// How it proves at the token endpoint who it is.
    pub auth_method_type: AuthMethod,
    /// What its access tokens look like.
    pub access_token_type: TokenType,
    /// Roles are in access tokens.
    pub access_token_role_assertion: bool,
    /// Roles are in id tokens, which is what an API server takes.
    pub id_token_role_assertion: bool,
    /// Name and address are in id tokens, too.
    pub id_token_userinfo_assertion: bool,
    /// Plain HTTP for everybody; never wanted.
    pub development_mode: bool,
}

/// `OIDCApplicationType`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApplicationType {
    /// On a server.
    #[default]
    #[serde(rename = "OIDC_APP_TYPE_WEB")]
    Web,
    /// In a browser.
    #[serde(rename = "OIDC_APP_TYPE_USER_AGENT")]
    UserAgent,
    /// On a person's machine.
    #[serde(rename = "OIDC_APP_TYPE_NATIVE")]
    Native,
}

/// `OIDCAuthMethodType`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthMethod {
    /// With a secret in a header.
    #[default]
    #[serde(rename = "OIDC_AUTH_METHOD_TYPE_BASIC")]
    Basic,
    /// With a secret in the body.
    #[serde(rename = "OIDC_AUTH_METHOD_TYPE_POST")]
    Post,
    /// With nothing but the verifier of its challenge (PKCE): there is no secret to keep.
    #[serde(rename = "OIDC_AUTH_METHOD_TYPE_NONE")]
    None,
    /// With a key.
    #[serde(rename = "OIDC_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT")]
    PrivateKeyJwt,
}

/// `OIDCTokenType`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenType {
    /// Nobody but Zitadel can read it.
    #[default]
    #[serde(rename = "OIDC_TOKEN_TYPE_BEARER")]
    Bearer,
    /// Whoever has Zitadel's public keys can check it.
    #[serde(rename = "OIDC_TOKEN_TYPE_JWT")]
    Jwt,
}

/// `APIConfiguration`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Api {
    /// How it proves who it is.
    pub auth_method_type: ApiAuthMethod,
}

/// `APIAuthMethodType`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiAuthMethod {
    /// With a secret.
    #[default]
    #[serde(rename = "API_AUTH_METHOD_TYPE_BASIC")]
    Basic,
    /// With a key that it makes itself.
    #[serde(rename = "API_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT")]
    PrivateKeyJwt,
}

const CODE: &str = "OIDC_GRANT_TYPE_AUTHORIZATION_CODE";
const REFRESH: &str = "OIDC_GRANT_TYPE_REFRESH_TOKEN";
const DEVICE_CODE: &str = "OIDC_GRANT_TYPE_DEVICE_CODE";
const RESPONSE_CODE: &str = "OIDC_RESPONSE_TYPE_CODE";

impl Oidc {
    /// `fleet login`: a code sent to a port of the person's own machine, or a code typed on another
    /// one. Zitadel lets native applications listen on any port of the loopback interface.
    pub fn command_line() -> Self {
        let redirects = ["http://127.0.0.1/callback", "http://[::1]/callback"];
        Self {
            grant_types: strings(&[CODE, REFRESH, DEVICE_CODE]),
            application_type: ApplicationType::Native,
            ..Self::without_secret(strings(&redirects))
        }
    }

    /// A page that people use in a browser.
    pub fn web(redirects: Vec<String>, after_logout: Vec<String>) -> Self {
        Self {
            post_logout_redirect_uris: after_logout,
            grant_types: strings(&[CODE, REFRESH]),
            application_type: ApplicationType::Web,
            ..Self::without_secret(redirects)
        }
    }

    fn without_secret(redirect_uris: Vec<String>) -> Self {
        Self {
            redirect_uris,
            response_types: strings(&[RESPONSE_CODE]),
            auth_method_type: AuthMethod::None,
            access_token_type: TokenType::Jwt,
            access_token_role_assertion: true,
            id_token_role_assertion: true,
            id_token_userinfo_assertion: true,
            ..Self::default()
        }
    }

    fn sorted(mut self) -> Self {
        for list in [
            &mut self.redirect_uris,
            &mut self.post_logout_redirect_uris,
            &mut self.response_types,
            &mut self.grant_types,
        ] {
            list.sort();
        }
        self
    }
}

impl Api {
    /// One with a key of its own, so that Zitadel makes no secret that somebody would have to keep.
    pub const fn with_key() -> Self {
        Self {
            auth_method_type: ApiAuthMethod::PrivateKeyJwt,
        }
    }
}

fn strings(given: &[&str]) -> Vec<String> {
    given.iter().map(|&text| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn what_an_answer_leaves_out_is_false_zero_or_empty() {
        let answer =
            r#"{"oidcConfiguration": {"clientId": "1", "redirectUris": ["https://a.example"]}}"#;
        let there: Configuration = serde_json::from_str(answer).expect("a configuration");
        let Configuration::Oidc(oidc) = there else {
            unreachable!("{there:?}")
        };
        assert_eq!(oidc.auth_method_type, AuthMethod::Basic);
        assert_eq!(oidc.application_type, ApplicationType::Web);
        assert!(!oidc.id_token_role_assertion);
    }

    #[test]
    fn the_order_of_lists_is_nobodys_business_and_all_else_is() {
        let wanted = Oidc::command_line();
        let mut there = wanted.clone();
        there.grant_types.reverse();
        let [wanted, there] = [wanted, there].map(Configuration::Oidc);
        assert!(wanted.matches(&there));
        let other = Configuration::Oidc(Oidc {
            development_mode: true,
            ..Oidc::command_line()
        });
        assert!(!wanted.matches(&other));
        let api = Configuration::Api(Api::with_key());
        assert!(!wanted.is_like(&api) && !wanted.matches(&api));
    }
}
