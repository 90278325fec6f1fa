//! Packed charts: the same bytes every time, and nothing that leads out of the chart.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use chartgen::package;
use flate2::read::GzDecoder;

fn files(entries: &[(&str, &str)]) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = entries.iter();
    entries
        .map(|(path, content)| (PathBuf::from(path), content.as_bytes().to_vec()))
        .collect()
}

fn chart() -> BTreeMap<PathBuf, Vec<u8>> {
    let long = format!("templates/{}/a.yaml", "long-folder-name/".repeat(12));
    files(&[
        ("templates/a.yaml", "a"),
        (&long, "b"),
        ("README.md", "read"),
        ("charts/sub/Chart.yaml", "sub"),
        ("values.yaml", ""),
        ("Chart.yaml", "chart"),
    ])
}

#[test]
fn what_is_packed_is_what_comes_out_with_the_chart_first() {
    let packed = package(&chart(), "demo", "1.2.3", 1_700_000_000).expect("a package");
    assert_eq!(packed.file_name, "demo-1.2.3.tgz");
    let mut archive = tar::Archive::new(GzDecoder::new(packed.bytes.as_slice()));
    let mut unpacked = BTreeMap::new();
    let mut order = Vec::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let header = entry.header();
        assert_eq!(header.mode().ok(), Some(0o644));
        assert_eq!((header.uid().ok(), header.gid().ok()), (Some(0), Some(0)));
        assert_eq!(header.mtime().ok(), Some(1_700_000_000));
        let path = entry.path().expect("a path").into_owned();
        let path = path
            .strip_prefix("demo")
            .expect("below the name")
            .to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        order.push(path.clone());
        unpacked.insert(path, content);
    }
    assert_eq!(unpacked, chart());
    let first: Vec<_> = order.iter().take(2).map(|p| p.to_string_lossy()).collect();
    assert_eq!(first, ["Chart.yaml", "values.yaml"]);
    assert!(order.last().is_some_and(|path| path.starts_with("charts")));
}

#[test]
fn packing_twice_gives_the_same_bytes() {
    let pack = || {
        package(&chart(), "demo", "1.2.3", 0)
            .expect("a package")
            .bytes
    };
    assert_eq!(pack(), pack());
    // The header of gzip: no name, no time.
    assert_eq!(pack().get(3..8), Some(&[0; 5][..]));
}

#[test]
fn paths_out_of_the_chart_are_refused() {
    for path in ["/etc/passwd", "../other/Chart.yaml", "templates/../../x"] {
        let files = files(&[("Chart.yaml", ""), (path, "")]);
        let error = package(&files, "demo", "1.2.3", 0)
            .expect_err(path)
            .to_string();
        assert_eq!(error, format!("{path:?} is no path inside the chart"));
    }
}

#[test]
fn what_is_no_chart_is_refused() {
    let said = |files, name, version| {
        let error = package(&files, name, version, 0).expect_err("no chart");
        error.to_string()
    };
    let nothing = files(&[("values.yaml", "")]);
    assert_eq!(
        said(nothing, "demo", "1.2.3"),
        "the chart has no Chart.yaml"
    );
    let chart = files(&[("Chart.yaml", "")]);
    assert!(said(chart.clone(), "../demo", "1.2.3").contains("no name of a chart"));
    assert!(said(chart.clone(), "demo", "1.2").contains("no version of a chart"));
    assert!(said(chart, "demo", "1.2.3/../..").contains("no version of a chart"));
}
