//! A plan as text.

use std::fmt::Write as _;

use super::compute::{Action, Change, DevicePlan, Plan, Reachability, Winner};
use crate::output;

/// A table longer than this is no longer read; `-o json` has them all.
const MAX_ROWS: usize = 100;

/// The plan for people: what happens to the object, to each device, and in sum.
pub(super) fn table(plan: &Plan) -> String {
    let mut text = headline(plan) + "\n";
    let shown: Vec<_> = plan
        .devices
        .iter()
        .filter(|d| d.change != Change::Keep || !d.clashes.is_empty())
        .collect();
    let rows: Vec<_> = shown
        .iter()
        .take(MAX_ROWS)
        .map(|device| row(device))
        .collect();
    if !rows.is_empty() {
        text += "\n";
        text += &output::table(&["DEVICE", "CHANGE", "REACHABLE", "CLASHES"], &rows);
    }
    if shown.len() > MAX_ROWS {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "... and {} more; -o json lists them all",
            shown.len() - MAX_ROWS
        );
    }
    text.extend(["\n", &summary(plan)]);
    for note in &plan.notes {
        text.extend(["Note: ", note, "\n"]);
    }
    text
}

fn headline(plan: &Plan) -> String {
    let name = format!("Deployment {}/{}", plan.namespace, plan.name);
    let short = |revision: &str| revision.chars().take(12).collect::<String>();
    let new = short(&plan.new_revision);
    match (plan.action, plan.old_revision.as_deref().map(short)) {
        (Action::None, _) => format!("{name} is already so (revision {new})"),
        (Action::Change, Some(old)) if old != new => {
            format!("{name} would change (revision {old} -> {new})")
        }
        (Action::Change, _) => format!("{name} would change (revision {new} stays)"),
        (Action::Create, _) => format!("{name} would be created (revision {new})"),
    }
}

fn row(device: &DevicePlan) -> Vec<String> {
    let change = match device.change {
        Change::Start => "start",
        Change::Update => "update",
        Change::Stop => "stop",
        Change::Keep => "keep",
    };
    let reachable = match device.reachable {
        Reachability::True => "True",
        Reachability::False => "False",
        Reachability::Unknown => "Unknown",
    };
    let clashes: Vec<_> = device
        .clashes
        .iter()
        .map(|clash| {
            let winner = match clash.winner {
                Winner::This => "which will lose it",
                Winner::Other => "which keeps it",
            };
            format!("{} with {}, {winner}", clash.claim, clash.with)
        })
        .collect();
    vec![
        device.device.clone(),
        change.into(),
        reachable.into(),
        clashes.join("; "),
    ]
}

fn summary(plan: &Plan) -> String {
    let s = &plan.summary;
    if s.matched + s.stop == 0 {
        return "Plan: no device matches.\n".to_owned();
    }
    let mut text = format!(
        "Plan: {} to start, {} to update, {} to stop, {} to keep.\n",
        s.start, s.update, s.stop, s.keep
    );
    if s.offline > 0 {
        let _ = writeln!(
            text,
            "{} of these offline: they follow when they are back.",
            s.offline
        );
    }
    if s.clashing > 0 {
        let _ = writeln!(
            text,
            "{} with clashes: the older Deployment wins, the other fails there with PortClash or \
             NameClash.",
            s.clashing
        );
    }
    text
}
