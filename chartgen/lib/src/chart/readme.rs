//! `README.md`: prose with a few blanks, and the table of values.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};

use super::ChartMeta;
use crate::emit::HEADER;
use crate::error::Problem;

/// Renders the prose. Its delimiters are not Helm's, so it can show templates.
pub(super) fn render(prose: &str, meta: &ChartMeta, values: &str) -> Result<String, Problem> {
    let failed = |error: minijinja::Error| Problem::Readme(format!("{error:#}"));
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("[[", "]]")
        .block_delimiters("[%", "%]")
        .comment_delimiters("[#", "#]")
        .trim_blocks(true)
        .build()
        .map_err(failed)?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let blanks: BTreeMap<&str, Value> = [
        ("name", meta.name.as_str()),
        ("version", meta.version.as_str()),
        ("app_version", meta.app_version.as_str()),
        (
            "kube_version",
            meta.kube_version.as_deref().unwrap_or_default(),
        ),
        ("description", meta.description.as_str()),
        ("values", values.trim_end()),
    ]
    .into_iter()
    .map(|(name, text)| (name, Value::from(text)))
    .collect();
    let text = environment.render_str(prose, blanks).map_err(failed)?;
    Ok(format!("<!-- {HEADER} -->\n\n{}\n", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_filled_and_templates_of_helm_stay() {
        let meta = ChartMeta {
            name: "guestbook".into(),
            ..Default::default()
        };
        let text = render(
            "# [[ name ]]\n\n`{{ .Values.x }}`\n\n[[ values ]]\n",
            &meta,
            "| a |\n",
        );
        let text = text.map_err(|error| error.to_string());
        let expected =
            format!("<!-- {HEADER} -->\n\n# guestbook\n\n`{{{{ .Values.x }}}}`\n\n| a |\n");
        assert_eq!(text, Ok(expected));
        assert!(render("[[ nmae ]]", &meta, "").is_err());
    }
}
