//! Writes `_helpers.tpl`: the named templates that are used.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::expr::Writer;
use super::text::go_string;
use super::{Context, HEADER, Scope};
use crate::Path;
use crate::helpers::Helper;

/// The text of `_helpers.tpl`, or nothing if no template includes any.
pub(crate) fn helpers_file(context: &Context<'_>) -> Option<String> {
    let scope = Scope::default();
    let writer = Writer {
        context,
        scope: &scope,
    };
    let mut bodies = Vec::new();
    let mut done = BTreeSet::new();
    // A helper may include others, which may be new.
    while let Some(helper) = {
        let used = context.helpers.borrow();
        used.difference(&done).next().cloned()
    } {
        bodies.push((helper.clone(), writer.helper(&helper)));
        done.insert(helper);
    }
    if bodies.is_empty() {
        return None;
    }
    bodies.sort();
    let mut text = format!("{{{{- /* {HEADER} */ -}}}}\n");
    for (helper, body) in bodies {
        let name = go_string(&format!("{}.{}", context.chart, helper.title()));
        let about = about(&helper);
        let _ = write!(
            text,
            "\n{{{{- /* {about} */ -}}}}\n{{{{- define {name} -}}}}\n{body}\n{{{{- end }}}}\n"
        );
    }
    Some(text)
}

fn about(helper: &Helper) -> String {
    match helper {
        Helper::Name => "The chart's name.".to_owned(),
        Helper::Fullname => "The name of the release's objects.".to_owned(),
        Helper::FullnameWith { suffix, max } => {
            format!("The same with \"-{suffix}\", in at most {max} characters.")
        }
        Helper::ChartLabel => "The chart and its version, as a label.".to_owned(),
        Helper::ValuesDigest => "What changes with the chart's version and any value.".to_owned(),
        Helper::SelectorLabels => "Labels for selectors. They never change.".to_owned(),
        Helper::Labels => "Labels of all objects. Fixed ones win over the user's.".to_owned(),
        Helper::ComponentSelectorLabels(component) => {
            format!("Labels for selectors of the component {component}. They never change.")
        }
        Helper::ComponentLabels(component) => {
            format!("Labels of the objects of the component {component}.")
        }
        Helper::ComponentAccountName { component, .. } => {
            format!("The service account of the component {component}.")
        }
        Helper::Image(path) => format!("The reference to the image at {path}."),
        Helper::PullSecrets => "Image pull secrets, global ones first.".to_owned(),
        Helper::ServiceAccountName => "The service account that pods run as.".to_owned(),
    }
}

impl Writer<'_> {
    fn helper(&self, helper: &Helper) -> String {
        match helper {
            Helper::Name => self.name(),
            Helper::Fullname => self.fullname(),
            Helper::FullnameWith { suffix, max } => self.fullname_with(suffix, *max),
            Helper::ChartLabel => action(&format!(
                "printf \"%s-%s\" .Chart.Name .Chart.Version | {LABEL_VALUE}"
            )),
            Helper::ValuesDigest => {
                action("printf \"%s %s\" .Chart.Version (toJson .Values) | sha256sum | trunc 10")
            }
            Helper::SelectorLabels => self.selector_labels(),
            Helper::Labels => self.labels(&Helper::SelectorLabels),
            Helper::ComponentSelectorLabels(component) => self.component_selector_labels(component),
            Helper::ComponentLabels(component) => {
                self.labels(&Helper::ComponentSelectorLabels(component.clone()))
            }
            Helper::Image(path) => self.image(path),
            Helper::PullSecrets => self.pull_secrets(),
            Helper::ServiceAccountName => {
                self.service_account_name(&Path::new(["serviceAccount"]), &Helper::Fullname)
            }
            Helper::ComponentAccountName { component, account } => {
                self.service_account_name(account, &Helper::of_component(component))
            }
        }
    }

    /// A reference to a value by path, if the values have it.
    fn known(&self, keys: &[&str]) -> Option<String> {
        let path = Path::new(keys.iter().copied());
        self.below(&path)
    }

    fn below(&self, path: &Path) -> Option<String> {
        self.context.kind(path)?;
        Some(self.reference(path))
    }

    fn included(&self, helper: &Helper) -> String {
        self.context.helpers.borrow_mut().insert(helper.clone());
        let name = format!("{}.{}", self.context.chart, helper.title());
        format!("include {} .", go_string(&name))
    }

    fn chart_name(&self) -> String {
        match self.known(&["nameOverride"]) {
            Some(name) => format!("default .Chart.Name {name}"),
            None => ".Chart.Name".to_owned(),
        }
    }

    fn name(&self) -> String {
        action(&format!("{} | {NAME}", self.chart_name()))
    }

    fn fullname(&self) -> String {
        let lines = [
            format!("{{{{- $name := {} -}}}}", self.chart_name()),
            "{{- if contains $name .Release.Name -}}".to_owned(),
            "{{- $name = .Release.Name -}}".to_owned(),
            "{{- else -}}".to_owned(),
            "{{- $name = printf \"%s-%s\" .Release.Name $name -}}".to_owned(),
            "{{- end -}}".to_owned(),
        ];
        let last = match self.known(&["fullnameOverride"]) {
            Some(name) => format!("{{{{- default $name {name} | {NAME} -}}}}"),
            None => format!("{{{{- $name | {NAME} -}}}}"),
        };
        lines
            .into_iter()
            .chain([last])
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Names that are cut keep apart by a digest of what was cut.
    fn fullname_with(&self, suffix: &str, max: usize) -> String {
        let room = max.saturating_sub(suffix.len() + 1);
        let start = room.saturating_sub(DIGEST + 1);
        let name = self.included(&Helper::Fullname);
        let suffix = go_string(suffix);
        let lines = [
            format!("{{{{- $name := {name} -}}}}"),
            format!("{{{{- if gt (len $name) {room} -}}}}"),
            format!(
                "{{{{- $name = printf \"%s-%s\" (trunc {start} $name | trimAll \"-.\") (sha256sum $name | \
                 trunc {DIGEST}) -}}}}"
            ),
            "{{- end -}}".to_owned(),
            action(&format!("printf \"%s-%s\" $name {suffix}")),
        ];
        lines.join("\n")
    }

    fn selector_labels(&self) -> String {
        let name = self.included(&Helper::Name);
        let lines = [
            format!("app.kubernetes.io/name: {{{{ {name} | quote }}}}"),
            "app.kubernetes.io/instance: {{ .Release.Name | quote }}".to_owned(),
        ];
        lines.join("\n")
    }

    fn component_selector_labels(&self, component: &str) -> String {
        let all = self.included(&Helper::SelectorLabels);
        let component = go_string(component);
        format!("{{{{ {all} }}}}\napp.kubernetes.io/component: {component}")
    }

    fn labels(&self, selector: &Helper) -> String {
        let selector = self.included(selector);
        let chart = self.included(&Helper::ChartLabel);
        let mut lines = vec![
            format!("{{{{- $labels := {selector} | fromYaml -}}}}"),
            format!("{{{{- $_ := set $labels \"helm.sh/chart\" ({chart}) -}}}}"),
            "{{- $_ := set $labels \"app.kubernetes.io/managed-by\" .Release.Service -}}"
                .to_owned(),
            "{{- with .Chart.AppVersion -}}".to_owned(),
            format!(
                "{{{{- $_ := set $labels \"app.kubernetes.io/version\" (. | {LABEL_VALUE}) -}}}}"
            ),
            "{{- end -}}".to_owned(),
        ];
        if let Some(common) = self.known(&["commonLabels"]) {
            lines.push(format!("{{{{- with {common} -}}}}"));
            lines.push("{{- $labels = merge $labels . -}}".to_owned());
            lines.push("{{- end -}}".to_owned());
        }
        lines.push("{{- toYaml $labels -}}".to_owned());
        lines.join("\n")
    }

    fn image(&self, path: &Path) -> String {
        let field = |name: &str| self.below(&path.join(name));
        // Reported where the helper is used, if it is missing.
        let repository = field("repository").unwrap_or_default();
        let mut lines = vec![format!("{{{{- $image := {repository} -}}}}")];
        let global = self.known(&["global", "imageRegistry"]);
        let registries: Vec<_> = global.into_iter().chain(field("registry")).collect();
        let registry = match registries.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            all => Some(format!("coalesce {}", all.join(" "))),
        };
        if let Some(registry) = registry {
            lines.push(format!("{{{{- with {registry} -}}}}"));
            lines.push("{{- $image = printf \"%s/%s\" . $image -}}".to_owned());
            lines.push("{{- end -}}".to_owned());
        }
        // A tag cannot hold the `+` of a version.
        let version = "(.Chart.AppVersion | replace \"+\" \"_\")";
        let tag = match field("tag") {
            Some(tag) => format!("(default {version} {tag})"),
            None => version.to_owned(),
        };
        lines.push(format!(
            "{{{{- $image = printf \"%s:%s\" $image {tag} -}}}}"
        ));
        if let Some(digest) = field("digest") {
            lines.push(format!("{{{{- with {digest} -}}}}"));
            lines.push("{{- $image = printf \"%s@%s\" $image . -}}".to_owned());
            lines.push("{{- end -}}".to_owned());
        }
        lines.push("{{- $image -}}".to_owned());
        lines.join("\n")
    }

    fn pull_secrets(&self) -> String {
        let global = self.known(&["global", "imagePullSecrets"]);
        let own = self.known(&["imagePullSecrets"]);
        let lists: Vec<_> = global
            .into_iter()
            .chain(own)
            .map(|list| format!(" (default list {list})"))
            .collect();
        let lists = lists.concat();
        format!("{{{{- with concat list{lists} | uniq -}}}}\n{{{{- toYaml . -}}}}\n{{{{- end -}}}}")
    }

    fn service_account_name(&self, account: &Path, own: &Helper) -> String {
        let fullname = self.included(own);
        let named = |fallback: &str| match self.below(&account.join("name")) {
            Some(name) => format!("{{{{- default {fallback} {name} -}}}}"),
            None => action(fallback.trim_start_matches('(').trim_end_matches(')')),
        };
        let created = named(&format!("({fullname})"));
        match self.below(&account.join("create")) {
            Some(create) => {
                let not = named("\"default\"");
                format!(
                    "{{{{- if {create} -}}}}\n{created}\n{{{{- else -}}}}\n{not}\n{{{{- end -}}}}"
                )
            }
            None => created,
        }
    }
}

/// Of a digest, enough to keep the names of a cluster apart.
const DIGEST: usize = 8;
/// Cut to what a DNS label holds. A cut may leave a mark at the end. Helm lets a release be called
/// `web-1.5`; a Service cannot.
const NAME: &str = "replace \".\" \"-\" | trunc 63 | trimAll \"-.\"";
/// Cut to what the value of a label holds, which has no `+`.
const LABEL_VALUE: &str = "replace \"+\" \"_\" | trunc 63 | trimAll \"-_.\"";

fn action(pipeline: &str) -> String {
    format!("{{{{- {pipeline} -}}}}")
}
