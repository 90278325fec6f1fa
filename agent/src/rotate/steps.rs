//! The steps, each by itself.

use std::time::Duration;

use fleet_agent_core::backoff::Backoff;
use fleet_agent_core::identity::enrolment::Heard;
use fleet_agent_core::identity::rotation::{Due, due};
use fleet_contracts::enrolment::{Approval, EnrolmentRefusal as Refusal};
use tokio::time::sleep;

use super::RotateError;
use super::files;
use crate::config::{Enrolled, EnrolmentFile, IdentityFiles};
use crate::enrol::EnrolError;
use crate::enrol::service::{Service, Signer};
use crate::https::Trust;
use crate::identity::Helper;

/// One call is repeated so often while the service is in trouble or has not done its part; then it is
/// left to the next run.
const CALLS: u32 = 20;
/// The identity provider may take a moment until it knows a key everywhere.
const MINTS: u32 = 5;
const TROUBLE: Backoff = Backoff {
    base: 1_000,
    cap: 8_000,
};

/// A device that replaces its key.
pub(super) struct Rotation {
    files: IdentityFiles,
    file: EnrolmentFile,
    service: Service,
    current: Signer,
}

impl Rotation {
    /// With the key in use.
    pub(super) fn begin(files: IdentityFiles) -> Result<Self, RotateError> {
        let file = files::load(&files)?;
        let place = file.service.clone().ok_or(RotateError::NoService)?;
        let ca = place.has_ca.then(|| files.service_ca());
        let trust = Trust::from_file(ca.as_deref());
        let current = files::find(&files, file.key_generation)?;
        let current = current.ok_or_else(|| {
            let path = files.key(file.key_generation);
            RotateError::Key(format!("the device's key {} is not there", path.display()))
        })?;
        let id = place.enrolment_id;
        let service = Service::new(&place.url, trust, id, &current.key, &current.public);
        Ok(Self {
            files,
            file,
            service,
            current,
        })
    }

    /// Whether the service was not told yet which key is in use.
    pub(super) fn is_unsaid(&self) -> bool {
        files::has_earlier(&self.files, self.file.key_generation)
    }

    /// Whether the next key is made.
    pub(super) fn is_begun(&self) -> bool {
        self.files.key(self.file.key_generation + 1).exists()
    }

    /// What to do about the key now.
    pub(super) fn due(&self) -> Due {
        let Approval {
            rotate_at,
            key_expires_at,
            ..
        } = self.file.approval;
        let now = self.service.now();
        due(rotate_at, key_expires_at, now, &mut fastrand::f64)
    }

    /// Tells the service which key is in use; then the one before goes.
    pub(super) async fn say(&mut self) -> Result<(), RotateError> {
        let used = self.current.clone();
        let approval = self.taken_up(&used).await?;
        self.remember(&approval)?;
        files::remove_earlier(&self.files, self.file.key_generation)?;
        tracing::info!("the device's new key is in use, and the old one is gone");
        Ok(())
    }

    /// Asks how the enrolment stands: what time it is there, and until when the key is good.
    pub(super) async fn look(&mut self) -> Result<(), RotateError> {
        for calls in 1..=CALLS {
            match self.service.get().await? {
                Heard::Approved(approval) => return self.remember(&approval),
                // The device is off its key; a next one may still be good.
                Heard::Refused(Refusal::BadProof, _) if self.is_begun() => return Ok(()),
                heard => wait(heard, calls).await?,
            }
        }
        Err(late())
    }

    /// Makes the next key, has it added, tries it, takes it into use, and says so.
    pub(super) async fn replace(&mut self) -> Result<(), RotateError> {
        let was_begun = self.is_begun();
        let next = files::make(&self.files, self.file.key_generation + 1)?;
        let key_id = match self.added(&next).await {
            Ok(key_id) => key_id,
            // Too late for the old key. But a next one that the service has added opens the door itself.
            Err(RotateError::Refused {
                reason: reason @ (Refusal::NotApproved | Refusal::BadProof),
                message,
            }) if was_begun => {
                let approval = self.taken_up(&next).await;
                let key = approval.map(|approval| approval.key_id);
                key.map_err(|_| RotateError::Refused { reason, message })?
            }
            Err(error) => return Err(error),
        };
        self.prove(&key_id).await?;
        self.file.key_generation += 1;
        self.file.approval.key_id = key_id;
        files::store(&self.files, &self.file)?;
        self.service.sign_with(next.clone());
        self.current = next;
        self.say().await
    }

    /// Until the identity provider has the next key; its name there.
    async fn added(&mut self, next: &Signer) -> Result<String, RotateError> {
        for calls in 1..=CALLS {
            match self.service.offer(next).await? {
                Heard::Added(key_id) => return Ok(key_id),
                heard => wait(heard, calls).await?,
            }
        }
        Err(late())
    }

    async fn taken_up(&mut self, used: &Signer) -> Result<Box<Approval>, RotateError> {
        for calls in 1..=CALLS {
            match self.service.take_up(used).await? {
                Heard::Approved(approval) => return Ok(approval),
                heard => wait(heard, calls).await?,
            }
        }
        Err(late())
    }

    /// Gets a token with the next key: only a key that has worked may replace one that works.
    async fn prove(&self, key_id: &str) -> Result<(), RotateError> {
        let mut file = self.file.clone();
        file.key_generation += 1;
        file.approval.key_id = key_id.to_owned();
        let enrolled = Enrolled::from_file(file, &self.files);
        let identity = enrolled.map_err(EnrolError::Approval)?.identity;
        let mut identity = identity.ok_or(RotateError::NotEnrolled)?;
        // Not what is in use now.
        identity.enrolled_in = None;
        let mut helper = Helper::new(identity);
        let mut mints = 0;
        loop {
            mints += 1;
            match helper.mint().await {
                Ok(_) => return Ok(()),
                Err(failed) if mints == MINTS => return Err(RotateError::NoToken { failed }),
                Err(failed) => {
                    let reason = failed.reason;
                    tracing::info!(%reason, "no token with the new key yet");
                    pause(TROUBLE.delay(mints, &mut fastrand::f64)).await;
                }
            }
        }
    }

    /// Keeps what the service says about the key. Whom else to trust is not changed by this.
    fn remember(&mut self, approval: &Approval) -> Result<(), RotateError> {
        let known = &mut self.file.approval;
        let said = (
            &approval.key_id,
            approval.key_expires_at,
            approval.rotate_at,
        );
        if said == (&known.key_id, known.key_expires_at, known.rotate_at) {
            return Ok(());
        }
        known.key_id.clone_from(&approval.key_id);
        known.key_expires_at = approval.key_expires_at;
        known.rotate_at = approval.rotate_at;
        files::store(&self.files, &self.file)
    }
}

/// What to do about an answer that is not the one hoped for: wait, or give up.
async fn wait(heard: Heard, calls: u32) -> Result<(), RotateError> {
    match heard {
        Heard::Pending(delay) | Heard::Approving(_, delay) => pause(delay).await,
        // Signed again with the time that came with the answer.
        Heard::ClockSkew(_) if calls == 1 => {}
        Heard::ClockSkew(_) => return Err(EnrolError::Clock.into()),
        Heard::Trouble { message, wait } => {
            if calls == CALLS {
                return Err(RotateError::Late(message));
            }
            tracing::info!(message, "the enrolment service is in trouble");
            pause(TROUBLE.delay(calls, &mut fastrand::f64).max(wait)).await;
        }
        Heard::Denied(reason, message) => return Err(RotateError::Denied { reason, message }),
        Heard::Refused(reason, message) => return Err(RotateError::Refused { reason, message }),
        Heard::Approved(_) | Heard::Added(_) => {
            let reason = Refusal::Malformed;
            let message = "an answer to another question".to_owned();
            return Err(RotateError::Refused { reason, message });
        }
    }
    Ok(())
}

async fn pause(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

fn late() -> RotateError {
    RotateError::Late("it has not done its part".into())
}
