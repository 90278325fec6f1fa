//! The test IdP refuses what Zitadel refuses: a test for each rule that its module lists, by real
//! requests over TLS.

mod api;
mod assertions;
mod client;
mod faults;
mod people;
mod tokens;

use fleet_testbed::Testbed;

/// A testbed with nothing but the provider.
async fn bed() -> Testbed {
    Testbed::builder("idp").idp().start().await.unwrap()
}
