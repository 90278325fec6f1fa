//! Writes the template that answers contradictions between values.

use super::text::go_string;
use super::{Context, Emitter, HEADER};
use crate::Path;
use crate::cond::Test;
use crate::expr::Place;

/// The variable with what stands before a chart's values in those that the user writes.
const PREFIX: &str = "$at";

/// Values that contradict each other.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// When they do.
    pub(crate) test: Test,
    /// What to do, for whoever wrote the values.
    pub(crate) sentence: String,
    /// The values that the test looks at.
    pub(crate) keys: Vec<Path>,
    pub(crate) at: Place,
}

/// The text of the template.
pub(crate) fn checks(context: &Context<'_>, checks: &[Check]) -> String {
    let at = checks
        .first()
        .map_or_else(|| std::panic::Location::caller(), |check| check.at);
    let mut emitter = Emitter::new(context, at);
    emitter.out = format!("{{{{- /* {HEADER} */ -}}}}\n");
    if context.is_subchart {
        emitter.prefix();
    }
    for check in checks {
        emitter.at = check.at;
        emitter.check(check);
    }
    emitter.out
}

impl Emitter<'_> {
    /// Below another chart, values lie below the name that the chart has there, and so on upwards: Helm
    /// knows the way as `top/charts/name/templates`.
    fn prefix(&mut self) {
        self.control(0, &format!("{PREFIX} := \"\""));
        let path = r#"rest (splitList "/charts/" (trimSuffix "/templates" .Template.BasePath))"#;
        self.control(0, &format!("range {path}"));
        self.control(2, &format!("{PREFIX} = printf \"%s%s.\" {PREFIX} ."));
        self.control(0, "end");
    }

    /// Contradictions between values, each answered by a sentence.
    fn check(&mut self, check: &Check) {
        let head = format!("if {}", self.test(&check.test));
        let told = if self.context.is_subchart {
            let sentence = self.with_prefix(&check.sentence);
            let keys: Vec<_> = check.keys.iter().map(prefixed).collect();
            let told = listed(&sentence, &keys);
            format!("fail (printf {} {PREFIX})", go_string(&told))
        } else {
            let keys: Vec<_> = check.keys.iter().map(ToString::to_string).collect();
            format!("fail {}", go_string(&listed(&check.sentence, &keys)))
        };
        let scope = self.scope.clone();
        self.inside(0, &head, scope, |e| e.control(2, &told));
    }

    /// The sentence as a format of `printf`, in which the prefix stands before each value. A value is
    /// told from a word by its dot, or by a capital letter in it.
    fn with_prefix(&self, sentence: &str) -> String {
        let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let mut format = String::new();
        let mut rest = sentence;
        while !rest.is_empty() {
            let end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            let word = run.trim_end_matches('.');
            let path = Path::new(word.split('.'));
            let like_one = word.contains('.') || word.contains(|c: char| c.is_ascii_uppercase());
            if like_one && self.context.kind(&path).is_some() {
                format.push_str(&prefixed(&path));
                format.push_str(&run[word.len()..]);
            } else {
                format.push_str(run);
            }
            let mut letters = after.chars();
            if let Some(letter) = letters.next() {
                format.push_str(if letter == '%' {
                    "%%"
                } else {
                    &after[..letter.len_utf8()]
                });
            }
            rest = letters.as_str();
        }
        format
    }
}

/// A value in a format. Those that all charts share lie at the top.
fn prefixed(key: &Path) -> String {
    match key.keys().first().map(String::as_str) {
        Some("global") => key.to_string(),
        _ => format!("%[1]s{key}"),
    }
}

fn listed(sentence: &str, keys: &[String]) -> String {
    if keys.is_empty() {
        return sentence.to_owned();
    }
    format!("{sentence} ({})", keys.join(", "))
}
