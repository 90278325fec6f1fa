//! A device asks: what of it?

use std::collections::BTreeMap;

use fleet_contracts::DeviceId;
use fleet_contracts::enrolment::{EnrolmentId, EnrolmentRefusal, EnrolmentToken};

use super::token::{TokenId, TokenRecord, Use};

/// Digits of the key's id in a device id that nobody chose.
const MADE_UP: usize = 12;

/// What a device asks for. That it holds the key is proven already.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What allows it to ask.
    pub token: &'a EnrolmentToken,
    /// Its key.
    pub key: &'a EnrolmentId,
    /// Who it wants to be.
    pub device: Option<&'a DeviceId>,
    /// The labels it wants.
    pub labels: &'a BTreeMap<String, String>,
}

/// The enrolment that this key has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its uid.
    pub uid: String,
    /// The token that opened it.
    pub token: String,
    /// Whether it leads nowhere: denied, timed out, or its key is over.
    pub is_closed: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Answer how the enrolment stands.
    Answer,
    /// Open one, provided that the device id is free.
    Open {
        /// Who the device will be.
        device: DeviceId,
        /// What to write beside the token before that, by compare-and-set; none if it is there.
        consume: Option<Use>,
        /// The closed enrolment to remove before that, by uid.
        replace: Option<String>,
    },
}

/// What a device that asks gets. `record` is what the token's id led to.
pub fn admit(
    asked: &Asked<'_>,
    record: Option<&TokenRecord>,
    existing: Option<&Existing>,
    now: u64,
) -> Result<Admission, EnrolmentRefusal> {
    let record = record
        .filter(|record| record.is_of(asked.token))
        .ok_or(EnrolmentRefusal::TokenUnknown)?;
    let used = record.used.as_ref().filter(|used| used.by == *asked.key);
    let id = TokenId::of(asked.token);
    let device = chosen(asked, record)?;
    match (existing, used) {
        (Some(known), _) if known.token == id.as_str() => Ok(Admission::Answer),
        // Killed between using the token up and opening the enrolment.
        (None, Some(_)) => Ok(Admission::Open {
            device,
            consume: None,
            replace: None,
        }),
        (Some(known), Some(used)) if used.replaces.as_ref() == Some(&known.uid) => {
            let replace = Some(known.uid.clone());
            Ok(Admission::Open {
                device,
                consume: None,
                replace,
            })
        }
        (Some(known), None) if known.is_closed => {
            record.allows(asked.device, asked.labels, now)?;
            let replace = Some(known.uid.clone());
            let consume = Some(Use {
                by: asked.key.clone(),
                replaces: replace.clone(),
            });
            Ok(Admission::Open {
                device,
                consume,
                replace,
            })
        }
        (Some(_), _) => Err(EnrolmentRefusal::AlreadyEnrolled),
        (None, None) => {
            record.allows(asked.device, asked.labels, now)?;
            let consume = Some(Use {
                by: asked.key.clone(),
                replaces: None,
            });
            Ok(Admission::Open {
                device,
                consume,
                replace: None,
            })
        }
    }
}

/// What it asks for, else what the token is for, else a name made of its key.
fn chosen(asked: &Asked<'_>, record: &TokenRecord) -> Result<DeviceId, EnrolmentRefusal> {
    if let Some(given) = record.device_id.as_ref().or(asked.device) {
        return Ok(given.clone());
    }
    let digits: String = asked.key.as_str().chars().take(MADE_UP).collect();
    let made = format!("device-{digits}").parse();
    made.map_err(|_| EnrolmentRefusal::Malformed)
}
