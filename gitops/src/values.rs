//! Values of the components' charts: those that `charts/fleet-platform` gives its dependencies, taken
//! apart. What is set of a chart of others, and what a kind of cluster changes, is decided there.
//!
//! They are files, for Argo CD's `valueFiles`: a null takes an upstream default away, and works in files
//! only.

use chartgen::plain;
use fleet_chartgen::{auth, crds, operator, platform};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::params::{Cluster, Parameters, Supply};
use crate::platform::Component;

/// Values of one component for one cause.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueFile {
    /// The file's name.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// The values.
    pub values: Value,
}

/// All files of values of a component in an installation; what comes later goes before what comes earlier.
///
/// # Errors
/// When values are no JSON.
pub fn files(
    component: Component,
    parameters: &Parameters,
) -> Result<Vec<ValueFile>, serde_json::Error> {
    let name = component.name();
    let file = |name: String, purpose, values| ValueFile {
        name,
        purpose,
        values,
    };
    let mut files = Vec::new();
    let every = base(component)?;
    files.push(file(format!("{name}.yaml"), "Every installation.", every));
    if parameters.cluster == Cluster::Okd {
        let purpose = "OpenShift and OKD, which choose the ids of users and groups themselves.";
        let okd = profile(component, "okd");
        files.push(file(format!("{name}-okd.yaml"), purpose, okd));
    }
    if let Supply::Mirror(registry) = &parameters.supply {
        let purpose = "Images from a registry that the cluster reaches.";
        let mut mirrored = profile(component, "airgap");
        replace(&mut mirrored, platform::MIRROR, registry.as_str());
        files.push(file(format!("{name}-airgap.yaml"), purpose, mirrored));
    }
    files.retain(|file| !is_empty(&file.values));
    Ok(files)
}

/// What every installation sets.
fn base(component: Component) -> Result<Value, serde_json::Error> {
    let all = platform::Values::default();
    match component {
        Component::Definitions => changes(&crds::Values::default(), &crds::Values::default()),
        Component::Operator => {
            let mut values = all.operator;
            // They are another application's: two would take them from each other.
            values.crds.enabled = false;
            changes(&operator::Values::default(), &values)
        }
        Component::Keys => {
            let mut values = all.auth;
            for name in [&mut values.name_override, &mut values.fullname_override] {
                Component::Keys.name().clone_into(name);
            }
            values.callout.enabled = false;
            values.enrolment.enabled = false;
            values.openbao_job.enabled = false;
            values.zitadel_job.enabled = false;
            values.enrolment_tokens.create_namespace = false;
            changes(&auth::Values::default(), &values)
        }
        Component::Auth => {
            let mut values = all.auth;
            values.secrets_job.enabled = false;
            // The umbrella's own; here its values say it.
            values.oidc.setup.issuer.name.clear();
            changes(&auth::Values::default(), &values)
        }
        Component::OpenBao => preset(&all.openbao),
        Component::Zitadel => preset(&all.zitadel),
        Component::Nats => preset(&all.nats),
    }
}

/// All of a preset but whether the umbrella installs it.
fn preset(values: &impl Serialize) -> Result<Value, serde_json::Error> {
    let mut values = plain(values)?;
    if let Value::Object(entries) = &mut values {
        entries.shift_remove("enabled");
    }
    Ok(values)
}

/// What a profile of the umbrella changes for a component.
fn profile(component: Component, name: &str) -> Value {
    let profiles = platform::profiles();
    let profile = profiles.iter().find(|profile| profile.name() == name);
    let all = profile.map(chartgen::Profile::values).unwrap_or_default();
    let own = all.get(component.key()).cloned();
    let mut values = own.unwrap_or_else(|| Value::Object(Map::new()));
    // Helm hands it to all parts of an umbrella.
    if let (Some(global), Value::Object(entries)) = (all.get("global"), &mut values)
        && component.reads_global()
    {
        entries.insert("global".to_owned(), global.clone());
    }
    values
}

/// The entries of `new` that `old` has otherwise or not at all.
fn changes<T: Serialize>(old: &T, new: &T) -> Result<Value, serde_json::Error> {
    let (old, new) = (plain(old)?, plain(new)?);
    Ok(differences(&old, &new).unwrap_or_else(|| Value::Object(Map::new())))
}

fn differences(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let changed = new.iter().filter_map(|(key, value)| {
                let changed = match old.get(key) {
                    Some(before) => differences(before, value)?,
                    None => value.clone(),
                };
                Some((key.clone(), changed))
            });
            let changed: Map<_, _> = changed.collect();
            (!changed.is_empty()).then_some(Value::Object(changed))
        }
        (old, new) => (old != new).then(|| new.clone()),
    }
}

/// Replaces the start of texts.
fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => {
            if let Some(rest) = text.strip_prefix(from) {
                *text = [to, rest].concat();
            }
        }
        Value::Object(entries) => entries.values_mut().for_each(|v| replace(v, from, to)),
        Value::Array(items) => items.iter_mut().for_each(|v| replace(v, from, to)),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}
