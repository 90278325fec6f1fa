//! What is asked of the token endpoint, and what the device signs for it.

use fleet_contracts::jws;
use serde::{Deserialize, Serialize};

/// The longest an assertion lives, in seconds. Zitadel remembers no `jti`, so whoever reads one can
/// use it until then.
pub const ASSERTION_LIFE: u64 = 60;

/// How the device proves itself to the identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grant {
    /// JWT profile (RFC 7523 §2.1), as Zitadel takes it: the assertion is the authorisation.
    JwtProfile {
        /// The device's user.
        user_id: String,
        /// The name of its key.
        key_id: String,
        /// The project whose audience and roles the token must carry.
        project_id: String,
    },
    /// Client credentials with `private_key_jwt` (RFC 7523 §2.2), which any `OpenID` provider takes.
    ClientCredentials {
        /// The device's client.
        client_id: String,
        /// The name of its key, where the provider tells keys apart by name.
        key_id: Option<String>,
        /// What to ask for.
        scopes: Vec<String>,
    },
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

/// A request for a token, still to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// What to sign (RS256).
    pub signing_input: String,
    fields: Vec<(&'static str, String)>,
    assertion_field: &'static str,
}

impl Grant {
    fn subject(&self) -> &str {
        match self {
            Self::JwtProfile { user_id, .. } => user_id,
            Self::ClientCredentials { client_id, .. } => client_id,
        }
    }

    fn key_id(&self) -> Option<&str> {
        match self {
            Self::JwtProfile { key_id, .. } => Some(key_id),
            Self::ClientCredentials { key_id, .. } => key_id.as_deref(),
        }
    }

    /// The scope to ask for.
    ///
    /// Zitadel puts roles of a machine user into the token only for projects that are also in its
    /// audience. Metadata carries the device id, the resource owner tells the organisation.
    pub fn scope(&self) -> String {
        match self {
            Self::JwtProfile { project_id, .. } => [
                "openid",
                &format!("urn:zitadel:iam:org:project:id:{project_id}:aud"),
                "urn:zitadel:iam:org:projects:roles",
                "urn:zitadel:iam:user:resourceowner",
                "urn:zitadel:iam:user:metadata",
            ]
            .join(" "),
            Self::ClientCredentials { scopes, .. } => scopes.join(" "),
        }
    }

    /// The request at `seconds` since 1970 by the provider's clock. `nonce` makes it unique, as some
    /// providers demand.
    pub fn request(&self, issuer: &str, seconds: u64, nonce: &str) -> TokenRequest {
        let header = Header {
            alg: "RS256",
            typ: "JWT",
            kid: self.key_id(),
        };
        let claims = Claims {
            iss: self.subject(),
            sub: self.subject(),
            aud: issuer,
            iat: seconds,
            exp: seconds.saturating_add(ASSERTION_LIFE),
            jti: nonce,
        };
        let jwt_bearer = |kind: &str| format!("urn:ietf:params:oauth:{kind}:jwt-bearer");
        let (mut fields, assertion_field) = match self {
            Self::JwtProfile { .. } => {
                (vec![("grant_type", jwt_bearer("grant-type"))], "assertion")
            }
            Self::ClientCredentials { client_id, .. } => (
                vec![
                    ("grant_type", "client_credentials".into()),
                    ("client_id", client_id.clone()),
                    ("client_assertion_type", jwt_bearer("client-assertion-type")),
                ],
                "client_assertion",
            ),
        };
        let scope = self.scope();
        if !scope.is_empty() {
            fields.push(("scope", scope));
        }
        TokenRequest {
            signing_input: jws::signing_input(&header, &claims),
            fields,
            assertion_field,
        }
    }
}

impl TokenRequest {
    /// The body to send, `application/x-www-form-urlencoded`.
    pub fn form(&self, signature: &[u8]) -> String {
        let assertion = jws::compact(&self.signing_input, signature);
        let fields = self.fields.iter().map(|(name, value)| (*name, value));
        let fields = fields.chain([(self.assertion_field, &assertion)]);
        let fields: Vec<_> = fields
            .map(|(name, value)| format!("{name}={}", escape(value)))
            .collect();
        fields.join("&")
    }
}

/// Everything but unreserved characters escaped (RFC 3986): stricter than forms need, and read alike.
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn profile() -> Grant {
        Grant::JwtProfile {
            user_id: "42".into(),
            key_id: "7".into(),
            project_id: "99".into(),
        }
    }

    fn parts(request: &TokenRequest) -> (Value, Value) {
        let whole = jws::compact(&request.signing_input, b"s");
        let parts = jws::take_apart::<Value, Value>(&whole).expect("a JWS");
        (parts.header, parts.claims)
    }

    #[test]
    fn the_jwt_profile_is_what_zitadel_takes() {
        let request = profile().request("https://id.example", 1000, "n");
        let (header, claims) = parts(&request);
        assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "7"}));
        let expected = json!({"iss": "42", "sub": "42", "aud": "https://id.example", "iat": 1000, "exp": 1060, "jti": "n"});
        assert_eq!(claims, expected);
        let form = request.form(b"sig");
        let assertion = jws::compact(&request.signing_input, b"sig");
        assert_eq!(
            form,
            format!(
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
                 &scope=openid%20urn%3Azitadel%3Aiam%3Aorg%3Aproject%3Aid%3A99%3Aaud\
                 %20urn%3Azitadel%3Aiam%3Aorg%3Aprojects%3Aroles\
                 %20urn%3Azitadel%3Aiam%3Auser%3Aresourceowner\
                 %20urn%3Azitadel%3Aiam%3Auser%3Ametadata&assertion={assertion}"
            )
        );
    }

    #[test]
    fn client_credentials_name_the_client_and_need_no_key_id() {
        let grant = Grant::ClientCredentials {
            client_id: "dev 1".into(),
            key_id: None,
            scopes: vec!["fleet".into()],
        };
        let request = grant.request("https://id.example", 1000, "n");
        let (header, claims) = parts(&request);
        assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("dev 1"), &json!("dev 1"))
        );
        let form = request.form(b"sig");
        assert!(
            form.starts_with(
                "grant_type=client_credentials&client_id=dev%201&client_assertion_type=urn%3Aietf"
            ),
            "{form}"
        );
        assert!(form.contains("&scope=fleet&client_assertion=ey"), "{form}");
    }
}
