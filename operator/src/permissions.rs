//! Asks the API server, at the start, whether this operator may do what it has to.
//!
//! Without this, a missing permission would show one write at a time, some of them only when a
//! device is lost or a Deployment deleted. A replica that lacks one is not ready, so a rollout with
//! too small a role stops; it goes on by itself when the role is mended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet_operator_core::rbac::{LeasePlace, Permission, Scope, permissions};
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::refusal;
use crate::watch::Backoff;
use fleet_service::chain;

/// The reason in logs and on `/readyz`.
const REASON: &str = "PermissionMissing";
/// The longest that the answers of one round may take.
const LIMIT: Duration = Duration::from_secs(15);

/// What is known of this operator's permissions.
#[derive(Debug, Default)]
pub struct Permissions {
    known: Mutex<Known>,
}

#[derive(Debug, Default, Clone, PartialEq)]
enum Known {
    /// The API server has not answered yet.
    #[default]
    Nothing,
    /// It said that these are missing.
    Missing(Vec<Permission>),
    /// It said that nothing is missing, or that this operator may not ask.
    Enough,
}

impl Permissions {
    /// What keeps this replica from being ready.
    pub fn problems(&self) -> Vec<String> {
        match &*self.lock() {
            Known::Nothing => {
                vec!["PermissionsAwaited: the API server was not asked yet".to_owned()]
            }
            Known::Missing(missing) => {
                let lines = missing.iter();
                lines.map(|lack| format!("{REASON}: {lack}")).collect()
            }
            Known::Enough => vec![],
        }
    }

    /// Answers with what was known before.
    fn learn(&self, known: Known) -> Known {
        std::mem::replace(&mut *self.lock(), known)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks until nothing is missing.
pub async fn check(known: Arc<Permissions>, client: Client, lease: LeasePlace) {
    let mut backoff = Backoff::default();
    loop {
        let round = tokio::time::timeout(LIMIT, missing(&client, &lease)).await;
        match round {
            Ok(Ok(missing)) if missing.is_empty() => {
                known.learn(Known::Enough);
                tracing::info!("every permission is there");
                return;
            }
            Ok(Ok(missing)) => {
                let news = Known::Missing(missing.clone());
                if known.learn(news.clone()) != news {
                    for lack in &missing {
                        report(lack, &lease);
                    }
                }
            }
            // Everybody may ask by default; where that was taken away, the first refusals will tell.
            Ok(Err(error)) if refusal::reason(&error) == "ApiForbidden" => {
                known.learn(Known::Enough);
                tracing::warn!(
                    error = chain(&error),
                    "permissions cannot be checked; going on without"
                );
                return;
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = chain(&error),
                    "permissions not checked; trying again"
                );
            }
            Err(_) => tracing::warn!("the API server did not answer about permissions in time"),
        }
        tokio::time::sleep(backoff.failed()).await;
    }
}

async fn missing(client: &Client, lease: &LeasePlace) -> Result<Vec<Permission>, kube::Error> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for permission in permissions() {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(permission.question(lease)),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let answer = reviews.create(&PostParams::default(), &review).await?;
        if !answer.status.is_some_and(|status| status.allowed) {
            missing.push(permission);
        }
    }
    Ok(missing)
}

fn report(lack: &Permission, lease: &LeasePlace) {
    let role = match lack.grant.scope {
        Scope::Cluster => "ClusterRole".to_owned(),
        Scope::LeaseNamespace => format!("Role in namespace {}", lease.namespace),
    };
    tracing::error!(
        reason = REASON, permission = %lack, role, needed = lack.grant.reason,
        "a permission is missing; install the roles that belong to this version of the operator"
    );
}
