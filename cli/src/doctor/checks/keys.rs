//! Secrets and what of them is public.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use fleet_keys::catalogue::{
    ACCOUNTS_ENTRY, AUTHORITY_NAME, ISSUER_ENTRY, MANIFEST_KEYS_ENTRY, NEXT, Name,
    OPENBAO_TLS_NAME, PREVIOUS, PUBLIC_NAME, XKEY_ENTRY, ZITADEL_NAME, seal_secret,
};

use super::{Check, Finding, Reason, Snapshot, Stage, counted, identity, known, unread};
use crate::doctor::facts::{Component, Entry, Fact, SecretFacts, SecretName};

/// What makes all of them.
fn ensure(snapshot: &Snapshot) -> String {
    let mut command = format!(
        "fleet-auth secrets ensure --namespace {}",
        snapshot.namespace
    );
    if snapshot.openbao_namespace != snapshot.namespace {
        command += " --openbao-namespace ";
        command += &snapshot.openbao_namespace;
    }
    command
}

/// What makes one of them, if it is one that `fleet-auth secrets ensure` makes.
fn makes(snapshot: &Snapshot, secret: &str) -> Option<String> {
    let more = if Name::ALL.iter().any(|key| key.secret() == secret) || secret == AUTHORITY_NAME {
        String::new()
    } else if secret == OPENBAO_TLS_NAME {
        let mut workloads = snapshot.workloads.iter().flatten();
        let server = workloads.find(|w| w.component == Component::OpenBao);
        let host = server.map_or("SERVICE", |server| server.name.as_str());
        format!(" --openbao-host {host}")
    } else if secret == ZITADEL_NAME {
        " --zitadel-masterkey".to_owned()
    } else {
        let number: NonZeroU32 = secret.rsplit('-').next()?.parse().ok()?;
        if seal_secret(number) != secret {
            return None;
        }
        format!(" --seal-number {number}")
    };
    Some(ensure(snapshot) + &more)
}

/// Before an installation: which are there already, and whether these are good.
pub(super) fn awaited(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Secrets;
    let mut findings = unreadable(snapshot.secrets.values());
    findings.extend(broken_keys(snapshot));
    let missing: Vec<_> = snapshot
        .secrets
        .iter()
        .filter(|(_, secret)| matches!(secret, Ok(None)))
        .map(|(name, _)| name.name.as_str())
        .collect();
    if !missing.is_empty() {
        let message = format!("not there yet: {}", missing.join(", "));
        let finding = Finding::new(check, Reason::SecretAwaited, message);
        findings.push(finding.mend(ensure(snapshot)));
    }
    if findings.is_empty() {
        findings.push(all_there(snapshot.secrets.len()));
    }
    findings
}

/// After it: what workloads name, and whether the platform's own keys are keys.
pub(super) fn secrets(snapshot: &Snapshot) -> Vec<Finding> {
    let named = named(snapshot);
    let of_named = named.keys().filter_map(|name| snapshot.secrets.get(*name));
    let mut findings = unreadable(of_named);
    findings.extend(
        named
            .iter()
            .flat_map(|(name, asked)| lacks(snapshot, name, asked)),
    );
    findings.extend(broken_keys(snapshot));
    if findings.is_empty() {
        findings.push(all_there(named.len()));
    }
    findings
}

fn all_there(number: usize) -> Finding {
    let message = format!("{} with what is asked of them", counted(number, "Secret"));
    Finding::fine(Check::Secrets, message)
}

/// What is asked of a Secret.
#[derive(Default)]
struct Asked<'a> {
    entries: BTreeSet<&'a str>,
    by: BTreeSet<String>,
}

fn named(snapshot: &Snapshot) -> BTreeMap<&SecretName, Asked<'_>> {
    let mut named: BTreeMap<_, Asked<'_>> = BTreeMap::new();
    let workloads = snapshot.workloads.iter().flatten();
    // The Secrets of a Job that is done may be gone as well.
    for workload in workloads.filter(|w| w.kind != "job" || w.ready < w.wanted) {
        for (secret, entry) in &workload.secrets {
            let asked = named.entry(secret).or_default();
            asked.entries.extend(entry.as_deref());
            let by = format!("{}/{}", workload.kind, workload.name);
            asked.by.insert(by);
        }
    }
    named
}

fn lacks(snapshot: &Snapshot, name: &SecretName, asked: &Asked<'_>) -> Vec<Finding> {
    let check = Check::Secrets;
    let by: Vec<_> = asked.by.iter().map(String::as_str).collect();
    let by = by.join(", ");
    let made = makes(snapshot, &name.name).or_else(|| identity::brings(snapshot, &name.name));
    let remedy = made.unwrap_or_else(|| {
        let SecretName { namespace, name } = name;
        let entries = asked.entries.iter();
        let entries: Vec<_> = entries
            .map(|entry| format!(" --from-file={entry}=FILE"))
            .collect();
        let entries = entries.concat();
        format!("kubectl -n {namespace} create secret generic {name}{entries}")
    });
    let finding = |reason, message| {
        Finding::new(check, reason, message)
            .about(format!("secret/{}", name.name))
            .mend(remedy.clone())
    };
    match snapshot.secrets.get(name) {
        Some(Ok(None)) => {
            let message = format!("it is not there; {by} cannot start without it");
            vec![finding(Reason::SecretMissing, message)]
        }
        Some(Ok(Some(facts))) => {
            let missing = asked.entries.iter();
            let missing = missing.filter(|entry| !facts.entries.contains_key(**entry));
            missing
                .map(|entry| {
                    let message = format!("it has no entry {entry}, which {by} asks for");
                    finding(Reason::SecretEntryMissing, message).mend(format!(
                        "kubectl -n {} edit secret {}",
                        name.namespace, name.name
                    ))
                })
                .collect()
        }
        // Said once for all of them, or not asked for.
        Some(Err(_)) | None => vec![],
    }
}

/// One finding for each cause: who may not read one Secret may read none.
fn unreadable<'a>(secrets: impl Iterator<Item = &'a Fact<Option<SecretFacts>>>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for cause in secrets.filter_map(|secret| secret.as_ref().err()) {
        let finding = unread(Check::Secrets, cause);
        match findings.iter_mut().find(|f| f.reason == finding.reason) {
            Some(known) => {
                known.message += "; ";
                known.message += &cause.what;
            }
            None => findings.push(finding),
        }
    }
    findings
}

/// Entries of the catalogue that hold something else.
fn broken_keys(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in Name::ALL {
        let Some(facts) = facts(snapshot, key) else {
            continue;
        };
        let (secret, what) = (key.secret(), key.kind());
        let broken = facts.entries.iter().filter(|(_, e)| **e == Entry::NoKey);
        for (entry, _) in broken {
            let message = format!("its entry {entry} holds no {what}");
            let remedy = format!(
                "put the right one back; or, if it is lost, kubectl -n {} delete secret {secret} and {}",
                snapshot.namespace,
                ensure(snapshot)
            );
            let finding = Finding::new(Check::Secrets, Reason::KeyUnusable, message);
            findings.push(finding.about(format!("secret/{secret}")).mend(remedy));
        }
    }
    findings
}

fn facts(snapshot: &Snapshot, key: Name) -> Option<&SecretFacts> {
    let name = SecretName {
        namespace: snapshot.namespace.clone(),
        name: key.secret().to_owned(),
    };
    snapshot.secrets.get(&name)?.as_ref().ok()?.as_ref()
}

/// The public halves of a key and its neighbours, the one that is used first; none if it is not known
/// or not there.
fn ring(snapshot: &Snapshot, key: Name) -> Vec<&str> {
    let Some(facts) = facts(snapshot, key) else {
        return vec![];
    };
    let slots = ["", NEXT, PREVIOUS].map(|ending| [key.entry(), ending].concat());
    let entries = slots.iter().filter_map(|slot| facts.entries.get(slot));
    entries
        .filter_map(|entry| match entry {
            Entry::Key(public) => Some(public.as_str()),
            Entry::NoKey | Entry::Other => None,
        })
        .collect()
}

/// The `ConfigMap` against the Secrets.
pub(super) fn public(snapshot: &Snapshot, stage: Stage) -> Vec<Finding> {
    let check = Check::PublicKeys;
    let about = |finding: Finding| finding.about(format!("configmap/{PUBLIC_NAME}"));
    let found = match known(check, &snapshot.public_keys) {
        Ok(found) => found,
        Err(findings) => return findings,
    };
    let Some(entries) = found else {
        return match stage {
            Stage::Before => vec![],
            Stage::After => vec![about(absent(snapshot))],
        };
    };
    let compared = Name::ALL.map(|key| (key, ring(snapshot, key)));
    let compared: Vec<_> = compared
        .iter()
        .filter(|(_, ring)| !ring.is_empty())
        .collect();
    let wrong: Vec<_> = compared
        .iter()
        .filter(|(key, ring)| !says(entries, *key, ring))
        .map(|(key, _)| format!("{key} ({})", key.secret()))
        .collect();
    if !wrong.is_empty() {
        let message = format!(
            "it does not say what the Secrets hold of {}",
            wrong.join(", ")
        );
        let finding = Finding::new(check, Reason::PublicKeysDiffer, message);
        let remedy = format!("{}; then restart NATS", ensure(snapshot));
        return vec![about(finding.mend(remedy))];
    }
    if compared.is_empty() {
        let message = "no Secret could be read to compare it with";
        return vec![about(Finding::new(check, Reason::NotPermitted, message))];
    }
    let message = format!("it says what {} hold", counted(compared.len(), "Secret"));
    vec![about(Finding::fine(check, message))]
}

fn absent(snapshot: &Snapshot) -> Finding {
    let check = Check::PublicKeys;
    let workloads = snapshot.workloads.iter().flatten();
    let asks: Vec<_> = workloads
        .filter(|w| w.config_maps.contains(PUBLIC_NAME))
        .map(|w| format!("{}/{}", w.kind, w.name))
        .collect();
    if asks.is_empty() {
        return Finding::fine(check, "it is not there, and nothing here asks for it");
    }
    let message = format!(
        "it is not there; {} cannot start without it",
        asks.join(", ")
    );
    Finding::new(check, Reason::PublicKeysMissing, message).mend(ensure(snapshot))
}

/// Whether the entries say of a key what its Secret holds; see `fleet-auth secrets ensure`.
fn says(entries: &BTreeMap<String, String>, key: Name, ring: &[&str]) -> bool {
    let entry = |name: &str| entries.get(name).map_or("", |value| value.trim());
    match key {
        Name::Manifest => entry(MANIFEST_KEYS_ENTRY) == ring.join(","),
        Name::Issuer => ring.first() == Some(&entry(ISSUER_ENTRY)),
        Name::Xkey => ring.first() == Some(&entry(XKEY_ENTRY)),
        Name::Operator | Name::Callout | Name::Enforcer | Name::System => {
            let accounts = entry(ACCOUNTS_ENTRY);
            ring.iter().all(|public| accounts.contains(public))
        }
    }
}
