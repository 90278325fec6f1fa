use clap::{Args, ValueEnum};
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::KvmHost;
use fleet_devices_core::vm::preflight::{Backend, Check, Verdict, Wanted};
use fleet_files::dirs::DirsError;
use fleet_output::{OutputError, tell};
use serde::Serialize;

use crate::preflight::{Missed, checks, family};
use crate::vm::Folders;

const GIB: u64 = 1 << 30;

/// What virtual machines need.
#[derive(Debug, Args)]
pub struct PreflightArgs {
    /// The processor of the virtual machines
    #[arg(long, value_name = "ARCH", default_value = std::env::consts::ARCH)]
    arch: VmArchitecture,
    /// Ask this libvirt, instead of running QEMU without one: `qemu:///system`, `qemu:///session` or
    /// `qemu+ssh://user@host[:port]/system`
    #[arg(long, value_name = "URI")]
    libvirt: Option<KvmHost>,
    /// How much room disks and images need, in GiB
    #[arg(long, value_name = "GIB", default_value_t = 4)]
    disk: u32,
    /// As what to print it
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

/// Why virtual machines cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is no place for them.
    #[error(transparent)]
    Folders(#[from] DirsError),
    /// Something is missed.
    #[error("{} missing", missing(.0))]
    Missed(Missed),
    /// It cannot be said.
    #[error(transparent)]
    Output(#[from] OutputError),
}

fn missing(missed: &Missed) -> String {
    let names = missed.0.iter().map(|check| check.name);
    names.collect::<Vec<_>>().join(", ")
}

impl Failure {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Folders(error) => error.reason(),
            Self::Missed(error) => error.reason(),
            Self::Output(_) => "Output",
        }
    }
}

pub(super) async fn run(args: &PreflightArgs) -> Result<(), Failure> {
    let wanted = Wanted {
        architecture: args.arch,
        backend: args.libvirt.clone().map_or(Backend::Qemu, Backend::Libvirt),
        disk_bytes: u64::from(args.disk) * GIB,
    };
    let checks = checks(&wanted, Folders::of_user()?.data()).await;
    match args.output {
        Format::Table => tell(table(&checks))?,
        Format::Json => tell(format!("{:#}\n", json(&checks)))?,
    }
    let missed = checks
        .into_iter()
        .filter(|check| check.verdict == Verdict::Miss);
    let missed: Vec<_> = missed.collect();
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Missed(Missed(missed)))
    }
}

/// A check a line, and below it what makes it right.
fn table(checks: &[Check]) -> String {
    let mut lines = vec![format!("{:<16}{:<10}DETAIL", "CHECK", "STATE")];
    for check in checks {
        let state = check.verdict.as_str();
        lines.push(format!("{:<16}{state:<10}{}", check.name, check.says));
        for fix in check.fixes_for(family()) {
            let systems = match fix.systems() {
                "" => String::new(),
                systems => format!("{systems}: "),
            };
            lines.push(format!("{:<26}{systems}{}", "", fix.command));
        }
    }
    lines.join("\n") + "\n"
}

#[derive(Serialize)]
struct Line<'a> {
    check: &'a str,
    state: &'a str,
    detail: &'a str,
    fixes: serde_json::Map<String, serde_json::Value>,
}

fn json(checks: &[Check]) -> serde_json::Value {
    let lines = checks.iter().map(|check| Line {
        check: check.name,
        state: check.verdict.as_str(),
        detail: &check.says,
        fixes: check
            .fixes
            .iter()
            .map(|fix| (fix.key().to_owned(), fix.command.clone().into()))
            .collect(),
    });
    let lines: Vec<_> = lines.collect();
    let missing = checks.iter().any(|check| check.verdict == Verdict::Miss);
    serde_json::json!({ "ready": !missing, "checks": lines })
}
