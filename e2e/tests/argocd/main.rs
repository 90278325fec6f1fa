//! The manifests of `gitops/` on a real Argo CD with a local git repository.
//!
//! They take minutes and an Argo CD that takes minutes to build, so they run when asked for, by
//! `FLEET_ARGOCD=1`, which `make e2e-argocd` sets.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod applications;
mod bed;
mod bounds;
mod health;
mod keeping;
mod keys;
mod repository;
mod schemas;
mod upstream;
mod waves;
