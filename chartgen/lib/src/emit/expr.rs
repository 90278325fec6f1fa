//! Expressions and conditions in the language of Go templates.

use std::fmt;

use super::text::go_string;
use super::{Context, Emitter, Scope};
use crate::cond::{Literal, Test};
use crate::error::Problem;
use crate::expr::{Form, Var};
use crate::helpers::{Helper, LABEL};
use crate::{Expr, Kind, Path};

/// Writes expressions for one place.
pub(super) struct Writer<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) scope: &'a Scope,
}

impl Emitter<'_> {
    pub(super) fn writer(&self) -> Writer<'_> {
        Writer {
            context: self.context,
            scope: &self.scope,
        }
    }
}

impl Writer<'_> {
    /// The kind an expression yields. Reports values that do not exist.
    pub(super) fn kind(&self, expr: &Expr) -> Kind {
        expr.kind(&|path| self.context.kind(path))
            .unwrap_or(Kind::Any)
    }

    /// `$` where `.` is something else than the top.
    fn root(&self) -> &'static str {
        if self.scope.inner { "$" } else { "" }
    }

    /// The top itself.
    fn top(&self) -> &'static str {
        if self.scope.inner { "$" } else { "." }
    }

    /// An expression as it stands between braces.
    pub(super) fn pipeline(&self, expr: &Expr) -> String {
        if self.scope.dot.as_ref() == Some(expr) {
            return ".".to_owned();
        }
        match &expr.form {
            Form::Value(path) => self.value(expr, path),
            Form::Var { var, path, .. } => self.var(expr, *var, path),
            Form::Text(text) => go_string(text),
            Form::Builtin(name) => format!("{}.{name}", self.root()),
            Form::Include(helper) => self.include(expr, helper),
            Form::Concat(parts) => self.concat(parts),
            Form::Default { value, fallback } => {
                format!("default {} {}", self.operand(fallback), self.operand(value))
            }
            Form::FirstOf(choices) => {
                let choices: Vec<_> = choices.iter().map(|c| self.operand(c)).collect();
                format!("coalesce {}", choices.join(" "))
            }
            Form::Join { list, separator } => {
                format!("join {} {}", go_string(separator), self.operand(list))
            }
            Form::Tpl(value) => match self.kind(value) {
                Kind::Str => format!("tpl {} $", self.operand(value)),
                _ => format!("tpl (toYaml {}) $", self.operand(value)),
            },
            Form::Json(value) => format!("toJson {}", self.operand(value)),
            Form::File(path) => self.file(expr, path),
            Form::Checksum(template) => self.checksum(expr, template),
            Form::Merged { maps, without } => self.merged(maps, without),
        }
    }

    /// An expression as an argument.
    pub(super) fn operand(&self, expr: &Expr) -> String {
        grouped(self.pipeline(expr))
    }

    fn var(&self, expr: &Expr, var: Var, path: &Path) -> String {
        if let Some(name) = self.scope.var(var) {
            return descend(name.to_owned(), path);
        }
        self.context.report(expr.at, Problem::OutOfLoop);
        String::new()
    }

    fn value(&self, expr: &Expr, path: &Path) -> String {
        if self.context.kind(path).is_none() {
            self.context
                .report(expr.at, Problem::UnknownValue(path.clone()));
        }
        self.reference(path)
    }

    /// A reference to a value that is known to exist.
    pub(super) fn reference(&self, path: &Path) -> String {
        self.context.used.borrow_mut().insert(path.clone());
        let values = format!("{}.Values", self.root());
        let keys = path.keys();
        let (last, holder) = match keys.split_last() {
            Some((last, holder)) if !holder.is_empty() => (last, Path::new(holder)),
            _ => return descend(values, path),
        };
        // Parentheses make nothing of a field of nothing, where Helm would fail otherwise.
        // Whether there are global values is up to the chart above this one.
        if keys[0] == "global" || self.context.is_optional(&holder) {
            let step = |outer: String, key: &String| format!("({outer}.{key})");
            return format!("{}.{last}", holder.keys().iter().fold(values, step));
        }
        descend(values, path)
    }

    fn include(&self, expr: &Expr, helper: &Helper) -> String {
        if let Some(problem) = self.unfit(helper) {
            self.context.report(expr.at, problem);
        }
        self.context.helpers.borrow_mut().insert(helper.clone());
        let name = format!("{}.{}", self.context.chart, helper.title());
        format!("include {} {}", go_string(&name), self.top())
    }

    /// What is wrong with the way a helper is asked for.
    fn unfit(&self, helper: &Helper) -> Option<Problem> {
        match helper {
            Helper::Image(image) => {
                let repository = image.join("repository");
                let there = self.context.kind(&repository).is_some();
                (!there).then_some(Problem::UnknownValue(repository))
            }
            Helper::FullnameWith { suffix, max } => bad_suffix(suffix, *max),
            Helper::ComponentLabels(component) | Helper::ComponentSelectorLabels(component) => {
                bad_suffix(component, LABEL)
            }
            Helper::ComponentAccountName { component, account } => {
                let there = self.context.kind(account).is_some();
                let unknown = (!there).then(|| Problem::UnknownValue(account.clone()));
                unknown.or_else(|| bad_suffix(component, LABEL))
            }
            _ => None,
        }
    }

    fn concat(&self, parts: &[Expr]) -> String {
        let mut format = String::new();
        let mut args = Vec::new();
        for part in parts {
            if let Form::Text(text) = &part.form {
                format.push_str(&text.replace('%', "%%"));
                continue;
            }
            match self.kind(part) {
                Kind::Int => {
                    format.push_str("%d");
                    args.push(format!("(int64 {})", self.operand(part)));
                }
                kind => {
                    if matches!(kind, Kind::Obj | Kind::Seq) {
                        self.not_text(part, kind);
                    }
                    format.push_str(if kind == Kind::Str { "%s" } else { "%v" });
                    args.push(self.operand(part));
                }
            }
        }
        if args.is_empty() {
            return go_string(&format.replace("%%", "%"));
        }
        format!("printf {} {}", go_string(&format), args.join(" "))
    }

    pub(super) fn not_text(&self, expr: &Expr, kind: Kind) {
        let expr_text = expr.to_string();
        self.context.report(
            expr.at,
            Problem::NotText {
                expr: expr_text,
                kind,
            },
        );
    }

    fn file(&self, expr: &Expr, path: &str) -> String {
        if !self.context.files.contains(path) {
            let problem = Problem::UnknownFile(path.to_owned());
            self.context.report(expr.at, problem);
        }
        format!("{}.Files.Get {}", self.root(), go_string(path))
    }

    fn checksum(&self, expr: &Expr, template: &str) -> String {
        if !self.context.templates.contains(template) {
            let problem = Problem::UnknownTemplate(template.to_owned());
            self.context.report(expr.at, problem);
        }
        let name = go_string(&format!("/{template}"));
        let (root, top) = (self.root(), self.top());
        format!("include (print {root}.Template.BasePath {name}) {top} | sha256sum")
    }

    /// Mappings as one. A value that the user set to null is as good as an empty mapping.
    fn merged(&self, maps: &[Expr], without: &[String]) -> String {
        let all: Vec<_> = maps.iter().map(|map| self.as_map(map)).collect();
        let one = match all.as_slice() {
            [one] => one.clone(),
            all => format!("(merge (dict) {})", all.join(" ")),
        };
        if without.is_empty() {
            let inner = one.strip_prefix('(').and_then(|one| one.strip_suffix(')'));
            return inner.map_or_else(|| one.clone(), str::to_owned);
        }
        let keys: Vec<_> = without.iter().map(|key| go_string(key)).collect();
        format!("omit {one} {}", keys.join(" "))
    }

    fn as_map(&self, map: &Expr) -> String {
        match &map.form {
            Form::Include(_) | Form::Tpl(_) => format!("({} | fromYaml)", self.pipeline(map)),
            _ => format!("(default dict {})", self.operand(map)),
        }
    }

    /// The text of a list or mapping, before it is indented.
    pub(super) fn yaml(&self, expr: &Expr) -> String {
        match &expr.form {
            Form::Include(_) => self.pipeline(expr),
            Form::Tpl(value) if self.kind(value) != Kind::Str => self.pipeline(expr),
            _ => format!("toYaml {}", self.operand(expr)),
        }
    }

    /// A condition as it stands after `if`.
    pub(super) fn test(&self, test: &Test) -> String {
        match test {
            Test::Truthy(expr) => self.pipeline(expr),
            Test::Not(test) => format!("not {}", self.test_operand(test)),
            Test::Set(expr) => format!("not (kindIs \"invalid\" {})", self.operand(expr)),
            Test::All(tests) => self.tests("and", tests),
            Test::Any(tests) => self.tests("or", tests),
            Test::Equals(expr, literal) => self.equals(expr, literal),
            Test::MoreThan(expr, bound) => {
                format!("gt (int64 {}) {bound}", self.operand(expr))
            }
            Test::Api(api) => {
                let root = self.root();
                format!("{root}.Capabilities.APIVersions.Has {}", go_string(api))
            }
        }
    }

    fn test_operand(&self, test: &Test) -> String {
        grouped(self.test(test))
    }

    fn tests(&self, function: &str, tests: &[Test]) -> String {
        if let [one] = tests {
            return self.test(one);
        }
        let tests: Vec<_> = tests.iter().map(|t| self.test_operand(t)).collect();
        format!("{function} {}", tests.join(" "))
    }

    /// Numbers of values are floating to Helm and would not compare with whole ones.
    fn equals(&self, expr: &Expr, literal: &Literal) -> String {
        let kind = self.kind(expr);
        let comparable = matches!(
            (kind, literal),
            (Kind::Any, _)
                | (Kind::Str | Kind::IntOrStr, Literal::Str(_))
                | (Kind::Int | Kind::Number, Literal::Int(_))
                | (Kind::Bool, Literal::Bool(_))
        );
        if !comparable {
            let problem = Problem::Incomparable {
                expr: expr.to_string(),
                kind,
                literal: format!("{literal:?}"),
            };
            self.context.report(expr.at, problem);
        }
        match literal {
            // Whatever the value is, as a string it can be compared.
            Literal::Str(text) if kind == Kind::Str => {
                format!("eq {} {}", self.operand(expr), go_string(text))
            }
            Literal::Str(text) => {
                format!("eq (toString {}) {}", self.operand(expr), go_string(text))
            }
            Literal::Int(number) => format!("eq (int64 {}) {number}", self.operand(expr)),
            Literal::Bool(yes) => format!("eq {} {yes}", self.operand(expr)),
        }
    }
}

/// In parentheses, if it is more than one word.
fn grouped(pipeline: String) -> String {
    let literal = pipeline.starts_with('"') && !pipeline.contains(" | ");
    if literal || !pipeline.contains(' ') {
        pipeline
    } else {
        format!("({pipeline})")
    }
}

/// A field of a field. What is no name of Go's has to be looked up.
fn descend(outer: String, path: &Path) -> String {
    path.keys().iter().fold(outer, |outer, key| {
        let mut letters = key.chars();
        let named = letters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if named {
            format!("{outer}.{key}")
        } else {
            format!("(index {outer} {})", go_string(key))
        }
    })
}

/// For messages: the expression as it would stand at the top of a template.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            Form::Value(path) => write!(f, "`{path}`"),
            Form::Var { var, path, .. } if path.keys().is_empty() => {
                write!(f, "`${}`", var.name)
            }
            Form::Var { var, path, .. } => write!(f, "`${}.{path}`", var.name),
            Form::Text(text) => write!(f, "{text:?}"),
            Form::Builtin(name) => write!(f, "`.{name}`"),
            Form::Include(helper) => write!(f, "`{}`", helper.title()),
            Form::Concat(parts) => parts.iter().try_for_each(|part| write!(f, "{part}")),
            Form::Default { value, .. } | Form::Tpl(value) | Form::Json(value) => value.fmt(f),
            Form::FirstOf(all) | Form::Merged { maps: all, .. } => match all.first() {
                Some(first) => first.fmt(f),
                None => f.write_str("nothing"),
            },
            Form::Join { list, .. } => list.fmt(f),
            Form::File(path) => write!(f, "the file {path}"),
            Form::Checksum(template) => write!(f, "the checksum of {template}"),
        }
    }
}

/// What has to be left of a name before its end: a dash, a digest with another, and a letter.
const SHORTEST: usize = 1 + 9 + 1;

/// What is wrong with the end of a name that has at most `max` characters.
fn bad_suffix(suffix: &str, max: usize) -> Option<Problem> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let why = if !suffix.bytes().all(inner) || suffix.is_empty() || suffix.ends_with('-') {
        "it has to be lower case letters, digits and dashes"
    } else if suffix.len() + SHORTEST > max {
        "it leaves no room for the name before it"
    } else {
        return None;
    };
    let (what, name) = ("a suffix", suffix.to_owned());
    Some(Problem::BadName { what, name, why })
}
