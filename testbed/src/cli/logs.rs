//! `logs`: one component's output, and what it adds.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
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
    /// The component, as `status` names it, or a container of a pod; without it all names are
    /// printed.
    component: Option<String>,
    /// Keep printing what is added.
    #[arg(short, long)]
    follow: bool,
}

pub(super) fn run(args: &LogsArgs) -> Result<()> {
    let bed = super::choose(Some(&args.name))?;
    let folder = bed.folder().join("logs");
    let Some(component) = &args.component else {
        for name in names(&folder, &folder).context("cannot read the logs folder")? {
            super::say(name);
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

/// The logs in a folder and the folders of nodes in it, named by their paths.
fn names(root: &Path, folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let (kind, path) = entry.and_then(|entry| Ok((entry.file_type()?, entry.path())))?;
        // Links are second names, and lead to where only the node has something.
        if kind.is_dir() {
            names.extend(self::names(root, &path)?);
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "log") {
            let name = path.strip_prefix(root).unwrap_or(&path).with_extension("");
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_named_by_their_folders() {
        let root = std::env::temp_dir().join(format!("fleet-logs-{}", std::process::id()));
        let pod = root.join("node1/pods/default_web_1/main");
        fs::create_dir_all(&pod).unwrap();
        fs::write(pod.join("0.log"), "").unwrap();
        fs::write(root.join("etcd.log"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere/0.log", root.join("node1/web.log")).unwrap();
        let names = names(&root, &root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(names, ["etcd", "node1/pods/default_web_1/main/0"]);
    }
}
