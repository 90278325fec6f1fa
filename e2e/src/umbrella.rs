//! The whole platform as one chart, `fleet-platform`, with every chart that it brings in its place.
//!
//! The charts of others are not in this repository. Where `FLEET_UPSTREAM_CHARTS` names a folder in
//! which they are unpacked, each under its name, they are taken from there. Elsewhere empty charts of
//! the same names and versions stand for them: Helm refuses a chart without its dependencies, even
//! without those that the values switch off.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chartgen::common::FreeForm;
use chartgen::{Chart, ChartMeta, FileError, RenderedChart};
use fleet_chartgen::platform::upstream::{self, Upstream};

use crate::Error;

/// Names the folder with the charts of others.
pub const UPSTREAM: &str = "FLEET_UPSTREAM_CHARTS";
/// The chart.
const UMBRELLA: &str = "fleet-platform";

/// Writes the chart below `into`, and tells where it is, and whether it brings what others wrote.
///
/// # Errors
/// When a chart cannot be made, read or written.
pub fn folder(into: &Path) -> Result<(PathBuf, bool), Error> {
    let upstream = std::env::var_os(UPSTREAM).map(PathBuf::from);
    let umbrella = compose(into, upstream.as_deref())?;
    Ok((umbrella, upstream.is_some()))
}

fn compose(into: &Path, upstream: Option<&Path>) -> Result<PathBuf, Error> {
    let umbrella = into.join(UMBRELLA);
    let charts = umbrella.join("charts");
    let ours = fleet_chartgen::charts()?;
    let brought = |name: &str| {
        let umbrella = ours.iter().find(|chart| chart.name == UMBRELLA);
        umbrella.is_some_and(|it| it.dependencies.iter().any(|d| d.name == name))
    };
    for chart in &ours {
        if chart.name == UMBRELLA {
            write(chart, &umbrella)?;
        } else if brought(&chart.name) {
            write(chart, &charts.join(&chart.name))?;
        }
    }
    for theirs in &upstream::ALL {
        let place = charts.join(theirs.name);
        match upstream {
            Some(upstream) => {
                let source = upstream.join(theirs.name);
                copy(&source, &place).map_err(|error| {
                    Error::Unexpected(format!("cannot copy {}: {error}", source.display()))
                })?;
            }
            None => write(&empty(theirs)?, &place)?,
        }
    }
    Ok(umbrella)
}

/// A chart that takes all values and makes nothing.
fn empty(chart: &Upstream) -> Result<RenderedChart, Error> {
    let meta = ChartMeta {
        name: chart.name.to_owned(),
        version: chart.version.to_owned(),
        ..ChartMeta::default()
    };
    let built = Chart::<FreeForm>::new(meta).build();
    let mut chart = built.map_err(|errors| Error::Charts(errors.into()))?;
    // The library's schemas know all keys; the keys of others are not known here.
    chart.files.remove(Path::new("values.schema.json"));
    Ok(chart)
}

fn write(chart: &RenderedChart, folder: &Path) -> Result<(), Error> {
    let unwritten = |error: FileError| {
        Error::Unexpected(format!("cannot write the chart {}: {error}", chart.name))
    };
    chart.write_to(folder).map_err(unwritten)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::helm::{Helm, Major, write_values};

    #[tokio::test]
    async fn helm_takes_the_chart_with_stand_ins_and_with_the_values_of_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let umbrella = compose(folder.path(), None).expect("composed");
        let again = compose(folder.path(), None).expect("composed again");
        assert_eq!(umbrella, again);
        let values = folder.path().join("values.json");
        let missing = json!({
            "zitadel": {"enabled": false},
            "auth": {
                "enrolment": {"enabled": false},
                "oidc": {
                    "issuer": "https://id.example.com", "url": "", "project": "1", "organisation": "2",
                },
                "zitadelJob": {"enabled": false},
            },
        });
        write_values(&values, &missing).expect("written");
        let [chart, values] = [&umbrella, &values].map(|path| path.display().to_string());
        for major in Major::BOTH {
            let helm = Helm::offline(major, folder.path()).expect("helm");
            let args = ["template", "fleet", &chart, "--values", &values];
            let rendered = helm.run(args).await.expect("rendered");
            for source in ["charts/operator/", "charts/auth/"] {
                assert!(rendered.contains(source), "{major}: nothing of {source}");
            }
            assert!(!rendered.contains("charts/nats/"), "{major}: {rendered}");
        }
    }
}
