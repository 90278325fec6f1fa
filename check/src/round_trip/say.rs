//! What is printed, a line as it happens.

use std::time::Duration;

use fleet_check_core::{NAME, Step};
use fleet_service::chain;

use super::{Remains, TripError};

/// A failure with all that helps to understand it.
pub(super) struct Said<'a> {
    pub(super) step: Step,
    pub(super) took: Duration,
    pub(super) error: &'a TripError,
    /// What was missing when the time was over; may be empty.
    pub(super) waiting: &'a str,
    /// What the agent said last.
    pub(super) agent: &'a [String],
}

pub(super) fn begin() {
    println!(
        "fleet-check {}: device {NAME}, for a minute. Its containers are in memory; everything else is real.",
        env!("CARGO_PKG_VERSION")
    );
}

pub(super) fn done(step: Step, took: Duration) {
    println!("ok     {:>6.1} s  {step}", took.as_secs_f64());
}

pub(super) fn failed(said: &Said<'_>) {
    let (step, seconds) = (said.step, said.took.as_secs_f64());
    println!("FAILED {seconds:>6.1} s  {step}");
    detail("why", &chain(said.error));
    if !said.waiting.is_empty() {
        detail("missing", said.waiting);
    }
    for line in said.agent {
        detail("fleet-agent", line);
    }
    detail("what to do", step.advice());
}

fn detail(name: &str, text: &str) {
    println!("                 {name}: {text}");
}

pub(super) fn over(step: Step, took: Duration, remains: &[Remains]) {
    for left in remains {
        println!("LEFT             {left}");
    }
    let left = if remains.is_empty() {
        "nothing is left of it"
    } else {
        "what is left is named above"
    };
    println!("failed after {:.1} s: {step}; {left}", took.as_secs_f64());
}

pub(super) fn passed(took: Duration) {
    println!(
        "passed in {:.1} s: a device enrolled, ran a container, replaced it and left; nothing is left of it",
        took.as_secs_f64()
    );
}
