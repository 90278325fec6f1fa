#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

//! Worlds from seeds: the invariants hold in all of them, and a world that is wrong is noticed.

use std::io::Write as _;
use std::thread;

use fleet_sim::{Cast, Setup, Summary, run};

/// So many worlds; `make sim SEEDS=n` tries others.
const WORLDS: u64 = 2_000;

fn cast() -> Cast {
    Cast::usual().expect("good names")
}

/// Runs a world; should it fail, says how to see it again.
fn world(seed: u64) -> Summary {
    run(seed, Setup::default(), &cast(), 60).unwrap_or_else(|failure| {
        let (violation, trace) = (&failure.violation, failure.trace.join("\n"));
        panic!(
            "{trace}\nseed {seed}: {violation:?} at {} ms, step {}\nagain: fleet-sim --seed {seed} --trace",
            failure.at, failure.steps
        )
    })
}

#[test]
fn the_invariants_hold_in_every_world() {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let steps: u64 = thread::scope(|scope| {
        let worker = |first| {
            scope.spawn(move || {
                let seeds = (first..WORLDS).step_by(usize::try_from(threads).expect("few"));
                seeds.map(|seed| world(seed).steps).sum::<u64>()
            })
        };
        let workers: Vec<_> = (0..threads).map(worker).collect();
        let ended = workers.into_iter().map(|w| w.join().expect("see above"));
        ended.sum()
    });
    writeln!(std::io::stderr(), "{WORLDS} seeds, {steps} steps").expect("standard error");
    assert!(steps > WORLDS * 500, "little happened: {steps} steps");
}

#[test]
fn a_world_happens_again_from_its_seed() {
    for seed in [3, 1_000_003] {
        assert_eq!(world(seed), world(seed));
    }
    assert_ne!(world(3).digest, world(4).digest);
}

/// The number of the invariant that some world finds broken.
fn found(setup: Setup) -> Option<u8> {
    let failed = |seed| run(seed, setup, &cast(), 0).err();
    let failure = (0..200).find_map(failed)?;
    Some(failure.violation.invariant)
}

#[test]
fn a_bus_that_takes_every_conditional_write_is_noticed() {
    let setup = Setup {
        unconditional_writes: true,
        ..Setup::default()
    };
    assert_eq!(found(setup), Some(3));
}

#[test]
fn a_disk_that_forgets_what_it_was_asked_to_keep_is_noticed() {
    let setup = Setup {
        careless_disk: true,
        ..Setup::default()
    };
    assert_eq!(found(setup), Some(6));
}
