//! The Job that makes Zitadel's master key.
//!
//! Zitadel's own Jobs are hooks that run before everything else of a release, and do not start without
//! the key. So it is made before everything else, too: account and role first, with nothing but the
//! right to create, then the Job. All of it is gone when it has succeeded, and an upgrade makes it anew.

use chartgen::{Cond, Document, Expr, Template, v};
use fleet_keys::rbac as keys;

use super::values::Values;
use super::{MASTERKEY, labelling, policies};
use crate::workload::overlay::{self, Arguments};
use crate::workload::pod::Shape;
use crate::workload::rbac::{self, account_refs};
use crate::workload::{hook, pod_refs};

/// Zitadel's first hook has the weight 0.
const RIGHTS: i8 = -20;
const RUN: i8 = -10;

/// All of it.
pub(super) fn template() -> Template {
    let account = rbac::service_account(&labelling(MASTERKEY), &account_refs!(Values, secrets_job));
    let granted = Cond::is(v!(Values, rbac.create));
    let rules = rbac::rules(keys::GRANTS, &keys::Role::Masterkey, |_| None);
    let refs = account_refs!(Values, secrets_job);
    let [role, binding] = rbac::role(&labelling(MASTERKEY), &refs, rules, &granted);
    let before = |document| hook::before_release(document, RIGHTS);
    let documents = [
        before(account),
        before(role),
        before(binding),
        before(policies::masterkey()),
        hook::before_release(job(), RUN),
    ];
    let wanted = || {
        Cond::all([
            v!(Values, secrets_job.enabled),
            v!(Values, keys.zitadel_masterkey),
        ])
    };
    Template::from(documents.map(|document| document.document_when(wanted())))
}

fn job() -> Document {
    let shape = Shape {
        program: MASTERKEY,
        args: ["secrets", "ensure", "--zitadel-masterkey-only"]
            .map(str::to_owned)
            .to_vec(),
        env: Vec::new(),
        ports: Vec::new(),
        files: &[],
    };
    let arguments = Arguments::default().flag("namespace", Expr::release_namespace());
    let base = Document::new(&shape.job());
    let refs = pod_refs!(Values, secrets_job);
    let name = MASTERKEY.fullname();
    overlay::job_named(name, base, &labelling(MASTERKEY), &refs, arguments)
}
