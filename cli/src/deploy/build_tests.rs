use std::io::Write as _;

use super::*;
use crate::args::DocumentFormat;
use crate::document::write;

fn flags() -> WorkloadFlags {
    WorkloadFlags {
        target: SelectorFlags {
            selectors: vec!["site=lab".parse().expect("selector")],
            ..Default::default()
        },
        image: Some("registry.example/team/web:1.27".parse().expect("image")),
        ..Default::default()
    }
}

fn refused(flags: &WorkloadFlags) -> String {
    let error = from_flags("web", None, flags).expect_err("refused");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error} | {}", source.unwrap_or_default())
}

#[test]
fn all_flags_together() {
    let flags = WorkloadFlags {
        target: SelectorFlags {
            selectors: vec!["site=lab,tier in (edge,core)".parse().expect("selector")],
            target_device: Some("pi-7".parse().expect("device")),
            target_all: false,
        },
        ports: vec![
            "8080:80".parse().expect("port"),
            "53:53/udp".parse().expect("port"),
        ],
        env: vec![
            "COUNTRY=NO".parse().expect("env"),
            "EMPTY=".parse().expect("env"),
        ],
        ..flags()
    };
    let draft = from_flags("web", Some("shop"), &flags).expect("builds");
    let yaml = write(&draft.json, DocumentFormat::Yaml).expect("yaml");
    insta::assert_snapshot!(yaml, @r#"
    apiVersion: fleet.nationtech.io/v1alpha1
    kind: Deployment
    metadata:
      name: web
      namespace: shop
    spec:
      targetSelector:
        matchLabels:
          device-id: pi-7
          site: lab
        matchExpressions:
        - key: tier
          operator: In
          values:
          - edge
          - core
      score:
        PodmanV0:
          services:
          - name: web
            image: registry.example/team/web:1.27
            ports:
            - hostPort: 8080
              containerPort: 80
            - hostPort: 53
              containerPort: 53
              protocol: UDP
            env:
              COUNTRY: "NO"
              EMPTY: ""
    "#);
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let draft = from_flags("web", None, &flags()).expect("builds");
    for format in [DocumentFormat::Yaml, DocumentFormat::Json] {
        let text = write(&draft.json, format).expect("writes");
        let path = Path::new("printed");
        let value = document::parse(path, &text).expect("parses");
        assert_eq!(parse_manifest(path, value).expect("is a Deployment"), draft);
    }
}

#[test]
fn where_and_what_must_be_said() {
    let nowhere = WorkloadFlags {
        target: SelectorFlags::default(),
        ..flags()
    };
    assert!(refused(&nowhere).contains("--target-all"));
    let nothing = WorkloadFlags {
        image: None,
        ..flags()
    };
    assert!(refused(&nothing).contains("--image"));
}

#[test]
fn a_device_that_the_selector_excludes_is_a_contradiction() {
    let mut flags = flags();
    flags.target.selectors = vec!["device-id=a".parse().expect("selector")];
    flags.target.target_device = Some("b".parse().expect("device"));
    assert!(refused(&flags).contains("device-id cannot be both"));
}

#[test]
fn names_that_cannot_be_carried_are_refused_here() {
    for (name, namespace) in [("Web", None), ("a.b", None), ("web", Some("Shop"))] {
        assert!(matches!(
            from_flags(name, namespace, &flags()),
            Err(BuildError::Name(_))
        ));
    }
}

fn file_with(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

#[test]
fn a_score_file_is_checked_by_the_rules_of_scores() {
    let twice =
        r#"{"PodmanV0": {"services": [{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]}}"#;
    let file = file_with(twice);
    let flags = WorkloadFlags {
        image: None,
        file: Some(file.path().into()),
        ..flags()
    };
    assert!(refused(&flags).contains("service name a is used twice"));

    let file = file_with(r#"{"services": []}"#);
    let flags = WorkloadFlags {
        file: Some(file.path().into()),
        ..flags
    };
    assert!(refused(&flags).contains("is not a score"));
}

#[test]
fn a_field_this_version_does_not_know_is_left_for_the_server_to_judge() {
    let file =
        file_with(r#"{"PodmanV0": {"services": [{"name": "a", "image": "i", "prots": []}]}}"#);
    let flags = WorkloadFlags {
        image: None,
        file: Some(file.path().into()),
        ..flags()
    };
    let draft = from_flags("web", None, &flags).expect("builds");
    let service = &draft.json["spec"]["score"]["PodmanV0"]["services"][0];
    assert!(service.get("prots").is_some(), "{service}");
}

#[test]
fn a_manifest_of_another_kind_is_named() {
    let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    let error = parse_manifest(Path::new("f.yaml"), value).expect_err("refused");
    assert!(
        error
            .to_string()
            .starts_with("f.yaml holds a apps/v1 Deployment"),
        "{error}"
    );
}
