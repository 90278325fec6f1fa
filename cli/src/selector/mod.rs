//! Label selectors: from kubectl's notation to a `TargetSelector`, and whether one matches.

mod parse;

use std::fmt::Write as _;

use fleet_api::{DeploymentSpec, Device, Operator, TargetSelector};
use fleet_operator_core::labels::Labels;
use fleet_operator_core::targeting::Selector;

pub use parse::{InvalidSelector, Term, Terms, to_target};

/// The devices of a Deployment, judged by the very code by which the operator judges.
#[derive(Debug, Clone)]
pub struct Targets(Option<Selector>);

impl Targets {
    /// Of this spec. A selector that the operator refuses matches nothing.
    pub fn of(spec: &DeploymentSpec) -> Self {
        Self(Selector::parse(&spec.target_selector, spec.target_all).ok())
    }

    /// Whether a device is one of them.
    pub fn contain(&self, device: &Device) -> bool {
        let labels = device
            .metadata
            .labels
            .as_ref()
            .unwrap_or(const { &Labels::new() });
        self.0
            .as_ref()
            .is_some_and(|selector| selector.matches(labels))
    }
}

/// A selector in kubectl's notation, for people.
pub fn show(spec: &DeploymentSpec) -> String {
    let selector = &spec.target_selector;
    if selector.is_empty() {
        return if spec.target_all {
            "<all devices>"
        } else {
            "<none>"
        }
        .to_owned();
    }
    show_rules(selector)
}

fn show_rules(selector: &TargetSelector) -> String {
    let mut out = String::new();
    let mut separator = "";
    for (key, value) in &selector.match_labels {
        // Writing to a String cannot fail.
        let _ = write!(out, "{separator}{key}={value}");
        separator = ",";
    }
    for rule in &selector.match_expressions {
        let (key, values) = (&rule.key, rule.values.join(","));
        let _ = match rule.operator {
            Operator::In => write!(out, "{separator}{key} in ({values})"),
            Operator::NotIn => write!(out, "{separator}{key} notin ({values})"),
            Operator::Exists => write!(out, "{separator}{key}"),
            Operator::DoesNotExist => write!(out, "{separator}!{key}"),
        };
        separator = ",";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_api::Requirement;
    use proptest::prelude::*;
    use rstest::rstest;

    fn spec(selector: TargetSelector, target_all: bool) -> DeploymentSpec {
        DeploymentSpec {
            target_selector: selector,
            target_all,
            score: serde_json::from_str(r#"{"PodmanV0":{"services":[]}}"#).expect("score"),
        }
    }

    fn targets(spec: &DeploymentSpec, labels: &Labels) -> bool {
        let mut device = Device::new(
            "pi-7",
            fleet_api::DeviceSpec {
                inventory: fleet_contracts::payload::Inventory::default(),
            },
        );
        device.metadata.labels = Some(labels.clone());
        Targets::of(spec).contain(&device)
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn parsed(text: &str) -> TargetSelector {
        to_target(&[text.parse().expect("parses")]).expect("agrees")
    }

    #[rstest]
    #[case("site=lab", true)]
    #[case("site=shop", false)]
    #[case("site==lab,tier=edge", true)]
    #[case("site=lab,tier=core", false)]
    #[case("site!=shop", true)]
    #[case("absent!=x", true)]
    #[case("site in (lab,shop)", true)]
    #[case("absent in (x)", false)]
    #[case("site notin (lab)", false)]
    #[case("absent notin (x)", true)]
    #[case("site", true)]
    #[case("absent", false)]
    #[case("!absent", true)]
    #[case("!site", false)]
    fn a_device_in_the_lab(#[case] selector: &str, #[case] expected: bool) {
        let device = labels(&[("site", "lab"), ("tier", "edge")]);
        assert_eq!(
            targets(&spec(parsed(selector), false), &device),
            expected,
            "{selector}"
        );
    }

    #[test]
    fn an_empty_selector_matches_nothing_unless_all_are_meant() {
        let device = labels(&[("site", "lab")]);
        assert!(!targets(&spec(TargetSelector::default(), false), &device));
        assert!(targets(&spec(TargetSelector::default(), true), &device));
    }

    #[test]
    fn target_all_does_not_widen_a_selector() {
        let device = labels(&[("site", "lab")]);
        assert!(!targets(&spec(parsed("site=shop"), true), &device));
    }

    fn rule(key: String, operator: Operator, values: Vec<String>) -> Requirement {
        Requirement {
            key,
            operator,
            values,
        }
    }

    fn any_rule() -> impl Strategy<Value = Requirement> {
        let key = "[a-c]";
        let values = proptest::collection::vec("[x-z]", 1..3);
        prop_oneof![
            (key, values.clone()).prop_map(|(key, values)| rule(key, Operator::In, values)),
            (key, values).prop_map(|(key, values)| rule(key, Operator::NotIn, values)),
            key.prop_map(|key| rule(key, Operator::Exists, vec![])),
            key.prop_map(|key| rule(key, Operator::DoesNotExist, vec![])),
        ]
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_what_matches_the_same(
            rules in proptest::collection::vec(any_rule(), 1..4),
            device in proptest::collection::btree_map("[a-c]", "[x-z]", 0..3),
        ) {
            let selector = TargetSelector {
                match_expressions: rules,
                ..Default::default()
            };
            let shown = parsed(&show_rules(&selector));
            prop_assert_eq!(
                targets(&spec(shown, false), &device),
                targets(&spec(selector, false), &device)
            );
        }
    }
}
