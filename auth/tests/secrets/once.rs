//! Each key is made once, whoever runs it how often, and no key that is there is touched.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::Arc;

use fleet_testbed::Testbed;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::json;

use crate::scene::{Kept, OPENBAO, SYSTEM, Scene, lines, make, named};

/// Every entry that is a secret.
fn secrets(kept: &Kept) -> impl Iterator<Item = &String> {
    let entries = kept.iter().filter(|(name, _)| *name != "fleet-public-keys");
    entries.flat_map(|(_, (_, data))| data.values())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_and_no_run_shows_a_secret() {
    let scene = Scene::start("secrets-once").await;
    let planned = scene.ensured(&["--dry-run"]);
    assert!(scene.kept(SYSTEM).await.is_empty(), "only planned");
    assert!(scene.kept(OPENBAO).await.is_empty(), "only planned");

    let made = scene.ensured(&[]);
    let (system, openbao) = (scene.kept(SYSTEM).await, scene.kept(OPENBAO).await);
    let names: Vec<_> = system.keys().chain(openbao.keys()).collect();
    let wanted = [
        "fleet-auth-enforcer",
        "fleet-auth-issuer",
        "fleet-auth-nats",
        "fleet-auth-xkey",
        "fleet-enrolment-ca",
        "fleet-nats-system",
        "fleet-operator-nats",
        "fleet-operator-signing",
        "fleet-public-keys",
        "fleet-openbao-seal-1",
    ];
    assert_eq!(names, wanted);
    let all_say = |lines: &[String], word: &str| lines.iter().all(|line| line.starts_with(word));
    assert_eq!(planned.len(), wanted.len());
    assert!(all_say(&planned, "created "), "{planned:#?}");
    assert!(all_say(&made, "created "), "{made:#?}");

    for args in [&[][..], &["--dry-run"], &[]] {
        let again = scene.ensured(args);
        assert!(all_say(&again, "unchanged "), "{again:#?}");
        assert_eq!(again.len(), wanted.len());
        assert_eq!(scene.kept(SYSTEM).await, system);
        assert_eq!(scene.kept(OPENBAO).await, openbao);
    }
    let told = [planned, made].concat().join("\n");
    for secret in secrets(&system).chain(secrets(&openbao)) {
        assert!(!told.contains(secret.as_str()), "a secret was printed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_everything_in_openbao_hangs_on_cannot_be_changed_and_a_further_one_can_be_made()
 {
    let scene = Scene::start("secrets-seal").await;
    scene.ensured(&[]);
    let before = scene.kept(OPENBAO).await;
    let seals: Api<Secret> = Api::namespaced(scene.client.clone(), OPENBAO);
    let patch = Patch::Merge(json!({"stringData": {"seal.key": "another"}}));
    let params = PatchParams::default();
    let refused = seals.patch("fleet-openbao-seal-1", &params, &patch).await;
    let refused = refused.expect_err("immutable").to_string();
    assert!(refused.contains("field is immutable"), "{refused}");

    let second = scene.ensured(&["--seal-number", "2"]);
    let wanted = format!("created   Secret {OPENBAO}/fleet-openbao-seal-2");
    assert_eq!(second[0], wanted);
    let mut after = scene.kept(OPENBAO).await;
    let new = after.remove("fleet-openbao-seal-2").expect("made");
    assert_eq!(after, before, "backups need it");
    assert_ne!(new.1, before["fleet-openbao-seal-1"].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_of_the_platform_need_is_made_where_it_is_asked_for() {
    let scene = Scene::start("secrets-others").await;
    let hosts = "fleet-openbao,fleet-openbao.fleet-openbao.svc";
    let args = ["--openbao-host", hosts, "--zitadel-masterkey"];
    let made = scene.ensured(&args);
    for name in ["fleet-openbao-tls", "fleet-zitadel-masterkey"] {
        assert!(made.contains(&format!("created   Secret {OPENBAO}/{name}")));
    }
    let kept = scene.kept(OPENBAO).await;
    let (_, key) = &kept["fleet-zitadel-masterkey"];
    assert_eq!(key["masterkey"].len(), 32);

    // Who trusts the authority takes the certificate for each of the names, and for no other.
    let (_, tls) = &kept["fleet-openbao-tls"];
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(tls["ca.crt"].as_bytes()).expect("PEM");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().expect("a verifier");
    let leaf = CertificateDer::from_pem_slice(tls["tls.crt"].as_bytes()).expect("PEM");
    let taken = |host: &'static str| {
        let name = ServerName::try_from(host).expect("a name");
        let outcome = verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now());
        outcome.is_ok()
    };
    assert!(taken("fleet-openbao") && taken("fleet-openbao.fleet-openbao.svc"));
    assert!(!taken("openbao"));

    let again = scene.ensured(&args);
    assert!(again.iter().all(|line| line.starts_with("unchanged ")));
    assert_eq!(scene.kept(OPENBAO).await, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_one_set() {
    let scene = Scene::start("secrets-many").await;
    let start = |_| -> Child {
        let mut command = scene.command(&[]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("started")
    };
    let runs: Vec<Child> = (0..6).map(start).collect();
    let mut makers = BTreeMap::<String, usize>::new();
    for run in runs {
        for line in lines(&run.wait_with_output().expect("run")) {
            // Which keys there are is the same in what all of them say.
            let (outcome, what) = line.split_at(10);
            let made = makers.entry(what.to_owned()).or_default();
            *made += usize::from(outcome.trim() == "created");
        }
    }
    assert_eq!(makers.len(), 10, "{makers:#?}");
    assert!(makers.values().all(|made| *made == 1), "{makers:#?}");
    let kept = scene.kept(SYSTEM).await;
    let again = scene.ensured(&[]);
    assert!(again.iter().all(|line| line.starts_with("unchanged ")));
    assert_eq!(scene.kept(SYSTEM).await, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_else_put_there_is_used_and_what_is_no_key_is_named_and_kept() {
    let scene = Scene::start("secrets-theirs").await;
    let theirs = fleet_keys::SecretKey::make(fleet_keys::KeyKind::User).expect("made");
    let put = |name: &str, value: &str| Secret {
        metadata: named(name),
        data: Some(BTreeMap::from([(
            "seed".to_owned(),
            ByteString(value.as_bytes().to_vec()),
        )])),
        ..Secret::default()
    };
    let api = || Api::<Secret>::namespaced(scene.client.clone(), SYSTEM);
    make(
        api(),
        &put("fleet-operator-nats", &format!("{}\n", theirs.expose())),
    )
    .await;
    make(api(), &put("fleet-auth-xkey", "no seed")).await;
    let before = scene.kept(SYSTEM).await;
    let error = scene.refused(&[]);
    let reason = "the Secret fleet-auth-xkey holds in seed no seed of a curve nkey";
    assert!(error.contains(reason), "{error}");
    let after = scene.kept(SYSTEM).await;
    for (name, kept) in before {
        assert_eq!(after.get(&name), Some(&kept), "{name}");
    }

    let params = DeleteParams::default();
    let deleted = api().delete("fleet-auth-xkey", &params).await;
    deleted.expect("deleted");
    scene.ensured(&[]);
    let public = &scene.kept(SYSTEM).await["fleet-public-keys"].1;
    assert!(public["accounts.conf"].contains(theirs.public()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_not_there_is_named_with_what_makes_it() {
    let bed = Testbed::builder("secrets-nowhere").control_plane();
    let bed = bed.start().await.expect("a testbed");
    let admin = bed.kubeconfig().expect("a kubeconfig");
    let mut command = Scene::command_as(admin, &["--namespace", "nowhere"]);
    // Whoever looks for a defect of a program has this set; it is no reason to show them its stack.
    let output = command.env("RUST_BACKTRACE", "1").output().expect("run");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: there is no namespace nowhere; make it with `kubectl create namespace nowhere`\n"
    );
}
