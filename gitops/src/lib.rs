//! fleet-platform for GitOps: Argo CD applications, health scripts and a Flux example, from Rust values.
//!
//! `gitops/manifests/` is written from this crate and from nothing else.

pub mod health;
