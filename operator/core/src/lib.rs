//! Decides what every device should run and what every Deployment may report.
