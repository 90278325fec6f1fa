//! `env`: shell lines that point clients at a platform.

use anyhow::Result;
use fleet_testbed::Overview;

pub(super) fn run(name: Option<&str>) -> Result<()> {
    super::say(lines(&super::choose(name)?));
    Ok(())
}

pub(super) fn lines(bed: &Overview) -> String {
    let mut lines: Vec<String> = bed
        .env()
        .iter()
        .map(|(key, value)| format!("export {key}={}", quoted(value)))
        .collect();
    for folder in bed.path_additions() {
        lines.push(format!(
            "export PATH={}:\"$PATH\"",
            quoted(&folder.to_string_lossy())
        ));
    }
    lines.join("\n")
}

/// In single quotes a shell reads everything but a single quote as it stands.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(quoted("/a b/$c"), "'/a b/$c'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
