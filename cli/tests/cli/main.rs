//! The program as its users run it: offline, against a real API server, and against a real NATS.

mod bed;
mod bus;
mod deployments;
mod devices;
mod offline;
mod support;
