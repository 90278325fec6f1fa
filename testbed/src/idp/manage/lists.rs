//! What the calls that list things have in common.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, Permission, time};
use crate::idp::core::store::{Store, User};

/// A list under its name, with how many there are.
pub(super) fn paged(name: &str, items: Vec<Value>) -> Value {
    let mut answer = json!({"pagination": {"totalResult": items.len().to_string()}});
    answer[name] = items.into();
    answer
}

/// What asks for the credentials of a user.
#[derive(Deserialize)]
pub(super) struct ByUser {
    #[serde(default)]
    filters: Vec<Filter>,
}

/// The one that the platform asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Filter {
    UserIdFilter(Id),
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl ByUser {
    /// The user of this id, if it is asked for and the caller sees it.
    pub(super) fn owner<'a>(
        &self,
        store: &'a Store,
        caller: &Caller,
        id: &str,
    ) -> Option<&'a User> {
        let wanted = self.filters.iter().all(|filter| {
            let Filter::UserIdFilter(user) = filter;
            user.id == id
        });
        let owner = store.users.get(id).filter(|_| wanted)?;
        let seen = caller.sees(store, Permission::Users, &owner.organisation);
        seen.then_some(owner)
    }
}

/// A key or a token of a user, without what it is made of.
pub(super) fn credential(id: &str, owner: &User, created: Timestamp, expires: Timestamp) -> Value {
    json!({
        "id": id, "userId": owner.id, "organizationId": owner.organisation,
        "creationDate": time(created), "changeDate": time(created), "expirationDate": time(expires),
    })
}
