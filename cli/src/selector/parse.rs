//! kubectl's notation of label selectors, as `labels.Parse` of k8s.io/apimachinery takes it.

use std::str::FromStr;

use fleet_api::{Operator, Requirement, TargetSelector};
use fleet_operator_core::labels::{is_key, is_value};

/// Why a selector was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// Not one of the forms.
    #[error(
        "{0:?} is not a label rule: say key=value, key!=value, 'key in (a,b)', 'key notin (a,b)', \
         key or '!key'"
    )]
    Form(String),
    /// Not a label's key.
    #[error(
        "{0:?} is not a label key: an optional DNS prefix and '/', then 1 to 63 of letters, \
         digits, '-', '_', '.', starting and ending with a letter or digit"
    )]
    Key(String),
    /// Not a label's value.
    #[error(
        "{0:?} is not a label value: at most 63 of letters, digits, '-', '_', '.', starting and \
         ending with a letter or digit"
    )]
    Value(String),
    /// No device can have both.
    #[error(
        "label {key} cannot be both {first:?} and {second:?}; for either, say '{key} in ({first},{second})'"
    )]
    Contradiction {
        /// The label.
        key: String,
        /// One value.
        first: String,
        /// The other.
        second: String,
    },
}

/// The rules of one `--selector`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms(Vec<Term>);

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// `key=value`.
    Equals(String, String),
    /// All else.
    Rule(Requirement),
}

/// Joins the rules of all flags: equalities become `matchLabels`, the rest `matchExpressions`.
pub fn to_target(flags: &[Terms]) -> Result<TargetSelector, InvalidSelector> {
    let mut selector = TargetSelector::default();
    for term in flags.iter().flat_map(|terms| terms.0.clone()) {
        match term {
            Term::Rule(rule) => selector.match_expressions.push(rule),
            Term::Equals(key, second) => {
                let first = selector.match_labels.insert(key.clone(), second.clone());
                if let Some(first) = first.filter(|first| *first != second) {
                    return Err(InvalidSelector::Contradiction { key, first, second });
                }
            }
        }
    }
    Ok(selector)
}

impl FromStr for Terms {
    type Err = InvalidSelector;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        split_rules(given)
            .into_iter()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Splits at the commas that are not between brackets.
fn split_rules(given: &str) -> Vec<&str> {
    let (mut rules, mut start, mut inside) = (vec![], 0, false);
    for (at, c) in given.char_indices() {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                rules.push(&given[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    rules.push(&given[start..]);
    rules
}

impl FromStr for Term {
    type Err = InvalidSelector;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let text = given.trim();
        if let Some(key) = text.strip_prefix('!') {
            return rule(key, Operator::DoesNotExist, &[]);
        }
        // `!=` before `=`: the first would be found inside the second.
        if let Some((key, value)) = text.split_once("!=") {
            return rule(key, Operator::NotIn, &[value]);
        }
        if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            let (key, value) = (checked_key(key)?, checked_value(value)?);
            return Ok(Self::Equals(key, value));
        }
        let Some((key, rest)) = text.split_once(char::is_whitespace) else {
            return rule(text, Operator::Exists, &[]);
        };
        let form = || InvalidSelector::Form(text.to_owned());
        let rest = rest.trim_start();
        let (operator, set) = match (rest.strip_prefix("in"), rest.strip_prefix("notin")) {
            (Some(set), _) => (Operator::In, set),
            (_, Some(set)) => (Operator::NotIn, set),
            _ => return Err(form()),
        };
        let set = set
            .trim()
            .strip_prefix('(')
            .and_then(|s| s.strip_suffix(')'))
            .ok_or_else(form)?;
        rule(key, operator, &set.split(',').collect::<Vec<_>>())
    }
}

fn rule(key: &str, operator: Operator, values: &[&str]) -> Result<Term, InvalidSelector> {
    let key = checked_key(key)?;
    let values = values
        .iter()
        .map(|value| checked_value(value))
        .collect::<Result<_, _>>()?;
    Ok(Term::Rule(Requirement {
        key,
        operator,
        values,
    }))
}

fn checked_key(key: &str) -> Result<String, InvalidSelector> {
    let key = key.trim().to_owned();
    if is_key(&key) {
        Ok(key)
    } else {
        Err(InvalidSelector::Key(key))
    }
}

fn checked_value(value: &str) -> Result<String, InvalidSelector> {
    let value = value.trim().to_owned();
    if is_value(&value) {
        Ok(value)
    } else {
        Err(InvalidSelector::Value(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a=")]
    #[case("example.com/a=b")]
    #[case("a in (x, y) , !b")]
    #[case("a notin (x)")]
    fn taken(#[case] given: &str) {
        assert!(given.parse::<Terms>().is_ok(), "{given}");
    }

    #[rstest]
    #[case("", "label key")]
    #[case("=x", "label key")]
    #[case("a=b,", "label key")]
    #[case("-a=b", "label key")]
    #[case("Example.com/a=b", "label key")]
    #[case("a=b c", "label value")]
    #[case("a in x", "label rule")]
    #[case("a near (x)", "label rule")]
    #[case("a in (x", "label rule")]
    fn refused_with_the_rule(#[case] given: &str, #[case] named: &str) {
        let message = given
            .parse::<Terms>()
            .map_err(|e| e.to_string())
            .expect_err("refused");
        assert!(message.contains(named), "{message}");
    }

    #[test]
    fn flags_add_up() {
        let flags: Vec<Terms> = ["a=1", "b in (x,y),!c"]
            .iter()
            .map(|f| f.parse().expect("parses"))
            .collect();
        let selector = to_target(&flags).expect("agrees");
        assert_eq!(
            selector.match_labels.get("a").map(String::as_str),
            Some("1")
        );
        assert_eq!(selector.match_expressions.len(), 2);
    }

    #[test]
    fn two_values_for_one_label_are_a_contradiction() {
        let flags: Vec<Terms> = ["a=1", "a=2"]
            .iter()
            .map(|f| f.parse().expect("parses"))
            .collect();
        let message = to_target(&flags)
            .map_err(|e| e.to_string())
            .expect_err("refused");
        assert!(message.contains("'a in (1,2)'"), "{message}");
    }
}
