//! A realm as Keycloak imports it at its start.

use serde_json::{Value, json};

use super::ClientKey;

/// How long an access token is good, in seconds, unless a realm says otherwise.
const TOKEN_LIFETIME: u32 = 300;

/// A realm: one organisation with its roles, devices and people.
///
/// Every realm has the client scopes that Keycloak makes for a new one, so that roles are where
/// Keycloak puts them: `/realm_access/roles`.
#[derive(Debug, Clone)]
pub struct Realm {
    name: String,
    token_lifetime: u32,
    roles: Vec<String>,
    clients: Vec<Value>,
    users: Vec<Value>,
}

/// A device, which is a client of its own: it has a key, and a service account with roles.
#[derive(Debug, Clone)]
pub struct DeviceClient<'a> {
    /// The client's id, which here is the device's.
    pub id: &'a str,
    /// The key that it proves itself by.
    pub key: &'a ClientKey,
    /// What is put into `aud`, beside what Keycloak puts there.
    pub audience: &'a str,
    /// The realm's roles that its service account has.
    pub roles: &'a [&'a str],
    /// A client that is switched off gets no token.
    pub enabled: bool,
}

impl Realm {
    /// A realm without anybody in it.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            token_lifetime: TOKEN_LIFETIME,
            roles: Vec::new(),
            clients: Vec::new(),
            users: Vec::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// With access tokens that are good for this many seconds.
    #[must_use]
    pub fn token_lifetime(mut self, seconds: u32) -> Self {
        self.token_lifetime = seconds;
        self
    }

    /// With these roles.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles.extend(roles.into_iter().map(Into::into));
        self
    }

    /// With a device that proves itself by its key (`private_key_jwt`). Its id is in the claim
    /// `device_id`.
    #[must_use]
    pub fn device(mut self, device: &DeviceClient<'_>) -> Self {
        let keys = json!({"keys": [device.key.public()]}).to_string();
        self.clients.push(json!({
            "clientId": device.id,
            "enabled": device.enabled,
            "publicClient": false,
            "serviceAccountsEnabled": true,
            "standardFlowEnabled": false,
            "directAccessGrantsEnabled": false,
            "clientAuthenticatorType": "client-jwt",
            "attributes": {
                "use.jwks.string": "true",
                "jwks.string": keys,
                "token.endpoint.auth.signing.alg": "RS256",
            },
            "protocolMappers": [audience_mapper(device.audience), device_mapper(device.id)],
        }));
        self.users.push(json!({
            "username": format!("service-account-{}", device.id),
            "enabled": true,
            "serviceAccountClientId": device.id,
            "realmRoles": device.roles,
        }));
        self
    }

    /// With an application of people that keeps no secret: code flow with PKCE, with any port of
    /// 127.0.0.1 as its address, and device flow. The realm's roles are in the claims `groups` and
    /// `realm_access.roles` of id tokens.
    #[must_use]
    pub fn application(self, id: &str) -> Self {
        self.native(id, json!({}))
    }

    /// The same, with tokens that are good for this many seconds.
    #[must_use]
    pub fn brief_application(self, id: &str, seconds: u32) -> Self {
        self.native(id, json!({"access.token.lifespan": seconds.to_string()}))
    }

    fn native(mut self, id: &str, mut attributes: Value) -> Self {
        attributes["pkce.code.challenge.method"] = "S256".into();
        attributes["oauth2.device.authorization.grant.enabled"] = "true".into();
        attributes["oauth2.device.polling.interval"] = "1".into();
        self.clients.push(json!({
            "clientId": id,
            "enabled": true,
            "publicClient": true,
            "standardFlowEnabled": true,
            "directAccessGrantsEnabled": false,
            "redirectUris": ["http://127.0.0.1/*"],
            "attributes": attributes,
            "protocolMappers": [roles_mapper("groups"), roles_mapper("realm_access.roles")],
        }));
        self
    }

    /// With a person who logs in with a password.
    #[must_use]
    pub fn person(mut self, name: &str, password: &str, roles: &[&str]) -> Self {
        // What everybody has whom the console makes: without it there is no refresh token.
        let everybody = format!("default-roles-{}", self.name);
        let roles: Vec<&str> = roles.iter().copied().chain([&*everybody]).collect();
        // Without name and address the first login asks for them.
        self.users.push(json!({
            "username": name,
            "firstName": name,
            "lastName": "Example",
            "email": format!("{name}@example.com"),
            "emailVerified": true,
            "enabled": true,
            "credentials": [{"type": "password", "value": password, "temporary": false}],
            "realmRoles": roles,
        }));
        self
    }

    pub(super) fn document(&self) -> Value {
        let role = |name: &String| json!({"name": name});
        json!({
            "realm": self.name,
            "enabled": true,
            "sslRequired": "all",
            "accessTokenLifespan": self.token_lifetime,
            "roles": {"realm": self.roles.iter().map(role).collect::<Vec<_>>()},
            "clients": self.clients,
            "users": self.users,
        })
    }
}

fn audience_mapper(audience: &str) -> Value {
    json!({
        "name": "audience",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": audience, "access.token.claim": "true"},
    })
}

fn device_mapper(id: &str) -> Value {
    json!({
        "name": "device",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-claim-mapper",
        "config": {
            "claim.name": "device_id",
            "claim.value": id,
            "jsonType.label": "String",
            "access.token.claim": "true",
        },
    })
}

fn roles_mapper(claim: &str) -> Value {
    json!({
        "name": claim,
        "protocol": "openid-connect",
        "protocolMapper": "oidc-usermodel-realm-role-mapper",
        "config": {
            "claim.name": claim,
            "jsonType.label": "String",
            "multivalued": "true",
            "id.token.claim": "true",
        },
    })
}
