//! `down`: asks the owner to stop; cleans up itself where there is none.

use anyhow::{Context, Result};
use clap::Args;
use fleet_testbed::Overview;

#[derive(Args)]
pub(super) struct DownArgs {
    /// The platform; not needed when only one runs.
    #[arg(conflicts_with = "all")]
    name: Option<String>,
    /// Every platform of this checkout, including those of tests that run right now.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &DownArgs) -> Result<()> {
    let beds = if args.all {
        Overview::all()
    } else {
        vec![super::choose(args.name.as_deref())?]
    };
    for bed in beds {
        bed.stop()
            .with_context(|| format!("cannot stop {}", bed.name()))?;
        println!("{} is down", bed.name());
    }
    Ok(())
}
