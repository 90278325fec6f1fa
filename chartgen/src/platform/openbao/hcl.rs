//! The language of `OpenBao`'s configuration, as far as it is used here.

use std::fmt::Write as _;

/// What stands between two braces.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Comment(&'static str),
    Set(String, String),
    Lines(String, Vec<String>),
    Block(String, Body),
}

impl Body {
    /// A line for readers.
    pub(super) fn comment(mut self, text: &'static str) -> Self {
        self.entries.push(Entry::Comment(text));
        self
    }

    /// A string.
    pub(super) fn set(mut self, key: &str, value: &str) -> Self {
        let value = quoted(value);
        self.entries.push(Entry::Set(key.to_owned(), value));
        self
    }

    /// A text of several lines, as it is.
    pub(super) fn lines(mut self, key: &str, text: &str) -> Self {
        let lines = text.lines().map(str::to_owned).collect();
        self.entries.push(Entry::Lines(key.to_owned(), lines));
        self
    }

    /// A list of strings.
    pub(super) fn list(mut self, key: &str, values: &[&str]) -> Self {
        let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        let value = format!("[{}]", values.join(", "));
        self.entries.push(Entry::Set(key.to_owned(), value));
        self
    }

    /// Something that is not wanted.
    pub(super) fn off(mut self, key: &str) -> Self {
        let value = "false".to_owned();
        self.entries.push(Entry::Set(key.to_owned(), value));
        self
    }

    /// A block: its kind and its names, of which there may be none.
    pub(super) fn block(mut self, kind: &str, names: &[&str], body: Body) -> Self {
        let mut head = kind.to_owned();
        for name in names {
            let _ = write!(head, " {}", quoted(name));
        }
        self.entries.push(Entry::Block(head, body));
        self
    }

    /// An object as a value.
    pub(super) fn object(mut self, key: &str, body: Body) -> Self {
        self.entries.push(Entry::Block(format!("{key} ="), body));
        self
    }

    /// The text of a file.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, "");
        text
    }

    fn write(&self, text: &mut String, pad: &str) {
        for entry in &self.entries {
            let _ = match entry {
                Entry::Comment(line) => writeln!(text, "{pad}# {line}"),
                Entry::Set(key, value) => writeln!(text, "{pad}{key} = {value}"),
                Entry::Lines(key, lines) => {
                    let _ = writeln!(text, "{pad}{key} = <<-EOT");
                    for line in lines {
                        let _ = writeln!(text, "{pad}  {line}");
                    }
                    writeln!(text, "{pad}EOT")
                }
                Entry::Block(head, body) => {
                    let _ = writeln!(text, "{pad}{head} {{");
                    body.write(text, &format!("{pad}  "));
                    writeln!(text, "{pad}}}")
                }
            };
        }
    }
}

/// A string in quotes. HCL reads the escapes of JSON; nothing here holds its `${`.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
