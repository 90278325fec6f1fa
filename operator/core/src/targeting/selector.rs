use std::collections::BTreeSet;
use std::fmt;

use fleet_api::condition::ConditionReason;
use fleet_api::{Operator, Requirement, TargetSelector};

use crate::labels::{Labels, is_key, is_value};

/// Why a selector was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// No rule at all, and `targetAll` is not set.
    #[error("the selector is empty and targetAll is not set: it matches no device")]
    Empty,
    /// A key is not a label key.
    #[error("{0:?} is not a label key")]
    Key(String),
    /// A value is not a label value.
    #[error("{value:?} is not a label value (key {key})")]
    Value {
        /// The rule's key.
        key: String,
        /// The value.
        value: String,
    },
    /// `In` and `NotIn` without values, or `Exists` and `DoesNotExist` with some.
    #[error("values must be given for In and NotIn, and only for those (key {0})")]
    Values(String),
}

impl SelectorError {
    /// The stable reason.
    pub const fn reason(&self) -> ConditionReason {
        match self {
            Self::Empty => ConditionReason::EmptySelector,
            Self::Key(_) | Self::Value { .. } | Self::Values(_) => ConditionReason::InvalidSelector,
        }
    }
}

/// A checked selector: all rules must hold. Without rules it matches every device, which only
/// `targetAll` can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    rules: Vec<Rule>,
}

/// One rule over one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The label is there with one of the values.
    In(String, BTreeSet<String>),
    /// The label is absent, or has none of the values.
    NotIn(String, BTreeSet<String>),
    /// The label is there.
    Exists(String),
    /// The label is absent.
    DoesNotExist(String),
}

impl Rule {
    /// The label it looks at.
    pub fn key(&self) -> &str {
        match self {
            Self::In(key, _)
            | Self::NotIn(key, _)
            | Self::Exists(key)
            | Self::DoesNotExist(key) => key,
        }
    }

    fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
        }
    }
}

/// As kubectl writes it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &BTreeSet<String>| {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            values.join(",")
        };
        match self {
            Self::In(key, values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Self::In(key, values) => write!(f, "{key} in ({})", list(values)),
            Self::NotIn(key, values) if values.len() == 1 => write!(f, "{key}!={}", list(values)),
            Self::NotIn(key, values) => write!(f, "{key} notin ({})", list(values)),
            Self::Exists(key) => f.write_str(key),
            Self::DoesNotExist(key) => write!(f, "!{key}"),
        }
    }
}

impl Selector {
    /// Checks a selector as the CRD holds it.
    pub fn parse(given: &TargetSelector, target_all: bool) -> Result<Self, SelectorError> {
        if given.is_empty() && !target_all {
            return Err(SelectorError::Empty);
        }
        let labels = given
            .match_labels
            .iter()
            .map(|(key, value)| Rule::In(key.clone(), BTreeSet::from([value.clone()])));
        let rules = labels
            .chain(given.match_expressions.iter().map(rule))
            .collect::<Vec<_>>();
        rules.iter().try_for_each(check)?;
        Ok(Self { rules })
    }

    /// Its rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules that keep a device with these labels out.
    pub fn unmet(&self, labels: &Labels) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !rule.matches(labels))
    }

    /// Whether a device with these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.rules.iter().all(|rule| rule.matches(labels))
    }
}

fn rule(given: &Requirement) -> Rule {
    let key = given.key.clone();
    let values = given.values.iter().cloned().collect::<BTreeSet<_>>();
    match given.operator {
        Operator::In => Rule::In(key, values),
        Operator::NotIn => Rule::NotIn(key, values),
        // Values that must not be there are caught by `check` of the sets these would become.
        Operator::Exists if values.is_empty() => Rule::Exists(key),
        Operator::DoesNotExist if values.is_empty() => Rule::DoesNotExist(key),
        Operator::Exists | Operator::DoesNotExist => Rule::In(key, BTreeSet::new()),
    }
}

fn check(rule: &Rule) -> Result<(), SelectorError> {
    let key = rule.key();
    if !is_key(key) {
        return Err(SelectorError::Key(key.chars().take(100).collect()));
    }
    let (Rule::In(_, values) | Rule::NotIn(_, values)) = rule else {
        return Ok(());
    };
    if values.is_empty() {
        return Err(SelectorError::Values(key.to_owned()));
    }
    match values.iter().find(|value| !is_value(value)) {
        None => Ok(()),
        Some(value) => Err(SelectorError::Value {
            key: key.to_owned(),
            value: value.chars().take(100).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn parse(selector: Value) -> Result<Selector, SelectorError> {
        Selector::parse(&serde_json::from_value(selector).expect("parses"), false)
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    /// Kubernetes' own table: `k8s.io/apimachinery/pkg/labels/selector.go`, `Requirement.Matches`.
    #[rstest]
    #[case("In", &["eu", "us"], &[("region", "eu")], true)]
    #[case("In", &["eu", "us"], &[("region", "cn")], false)]
    #[case("In", &["eu"], &[], false)]
    #[case("In", &[""], &[("region", "")], true)]
    #[case("NotIn", &["eu"], &[("region", "eu")], false)]
    #[case("NotIn", &["eu"], &[("region", "us")], true)]
    #[case("NotIn", &["eu"], &[], true)]
    #[case("Exists", &[], &[("region", "")], true)]
    #[case("Exists", &[], &[("zone", "a")], false)]
    #[case("DoesNotExist", &[], &[], true)]
    #[case("DoesNotExist", &[], &[("region", "")], false)]
    fn operators(
        #[case] operator: &str,
        #[case] values: &[&str],
        #[case] device: &[(&str, &str)],
        #[case] expected: bool,
    ) {
        let selector = parse(json!({"matchExpressions": [
            {"key": "region", "operator": operator, "values": values},
        ]}));
        assert_eq!(
            selector.map(|s| s.matches(&labels(device))),
            Ok(expected),
            "{operator} {values:?} on {device:?}"
        );
    }

    #[test]
    fn all_rules_must_hold() {
        let selector = parse(json!({
            "matchLabels": {"region": "eu"},
            "matchExpressions": [{"key": "retired", "operator": "DoesNotExist"}],
        }))
        .expect("valid");
        assert!(selector.matches(&labels(&[("region", "eu")])));
        assert!(!selector.matches(&labels(&[("region", "eu"), ("retired", "")])));
        assert!(!selector.matches(&labels(&[])));
    }

    #[rstest]
    #[case(json!({}), ConditionReason::EmptySelector)]
    #[case(json!({"matchLabels": {"a b": "x"}}), ConditionReason::InvalidSelector)]
    #[case(json!({"matchLabels": {"a": "x y"}}), ConditionReason::InvalidSelector)]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "In"}]}), ConditionReason::InvalidSelector)]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}), ConditionReason::InvalidSelector)]
    fn refusals(#[case] selector: Value, #[case] reason: ConditionReason) {
        assert_eq!(parse(selector).map_err(|e| e.reason()), Err(reason));
    }

    #[test]
    fn target_all_matches_even_a_device_without_labels() {
        let all = Selector::parse(&TargetSelector::default(), true).expect("valid");
        assert!(all.matches(&Labels::new()));
    }
}
