//! Metrics as text: those of a program, and those that every process has.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::usage::Usage;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    program: &'static str,
    version: &'static str,
}

/// The metrics of a program in the text format of `OpenMetrics`, after those of its process. By
/// `fleet_build_info` the processes of the platform are told from others that a Prometheus knows.
///
/// # Errors
/// When the text cannot be written.
pub fn exposition(program: &'static str, metrics: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, &process(program, Usage::now()))?;
    encode(&mut text, metrics)?;
    Ok(text)
}

/// The names are those that Prometheus' own libraries use.
fn process(program: &'static str, usage: Usage) -> Registry {
    let mut registry = Registry::default();
    let build = Family::<Build, Gauge>::default();
    let version = env!("CARGO_PKG_VERSION");
    build.get_or_create(&Build { program, version }).set(1);
    let about = "Always 1; which program this is, and its version";
    registry.register("fleet_build_info", about, build);
    if let Some(bytes) = usage.memory_bytes {
        let memory: Gauge = Gauge::default();
        memory.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let about = "Memory that is resident, in bytes";
        registry.register("process_resident_memory_bytes", about, memory);
    }
    if let Some(seconds) = usage.cpu_seconds {
        let cpu: Counter<f64, AtomicU64> = Counter::default();
        cpu.inc_by(seconds);
        let about = "Processor time, in seconds";
        registry.register("process_cpu_seconds", about, cpu);
    }
    if let Some(count) = usage.open_files {
        let files: Gauge = Gauge::default();
        files.set(i64::try_from(count).unwrap_or(i64::MAX));
        let about = "Files and connections that are open";
        registry.register("process_open_fds", about, files);
    }
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_the_process_and_the_program_and_ends_once() {
        let mut registry = Registry::with_prefix("fleet");
        let devices: Gauge = Gauge::default();
        registry.register("devices", "Devices", devices);
        let text = exposition("operator", &registry).expect("text");
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.rsplit_once(' '));
            value.and_then(|(_, n)| n.parse().ok()).expect(name)
        };
        // A test program is larger than a MiB, and smaller than all of a machine.
        assert!(
            value("process_resident_memory_bytes") > 1_048_576.0,
            "{text}"
        );
        assert!(value("process_cpu_seconds_total") >= 0.0, "{text}");
        assert!(value("process_open_fds") > 2.0, "{text}");
        let version = env!("CARGO_PKG_VERSION");
        let build = format!("fleet_build_info{{program=\"operator\",version=\"{version}\"}} 1\n");
        assert!(text.contains(&build), "{text}");
        assert!(text.contains("\nfleet_devices 0\n"), "{text}");
        assert_eq!(text.matches("# EOF").count(), 1, "{text}");
    }

    #[test]
    fn what_the_kernel_does_not_say_is_left_out() {
        let mut text = String::new();
        let nothing = process("operator", Usage::default());
        encode_registry(&mut text, &nothing).expect("text");
        assert!(!text.contains("process_"), "{text}");
    }
}
