//! The values as a table of Markdown.

use super::field::Field;
use super::prose;

const HEAD: &str = "| Key | Type | Default | Description |\n|---|---|---|---|\n";

/// One row for every value that can be set; groups have none.
pub(super) fn readme_table(fields: &[&Field]) -> String {
    let rows = fields.iter().filter(|f| f.is_leaf || f.fields.is_empty());
    let rows = rows.map(|field| {
        let default = field.default.as_ref();
        let default =
            default.map_or_else(|| "not set".to_owned(), |value| code(&value.to_string()));
        format!(
            "| {} | {} | {default} | {} |\n",
            code(&field.path.to_string()),
            field.type_name,
            cell(&prose::one_line(&field.docs)),
        )
    });
    HEAD.chars().map(String::from).chain(rows).collect()
}

/// Code in a cell: the fence is longer than any run of backticks inside.
fn code(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or_default() + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// Text in a cell. A `<` outside code would begin a tag and vanish.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut in_code = false;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let is_break = rest.starts_with("<br>");
        match letter {
            '|' => safe.push_str("\\|"),
            '<' if !in_code && !is_break => safe.push_str("&lt;"),
            _ => safe.push(letter),
        }
        in_code ^= letter == '`';
        rest = &rest[letter.len_utf8()..];
    }
    safe
}
