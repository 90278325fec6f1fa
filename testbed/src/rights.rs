//! What a program asked of the API server, held against what it is granted.

use fleet_rbac::{Grant, Names, Verb};

use crate::control_plane::Request;

/// Where the two differ. Nothing of it is right.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// What the API server refused: a grant is missing.
    pub refused: Vec<Request>,
    /// What no grant covers, each once.
    pub outside: Vec<Request>,
    /// What nobody used with success, and the reason for which it is granted.
    pub unused: Vec<String>,
}

impl Mismatch {
    /// Compares. `place` says in which namespace the grants of a scope count; none stands for everywhere.
    pub fn between<S, N: Names>(
        requests: &[Request],
        grants: &[Grant<S, N>],
        given: &N::Given,
        place: impl Fn(&S) -> Option<&'static str>,
    ) -> Self {
        let covers = |grant: &Grant<S, N>, verb: Verb, request: &Request| {
            let names = grant.names.names(given);
            place(&grant.scope).is_none_or(|place| request.namespace == place)
                && names.is_none_or(|names| names.contains(&request.name))
                && request.group == grant.api_group
                && request.resource == grant.resource
                && request.verb == verb.as_str()
        };
        let all = || {
            grants
                .iter()
                .flat_map(|grant| grant.verbs.iter().map(move |verb| (grant, *verb)))
        };
        let mut mismatch = Self::default();
        for request in requests {
            if request.code == 403 {
                mismatch.refused.push(request.clone());
            }
            let is_covered = all().any(|(grant, verb)| covers(grant, verb, request));
            if !is_covered && !mismatch.outside.contains(request) {
                mismatch.outside.push(request.clone());
            }
        }
        for (grant, verb) in all() {
            let mut good = requests.iter().filter(|request| request.code < 400);
            if !good.any(|request| covers(grant, verb, request)) {
                let (verb, resource, reason) = (verb.as_str(), grant.resource, grant.reason);
                mismatch
                    .unused
                    .push(format!("{verb} {resource}, because {reason}"));
            }
        }
        mismatch
    }
}
