//! Watches Kubernetes and the bus, feeds the index, writes what it answers.
