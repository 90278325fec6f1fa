//! OpenShift's security context constraint restricted-v2, which every service account may use.
//!
//! It first fills in what a pod leaves open (user, group, seccomp, capabilities), then checks.
//! So a pod that says nothing passes, and a pod that names a user of its own does not. Three
//! things surprise: the user is checked per container, so a wrong one at the pod does no harm
//! where every container has a right one; `fsGroup` must be the first id of the range; and
//! `runAsNonRoot: false` is let through, since the user cannot be root anyway.

use serde_json::{Map, Value, json};

use super::{CONTAINER_LISTS, Pod, Shared, Violation};
use crate::rule::Rule;
use crate::value::{at, flag, number, object_at, text, texts};

const SHARED: Shared = Shared {
    host_namespaces: Rule::SccHostNamespaces,
    host_ports: Rule::SccHostPorts,
    privileged: Rule::SccPrivileged,
    volumes: Rule::SccVolumes,
    sysctls: Rule::SccSysctls,
};

const SECCOMP_POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// What OpenShift gave to a namespace, in its annotations `openshift.io/sa.scc.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The first user id, and the only `fsGroup`.
    pub start: i64,
    /// How many user ids there are.
    pub size: i64,
    /// The `SELinux` level (`openshift.io/sa.scc.mcs`), where it is known. Without it every
    /// `seLinuxOptions` is refused, as no chart can know the level.
    pub level: Option<String>,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            start: 1_000_660_000,
            size: 10_000,
            level: None,
        }
    }
}

impl Range {
    /// The last user id.
    pub const fn last(&self) -> i64 {
        self.start.saturating_add(self.size.saturating_sub(1))
    }

    fn contains(&self, id: i64) -> bool {
        (self.start..=self.last()).contains(&id)
    }
}

/// The pod as OpenShift would store it.
///
/// # Errors
/// With what restricted-v2 refuses.
pub fn admit(pod: &Value, range: &Range) -> Result<Value, Vec<Violation>> {
    let mut pod = pod.clone();
    crate::value::without_nulls(&mut pod);
    let found = check(Pod::of(&pod), range);
    if !found.is_empty() {
        return Err(found);
    }
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        fill(spec, range);
    }
    Ok(pod)
}

/// What restricted-v2 would refuse about a pod. What it would fill in first always passes, so
/// only what the pod says itself is looked at.
pub fn check(pod: Pod<'_>, range: &Range) -> Vec<Violation> {
    let mut found = Vec::new();
    SHARED.check(pod, &mut found);
    let group = number(pod.spec, "securityContext.fsGroup");
    if let Some(group) = group.filter(|group| *group != range.start) {
        let message = format!(
            "fsGroup {group} is not {}, the first id of the namespace",
            range.start
        );
        found.push(Violation::of_pod(Rule::SccFsGroup, message));
    }
    seccomp(pod, &mut found);
    if let Some(options) = at(pod.spec, "securityContext.seLinuxOptions")
        && let Some(message) = se_linux(options, range)
    {
        found.push(Violation::of_pod(Rule::SccSeLinux, message));
    }
    for container in pod.containers() {
        check_container(pod, container, range, &mut found);
    }
    found
}

fn check_container(pod: Pod<'_>, container: &Value, range: &Range, found: &mut Vec<Violation>) {
    let mut refuse = |rule, message: String| {
        found.push(Violation::of_container(rule, container, message));
    };
    let user = number(container, "securityContext.runAsUser")
        .or_else(|| number(pod.spec, "securityContext.runAsUser"));
    if let Some(user) = user.filter(|user| !range.contains(*user)) {
        let message = format!(
            "runAsUser {user} is not in [{}, {}]",
            range.start,
            range.last()
        );
        refuse(Rule::SccRunAsUser, message);
    }
    if let Some(options) = at(container, "securityContext.seLinuxOptions")
        && let Some(message) = se_linux(options, range)
    {
        refuse(Rule::SccSeLinux, message);
    }
    if flag(container, "securityContext.allowPrivilegeEscalation") == Some(true) {
        let message = "allowPrivilegeEscalation is true".to_owned();
        refuse(Rule::SccPrivilegeEscalation, message);
    }
    for name in texts(container, "securityContext.capabilities.add") {
        if name != "NET_BIND_SERVICE" {
            refuse(Rule::SccCapabilities, format!("adds the capability {name}"));
        }
    }
}

/// Everything must be what the namespace has: its level, and nothing else.
fn se_linux(options: &Value, range: &Range) -> Option<String> {
    for name in ["user", "role", "type"] {
        let value = text(options, name);
        if !value.is_empty() {
            return Some(format!("seLinuxOptions.{name} is {value:?}"));
        }
    }
    let level = text(options, "level");
    let expected = range.level.as_deref();
    (expected != Some(level)).then(|| format!("seLinuxOptions.level is {level:?}"))
}

fn seccomp(pod: Pod<'_>, found: &mut Vec<Violation>) {
    let of_field = |holder: &Value| {
        let profile = at(holder, "securityContext.seccompProfile")?;
        let kind = text(profile, "type").to_owned();
        (kind != "RuntimeDefault").then(|| format!("seccompProfile.type is {kind:?}"))
    };
    let of_annotation = |name: &str| {
        let profile = pod.annotation(name);
        let allowed = ["", "runtime/default", "docker/default"].contains(&profile);
        (!allowed).then(|| format!("its seccomp annotation is {profile:?}"))
    };
    let rule = Rule::SccSeccomp;
    let messages = [of_field(pod.spec), of_annotation(SECCOMP_POD_ANNOTATION)];
    found.extend(
        messages
            .into_iter()
            .flatten()
            .map(|message| Violation::of_pod(rule, message)),
    );
    for container in pod.containers() {
        let annotation = format!("{SECCOMP_CONTAINER_ANNOTATION}{}", text(container, "name"));
        // A field at the container goes before the annotation.
        let has_field = at(container, "securityContext.seccompProfile").is_some();
        let message = if has_field {
            of_field(container)
        } else {
            of_annotation(&annotation)
        };
        found.extend(message.map(|message| Violation::of_container(rule, container, message)));
    }
}

/// Fills in what the pod leaves open.
fn fill(spec: &mut Map<String, Value>, range: &Range) {
    let context = object_at(spec, "securityContext");
    context
        .entry("fsGroup")
        .or_insert_with(|| range.start.into());
    context
        .entry("seccompProfile")
        .or_insert_with(|| json!({"type": "RuntimeDefault"}));
    if let Some(level) = &range.level {
        context
            .entry("seLinuxOptions")
            .or_insert_with(|| json!({"level": level}));
    }
    let has = |name: &str| context.contains_key(name);
    let (has_user, has_non_root) = (has("runAsUser"), has("runAsNonRoot"));
    for name in CONTAINER_LISTS {
        let containers = spec.get_mut(name).and_then(Value::as_array_mut);
        for container in containers
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            let context = object_at(container, "securityContext");
            if !has_user {
                context
                    .entry("runAsUser")
                    .or_insert_with(|| range.start.into());
            }
            if !has_non_root {
                context.entry("runAsNonRoot").or_insert(Value::Bool(true));
            }
            context
                .entry("allowPrivilegeEscalation")
                .or_insert(Value::Bool(false));
            drop_all(object_at(context, "capabilities"));
        }
    }
}

fn drop_all(capabilities: &mut Map<String, Value>) {
    let dropped = capabilities.entry("drop").or_insert_with(|| json!([]));
    if let Some(list) = dropped.as_array_mut()
        && !list.contains(&json!("ALL"))
    {
        list.push(json!("ALL"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_open_is_filled_in() {
        let pod = json!({"spec": {
            "securityContext": {"runAsUser": null},
            "initContainers": [{"name": "i", "securityContext": {"capabilities": {"drop": ["NET_RAW"]}}}],
            "containers": [{"name": "c", "securityContext": {"runAsUser": 1_000_660_007}}],
        }});
        let filled = |user: i64, drop: Value| {
            json!({
                "runAsUser": user, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
                "capabilities": {"drop": drop},
            })
        };
        assert_eq!(
            admit(&pod, &Range::default()),
            Ok(json!({"spec": {
                "securityContext": {
                    "fsGroup": 1_000_660_000, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "initContainers": [
                    {"name": "i", "securityContext": filled(1_000_660_000, json!(["NET_RAW", "ALL"]))},
                ],
                "containers": [
                    {"name": "c", "securityContext": filled(1_000_660_007, json!(["ALL"]))},
                ],
            }}))
        );
    }

    #[test]
    fn admitting_what_was_admitted_changes_nothing() {
        let range = Range {
            level: Some("s0:c1,c2".to_owned()),
            ..Range::default()
        };
        let pod = json!({"spec": {"containers": [{"name": "c"}]}});
        let once = admit(&pod, &range).expect("passes");
        assert_eq!(admit(&once, &range), Ok(once.clone()));
        assert_eq!(
            once["spec"]["securityContext"]["seLinuxOptions"],
            json!({"level": "s0:c1,c2"})
        );
    }
}
