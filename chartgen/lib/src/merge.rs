//! Duplicates: keys of mappings, and items of lists that Kubernetes merges by a key.
//!
//! Strict readers refuse the first, server-side apply the second. Things that exclude each other,
//! as the two branches of a condition do, may be alike.

use std::collections::BTreeSet;

use crate::tree::{Entry, Item, Key, Node, Part};

/// The keys that tell items of a list apart, by the list's name.
fn merge_keys(list: &str) -> &'static [&'static [&'static str]] {
    match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims"
        | "groups"
        | "versions" => &[&["name"]],
        // Of containers, and of services. A key that is missing tells nothing apart.
        "ports" => &[
            &["name"],
            &["containerPort", "protocol"],
            &["port", "protocol"],
        ],
        "volumeMounts" => &[&["mountPath"]],
        "volumeDevices" => &[&["devicePath"]],
        "hostAliases" => &[&["ip"]],
        "topologySpreadConstraints" => &[&["topologyKey", "whenUnsatisfiable"]],
        "ownerReferences" => &[&["uid"]],
        "conditions" => &[&["type"]],
        _ => &[],
    }
}

/// What stands twice below a node, each with the pointer to its list or mapping.
pub(crate) fn duplicates(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    search(node, "", "", &mut found);
    found
}

fn search(node: &Node, name: &str, pointer: &str, found: &mut Vec<String>) {
    match node {
        Node::Map(parts) => {
            let mut report = |key: &str| found.push(format!("{pointer}: the key `{key}`"));
            collect(parts, &entry_key, &mut report);
            for entry in crate::tree::ones(parts) {
                let key = entry_key(entry).unwrap_or_else(|| "*".to_owned());
                search(&entry.value, &key, &format!("{pointer}/{key}"), found);
            }
        }
        Node::Seq(parts) => {
            for keys in merge_keys(name) {
                let identity = |item: &Item| item_key(item, keys);
                let mut report = |key: &str| found.push(format!("{pointer}: an item with {key}"));
                collect(parts, &identity, &mut report);
            }
            for (index, item) in crate::tree::ones(parts).enumerate() {
                search(&item.value, "", &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn entry_key(entry: &Entry) -> Option<String> {
    match &entry.key {
        Key::Text(key) => Some(key.clone()),
        Key::Expr(_) => None,
    }
}

fn item_key(item: &Item, keys: &[&str]) -> Option<String> {
    let values: Option<Vec<_>> = keys
        .iter()
        .map(|key| match (*key, item.value.get(key)) {
            (_, Some(Node::Str(text))) => Some(format!("{key} `{text}`")),
            (_, Some(Node::Int(number))) => Some(format!("{key} `{number}`")),
            (_, Some(Node::Expr(expr))) => Some(format!("{key} `{expr}`")),
            ("protocol", None) => Some("protocol `TCP`".to_owned()),
            _ => None,
        })
        .collect();
    Some(values?.join(" and "))
}

/// The identities of all parts; reports those that can occur together more than once.
fn collect<T>(
    parts: &[Part<T>],
    identity: &dyn Fn(&T) -> Option<String>,
    report: &mut dyn FnMut(&str),
) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for part in parts {
        let here = match part {
            Part::One(one) => identity(one).into_iter().collect(),
            Part::If {
                then, otherwise, ..
            } => {
                let mut both = collect(then, identity, report);
                both.append(&mut collect(otherwise, identity, report));
                both
            }
            Part::With { body, .. } | Part::Range { body, .. } => collect(body, identity, report),
            Part::Splice(_) => BTreeSet::new(),
        };
        for key in here {
            if all.contains(&key) {
                report(&key);
            }
            all.insert(key);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{entry, item};
    use crate::{Cond, Expr};

    fn env(name: &str) -> Part<Item> {
        item(Node::map([entry("name", name)]))
    }

    #[test]
    fn items_and_keys_that_can_occur_together_are_found() {
        let node = Node::map([
            entry("env", Node::seq([env("A"), env("B"), env("A")])),
            entry("args", Node::seq([item("x"), item("x")])),
            entry("args", 1),
        ]);
        let found = duplicates(&node);
        let expected = [": the key `args`", "/env: an item with name `A`"];
        assert_eq!(found, expected);
    }

    #[test]
    fn branches_that_exclude_each_other_may_be_alike() {
        let cond = Cond::is(Expr::release_name());
        let either = Part::when(cond, [env("A")]).otherwise([env("A")]);
        let node = Node::map([entry("env", Node::seq([either.clone()]))]);
        assert!(duplicates(&node).is_empty());
        let node = Node::map([entry("env", Node::seq([either, env("A")]))]);
        assert_eq!(duplicates(&node).len(), 1);
    }

    #[test]
    fn a_port_is_told_apart_by_number_and_protocol() {
        let port = |protocol: &str| {
            item(Node::map([
                entry("containerPort", 53),
                entry("protocol", protocol),
            ]))
        };
        let ports = |other| Node::map([entry("ports", Node::seq([port("UDP"), other]))]);
        assert!(duplicates(&ports(port("TCP"))).is_empty());
        assert_eq!(duplicates(&ports(port("UDP"))).len(), 1);
    }
}
