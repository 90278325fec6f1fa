//! Approval by policy: which devices may join without anybody looking.
//!
//! A rule states conditions, and all of them must hold. A policy only ever approves; what a person
//! decides goes before it, at any time.

use std::collections::BTreeMap;
use std::net::IpAddr;

use fleet_contracts::{DeviceId, FleetName};
use serde::Deserialize;

use super::network::Network;
use super::pattern::Pattern;
use super::token::TokenRecord;

/// More than anybody can keep in view.
const MAX_RULES: usize = 256;

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not the form of a policy; the text says where.
    #[error("it is not an approval policy: {0}")]
    Malformed(String),
    /// Two rules cannot be told apart.
    #[error("two rules are called {0:?}")]
    Twice(String),
    /// A rule without a name.
    #[error("a rule's name must have 1 to 63 characters, and {0:?} has not")]
    Name(String),
    /// A rule that would approve everybody.
    #[error(
        "rule {0:?} has no condition and would approve every device; if that is meant, state \
         \"sources\": [\"0.0.0.0/0\", \"::/0\"]"
    )]
    Unconditional(String),
    /// Too many rules.
    #[error("it has more than {MAX_RULES} rules")]
    TooMany,
}

/// Rules, the first that fits approves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalPolicy {
    rules: Vec<Rule>,
}

/// One rule. What is absent is not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    name: String,
    /// The fleet that the token was made for.
    token_fleet: Option<FleetName>,
    /// Labels that the token is bound to.
    token_labels: Option<BTreeMap<String, String>>,
    /// Which device ids; one must fit.
    device_ids: Option<Vec<Pattern>>,
    /// Where it asks from; one must hold its address.
    sources: Option<Vec<Network>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rules: Vec<Rule>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// The token that it asked with.
    pub token: &'a TokenRecord,
    /// Who it will be.
    pub device: &'a DeviceId,
    /// The address it asks from.
    pub source: IpAddr,
}

/// A rule approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The rule's name.
    pub rule: String,
    /// What fulfilled it, for people.
    pub because: String,
}

impl ApprovalPolicy {
    /// Reads a policy, JSON.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let written: Written =
            serde_json::from_str(text).map_err(|e| PolicyError::Malformed(e.to_string()))?;
        if written.rules.len() > MAX_RULES {
            return Err(PolicyError::TooMany);
        }
        let mut names = std::collections::BTreeSet::new();
        for rule in &written.rules {
            if !(1..=63).contains(&rule.name.chars().count()) {
                return Err(PolicyError::Name(rule.name.clone()));
            }
            if !names.insert(&rule.name) {
                return Err(PolicyError::Twice(rule.name.clone()));
            }
            if rule.is_unconditional() {
                return Err(PolicyError::Unconditional(rule.name.clone()));
            }
        }
        Ok(Self {
            rules: written.rules,
        })
    }

    /// The first rule that approves.
    pub fn judge(&self, applicant: &Applicant<'_>) -> Option<Approved> {
        self.rules.iter().find_map(|rule| rule.judge(applicant))
    }

    /// How many rules there are.
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether it approves nobody.
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Rule {
    fn is_unconditional(&self) -> bool {
        let labels = self.token_labels.as_ref();
        self.token_fleet.is_none()
            && labels.is_none_or(BTreeMap::is_empty)
            && self.device_ids.is_none()
            && self.sources.is_none()
    }

    /// What fulfilled it, if all was.
    fn judge(&self, applicant: &Applicant<'_>) -> Option<Approved> {
        let mut because = Vec::new();
        let Applicant {
            token,
            device,
            source,
        } = *applicant;
        if let Some(fleet) = &self.token_fleet {
            if token.fleet.as_ref() != Some(fleet) {
                return None;
            }
            because.push(format!("its token is of fleet {fleet}"));
        }
        for (key, value) in self.token_labels.iter().flatten() {
            let bound = token.labels.as_ref()?.get(key)?;
            if bound != value {
                return None;
            }
            because.push(format!("its token is bound to {key}={value}"));
        }
        if let Some(patterns) = &self.device_ids {
            let pattern = patterns.iter().find(|p| p.fits(device.as_str()))?;
            because.push(format!("its id fits {pattern}"));
        }
        if let Some(networks) = &self.sources {
            let network = networks.iter().find(|n| n.holds(source))?;
            because.push(format!("it asks from {source}, in {network}"));
        }
        Some(Approved {
            rule: self.name.clone(),
            because: because.join("; "),
        })
    }
}
