//! From nothing to a container that answers inside of a virtual machine, and from a power cut to the same.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fleet_devices_core::VmArchitecture;
use fleet_tools::Debian;
use serde_json::{Value, json};

use super::machine;
use super::stats::round;
use crate::machines::{self, Machines, Making, Played, Step};
use crate::platform::{Login, Place, Wanted};
use crate::{Error, Platform, identity::ChainOptions};

/// The device.
const MACHINE: &str = "vm-1";
/// How many steps of the set-up are worth a line.
const STEPS: usize = 5;

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Its processor: `x86_64` or `aarch64`
    #[arg(long = "arch", default_value = "x86_64")]
    pub architecture: VmArchitecture,
    /// The agent for inside, static and built for that processor
    #[arg(long)]
    pub agent: PathBuf,
    /// Make the disk image anew, too, as on a machine that has nothing in its cache
    #[arg(long)]
    pub from_nothing: bool,
}

/// Makes a device of nothing, has it run a container, and cuts its power.
pub async fn run(settings: &Settings, say: impl Fn(&str)) -> Result<Value, Error> {
    let (image, made) = image(settings, &say).await?;
    let wanted = Wanted {
        name: "bench-machines",
        devices: &[],
        heartbeat: None,
        operator: Place::Process,
        login: Login::Chain(ChainOptions::default()),
    };
    let platform = Platform::start_wanted(wanted, &say).await?;
    let making = Making {
        architecture: settings.architecture,
        image: image.path,
        agent: settings.agent.clone(),
    };
    let machines = Machines::start(&platform, making, &[MACHINE], &say).await?;
    let accelerator = machines::accelerator(&machines, MACHINE).await?;
    let played = machines::regression(&machines, &say).await;
    let took = took(&machines, made, &played?);
    machines.delete().await?;
    for (what, seconds) in took.parts() {
        say(&format!("{seconds:7.1} s  {what}"));
    }
    for step in &took.steps {
        say(&format!(
            "{:7.1} s  of the set-up: {}",
            step.seconds, step.what
        ));
    }
    Ok(json!({
        "benchmark": "machines",
        "architecture": settings.architecture.uname(),
        "accelerator": accelerator,
        "image": if settings.from_nothing { "made" } else { "cached" },
        "seconds_to_container": round(took.to_container(), 1),
        "dominates": took.dominates(),
        "seconds": took.parts().map(|(what, seconds)| {
            ((*what).to_owned(), json!(round(*seconds, 1)))
        }).collect::<serde_json::Map<_, _>>(),
        "setup": took.steps,
        "machine": machine::describe().await,
    }))
}

/// A disk image, and a folder that goes with it where it is no one's but ours.
struct Image {
    path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

async fn image(
    settings: &Settings,
    say: &impl Fn(&str),
) -> Result<(Image, Option<Duration>), Error> {
    let (architecture, anew) = (settings.architecture.uname(), settings.from_nothing);
    say("the disk image");
    let begun = Instant::now();
    // The script takes minutes, and nothing else goes on.
    let image = tokio::task::spawn_blocking(move || ensure(architecture, anew)).await;
    let image = image.map_err(unexpected)??;
    Ok((image, anew.then(|| begun.elapsed())))
}

fn ensure(architecture: &str, anew: bool) -> Result<Image, Error> {
    if !anew {
        let path = Debian::Image.ensure(architecture).map_err(unexpected)?;
        return Ok(Image {
            path,
            _folder: None,
        });
    }
    let folder = tempfile::tempdir().map_err(unexpected)?;
    let path = folder.path().join("image.qcow2");
    Debian::Image
        .make(architecture, &path)
        .map_err(unexpected)?;
    Ok(Image {
        path,
        _folder: Some(folder),
    })
}

fn unexpected(error: impl std::error::Error) -> Error {
    Error::Unexpected(error.to_string())
}

/// What one thing took, in seconds.
type Part = (&'static str, f64);

/// What all of it took.
struct Took {
    /// Until the container answers, in the order in which it happened.
    way: Vec<Part>,
    /// What came after that.
    after: Vec<Part>,
    /// What took most of the set-up, first.
    steps: Vec<Step>,
}

impl Took {
    fn to_container(&self) -> f64 {
        self.way.iter().map(|(_, seconds)| seconds).sum()
    }

    /// The part that took most of the way to the container.
    fn dominates(&self) -> Option<&'static str> {
        let parts = self.way.iter();
        let longest = parts.max_by(|(_, one), (_, other)| one.total_cmp(other));
        longest.map(|(what, _)| *what)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.way.iter().chain(&self.after)
    }
}

fn took(machines: &Machines<'_>, image: Option<Duration>, played: &Played) -> Took {
    let part = |what, took: Duration| (what, took.as_secs_f64());
    let mut way: Vec<_> = image
        .map(|image| part("image", image))
        .into_iter()
        .collect();
    let mut steps = vec![];
    for machine in machines.all() {
        let made = &machine.made;
        way.push(part("boot", made.boot));
        way.push(part("setup", made.setup));
        way.push(part("load_images", made.images));
        steps.extend(made.steps.iter().cloned());
    }
    way.push(part("apply_to_http", played.applied));
    let mut after = vec![part("new_image_to_http", played.replaced)];
    for cut in &played.cuts {
        after.push(part("power_cut_to_http", cut.answers));
        after.push(part("power_cut_to_heard", cut.heard));
    }
    steps.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    steps.truncate(STEPS);
    for step in &mut steps {
        step.seconds = round(step.seconds, 1);
    }
    Took { way, after, steps }
}
