//! Service accounts, roles and bindings. The rules and their reasons are the programs' own.

use chartgen::tree::{Node, item};
use chartgen::{Cond, Document, Template, v};
use fleet_auth_core::enrol::rbac as enrol;
use fleet_keys::identity;
use fleet_keys::rbac as keys;

use super::values::Values;
use super::{CALLOUT, ENROLMENT, OPENBAO, SECRETS, ZITADEL, labelling};
use crate::workload::rbac::{self, account_refs};

pub(super) fn service_accounts() -> Template {
    let accounts = [
        rbac::service_account(&labelling(CALLOUT), &account_refs!(Values, callout))
            .document_when(v!(Values, callout.enabled)),
        rbac::service_account(&labelling(ENROLMENT), &account_refs!(Values, enrolment))
            .document_when(v!(Values, enrolment.enabled)),
        rbac::service_account(&labelling(SECRETS), &account_refs!(Values, secrets_job))
            .document_when(v!(Values, secrets_job.enabled)),
        rbac::service_account(&labelling(OPENBAO), &account_refs!(Values, openbao_job))
            .document_when(v!(Values, openbao_job.enabled)),
        rbac::service_account(&labelling(ZITADEL), &account_refs!(Values, zitadel_job))
            .document_when(v!(Values, zitadel_job.enabled)),
    ];
    Template::from(accounts)
}

/// Of the enrolment service.
pub(super) fn enrolment() -> Vec<Document> {
    let rules = |scope| {
        rbac::rules(enrol::GRANTS, &scope, |names| match names {
            enrol::Names::Any => None,
            enrol::Names::Lease => Some(Node::seq([item(ENROLMENT.fullname())])),
        })
    };
    let refs = account_refs!(Values, enrolment);
    let create = Cond::is(v!(Values, rbac.create)).and(Cond::is(v!(Values, enrolment.enabled)));
    let everywhere = rules(enrol::Scope::Cluster);
    let tokens = rules(enrol::Scope::Namespace);
    // Where tokens are, not where the release is.
    let elsewhere = |document: Document| {
        document.bind(
            "/metadata/namespace",
            v!(Values, enrolment_tokens.namespace),
        )
    };
    let labelling = labelling(ENROLMENT);
    let beside_tokens = rbac::role(&labelling, &refs, tokens, &create).map(elsewhere);
    rbac::cluster_role(&labelling, &refs, everywhere, &create)
        .into_iter()
        .chain(beside_tokens)
        .collect()
}

/// Of the Job that makes keys. It never turns one, which takes more.
pub(super) fn secrets() -> Vec<Document> {
    let refs = account_refs!(Values, secrets_job);
    let create = Cond::is(v!(Values, rbac.create)).and(Cond::is(v!(Values, secrets_job.enabled)));
    let rules = [keys::Role::Ensure, keys::Role::Seal].map(|role| {
        rbac::rules(keys::GRANTS, &role, |names| {
            let names = fleet_rbac::Names::names(names, &())?;
            Some(Node::seq(names.into_iter().map(item)))
        })
    });
    let rules = rules.into_iter().flatten().collect();
    rbac::role(&labelling(SECRETS), &refs, rules, &create).into()
}

/// Of the Job that sets Zitadel up.
pub(super) fn zitadel() -> [Document; 2] {
    let refs = account_refs!(Values, zitadel_job);
    let create = Cond::is(v!(Values, rbac.create)).and(Cond::is(v!(Values, zitadel_job.enabled)));
    let rules = rbac::rules(identity::GRANTS, &(), |names| {
        let name = match names {
            identity::Objects::Any => return None,
            identity::Objects::Map => v!(Values, oidc.setup.identity_map),
            identity::Objects::Token => v!(Values, oidc.token.name),
        };
        Some(Node::seq([item(name)]))
    });
    rbac::role(&labelling(ZITADEL), &refs, rules, &create)
}

/// Of both services, where `OpenBao` asks about their tokens as them.
pub(super) fn token_reviews() -> [Document; 2] {
    let external = || Cond::is(v!(Values, rbac.create)).and(Cond::is(v!(Values, openbao.external)));
    let callout = account_refs!(Values, callout);
    let enrolment = account_refs!(Values, enrolment);
    [
        rbac::bound_to(&labelling(CALLOUT), &callout, DELEGATOR)
            .document_when(external().and(Cond::is(v!(Values, callout.enabled)))),
        rbac::bound_to(&labelling(ENROLMENT), &enrolment, DELEGATOR)
            .document_when(external().and(Cond::is(v!(Values, enrolment.enabled)))),
    ]
}

/// Kubernetes' own role for asking about tokens, as whoever has one.
const DELEGATOR: &str = "system:auth-delegator";
