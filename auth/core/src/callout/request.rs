//! What a server asks.

use std::fmt;

use nkeys::XKey;
use serde::Deserialize;

use super::jwt;
use super::keys::ServiceKeys;
use crate::reason::{AuthReason, Refusal, shown};

/// The largest request: a token, a CONNECT around it, and a client's certificate chain.
const MAX_REQUEST: usize = 64 * 1024;
/// The audience of all requests.
const AUDIENCE: &str = "nats-authorization-request";
/// How far the clocks of server and callout may differ, in seconds.
const LEEWAY: u64 = 5;

/// Something that is not to appear in any log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

/// The server that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its public nkey (`N…`).
    pub id: String,
    /// Its name.
    pub name: String,
}

/// The connection it asks about, as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The address it comes from.
    pub host: String,
    /// The number of the connection on its server.
    pub id: u64,
    /// What it calls itself.
    pub name: String,
}

/// A request whose server, addressee and time were verified.
#[derive(Debug)]
pub struct AuthRequest {
    /// Who asks.
    pub server: Server,
    /// About whom.
    pub client: Client,
    /// What the client presented; empty if nothing.
    pub token: Secret,
    /// The nkey (`U…`) under which the server will know the user.
    pub(super) user: String,
    /// Which of our issuers the server believes.
    pub(super) issuer: String,
    /// To whom the answer is sealed.
    pub(super) reply_to: XKey,
    /// Which of our curve keys opened the request, and seals the answer.
    pub(super) curve: usize,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: Option<u64>,
    nats: Body,
}

/// Lenient, as servers leave out what is empty.
#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    user_nkey: String,
    server_id: ServerId,
    #[serde(default)]
    client_info: ClientInfo,
    #[serde(default)]
    connect_opts: ConnectOpts,
}

#[derive(Deserialize)]
struct ServerId {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    xkey: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClientInfo {
    host: String,
    id: u64,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConnectOpts {
    auth_token: String,
}

impl AuthRequest {
    /// Opens and verifies a request; `sender` is what [`super::XKEY_HEADER`] says, `now` is in
    /// seconds since 1970.
    pub fn open(
        body: &[u8],
        sender: Option<&str>,
        keys: &ServiceKeys,
        now: u64,
    ) -> Result<Self, Refusal> {
        use AuthReason as R;
        let malformed = |detail: &str| Refusal::new(R::RequestMalformed, detail);
        if body.len() > MAX_REQUEST {
            return Err(malformed("it is too large"));
        }
        let (sender, curve, plain) = unseal(body, sender, keys)?;
        let text = str::from_utf8(&plain).map_err(|_| malformed("it is not text"))?;
        let claims = jwt::verify(text, 'N').map_err(malformed)?;
        let claims: Claims =
            serde_json::from_slice(&claims).map_err(|_| malformed("it lacks claims"))?;
        let Body {
            kind,
            user_nkey,
            server_id,
            client_info,
            connect_opts,
        } = claims.nats;
        if claims.iss != server_id.id {
            return Err(malformed("it is about another server than its sender"));
        }
        if server_id.xkey != sender.public_key() {
            return Err(malformed("it is sealed with another key than its server's"));
        }
        if jwt::public_key(&user_nkey, 'U').is_none() {
            return Err(malformed("it names no user"));
        }
        if claims.aud != AUDIENCE || kind != "authorization_request" {
            return Err(Refusal::new(
                R::RequestForeign,
                "it asks for something else",
            ));
        }
        if keys.issuer(&claims.sub).is_none() {
            let detail = format!("its server believes {:?}", shown(&claims.sub));
            return Err(Refusal::new(R::RequestForeign, detail));
        }
        let expires = claims.exp.ok_or_else(|| malformed("it never expires"))?;
        if expires.saturating_add(LEEWAY) < now {
            let detail = format!("it expired {} s ago", now - expires);
            return Err(Refusal::new(R::RequestExpired, detail));
        }
        Ok(Self {
            server: Server {
                id: server_id.id,
                name: shown(&server_id.name),
            },
            client: Client {
                host: shown(&client_info.host),
                id: client_info.id,
                name: shown(&client_info.name),
            },
            token: Secret(connect_opts.auth_token),
            user: user_nkey,
            issuer: claims.sub,
            reply_to: sender,
            curve,
        })
    }
}

/// Who sealed it, to which of our keys, and what is in it.
fn unseal(
    body: &[u8],
    sender: Option<&str>,
    keys: &ServiceKeys,
) -> Result<(XKey, usize, Vec<u8>), Refusal> {
    let Some(sender) = sender else {
        let detail = "no curve key comes with it; configure the server's xkey";
        return Err(Refusal::new(AuthReason::RequestUnsealed, detail));
    };
    let malformed = |detail: &str| Refusal::new(AuthReason::RequestMalformed, detail);
    let is_key = sender.len() == 56 && sender.starts_with('X') && sender.is_ascii();
    let sender = is_key
        .then(|| XKey::from_public_key(sender).ok())
        .flatten()
        .ok_or_else(|| malformed("it comes with something that is no curve key"))?;
    let opened = keys
        .curves()
        .iter()
        .enumerate()
        .find_map(|(index, curve)| Some((index, curve.open(body, &sender).ok()?)));
    let (curve, plain) = opened.ok_or_else(|| malformed("it is sealed to another key"))?;
    Ok((sender, curve, plain))
}
