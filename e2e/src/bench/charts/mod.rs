//! What the charts cost: time to render and to install, sizes of what is stored.

mod renders;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use chartgen_lint::{Manifests, release_size};
use fleet_testbed::Testbed;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use super::machine;
use super::stats::{median_ms, round};
use crate::cluster::{Cluster, OPERATOR, with_root};
use crate::helm::{Helm, Major};
use crate::installed::{Admission, NAMESPACE, Wait};
use crate::platform::expect;
use crate::{Error, Installation};

/// The goals.
const RENDER_MS: f64 = 1_000.0;
const INSTALL_S: f64 = 20.0;
const CRD_BYTES: usize = 200_000;
const RELEASE_BYTES: usize = 300_000;
/// For definitions to go, with what is of their kinds.
const LIMIT: Duration = Duration::from_secs(60);

/// What one Helm takes for it.
#[derive(Debug, Default)]
struct Figures {
    render: Vec<Duration>,
    install: Vec<Duration>,
    release: Option<usize>,
}

/// Renders `rounds` times and installs `installs` times with either Helm.
pub async fn run(rounds: usize, installs: usize, say: impl Fn(&str)) -> Result<Value, Error> {
    let folder = tempfile::tempdir()
        .map_err(|error| Error::Unexpected(format!("cannot make a folder: {error}")))?;
    let chart = write_chart(folder.path())?;
    let mut figures = Vec::new();
    for major in Major::BOTH {
        let helm = Helm::offline(major, folder.path())?;
        let render = render(&helm, &folder.path().join(OPERATOR), rounds).await?;
        say(&format!(
            "{major}: a render takes {:.0} ms",
            median_ms(&render)
        ));
        let figure = Figures {
            render,
            ..Figures::default()
        };
        figures.push((major, figure));
    }
    let text = template(
        &Helm::offline(Major::Four, folder.path())?,
        &folder.path().join(OPERATOR),
    )
    .await?;
    let crds = crd_sizes(&text);
    for (name, bytes) in &crds {
        say(&format!("{name}: {bytes} bytes"));
    }
    let estimated = release_size(&text, &chart).stored;
    say(&format!("a release is estimated to take {estimated} bytes"));
    let all = renders::measure(folder.path(), rounds, &say).await?;
    if installs > 0 {
        install(&mut figures, installs, &say).await?;
    }
    let mut report = report(&figures, &crds, estimated, rounds).await;
    report["charts"] = renders::report(&all);
    if let Some(missed) = report["missed"].as_array_mut() {
        missed.extend(renders::missed(&all).into_iter().map(Value::from));
    }
    Ok(report)
}

/// Writes the operator's chart, and gives its files.
fn write_chart(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let charts = fleet_chartgen::charts()?;
    let chart = charts.into_iter().find(|chart| chart.name == OPERATOR);
    let chart = chart.ok_or_else(|| Error::Unexpected(format!("no chart {OPERATOR}")))?;
    chart
        .write_to(&folder.join(OPERATOR))
        .map_err(|error| Error::Unexpected(error.to_string()))?;
    let files = chart.files.into_iter();
    Ok(files
        .map(|(path, content)| (path.to_string_lossy().into_owned(), content))
        .collect())
}

async fn template(helm: &Helm, chart: &Path) -> Result<String, Error> {
    // Each Helm assumes a cluster of its own age otherwise.
    let args = ["template", OPERATOR, "--kube-version=1.36.0"];
    let args = args.map(str::to_owned).into_iter();
    helm.run(args.chain([chart.display().to_string()])).await
}

async fn render(helm: &Helm, chart: &Path, rounds: usize) -> Result<Vec<Duration>, Error> {
    // The first one warms caches and does not count.
    template(helm, chart).await?;
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        template(helm, chart).await?;
        samples.push(start.elapsed());
    }
    Ok(samples)
}

/// As the API server is sent them: JSON without white space.
fn crd_sizes(text: &str) -> BTreeMap<String, usize> {
    let manifests = Manifests::read("rendered", text);
    let objects = manifests.objects().iter();
    let definitions = objects.filter(|object| object.kind() == "CustomResourceDefinition");
    definitions
        .map(|object| (object.name().to_owned(), object.value.to_string().len()))
        .collect()
}

/// Installs into a new cluster; without root, only says why not.
async fn install(
    figures: &mut [(Major, Figures)],
    installs: usize,
    say: &impl Fn(&str),
) -> Result<(), Error> {
    let bed = Testbed::builder("bench-charts")
        .control_plane()
        .node()
        .nats()
        .start()
        .await;
    let Some(bed) = with_root("helm install", bed)? else {
        return Ok(());
    };
    let cluster = Cluster::of_testbed(&bed).await?;
    for (major, figures) in figures {
        let admission = Admission::Restricted;
        let chart = Installation::prepare(&cluster, &bed, *major, NAMESPACE, admission).await?;
        for i in 1..=installs {
            let start = Instant::now();
            chart.install(Wait::Yes, &[]).await?;
            chart.wait_ready(1).await?;
            figures.install.push(start.elapsed());
            figures.release = Some(release_bytes(&cluster.client).await?);
            say(&format!(
                "{major}: {i} of {installs}: ready after {:.1} s",
                start.elapsed().as_secs_f64()
            ));
            chart.uninstall().await?;
            remove_definitions(&cluster.client).await?;
        }
    }
    Ok(())
}

/// The largest Secret that Helm keeps a release in, as it is sent: what Helm writes in base64.
async fn release_bytes(client: &kube::Client) -> Result<usize, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let params = ListParams::default().fields("type=helm.sh/release.v1");
    let found = secrets.list(&params).await;
    let found = found.map_err(Error::kube("list the releases of Helm"))?;
    let data = found.items.iter().filter_map(|secret| secret.data.as_ref());
    let sizes = data.filter_map(|data| data.get("release").map(|release| release.0.len()));
    let largest = sizes.max();
    let largest = largest.ok_or_else(|| Error::Unexpected("Helm keeps no release".into()))?;
    Ok(largest.div_ceil(3) * 4)
}

/// They stay after an uninstallation; the next installation shall make them anew.
async fn remove_definitions(client: &kube::Client) -> Result<(), Error> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definitions = fleet_chartgen::Release::current()?.crds;
    let names: Vec<_> = definitions
        .into_iter()
        .filter_map(|crd| crd.metadata.name)
        .collect();
    for name in &names {
        api.delete(name, &DeleteParams::default())
            .await
            .map_err(Error::kube(format!("delete the definition {name}")))?;
    }
    for name in names {
        let gone = || async { matches!(api.get_opt(&name).await, Ok(None)) };
        expect(LIMIT, format!("the definition {name} is gone"), gone).await?;
    }
    Ok(())
}

async fn report(
    figures: &[(Major, Figures)],
    crds: &BTreeMap<String, usize>,
    estimated: usize,
    rounds: usize,
) -> Value {
    let by_major = |figure: &dyn Fn(&Figures) -> Value| -> Value {
        let entries = figures.iter();
        let entries = entries.map(|(major, f)| (major.to_string().replace(' ', "_"), figure(f)));
        Value::Object(entries.collect())
    };
    let seconds = |figures: &Figures| median_ms(&figures.install) / 1000.0;
    json!({
        "render_ms": by_major(&|f| json!(round(median_ms(&f.render), 1))),
        "install_to_ready_s": by_major(&|f| match f.install.as_slice() {
            [] => Value::Null,
            _ => json!(round(seconds(f), 2)),
        }),
        "crd_bytes": crds,
        "release_secret_bytes": by_major(&|f| json!(f.release)),
        "release_secret_estimated_bytes": estimated,
        "missed": missed(figures, crds, estimated),
        "rounds": rounds,
        "installs": figures.iter().map(|(_, f)| f.install.len()).min(),
        "machine": machine::describe().await,
    })
}

/// The goals that are not met.
fn missed(
    figures: &[(Major, Figures)],
    crds: &BTreeMap<String, usize>,
    estimated: usize,
) -> Vec<String> {
    let mut missed = Vec::new();
    for (major, figures) in figures {
        if median_ms(&figures.render) > RENDER_MS {
            missed.push(format!("{major}: a render takes {RENDER_MS} ms at most"));
        }
        if median_ms(&figures.install) > INSTALL_S * 1000.0 {
            missed.push(format!("{major}: ready after {INSTALL_S} s at most"));
        }
        if figures.release.unwrap_or(estimated) >= RELEASE_BYTES {
            missed.push(format!(
                "{major}: a release has less than {RELEASE_BYTES} bytes"
            ));
        }
    }
    let large = crds.iter().filter(|(_, bytes)| **bytes >= CRD_BYTES);
    missed.extend(large.map(|(name, _)| format!("{name} has less than {CRD_BYTES} bytes")));
    missed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_that_are_missed_are_named() {
        let slow = Figures {
            render: vec![Duration::from_millis(1_200)],
            install: vec![Duration::from_secs(21)],
            release: Some(RELEASE_BYTES),
        };
        let good = Figures {
            render: vec![Duration::from_millis(200)],
            ..Figures::default()
        };
        let crds = BTreeMap::from([("small".to_owned(), 10), ("large".to_owned(), CRD_BYTES)]);
        let all = missed(&[(Major::Three, slow), (Major::Four, good)], &crds, 10);
        let expected = [
            "helm 3: a render takes 1000 ms at most",
            "helm 3: ready after 20 s at most",
            "helm 3: a release has less than 300000 bytes",
            "large has less than 200000 bytes",
        ];
        assert_eq!(all, expected);
    }
}
