//! Killed after any of its steps, the next run ends with the same keys.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::scene::{Kept, Scene, lines};

/// What one run makes: a seal key, seven keys, and the map.
const STEPS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_step_the_next_run_keeps_what_is_there_and_makes_the_rest() {
    let scene = Scene::start("secrets-deaths").await;
    let admin = scene.bed.kubeconfig().expect("a kubeconfig");
    for step in 1..STEPS {
        let namespace = format!("killed-{step}");
        scene.namespace(&namespace).await;
        let args = ["--namespace", namespace.as_str()];
        let mut command = Scene::command_as(admin, &args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let told = out.lines().take(step).count();
        child.kill().expect("killed");
        child.wait().expect("gone");
        assert_eq!(told, step);
        let before = scene.kept(&namespace).await;
        assert!(before.len() >= step, "what was told is there");

        let rest = lines(&Scene::command_as(admin, &args).output().expect("run"));
        let kept = rest.iter().filter(|line| line.starts_with("unchanged "));
        assert_eq!(kept.count(), before.len(), "{rest:#?}");
        let after = scene.kept(&namespace).await;
        assert_eq!(after.len(), STEPS);
        let still: Kept = after
            .into_iter()
            .filter(|(n, _)| before.contains_key(n))
            .collect();
        assert_eq!(still, before, "untouched");
    }
}
