//! Packages as people get them: whole, with their checksums, and signed so that Helm believes it.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleet_tools::Tool;
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const OWN: [&str; 3] = ["fleet-auth", "fleet-crds", "fleet-operator"];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn chartgen<A: AsRef<OsStr>>(args: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-chartgen"));
    command
        .arg("package")
        .args(args)
        .env_remove("FLEET_CHART_SIGNING_KEY")
        .env_remove("SOURCE_DATE_EPOCH");
    command
}

#[track_caller]
fn ok(mut command: Command) -> Output {
    let done = command.output().expect("starts");
    assert!(done.status.success(), "{}", text(&done.stderr));
    done
}

/// Both Helms, each with the name of its major version.
fn helms() -> [(&'static str, PathBuf); 2] {
    let tools = [("helm 4", Tool::Helm), ("helm 3", Tool::Helm3)];
    let toolbox = fleet_tools::ensure(&tools.map(|(_, tool)| tool), &mut |_| {}).expect("helms");
    tools.map(|(name, tool)| (name, toolbox.path(tool).expect("a helm").to_owned()))
}

fn helm<A: AsRef<OsStr>>(program: &Path, home: &Path, args: &[A]) -> Output {
    Command::new(program)
        .args(args)
        .env("HELM_CACHE_HOME", home.join("cache"))
        .env("HELM_CONFIG_HOME", home.join("config"))
        .env("HELM_DATA_HOME", home.join("data"))
        .env_remove("KUBECONFIG")
        .output()
        .expect("helm starts")
}

fn package(name: &str) -> String {
    format!("{name}-{VERSION}.tgz")
}

/// Charts of others under the names and versions that the umbrella asks for.
fn stand_ins(folder: &Path) -> Vec<String> {
    let charts = fleet_chartgen::charts().expect("charts");
    let umbrella = charts.iter().find(|chart| chart.name == "fleet-platform");
    let dependencies = &umbrella.expect("the umbrella").dependencies;
    let others = dependencies
        .iter()
        .filter(|d| !OWN.contains(&d.name.as_str()));
    let names = others.map(|dependency| {
        let (name, version) = (&dependency.name, &dependency.version);
        let chart = serde_json::json!({"apiVersion": "v2", "name": name, "version": version});
        let files = BTreeMap::from([("Chart.yaml".into(), chart.to_string().into_bytes())]);
        let packed = chartgen::package(&files, name, version, 0).expect("a package");
        fs::write(folder.join(&packed.file_name), packed.bytes).expect("written");
        packed.file_name
    });
    names.collect()
}

#[test]
fn packages_come_with_checksums_and_an_umbrella_only_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, others) = (folder.path().join("out"), folder.path().join("others"));
    fs::create_dir(&others).expect("a folder");
    let args = |out: &Path| {
        [
            "--out".into(),
            out.into(),
            "--dependencies".into(),
            others.clone(),
        ]
    };
    let done = ok(chartgen(&args(&out)));
    let said = text(&done.stderr);
    assert!(
        said.contains("skipped: package of fleet-platform: nats-"),
        "{said}"
    );
    assert!(!out.join(package("fleet-platform")).exists());
    let sums = fs::read_to_string(out.join("SHA256SUMS")).expect("checksums");
    let names: Vec<_> = sums
        .lines()
        .filter_map(|line| line.split("  ").nth(1))
        .collect();
    assert_eq!(names, OWN.map(package));

    let fetched = stand_ins(&others);
    assert!(fetched.len() >= 3, "{fetched:?}");
    let again = folder.path().join("again");
    for out in [&out, &again] {
        let done = ok(chartgen(&args(out)));
        assert_eq!(text(&done.stderr), "");
        let mut check = Command::new("sha256sum");
        check
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(out);
        assert_eq!(text(&ok(check).stdout).matches(": OK").count(), 4);
    }
    let umbrella = package("fleet-platform");
    let [first, second] = [&out, &again].map(|out| fs::read(out.join(&umbrella)).expect("read"));
    assert!(first == second, "the same bytes every time");
    for (name, program) in helms() {
        let package = out.join(&umbrella);
        let shown = helm(
            &program,
            folder.path(),
            &["dependency".as_ref(), "list".as_ref(), package.as_os_str()],
        );
        let shown = text(&shown.stdout);
        assert_eq!(
            shown.matches("\tok").count() + shown.matches("unpacked").count(),
            5,
            "{name}: {shown}"
        );
    }
    // What is no longer whole does not stay.
    fs::remove_file(others.join(&fetched[0])).expect("removed");
    ok(chartgen(&args(&out)));
    assert!(!out.join(&umbrella).exists());
}

/// gpg with a key of its own, which goes with it.
struct Gpg {
    home: TempDir,
}

impl Gpg {
    const KEY: &str = "releases@fleet.example";

    /// None where there is no gpg.
    fn start() -> Option<Self> {
        // Its agent's socket lies in it, and a socket's path is short.
        let home = tempfile::Builder::new()
            .prefix("gpg")
            .tempdir_in("/tmp")
            .expect("a folder");
        let gpg = Self { home };
        let made = gpg
            .command()
            .args([
                "--quick-generate-key",
                Self::KEY,
                "rsa3072",
                "sign",
                "never",
            ])
            .output();
        match made {
            Ok(done) if done.status.success() => Some(gpg),
            Ok(done) => panic!("gpg makes no key: {}", text(&done.stderr)),
            Err(error) => {
                let mut stderr = std::io::stderr().lock();
                writeln!(stderr, "skipped: signed packages: gpg: {error}").expect("standard error");
                None
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command
            .args(["--batch", "--passphrase", "", "--pinentry-mode", "loopback"])
            .env("GNUPGHOME", self.home.path());
        command
    }

    /// The public key, in the form that Helm reads.
    fn keyring(&self) -> PathBuf {
        let path = self.home.path().join("public.gpg");
        let mut export = self.command();
        export
            .arg("--output")
            .arg(&path)
            .args(["--export", Self::KEY]);
        ok(export);
        path
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.home.path())
            .output();
    }
}

#[test]
fn helm_believes_a_signed_package_and_no_other() {
    let Some(gpg) = Gpg::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let args = [
        "--sign".as_ref(),
        Gpg::KEY.as_ref(),
        "--out".as_ref(),
        out.as_os_str(),
    ];
    let mut sign = chartgen(&args);
    sign.env("GNUPGHOME", gpg.home.path());
    ok(sign);
    let keyring = gpg.keyring();
    for (name, program) in helms() {
        let verify = |package: &Path| {
            let args = [
                "verify".as_ref(),
                "--keyring".as_ref(),
                keyring.as_os_str(),
                package.as_os_str(),
            ];
            helm(&program, folder.path(), &args)
        };
        for chart in OWN {
            let path = out.join(package(chart));
            let done = verify(&path);
            assert!(done.status.success(), "{name}: {}", text(&done.stderr));
            let said = text(&done.stdout);
            assert!(
                said.contains(Gpg::KEY) && said.contains("sha256:"),
                "{name}: {said}"
            );
        }
        // The signature of one does not do for another.
        let (good, bad) = (
            out.join(package(OWN[0])),
            folder.path().join(package(OWN[0])),
        );
        let mut bytes = fs::read(&good).expect("read");
        bytes.push(0);
        fs::write(&bad, bytes).expect("written");
        let prov = |path: &Path| PathBuf::from(format!("{}.prov", path.display()));
        fs::copy(prov(&good), prov(&bad)).expect("copied");
        let done = verify(&bad);
        assert!(
            !done.status.success(),
            "{name} took a package that was changed"
        );
        let said = text(&done.stderr);
        assert!(
            said.contains("sha256 sum does not match") || said.contains("digest"),
            "{name}: {said}"
        );
    }
    // Without a key there is no signature left over from before.
    ok(chartgen(&["--out".as_ref(), out.as_os_str()]));
    let left: Vec<_> = fs::read_dir(&out).expect("a folder").flatten().collect();
    assert!(
        left.iter()
            .all(|e| e.path().extension() != Some("prov".as_ref())),
        "{left:?}"
    );

    let mut nobody = chartgen(&[
        "--sign".as_ref(),
        "nobody@fleet.example".as_ref(),
        "--out".as_ref(),
        out.as_os_str(),
    ]);
    let done = nobody
        .env("GNUPGHOME", gpg.home.path())
        .output()
        .expect("starts");
    assert!(!done.status.success());
    let said = text(&done.stderr);
    assert!(
        said.contains("gpg did not sign with the key nobody@fleet.example"),
        "{said}"
    );
}
