//! The auth callout protocol of nats-server, both directions, without the bus.
//!
//! A server asks with a JWT it signed itself, sealed to our curve key; we answer with a JWT that
//! holds either the user's JWT or an error, sealed to the server's curve key. Servers accept an
//! answer in the clear, too; this service takes and gives none.

mod jwt;
mod keys;
mod request;
mod response;

pub use keys::{KeyFault, ServiceKeys};
pub use request::{AuthRequest, Client, Secret, Server};
pub use response::{Account, Sealing, answer};

/// Where servers ask, in the account of the callout.
pub const SUBJECT: &str = "$SYS.REQ.USER.AUTH";
/// The header with the curve key that the server's request is sealed with.
pub const XKEY_HEADER: &str = "Nats-Server-Xkey";
