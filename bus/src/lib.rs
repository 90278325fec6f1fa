//! NATS as the fleet uses it: accounts, device permissions, streams, server configuration, connecting.
