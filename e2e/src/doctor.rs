//! `fleet doctor` as its users run it, and its report as a program reads it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fleet_testbed::wait;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};
use serde_json::Value;
use tokio::process::Command;

use crate::Error;

/// For a kubelet to try, and to try again what failed, on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// The program, pointed at a cluster and a namespace.
#[derive(Debug, Clone)]
pub struct Doctor {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
}

/// What it said.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it found.
    pub findings: Vec<Value>,
}

impl Report {
    /// The findings with this word.
    pub fn with(&self, reason: &str) -> impl Iterator<Item = &Value> {
        let of_it = move |finding: &&Value| finding["reason"] == reason;
        self.findings.iter().filter(of_it)
    }

    /// Whether a finding of this word is about such an object and says this.
    pub fn says(&self, reason: &str, object: &str, words: &str) -> bool {
        let has = |finding: &Value, field: &str, text: &str| {
            finding[field].as_str().unwrap_or_default().contains(text)
        };
        let mut of_it = self.with(reason);
        of_it.any(|f| has(f, "object", object) && has(f, "message", words))
    }

    /// How bad what this check found is, each.
    pub fn severity(&self, check: &str) -> Vec<&str> {
        let of_it = self.findings.iter().filter(|f| f["check"] == check);
        of_it.filter_map(|f| f["severity"].as_str()).collect()
    }

    /// Whether these checks found something, and all of it is well, and no other found an error.
    pub fn is_well(&self, checks: &[&str]) -> bool {
        let well = |check: &&str| {
            let found = self.severity(check);
            !found.is_empty() && found.iter().all(|severity| *severity == "ok")
        };
        self.code == Some(0) && checks.iter().all(well)
    }
}

impl Doctor {
    /// The program as cargo built it.
    ///
    /// # Errors
    /// When it is not built.
    pub fn new(kubeconfig: &Path, namespace: &str) -> Result<Self, Error> {
        Ok(Self {
            program: fleet_testbed::program("fleet")?,
            kubeconfig: kubeconfig.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// Runs it.
    ///
    /// # Errors
    /// When it cannot be started or prints no report.
    pub async fn asks(&self, args: &[&str]) -> Result<Report, Error> {
        let done = Command::new(&self.program)
            .args(["doctor", "-n", &self.namespace, "-o", "json"])
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| Error::Unexpected(format!("fleet cannot be started: {error}")))?;
        let report: Option<Value> = serde_json::from_slice(&done.stdout).ok();
        let findings = report.and_then(|report| report["findings"].as_array().cloned());
        let findings = findings.ok_or_else(|| {
            let said = String::from_utf8_lossy(&done.stderr);
            Error::Unexpected(format!("fleet doctor gave no report: {}", said.trim()))
        })?;
        Ok(Report {
            code: done.status.code(),
            findings,
        })
    }

    /// Asks until the report is so.
    ///
    /// # Errors
    /// With the last report, when it does not become so in time.
    pub async fn until(
        &self,
        what: &str,
        holds: impl Fn(&Report) -> bool,
    ) -> Result<Report, Error> {
        let there = || async { self.asks(&[]).await.is_ok_and(|report| holds(&report)) };
        let held = wait::until(LIMIT, there).await;
        let report = self.asks(&[]).await?;
        if held {
            return Ok(report);
        }
        let findings = &report.findings;
        Err(Error::Unexpected(format!("{what}: never; {findings:#?}")))
    }
}

/// Takes a Secret out of a cluster, and gives it as it can be made again.
///
/// # Errors
/// When it is not there, or the API server refuses.
pub async fn take_secret(secrets: &Api<Secret>, name: &str) -> Result<Secret, Error> {
    let failed = || Error::kube(format!("take Secret {name} away"));
    let mut secret = secrets.get(name).await.map_err(failed())?;
    let deleted = secrets.delete(name, &DeleteParams::default()).await;
    deleted.map_err(failed())?;
    secret.metadata.resource_version = None;
    secret.metadata.uid = None;
    Ok(secret)
}
