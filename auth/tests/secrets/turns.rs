//! A key is changed so that whoever checks always knows what whoever signs uses.

use fleet_auth::secrets::catalogue::Name;
use fleet_auth::secrets::rbac::Role;
use fleet_auth::secrets::{
    ACCOUNTS_ENTRY, ISSUER_ENTRY, MANIFEST_KEYS_ENTRY, PUBLIC_NAME, XKEY_ENTRY,
};
use fleet_keys::SecretKey;

use crate::scene::{SYSTEM, Scene};

/// The key of a name that is used.
async fn current(scene: &Scene, name: Name) -> SecretKey {
    let kept = scene.kept(SYSTEM).await;
    let text = &kept[name.secret()].1[name.entry()];
    SecretKey::parse(name.kind(), text).expect("a key")
}

/// The key that comes next.
async fn next(scene: &Scene, name: Name) -> SecretKey {
    let kept = scene.kept(SYSTEM).await;
    let text = &kept[name.secret()].1[&format!("{}.next", name.entry())];
    SecretKey::parse(name.kind(), text).expect("a key")
}

/// What others are told about a name.
async fn told(scene: &Scene, name: Name) -> String {
    let kept = scene.kept(SYSTEM).await;
    let entry = match name {
        Name::Manifest => MANIFEST_KEYS_ENTRY,
        Name::Issuer => ISSUER_ENTRY,
        Name::Xkey => XKEY_ENTRY,
        Name::Operator | Name::Callout | Name::Enforcer | Name::System => ACCOUNTS_ENTRY,
    };
    kept[PUBLIC_NAME].1[entry].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_is_known_before_it_is_used_and_for_as_long_as_it_is() {
    let scene = Scene::start("secrets-turns").await;
    scene.grant(Role::Rotate).await;
    scene.ensured(&[]);
    for name in Name::ALL {
        let turn = |how: &str| scene.ensured(&[how, name.as_str()]);
        let old = current(&scene, name).await;
        turn("--rotate");
        let new = next(&scene, name).await;
        assert_eq!(current(&scene, name).await, old, "{name} is used on");
        // A server names one issuer and one xkey; it is the callout that knows two of each.
        let one = matches!(name, Name::Issuer | Name::Xkey);
        let knows = |told: &str, key: &SecretKey| told.contains(key.public());
        let both = told(&scene, name).await;
        assert!(knows(&both, &old) && knows(&both, &new) != one, "{both}");

        turn("--switch");
        assert_eq!(current(&scene, name).await, new, "{name} is switched");
        let both = told(&scene, name).await;
        assert!(knows(&both, &new) && knows(&both, &old) != one, "{both}");
        turn("--retire");
        let last = told(&scene, name).await;
        assert!(knows(&last, &new) && !knows(&last, &old), "{last}");
        let kept = scene.kept(SYSTEM).await;
        let entries: Vec<_> = kept[name.secret()].1.keys().collect();
        assert_eq!(entries, [name.entry()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_repeated_does_nothing_more_and_one_too_early_says_what_comes_first() {
    let scene = Scene::start("secrets-early").await;
    scene.grant(Role::Rotate).await;
    scene.ensured(&[]);
    let early = |how: &str, reason: &str| {
        let error = scene.refused(&[how, "issuer"]);
        assert!(error.contains(reason), "{error}");
    };
    early("--switch", "`--rotate issuer` first");
    for how in ["--rotate", "--switch", "--retire"] {
        let planned = scene.ensured(&[how, "issuer", "--dry-run"]);
        let before = scene.kept(SYSTEM).await;
        let changed = scene.ensured(&[how, "issuer"]);
        let is_changed = |line: &&String| line.starts_with("changed ");
        let whats = |lines: &[String]| -> Vec<String> {
            let whats = lines.iter().filter(is_changed);
            whats
                .map(|line| line.split(':').next().unwrap_or_default().to_owned())
                .collect()
        };
        let secret = format!("changed   Secret {SYSTEM}/fleet-auth-issuer");
        assert_eq!(whats(&planned)[0], secret);
        assert_eq!(whats(&changed)[0], secret);
        let after = scene.kept(SYSTEM).await;
        assert_ne!(after, before);
        let again = scene.ensured(&[how, "issuer"]);
        assert!(
            !again.iter().any(|line| line.starts_with("changed ")),
            "{again:#?}"
        );
        assert_eq!(scene.kept(SYSTEM).await, after);
        match how {
            "--rotate" => early("--retire", "`--switch issuer` first"),
            "--switch" => early("--rotate", "`--retire issuer` first"),
            _ => {}
        }
    }
}
