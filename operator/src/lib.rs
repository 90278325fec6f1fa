//! The shell around [`fleet_operator_core`]: watches Kubernetes and the bus, feeds the index, and
//! writes what it answers.
//!
//! It decides nothing by itself, and it must never write before every watch has told all it has,
//! nor while another replica leads. Everything it keeps can be rebuilt from the CRs and the buckets.
//!
//! | module | what it does |
//! |---|---|
//! | [`watch`] | events of `Deployment` and `Device` objects and of the four buckets become inputs |
//! | [`state`] | the index, the mirror of `desired-state` and the queues, under one lock |
//! | [`write`](mod@write) | drains the queues: entries and manifests, objects, statuses, Events, finalizers |
//! | [`lead`] | the Lease |
//! | [`place`] | where this replica is, and what it is called |
//! | [`permissions`] | whether the API server lets it do all this |
//! | [`http`] | `/metrics`, `/healthz`, `/readyz` |
//! | [`trace`] | the page that says where a change is on its way to a device |
//! | [`announce`] | what keeps this replica from being ready, as an Event on its pod |
//! | [`run`](mod@run) | puts the tasks together |

pub mod announce;
pub mod args;
pub mod clock;
pub mod http;
pub mod metrics;
pub mod permissions;
pub mod place;
pub mod refusal;
pub mod rejected;
pub mod run;
pub mod state;
pub mod trace;
pub mod watch;
pub mod write;

pub use run::{RunError, run};
