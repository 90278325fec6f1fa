//! The embedded platform: real etcd, API server, NATS and podman devices as processes.
