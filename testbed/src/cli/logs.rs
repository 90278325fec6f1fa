//! `logs`: one component's output, and what it adds.

use std::fs::{self, File};
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

/// How often a followed file is looked at.
const POLL: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(super) struct LogsArgs {
    /// The platform.
    name: String,
    /// The component, as `status` names it; without it all names are printed.
    component: Option<String>,
    /// Keep printing what is added.
    #[arg(short, long)]
    follow: bool,
}

pub(super) fn run(args: &LogsArgs) -> Result<()> {
    let bed = super::choose(Some(&args.name))?;
    let folder = bed.folder().join("logs");
    let Some(component) = &args.component else {
        for entry in fs::read_dir(&folder).context("cannot read the logs folder")? {
            let name = entry?.file_name();
            println!("{}", name.to_string_lossy().trim_end_matches(".log"));
        }
        return Ok(());
    };
    let path = folder.join(format!("{component}.log"));
    let mut file = File::open(&path).with_context(|| {
        format!(
            "no component {component:?}; `fleet-testbed logs {}` names all",
            args.name
        )
    })?;
    loop {
        io::copy(&mut file, &mut io::stdout()).context("cannot print the log")?;
        io::stdout().flush().context("cannot print the log")?;
        if !args.follow || !path.exists() {
            return Ok(());
        }
        thread::sleep(POLL);
    }
}
