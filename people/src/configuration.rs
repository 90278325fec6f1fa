//! The API server's file of identity providers, `--authentication-config`.
//!
//! Types of `apiserver.config.k8s.io/v1` (Kubernetes 1.34 and newer; 1.30 to 1.33 know the same as
//! `v1beta1`), as far as they are used here.

use serde::Serialize;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationConfiguration {
    /// `apiserver.config.k8s.io/v1`.
    pub api_version: String,
    /// `AuthenticationConfiguration`.
    pub kind: String,
    /// One for each issuer.
    pub jwt: Vec<JwtAuthenticator>,
}

/// How the tokens of one issuer are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtAuthenticator {
    /// Whose tokens.
    pub issuer: Issuer,
    /// What a token must say to be taken at all.
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    /// Who somebody is.
    pub claim_mappings: ClaimMappings,
}

/// An issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// `iss`, and where it is discovered.
    pub url: String,
    /// The authority of its certificate, in PEM; else the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// `aud` must hold one of these.
    pub audiences: Vec<String>,
    /// Needed with more than one audience: `MatchAny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience_match_policy: Option<String>,
}

/// A rule that must hold of the claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimValidationRule {
    /// A CEL expression that yields `true`.
    pub expression: String,
    /// What the API server logs when it does not.
    pub message: String,
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMappings {
    /// The user's name.
    pub username: PrefixedClaim,
    /// The user's groups.
    pub groups: Expression,
    /// The user's id.
    pub uid: Claim,
    /// What else audit logs shall show.
    pub extra: Vec<Extra>,
}

/// A claim with something before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrefixedClaim {
    /// The claim.
    pub claim: String,
    /// What comes before it.
    pub prefix: String,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The claim.
    pub claim: String,
}

/// A CEL expression over the claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expression {
    /// The expression.
    pub expression: String,
}

/// Something else about the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Extra {
    /// A path below a domain, in lower case.
    pub key: String,
    /// A CEL expression; an empty string leaves it out.
    pub value_expression: String,
}
