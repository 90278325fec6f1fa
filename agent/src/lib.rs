//! The device side: sync, verify, ledger, plan, drive podman, report.
