//! From options to what the core judges by.

use fleet_auth_core::rules::{DeviceClaim, Encoding, Organisation, Pointer, RoleRule};
use fleet_auth_core::{Caps, Limits, TokenRules};

use crate::args::{DeviceEncoding, GrantArgs, TokenArgs};

/// What a token must say.
pub(crate) fn token_rules(args: &TokenArgs) -> TokenRules {
    let zitadel = || {
        let project = &args.oidc_audience;
        Pointer::to_claim(&format!("urn:zitadel:iam:org:project:{project}:roles"))
    };
    let organisation = match (&args.oidc_organisation, &args.oidc_organisation_claim) {
        (None, _) => Organisation::OfIssuer,
        (Some(id), None) => Organisation::InRole(id.clone()),
        (Some(id), Some(claim)) => Organisation::InClaim {
            claim: claim.clone(),
            id: id.clone(),
        },
    };
    TokenRules {
        issuer: args.oidc_issuer.clone(),
        audience: args.oidc_audience.clone(),
        role: RoleRule {
            claim: args.oidc_role_claim.clone().unwrap_or_else(zitadel),
            role: args.oidc_role.clone(),
            organisation,
        },
        device: DeviceClaim {
            claim: args.oidc_device_claim.clone(),
            encoding: match args.oidc_device_encoding {
                DeviceEncoding::Plain => Encoding::Plain,
                DeviceEncoding::Base64url => Encoding::Base64Url,
            },
        },
        leeway: args.oidc_leeway,
        max_age: args.oidc_max_age,
    }
}

/// The most that a device gets.
pub(crate) fn caps(args: &GrantArgs) -> Caps {
    Caps {
        limits: Limits {
            payload: args.max_payload,
            ..Caps::default().limits
        },
        lifetime: args.max_lifetime,
    }
}
