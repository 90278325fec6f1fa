//! `status`: a table of what runs.

use fleet_testbed::Overview;

pub(super) fn run() {
    super::say(format_args!("{:<24} {:<10} COMPONENTS", "NAME", "STATE"));
    for bed in Overview::all() {
        let state = match (bed.owner(), bed.is_kept()) {
            (Some(_), _) => "running",
            (None, true) => "logs kept",
            (None, false) => "crashed",
        };
        let running: Vec<String> = bed
            .processes()
            .into_iter()
            .map(|(name, pid)| format!("{name}({pid})"))
            .collect();
        let names = if running.is_empty() {
            "-".to_owned()
        } else {
            running.join(" ")
        };
        super::say(format_args!("{:<24} {state:<10} {names}", bed.name()));
    }
}
