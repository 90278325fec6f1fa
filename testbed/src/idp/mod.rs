//! An identity provider for tests, as strict as Zitadel.
//!
//! It runs in the test's own process, with threads of its own, and listens with TLS on the
//! testbed's address, which devices and pods reach. [`core`] and [`manage`] decide, values to values;
//! [`http`] and [`server`] carry. It refuses what Zitadel refuses, so that what passes here has a
//! chance there. Where versions of Zitadel differ, or other providers do, a test chooses.
//!
//! # The rules, and where they are from
//!
//! | rule | source |
//! |---|---|
//! | `Host` names the instance, its port does not matter; any other: 404 `Instance not found` | zitadel `internal/api/http/middleware/instance_interceptor.go` |
//! | the issuer is made of the `Host` with its port, without a slash at the end | `op.IssuerFromContext` |
//! | **JWT profile grant** | RFC 7523 §2.1, zitadel `internal/api/oidc/token_jwt_profile.go` |
//! | an assertion has three parts and a JSON payload | zitadel/oidc `ParseToken` |
//! | its `aud` is or contains the issuer | `CheckAudience` |
//! | its `exp` is more than 1 s away | `CheckExpiration`: the skew counts against the client |
//! | its `iat` is there, at most 1 s in the future and at most 1 h ago | `CheckIssuedAt` |
//! | `iss` and `sub` are the same user | `SubjectIsIssuer`. Versions before `GetAuthNKeyUser` took any `sub` there is |
//! | it is signed with RS256; `none`, HS256 and the rest are refused | `CheckSignature`; ES256 and PS256 would pass there, and nothing may come to need them |
//! | the key is found by header `kid` *and* `iss`, and has not expired | zitadel `GetAuthNKeyUser` |
//! | `jti` means nothing: an assertion is good again until it ends | no check in any of these |
//! | what fails of these: 400 `invalid_grant`, or 500 `server_error` by choice | RFC 7523 §3.1; zitadel issue 12692 ([`AssertionErrors`]) |
//! | inactive and locked users: 400 `invalid_request`, `Errors.User.NotActive` | zitadel `internal/command/oidc_session.go`, `internal/api/oidc/error.go` |
//! | a scope must be asked for, and `openid` among them; unknown ones are left out | `ValidateAuthReqScopes` |
//! | `urn:zitadel:iam:org:project:id:{id}:aud` puts any id at all into `aud` | `AddAudScopeToAudience`, zitadel issue 9515 |
//! | without such a scope the client is the audience | `NewAccessTokenClaims` |
//! | roles come with `urn:zitadel:iam:org:projects:roles` or by name, for projects in the audience | `userinfo.go` `prepareRoles` |
//! | roles are an object: role to organisation id to domain | `userinfo.go` `setUserInfoRoleClaims` |
//! | machines never have the roles claim without a project's id | zitadel issue 8107 |
//! | metadata is an object with values in base64url without padding | `userinfo.go` `setUserInfoMetadata` |
//! | a machine's `client_id` is its user name, and its id token ends as it begins | `token_jwt_profile.go`, zitadel issue 12779 |
//! | machines have opaque tokens unless created with `ACCESS_TOKEN_TYPE_JWT` | `user_service.proto` |
//! | **client credentials** with an assertion: `iss` = `sub` = client, `aud` issuer or token endpoint, `jti` once | RFC 7523 §2.2 and §3 as Keycloak has it; Zitadel has none for machines |
//! | **code flow**: registered redirect address, any port on loopback for native applications | RFC 8252 §7.3, zitadel/oidc `auth_request.go` |
//! | codes are good once, for one client and address, with the verifier of an S256 challenge | RFC 6749 §4.1.3, RFC 7636 |
//! | an id token's `aud` is every application of the project, and the project | zitadel's claims page |
//! | refresh tokens need `offline_access` and are good once | zitadel `RenewRefreshToken` |
//! | they can be taken back by their application | RFC 7009, zitadel/oidc `pkg/op/token_revocation.go` |
//! | **device flow**: `authorization_pending`, `slow_down`, `access_denied`, `expired_token` | RFC 8628 §3.5 |
//! | **API**: no token 401, unknown or without the API's audience 401, no right 403 | zitadel `internal/api/authz` |
//! | validation comes before permission; a name that is taken is 409 | zitadel's v2 services |
//! | projects, applications and role grants are Connect RPC only; users are REST, too | which of the protos have `google.api.http` |
//! | keys are RSA in SPKI PEM in base64 and may not have ended already | `user_machine_key.go` |
//! | personal access tokens are a machine's, need a date at which they end, and are in one answer only | `user_personal_access_token.go`, `pat.proto` |
//! | who may manage users of an organisation is said by who owns it | `internal_permission_service.proto` |
//! | removing a key or grant that is gone is no error; deactivating twice is | `user_service.proto`, `authorization_service.proto` |
//!
//! Not there: passwords, introspection, token exchange, consent, and every call the platform does
//! not make. Projections lag behind in Zitadel; here what was written is read at once.

mod certificate;
mod core;
mod error;
mod faults;
mod forge;
mod http;
mod manage;
mod mint;
mod seed;
mod server;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::process::lock;
use crate::{ports, secret};
use certificate::Certificate;
use core::State;
use http::Shared;
use server::Server;

pub use core::AssertionErrors;
pub use core::signing::SigningError;
pub use core::store::Administrator;
pub use error::IdpError;
pub use faults::{Endpoint, Fault};
pub use manage::{ApiError, Code};
pub use mint::Minter;
pub use seed::MachineKey;

/// The identity provider of a testbed.
#[derive(Debug)]
pub struct Idp {
    server: Server,
    shared: Arc<Shared>,
    address: SocketAddr,
    authority: PathBuf,
    organisation: String,
    project: String,
    admin: AdminAccess,
}

/// How the platform's own provisioning logs in.
#[derive(Debug)]
struct AdminAccess {
    token: String,
    key_file: PathBuf,
}

impl Idp {
    /// Makes it with an organisation, a project and an administrator, and starts it.
    pub(crate) fn start_new(folder: &Path, ip: IpAddr) -> Result<Self, IdpError> {
        let home = folder.join("idp");
        fs::create_dir_all(&home).map_err(|source| IdpError::File {
            path: home.clone(),
            source,
        })?;
        let certificate = Certificate::create(&home, ip)?;
        let mut state = State::new()?;
        let seeded = seed::first(&mut state.store, Timestamp::now())?;
        let key_file = home.join("admin.json");
        secret::write(&key_file, seeded.admin_key.as_bytes()).map_err(|source| IdpError::File {
            path: key_file.clone(),
            source,
        })?;
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            faults: faults::Faults::default(),
            domain: ip.to_string(),
        });
        let port = ports::free_on(ip).map_err(IdpError::Listen)?;
        let address = SocketAddr::new(ip, port);
        let server = Server::new(
            address,
            http::router(Arc::clone(&shared)),
            certificate.server,
        )?;
        server.start()?;
        Ok(Self {
            server,
            shared,
            address,
            authority: certificate.authority,
            organisation: seeded.organisation,
            project: seeded.project,
            admin: AdminAccess {
                token: seeded.admin_token,
                key_file,
            },
        })
    }

    /// What tokens name as their issuer, and the base of every address.
    pub fn issuer(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that clients must trust, as a PEM file.
    pub fn ca_file(&self) -> &Path {
        &self.authority
    }

    /// The organisation that was there from the start.
    pub fn organisation(&self) -> &str {
        &self.organisation
    }

    /// The project that was there from the start, `fleet`, with the role `device`.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The personal access token of the administrator.
    pub fn admin_token(&self) -> &str {
        &self.admin.token
    }

    /// The administrator's key as Zitadel's set-up writes it: JSON with `keyId`, `key` and `userId`.
    pub fn admin_key_file(&self) -> &Path {
        &self.admin.key_file
    }

    /// Starts it again on the same port, with all it knows.
    ///
    /// # Errors
    /// When it runs already or the port was taken.
    pub fn start(&self) -> Result<(), IdpError> {
        self.server.start()
    }

    /// Stops it: open connections end and new ones are refused.
    pub async fn stop(&self) {
        self.server.stop().await;
    }

    /// Every endpoint fails like this until [`heal`](Self::heal).
    pub fn inject(&self, fault: Fault) {
        self.shared.faults.set(None, fault);
    }

    /// One endpoint fails like this until [`heal`](Self::heal).
    pub fn inject_at(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.faults.set(Some(endpoint), fault);
    }

    /// Ends injected faults, false signatures and a false clock.
    pub fn heal(&self) {
        self.shared.faults.clear();
        self.set_clock_offset(SignedDuration::ZERO);
        lock(&self.shared.state).signing.sign_with_own();
    }

    /// Its clock is off by this much; the `Date` of answers shows it.
    pub fn set_clock_offset(&self, offset: SignedDuration) {
        let clock = &self.shared.faults.clock_offset;
        clock.store(offset.as_secs(), Ordering::Relaxed);
    }

    /// How many requests have reached an endpoint, also those that failed.
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.shared.faults.requests(endpoint)
    }

    /// A new key signs from now on; the old ones are served until
    /// [`retire_old_keys`](Self::retire_old_keys).
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate_keys(&self) -> Result<(), SigningError> {
        let mut state = lock(&self.shared.state);
        let id = state.store.new_id();
        state.signing.rotate(id)
    }

    /// Serves the signing key only.
    pub fn retire_old_keys(&self) {
        lock(&self.shared.state).signing.retire_old();
    }

    /// Tokens are signed with a key that is not among those served, until [`heal`](Self::heal).
    ///
    /// # Errors
    /// When no key can be made.
    pub fn sign_with_unknown_key(&self) -> Result<(), SigningError> {
        let mut state = lock(&self.shared.state);
        let id = state.store.new_id();
        state.signing.sign_with_stranger(id)
    }

    /// How long access tokens given out from now on are good.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        lock(&self.shared.state).settings.access_token_lifetime = lifetime;
    }

    /// How long id tokens of people given out from now on are good.
    pub fn set_id_token_lifetime(&self, lifetime: Duration) {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        lock(&self.shared.state).settings.id_token_lifetime = lifetime;
    }

    /// How often the device flow may be polled.
    pub fn set_poll_interval(&self, interval: Duration) {
        let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
        lock(&self.shared.state).settings.poll_interval = interval;
    }

    /// How assertions that prove nothing are answered.
    pub fn set_assertion_errors(&self, errors: AssertionErrors) {
        lock(&self.shared.state).settings.assertion_errors = errors;
    }
}
