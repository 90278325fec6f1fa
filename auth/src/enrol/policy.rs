//! The approval policy: a file that is read anew for each device, so that it can be replaced.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use fleet_api::PolicyApproval;
use fleet_auth_core::enrol::{Applicant, ApprovalPolicy, PolicyError, Standing};
use fleet_contracts::enrolment::{EnrolmentRefusal as Refusal, EnrolmentToken};
use fleet_service::chain;
use jiff::Timestamp;

use super::audit;
use super::desk::{Desk, READINGS, away, no_token};
use super::status::{Verdict, whole_seconds, with_verdict};
use super::view::View;

/// Why the policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// The file cannot be read.
    #[error("failed to read the approval policy {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("the approval policy {path} cannot be used")]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: PolicyError,
    },
}

/// Where the policy is; none approves nobody.
#[derive(Debug, Clone, Default)]
pub struct PolicyFile(pub Option<PathBuf>);

impl PolicyFile {
    /// The policy as it is now.
    pub fn read(&self) -> Result<ApprovalPolicy, PolicyFileError> {
        let Some(path) = &self.0 else {
            return Ok(ApprovalPolicy::default());
        };
        let text = std::fs::read_to_string(path).map_err(|source| PolicyFileError::File {
            path: path.clone(),
            source,
        })?;
        ApprovalPolicy::parse(&text).map_err(|source| PolicyFileError::Policy {
            path: path.clone(),
            source,
        })
    }
}

impl Desk {
    /// Approves what a rule approves; all else waits for a person.
    ///
    /// Asked each time that the device posts: a service that was killed after it opened the enrolment
    /// is posted to again.
    pub(super) async fn ask_policy(
        &self,
        mut view: View,
        token: &EnrolmentToken,
        source: IpAddr,
    ) -> Result<View, Refusal> {
        let policy = match self.policy.read() {
            Ok(policy) => policy,
            Err(error) => {
                let error = chain(&error);
                tracing::error!(error, "no device is approved by policy");
                return Ok(view);
            }
        };
        if policy.is_empty() {
            return Ok(view);
        }
        let stored = self.tokens.find(token).await.map_err(|e| no_token(&e))?;
        let Some(stored) = stored else {
            return Ok(view);
        };
        for _ in 0..READINGS {
            if view.standing != Standing::Pending {
                return Ok(view);
            }
            let applicant = Applicant {
                token: &stored.record,
                device: &view.object.spec.device_id,
                source,
            };
            let Some(approved) = policy.judge(&applicant) else {
                return Ok(view);
            };
            let mut approving = view.object.clone();
            let now = Timestamp::now();
            approving.status.get_or_insert_default().policy_approval = Some(PolicyApproval {
                rule: approved.rule.clone(),
                because: approved.because.clone(),
                at: whole_seconds(now),
            });
            let approving = self.registry.view(approving);
            let status = with_verdict(&approving, &Verdict::of(approving.standing), now);
            match self.registry.write_status(&view, status).await {
                Ok(()) => audit::approved_by_policy(&view, &approved),
                // Whoever provisions has written the first status, say.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(away(&error)),
            }
            let again = self.registry.get(&view.name).await.map_err(|e| away(&e))?;
            view = again.ok_or(Refusal::Unavailable)?;
        }
        Ok(view)
    }
}
