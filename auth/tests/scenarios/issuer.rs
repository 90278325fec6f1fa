//! The keys between bus and callout are changed on a cluster while devices come and stay.

use fleet_testbed::{Nats, Testbed, wait};

use crate::scene::{Held, SOON, Scene};

const SERVERS: usize = 3;

fn nats(scene: &Scene) -> &Nats {
    scene.bed.nats().expect("a bus")
}

/// A login at a server, once that has found its callout.
async fn held(scene: &Scene, server: usize, name: &str) -> Held {
    let found = std::sync::Mutex::new(None);
    let let_in = || async {
        let address = nats(scene).server_address(server);
        let held = Held::log_in(address, name, &scene.token(name)).await;
        let done = held.is_some();
        *found.lock().expect("no panic") = held;
        done
    };
    assert!(wait::until(SOON, let_in).await, "{name} at server {server}");
    found.into_inner().expect("no panic").expect("let in")
}

#[tokio::test(flavor = "multi_thread")]
async fn issuer_and_xkey_are_replaced_by_restarting_one_server_after_the_other() {
    let bed = Testbed::builder("callout-rotation");
    let scene = Scene::over(bed.callout().nats_cluster(SERVERS)).await;
    let seeds = || {
        let (issuer, xkey) = nats(&scene).callout_seeds().expect("seeds");
        [issuer, xkey].map(|path| path.display().to_string())
    };
    let [old_issuer, old_xkey] = seeds();
    let only_old = scene.callout(scene.options("before")).await;
    let mut at_last = held(&scene, SERVERS - 1, "dev-1").await;

    // Known: the callout is given both. The servers still name the old ones.
    nats(&scene).replace_callout_keys().expect("keys");
    let both = scene
        .options("both")
        .args(["--issuer-seed-file", &old_issuer])
        .args(["--xkey-seed-file", &old_xkey]);
    let both = scene.callout(both).await;
    only_old.stop().await.expect("stopped");
    for server in 0..SERVERS {
        held(&scene, server, "dev-2").await;
    }

    // Used: a server names the new ones from its restart on, and the others the old ones.
    for restarted in 0..SERVERS {
        nats(&scene).kill_server(restarted).await.expect("killed");
        nats(&scene).start_server(restarted).await.expect("started");
        for server in 0..SERVERS {
            held(&scene, server, &format!("dev-{restarted}{server}")).await;
        }
        let stays = restarted + 1 < SERVERS;
        assert!(!stays || at_last.answers().await, "who is elsewhere stays");
    }

    // Retired: nothing names the old ones any more.
    let only_new = scene.callout(scene.options("after")).await;
    both.stop().await.expect("stopped");
    for server in 0..SERVERS {
        held(&scene, server, "dev-3").await;
    }
    assert_ne!(seeds(), [old_issuer, old_xkey]);
    only_new.stop().await.expect("stopped");
}
