//! The identity provider: what it says of itself, and the tokens it gives out.

use std::fmt::Display;

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
    CoreGenderClaim, CoreGrantType, CoreIdTokenVerifier, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
    CoreResponseType, CoreRevocableToken, CoreSubjectIdentifierType, CoreTokenResponse,
};
use openidconnect::{
    AdditionalProviderMetadata, ClientId, DeviceAuthorizationUrl, DiscoveryError,
    EmptyAdditionalClaims, EndpointMaybeSet, EndpointNotSet, EndpointSet, ErrorResponse,
    ErrorResponseType, IdTokenClaims, IssuerUrl, Nonce, NonceVerifier, OAuth2TokenResponse as _,
    ProviderMetadata, RefreshToken, RequestTokenError, RevocationUrl, Scope, TokenResponse as _,
};
use serde::{Deserialize, Serialize};

use super::application::Application;
use super::http::{Http, HttpError};
use super::session::Session;

/// Why the provider gave no token.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The issuer is no URL.
    #[error("{0:?} is not a URL")]
    Issuer(String),
    /// It cannot be asked.
    #[error("cannot {step} at {issuer}")]
    Http {
        /// What was wanted.
        step: &'static str,
        /// Of whom.
        issuer: String,
        /// Why not.
        #[source]
        source: Box<HttpError>,
    },
    /// It answered, but not as an identity provider does.
    #[error("{issuer} does not answer as an OpenID provider (to {step}): {problem}")]
    Answer {
        /// What was wanted.
        step: &'static str,
        /// Of whom.
        issuer: String,
        /// What is wrong.
        problem: String,
    },
    /// It said no.
    #[error("{issuer} refused to {step}: {code}{}", .description.as_deref().map(|d| format!(" ({d})")).unwrap_or_default())]
    Refused {
        /// What was wanted.
        step: &'static str,
        /// Of whom.
        issuer: String,
        /// The error's name in OAuth, such as `access_denied`.
        code: String,
        /// What it adds.
        description: Option<String>,
    },
    /// There is no id token, so there is nothing that Kubernetes would take.
    #[error("{0} gave no id token: is this application allowed the scope openid?")]
    NoIdToken(String),
    /// The token does not prove who logged in.
    #[error("the id token of {issuer} is not to be believed")]
    Unverified {
        /// Who gave it.
        issuer: String,
        /// Why.
        #[source]
        source: Box<openidconnect::ClaimsVerificationError>,
    },
    /// The token is for several applications, and not given to this one.
    #[error("the id token of {issuer} was given to application {party:?}, not to {client:?}")]
    Party {
        /// Who gave it.
        issuer: String,
        /// To whom.
        party: Option<String>,
        /// Who we are.
        client: String,
    },
    /// It speaks no device flow.
    #[error("{0} offers no login with a code (device flow); log in with a browser")]
    NoDeviceFlow(String),
}

impl ProviderError {
    /// Whether it said no to this login; asking again would not help.
    pub fn ends_login(&self) -> bool {
        match self {
            Self::Refused { code, .. } => code == "invalid_grant",
            Self::NoIdToken(_) | Self::Unverified { .. } | Self::Party { .. } => true,
            _ => false,
        }
    }
}

/// Endpoints that discovery of OpenID Connect itself does not know (RFC 8628 §4, RFC 8414 §2).
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct FurtherEndpoints {
    device_authorization_endpoint: Option<DeviceAuthorizationUrl>,
    revocation_endpoint: Option<RevocationUrl>,
}

impl AdditionalProviderMetadata for FurtherEndpoints {}

type Metadata = ProviderMetadata<
    FurtherEndpoints,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// A client that knows where people log in, and where tokens are.
pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

type Claims = IdTokenClaims<EmptyAdditionalClaims, CoreGenderClaim>;

/// The provider, after it said where its endpoints and keys are.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) http: Http,
    pub(super) client: Client,
    further: FurtherEndpoints,
    client_id: String,
    issuer: String,
    scopes: Vec<Scope>,
}

impl Provider {
    /// Asks the issuer about itself.
    pub(super) async fn discover(
        application: &Application,
        http: Http,
    ) -> Result<Self, ProviderError> {
        let issuer = application.issuer.clone();
        let url =
            IssuerUrl::new(issuer.clone()).map_err(|_| ProviderError::Issuer(issuer.clone()))?;
        let metadata = Metadata::discover_async(url, &http)
            .await
            .map_err(|error| discovery_error(error, &issuer))?;
        let further = metadata.additional_metadata().clone();
        let client_id = ClientId::new(application.client_id.clone());
        Ok(Self {
            http,
            client: CoreClient::from_provider_metadata(metadata, client_id, None),
            further,
            client_id: application.client_id.clone(),
            scopes: application.scopes().into_iter().map(Scope::new).collect(),
            issuer,
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        // The client adds it to what the code flow asks for, but to no other request.
        self.scopes.iter().cloned()
    }

    pub(super) fn device_endpoint(&self) -> Result<DeviceAuthorizationUrl, ProviderError> {
        let endpoint = self.further.device_authorization_endpoint.clone();
        endpoint.ok_or_else(|| ProviderError::NoDeviceFlow(self.issuer.clone()))
    }

    /// A new token for the one that ends.
    pub(super) async fn refresh(&self, refresh_token: &str) -> Result<Session, ProviderError> {
        const STEP: &str = "refresh the token";
        let token = RefreshToken::new(refresh_token.to_owned());
        let request = self.client.exchange_refresh_token(&token);
        let request = request.map_err(|error| self.unusable(STEP, &error))?;
        let answer = request.request_async(&self.http).await;
        let answer = answer.map_err(|error| self.token_error(STEP, error))?;
        // No nonce in a refreshed token (OpenID Connect Core §12.2).
        let mut session = self.session(&answer, |_: Option<&Nonce>| Ok(()))?;
        // A provider may let the old one live on, and then says nothing of it (RFC 6749 §6).
        session
            .refresh_token
            .get_or_insert_with(|| refresh_token.to_owned());
        Ok(session)
    }

    /// Takes a refresh token back, so that no copy of it is worth anything (RFC 7009). Providers need
    /// not offer it.
    pub(super) async fn revoke(&self, refresh_token: &str) -> Result<(), ProviderError> {
        const STEP: &str = "take the login back";
        let Some(endpoint) = self.further.revocation_endpoint.clone() else {
            return Ok(());
        };
        let client = self.client.clone().set_revocation_url(endpoint);
        let token = RefreshToken::new(refresh_token.to_owned());
        let request = client.revoke_token(CoreRevocableToken::from(token));
        let request = request.map_err(|error| self.unusable(STEP, &error))?;
        let answer = request.request_async(&self.http).await;
        answer.map_err(|error| self.token_error(STEP, error))
    }

    /// What an answer with tokens says, once the id token is verified.
    pub(super) fn session(
        &self,
        answer: &CoreTokenResponse,
        nonce: impl NonceVerifier,
    ) -> Result<Session, ProviderError> {
        let token = answer.id_token();
        let token = token.ok_or_else(|| ProviderError::NoIdToken(self.issuer.clone()))?;
        let claims = token.claims(&self.verifier(), nonce);
        let claims = claims.map_err(|source| ProviderError::Unverified {
            issuer: self.issuer.clone(),
            source: Box::new(source),
        })?;
        self.check_party(claims)?;
        let name = claims.preferred_username().map(|name| name.as_str());
        let name = name.or(claims.email().map(|email| email.as_str()));
        Ok(Session {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            subject: claims.subject().to_string(),
            name: name.map(str::to_owned),
            issued: claims.issue_time().timestamp(),
            expires: claims.expiration().timestamp(),
            id_token: token.to_string(),
            refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
        })
    }

    /// Zitadel names every application of the project as an audience; [`check_party`] says whose
    /// the token is.
    ///
    /// [`check_party`]: Self::check_party
    fn verifier(&self) -> CoreIdTokenVerifier<'_> {
        let verifier = self.client.id_token_verifier();
        verifier.set_other_audience_verifier_fn(|_| true)
    }

    /// OpenID Connect Core §3.1.3.7, rules 4 and 5.
    fn check_party(&self, claims: &Claims) -> Result<(), ProviderError> {
        let party = claims.authorized_party().map(|party| party.as_str());
        let several = claims.audiences().len() > 1;
        match party {
            Some(party) if party == self.client_id => Ok(()),
            None if !several => Ok(()),
            party => Err(ProviderError::Party {
                issuer: self.issuer.clone(),
                party: party.map(str::to_owned),
                client: self.client_id.clone(),
            }),
        }
    }

    pub(super) fn unusable(
        &self,
        step: &'static str,
        error: &openidconnect::ConfigurationError,
    ) -> ProviderError {
        self.answer_error(step, error.to_string())
    }

    fn answer_error(&self, step: &'static str, problem: String) -> ProviderError {
        ProviderError::Answer {
            step,
            issuer: self.issuer.clone(),
            problem,
        }
    }

    /// What a token endpoint answered instead of a token.
    pub(super) fn token_error<K>(
        &self,
        step: &'static str,
        error: RequestTokenError<HttpError, openidconnect::StandardErrorResponse<K>>,
    ) -> ProviderError
    where
        K: ErrorResponseType + Display + 'static,
        openidconnect::StandardErrorResponse<K>: ErrorResponse,
    {
        match error {
            RequestTokenError::ServerResponse(answer) => ProviderError::Refused {
                step,
                issuer: self.issuer.clone(),
                code: answer.error().to_string(),
                description: answer.error_description().cloned(),
            },
            RequestTokenError::Request(source) => ProviderError::Http {
                step,
                issuer: self.issuer.clone(),
                source: Box::new(source),
            },
            RequestTokenError::Parse(error, _) => self.answer_error(step, error.to_string()),
            RequestTokenError::Other(problem) => self.answer_error(step, problem),
        }
    }
}

fn discovery_error(error: DiscoveryError<HttpError>, issuer: &str) -> ProviderError {
    const STEP: &str = "discover the provider";
    let issuer = issuer.to_owned();
    match error {
        DiscoveryError::Request(source) => ProviderError::Http {
            step: STEP,
            issuer,
            source: Box::new(source),
        },
        DiscoveryError::Parse(error) => ProviderError::Answer {
            step: STEP,
            issuer,
            problem: error.to_string(),
        },
        other => ProviderError::Answer {
            step: STEP,
            issuer,
            problem: other.to_string(),
        },
    }
}
