//! A key that the identity provider does not know any more may be there under another name.

use std::time::Duration;

use tokio::time::timeout;

use super::files::lock;
use super::steps::Rotation;
use crate::config::{Identity, IdentityFiles};

/// The process that asks for tokens has no more time; a service in trouble is left alone.
const LIMIT: Duration = Duration::from_secs(15);

/// What the identity is now, if the enrolment service says that its key has another name. A denial takes
/// a device's keys away, and when it is taken back they are added anew.
pub(crate) async fn renamed(identity: Identity) -> Option<Identity> {
    let files = IdentityFiles {
        folder: identity.enrolled_in.clone()?,
    };
    let before = identity.grant.clone();
    let looked = async {
        // Else somebody is at it who looks, too.
        let _lock = lock(&files)?;
        Rotation::begin(files)?.look().await
    };
    match timeout(LIMIT, looked).await {
        Ok(Ok(())) => {}
        // This is what its owner wants to know about a refused login.
        Ok(Err(error)) => tracing::warn!(%error, "the enrolment was looked at"),
        Err(_) => return None,
    }
    let now = identity.current();
    (now.grant != before).then_some(now)
}
