//! How long each chart takes to render, with each of its profiles, and what a release of it takes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chartgen_lint::release_size;
use serde_json::{Value, json};

use crate::bench::stats::{median_ms, round};
use crate::helm::{Helm, Major, write_values};
use crate::{Error, umbrella};

/// The goals.
const RENDER_MS: f64 = 1_000.0;
const RELEASE_BYTES: usize = 700_000;

/// What is known once it is installed somewhere.
fn told(chart: &str) -> Value {
    let auth = json!({
        "oidc": {"issuer": "https://id.example.com", "project": "1", "organisation": "2"},
        "openbao": {"address": "https://openbao.example.com:8200"},
        "enrolmentApi": {"publicUrls": ["https://join.example.com"]},
        "devices": {"natsUrl": "tls://bus.example.com:4222"},
    });
    match chart {
        "fleet-auth" => auth,
        "fleet-platform" => json!({
            "auth": {
                "enrolmentApi": auth["enrolmentApi"],
                "devices": auth["devices"],
                "oidc": auth["oidc"],
            },
            "zitadel": {"zitadel": {"configmapConfig": {"ExternalDomain": "id.example.com"}}},
        }),
        _ => json!({}),
    }
}

/// A chart with one of its profiles, or none.
struct Subject {
    name: String,
    folder: PathBuf,
    values: Vec<PathBuf>,
}

/// What rendering it takes.
pub(super) struct Figures {
    name: String,
    render: BTreeMap<String, f64>,
    release: usize,
}

/// Renders every chart `rounds` times, with either Helm.
pub(super) async fn measure(
    folder: &Path,
    rounds: usize,
    say: &impl Fn(&str),
) -> Result<Vec<Figures>, Error> {
    let (subjects, whole) = subjects(folder)?;
    if !whole {
        let missing = umbrella::UPSTREAM;
        say(&format!(
            "skipped: charts of others below fleet-platform: {missing} does not name a folder with them"
        ));
    }
    let mut all = Vec::new();
    for subject in subjects {
        let mut render = BTreeMap::new();
        let mut text = String::new();
        for major in Major::BOTH {
            let helm = Helm::offline(major, folder)?;
            // The first one warms caches and does not count.
            text = template(&helm, &subject).await?;
            let mut samples: Vec<Duration> = Vec::new();
            for _ in 0..rounds {
                let start = Instant::now();
                template(&helm, &subject).await?;
                samples.push(start.elapsed());
            }
            let name = major.to_string().replace(' ', "_");
            render.insert(name, round(median_ms(&samples), 1));
        }
        let release = stored(&text, &subject.folder)?;
        let name = &subject.name;
        say(&format!(
            "{name}: renders in {render:?} ms, a release takes {release} bytes"
        ));
        all.push(Figures {
            name: subject.name,
            render,
            release,
        });
    }
    Ok(all)
}

fn subjects(folder: &Path) -> Result<(Vec<Subject>, bool), Error> {
    let (platform, whole) = umbrella::folder(folder)?;
    let mut subjects = Vec::new();
    for chart in fleet_chartgen::charts()? {
        let values = folder.join(format!("{}.json", chart.name));
        write_values(&values, &told(&chart.name))?;
        let place = if chart.name == "fleet-platform" {
            platform.clone()
        } else {
            let place = folder.join("alone").join(&chart.name);
            let written = chart.write_to(&place);
            written.map_err(|error| Error::Unexpected(error.to_string()))?;
            place
        };
        let profiles = chart.files.keys().filter(|path| {
            let name = path.to_string_lossy();
            name.starts_with("values-") && name.ends_with(".yaml")
        });
        let profiles = profiles.map(|path| (path.display().to_string(), Some(place.join(path))));
        for (profile, file) in [(String::new(), None)].into_iter().chain(profiles) {
            let values = file.into_iter().chain([values.clone()]);
            subjects.push(Subject {
                name: format!("{} {profile}", chart.name).trim().to_owned(),
                folder: place.clone(),
                values: values.collect(),
            });
        }
    }
    Ok((subjects, whole))
}

async fn template(helm: &Helm, subject: &Subject) -> Result<String, Error> {
    // Each Helm assumes a cluster of its own age otherwise; and the schema of Zitadel's chart refers to
    // files on the internet.
    let args = [
        "template",
        "fleet",
        "--kube-version=1.36.0",
        "--skip-schema-validation",
    ];
    let args = args.map(str::to_owned).into_iter();
    let values = subject
        .values
        .iter()
        .map(|file| format!("--values={}", file.display()));
    let chart = [subject.folder.display().to_string()];
    helm.run(args.chain(chart).chain(values)).await
}

/// What the Secret of a release holds, as Kubernetes counts it: base64 of the compressed release.
fn stored(manifests: &str, chart: &Path) -> Result<usize, Error> {
    let mut files = Vec::new();
    list(chart, &mut files)
        .map_err(|error| Error::Unexpected(format!("cannot read {}: {error}", chart.display())))?;
    Ok(release_size(manifests, &files).compressed.div_ceil(3) * 4)
}

fn list(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if is_kept(&path) {
            files.push((path.display().to_string(), fs::read(&path)?));
        }
    }
    Ok(())
}

/// Helm keeps values without their comments, and of packed charts those that are switched on.
fn is_kept(path: &Path) -> bool {
    let packed = path.extension().is_some_and(|extension| extension == "tgz");
    !packed && path.file_name().is_some_and(|name| name != "values.yaml")
}

/// For the last line.
pub(super) fn report(all: &[Figures]) -> Value {
    let entries = all.iter().map(|figures| {
        let value =
            json!({"render_ms": figures.render, "release_secret_estimated_bytes": figures.release});
        (figures.name.clone(), value)
    });
    Value::Object(entries.collect())
}

/// The goals that are not met.
pub(super) fn missed(all: &[Figures]) -> Vec<String> {
    let mut missed = Vec::new();
    for Figures {
        name,
        render,
        release,
    } in all
    {
        let slow = render.iter().filter(|(_, ms)| **ms > RENDER_MS);
        missed.extend(
            slow.map(|(helm, _)| format!("{helm}: {name} renders in {RENDER_MS} ms at most")),
        );
        if *release >= RELEASE_BYTES {
            missed.push(format!(
                "a release of {name} has less than {RELEASE_BYTES} bytes"
            ));
        }
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_that_are_missed_are_named() {
        let figures = |name: &str, ms: f64, release: usize| Figures {
            name: name.to_owned(),
            render: [("helm_4".to_owned(), ms)].into(),
            release,
        };
        let all = [
            figures("small", 1.0, 1),
            figures("large", 1_001.0, RELEASE_BYTES),
        ];
        let expected = [
            "helm_4: large renders in 1000 ms at most",
            "a release of large has less than 700000 bytes",
        ];
        assert_eq!(missed(&all), expected);
    }
}
