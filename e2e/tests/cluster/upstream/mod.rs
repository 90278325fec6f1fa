//! `fleet-platform` with the charts of others as they are: the bus and `OpenBao` come up with our
//! values and with keys that the platform makes itself, in namespaces that let in nothing but
//! restricted pods, and a device outside of the cluster lives by them.
//!
//! It needs the charts, which are not in this repository: `FLEET_UPSTREAM_CHARTS` names a folder in
//! which `nats`, `openbao` and `zitadel` are unpacked. Their images are stand-ins with the real
//! programs ([`fleet_e2e::stand_ins`]). There is none for the container beside the bus that tells it of
//! changes, so that is switched off. Zitadel is too, as it needs a database: the identity provider is
//! the testbed's.

mod available;
mod bed;
mod checks;
mod drill;
mod life;
mod sealed;
