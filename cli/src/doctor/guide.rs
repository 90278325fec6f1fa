//! The page of the documentation with everything that `fleet doctor` looks at and can find.

use std::fmt::Write as _;

use super::finding::{Check, Reason, Severity};

/// `docs/install/doctor.md`.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page += "\n## What it looks at\n\n| check | what is looked at |\n|---|---|\n";
    for check in Check::ALL {
        row(&mut page, &[&format!("`{check}`"), check.question()]);
    }
    page += "\n## What it can find\n\nThe word stands in the column REASON, and in `reason` of JSON and YAML. Words stay as they are; further \
             ones may come.\n";
    for severity in Severity::ALL.into_iter().rev() {
        let of_it = Reason::ALL.iter().filter(|r| r.severity() == severity);
        let _ = write!(page, "\n### {}\n\n", title(severity));
        page += "| reason | what it means | what to do |\n|---|---|---|\n";
        for reason in of_it {
            let word = format!("`{reason}`");
            row(&mut page, &[&word, reason.meaning(), reason.remedy()]);
        }
    }
    page
}

fn row(page: &mut String, cells: &[&str]) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

const fn title(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Unknown => "unknown: could not be looked at",
        Severity::Warning => "warning: works, but look at it",
        Severity::Error => "error: does not work",
    }
}

const INTRODUCTION: &str = "\
# fleet doctor

`fleet doctor` looks at a cluster with the rights of your kubeconfig, and says what is wrong and how to mend it. It only reads, and shows
no value of a Secret. What you may not read is `unknown` in its report, never `ok`. Of a container that ends again and again it shows the
last line of the log, where you may read logs.

```
fleet doctor --before              # is the cluster fit for an installation?
fleet doctor                       # what is wrong with the platform that is there?
fleet doctor -n fleet-system -o json
```

Without `--before` or `--after` it goes by what is there. The namespace is that of `--namespace`; else the one where it finds the operator;
else `fleet-system`. `make doctor` is the same from a checkout.

Exit codes: 0 no errors, 1 errors, 2 wrongly used. Warnings and what is unknown do not change it: a script that wants to be strict reads
`-o json`.

Parts are found by their label `app.kubernetes.io/name`: `fleet-operator`, `fleet-auth` (with `app.kubernetes.io/component` `callout` or
`enrolment`), `nats`, `openbao`, `zitadel`. Those that run elsewhere are not looked at.

<!-- Printed from cli/src/doctor/finding.rs; `make generate` writes it anew. -->
";
