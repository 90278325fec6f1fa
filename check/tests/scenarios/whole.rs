//! A platform that works.

use fleet_check_core::Step;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_joins_runs_a_container_and_leaves_and_can_do_so_again() {
    let scene = Scene::start("check-whole").await;
    for time in ["first", "second"] {
        let run = scene.run(120).await;
        assert_eq!(run.code, Some(0), "{time}: {}", run.said);
        let steps = run.said.lines().filter(|line| line.starts_with("ok "));
        let steps: Vec<_> = steps.collect();
        assert_eq!(steps.len(), Step::ALL.len(), "{steps:?}");
        for (line, step) in steps.iter().zip(Step::ALL) {
            assert!(line.ends_with(step.title()), "{line}");
        }
        let last = run.said.lines().last().unwrap_or_default();
        assert!(last.starts_with("passed in "), "{last}");
        assert_eq!(scene.left().await, Vec::<String>::new(), "{time}");
        // The user of the device is the same, and switched off.
        assert_eq!(scene.user_states(), ["USER_STATE_INACTIVE"], "{time}");
    }
}
