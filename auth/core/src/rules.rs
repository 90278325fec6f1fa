//! What a token must say to be taken, whoever the identity provider is.
//!
//! Claims are named by JSON pointers (RFC 6901), because Zitadel's names hold colons and Keycloak's
//! lie in objects: `/urn:zitadel:iam:org:project:123:roles`, `/realm_access/roles`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_contracts::DeviceId;
use serde::Deserialize;
use serde_json::Value;

use crate::reason::{AuthReason, Refusal, shown};

/// The place of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(String);

/// A text that is no JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a JSON pointer: it must begin with '/', as in /realm_access/roles")]
pub struct InvalidPointer(String);

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        // "" is a pointer as well, to all claims: nothing that could be meant here.
        match given.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => Ok(Self(given.to_owned())),
            _ => Err(InvalidPointer(given.to_owned())),
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pointer {
    /// To a claim of this name, whatever signs are in it.
    pub fn to_claim(name: &str) -> Self {
        Self(format!("/{}", name.replace('~', "~0").replace('/', "~1")))
    }

    fn find<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        claims.pointer(&self.0)
    }
}

/// What a token must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// `iss`, to the letter.
    pub issuer: String,
    /// What `aud` is or holds. It proves nothing by itself: with some identity providers every user
    /// can have any audience put into a token.
    pub audience: String,
    /// The role that makes a device.
    pub role: RoleRule,
    /// Which device the token speaks for.
    pub device: DeviceClaim,
    /// How far the clocks of identity provider and callout may differ, in seconds.
    pub leeway: u64,
    /// How long ago the token may have been minted, in seconds, whatever its expiry says.
    pub max_age: u64,
}

/// The role that makes a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// Where the roles are: an object of role to organisations (Zitadel), or a list (Keycloak).
    pub claim: Pointer,
    /// The role.
    pub role: String,
    /// The organisation in which it must be held.
    pub organisation: Organisation,
}

/// Where the organisation is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Organisation {
    /// In the role itself: `{"device": {"<organisation>": "<domain>"}}`.
    InRole(String),
    /// In a claim of its own, that is this text or a list that holds it.
    InClaim {
        /// Where.
        claim: Pointer,
        /// The organisation.
        id: String,
    },
    /// The issuer is for one organisation only, such as a realm of Keycloak.
    OfIssuer,
}

/// The claim that names the device. The subject is not used for that by default: identity providers
/// choose user ids themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceClaim {
    /// Where.
    pub claim: Pointer,
    /// How it is written.
    pub encoding: Encoding,
}

/// How a claim is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// In base64url without padding, as Zitadel has metadata.
    Base64Url,
}

/// The claims whose names are fixed (RFC 7519).
#[derive(Debug, Deserialize)]
pub(crate) struct Registered {
    pub(crate) iss: Option<String>,
    pub(crate) sub: Option<String>,
    pub(crate) aud: Option<Audience>,
    pub(crate) exp: Option<NumericDate>,
    pub(crate) nbf: Option<NumericDate>,
    pub(crate) iat: Option<NumericDate>,
    pub(crate) jti: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn holds(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

/// Seconds since 1970; fractions, which RFC 7519 allows, are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct NumericDate(pub(crate) u64);

impl TryFrom<f64> for NumericDate {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        // Far beyond any date, and still exact in a float.
        const LATEST: f64 = 1e12;
        if !(0.0..LATEST).contains(&seconds) {
            return Err("not a date");
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked"
        )]
        Ok(Self(seconds as u64))
    }
}

impl TokenRules {
    /// Issuer, audience and times. If all is well, when that ends: by its expiry or by its age, and
    /// with the leeway.
    pub(crate) fn check(&self, claims: &Registered, now: u64) -> Result<u64, Refusal> {
        use AuthReason as R;
        let issuer = claims.iss.as_deref().unwrap_or_default();
        if issuer != self.issuer {
            let detail = format!("the issuer is {:?}, not {:?}", shown(issuer), self.issuer);
            return Err(Refusal::new(R::IssuerWrong, detail));
        }
        let for_us = |audience: &Audience| audience.holds(&self.audience);
        if !claims.aud.as_ref().is_some_and(for_us) {
            let detail = format!("the audience does not hold {:?}", self.audience);
            return Err(Refusal::new(R::AudienceWrong, detail));
        }
        let lacks = |name| Refusal::new(R::TokenMalformed, format!("the claim {name} is missing"));
        let expires = claims.exp.ok_or_else(|| lacks("exp"))?.0;
        let minted = claims.iat.ok_or_else(|| lacks("iat"))?.0;
        if expires.saturating_add(self.leeway) <= now {
            let detail = format!("it expired {} s ago", now.saturating_sub(expires));
            return Err(Refusal::new(R::TokenExpired, detail));
        }
        let begins = minted.max(claims.nbf.map_or(0, |nbf| nbf.0));
        if begins > now.saturating_add(self.leeway) {
            let detail = format!("it is valid in {} s", begins.saturating_sub(now));
            return Err(Refusal::new(R::TokenNotYetValid, detail));
        }
        let age = now.saturating_sub(minted);
        if age >= self.max_age.saturating_add(self.leeway) {
            let detail = format!("it was minted {age} s ago; {} are allowed", self.max_age);
            return Err(Refusal::new(R::TokenTooOld, detail));
        }
        let last = expires.min(minted.saturating_add(self.max_age));
        Ok(last.saturating_add(self.leeway))
    }

    /// The role, in the organisation.
    pub(crate) fn check_role(&self, claims: &Value) -> Result<(), Refusal> {
        let RoleRule {
            claim,
            role,
            organisation,
        } = &self.role;
        let roles = claim.find(claims);
        let held = match roles {
            Some(Value::Object(roles)) => roles.get(role),
            Some(Value::Array(roles)) => roles.iter().find(|held| *held == role),
            _ => None,
        };
        let Some(held) = held else {
            let detail = format!("the role {role:?} is not in {claim}");
            return Err(Refusal::new(AuthReason::RoleMissing, detail));
        };
        let (belongs, wanted) = match organisation {
            Organisation::InRole(id) => (held.get(id).is_some(), id.as_str()),
            Organisation::InClaim { claim, id } => (holds(claim.find(claims), id), id.as_str()),
            Organisation::OfIssuer => (true, ""),
        };
        if belongs {
            return Ok(());
        }
        let detail = format!("the role {role:?} is not held in organisation {wanted:?}");
        Err(Refusal::new(AuthReason::OrganisationWrong, detail))
    }

    /// The device that the token speaks for.
    pub(crate) fn device(&self, claims: &Value) -> Result<DeviceId, Refusal> {
        let DeviceClaim { claim, encoding } = &self.device;
        let Some(written) = claim.find(claims).and_then(Value::as_str) else {
            let detail = format!("there is no text in {claim}");
            return Err(Refusal::new(AuthReason::DeviceIdMissing, detail));
        };
        let invalid = |detail: String| Refusal::new(AuthReason::DeviceIdInvalid, detail);
        let id = match encoding {
            Encoding::Plain => written.to_owned(),
            Encoding::Base64Url => URL_SAFE_NO_PAD
                .decode(written)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| invalid(format!("{claim} is not base64url")))?,
        };
        id.parse().map_err(|error| invalid(format!("{error}")))
    }
}

fn holds(claim: Option<&Value>, wanted: &str) -> bool {
    match claim {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(many)) => many.iter().any(|one| one == wanted),
        _ => false,
    }
}
