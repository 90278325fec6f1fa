//! From events to values.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::{Document, Remark, resolve};
use crate::rule::{Rule, Severity};

/// Nodes that aliases may add to one stream. Manifests hardly use aliases; a stream that copies
/// this much is an attack on the reader.
const MAX_ALIASED: usize = 1_000_000;
/// Comments in a row; licence headers are shorter.
const MAX_COMMENTS: usize = 100_000;

/// The documents of a stream that are not empty, and what is wrong with its text. Reading ends at
/// the first syntax error.
pub(crate) fn read(text: &str) -> (Vec<Document>, Vec<Remark>) {
    let options = granit_parser::options! { max_buffered_comment_events: MAX_COMMENTS };
    let mut composer = Composer::default();
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                if composer.take(event, span.start.line()).is_err() {
                    break;
                }
            }
            Err(error) => {
                let line = error.marker().line();
                composer.document.max_one();
                composer.remark(
                    Rule::YamlSyntax,
                    Severity::Error,
                    line,
                    error.info().clone(),
                );
                break;
            }
        }
    }
    (composer.documents, composer.remarks)
}

/// The number of the document being read.
#[derive(Default, Clone, Copy)]
struct Counter(usize);

impl Counter {
    /// An error before the first document is reported as in it.
    fn max_one(&mut self) {
        self.0 = self.0.max(1);
    }
}

/// Reading cannot go on; the remark is written.
struct Stop;

#[derive(Default)]
struct Composer {
    document: Counter,
    line: usize,
    source: Option<String>,
    open: Vec<Open>,
    root: Option<Value>,
    anchors: HashMap<usize, Value>,
    aliased: usize,
    documents: Vec<Document>,
    remarks: Vec<Remark>,
}

/// A collection whose end has not come.
enum Open {
    List {
        anchor: usize,
        entries: Vec<Value>,
    },
    Map {
        anchor: usize,
        members: Map<String, Value>,
        merged: Vec<Value>,
        key: Key,
    },
}

enum Key {
    Awaited,
    Read(String),
    Merge,
}

impl Composer {
    fn remark(&mut self, rule: Rule, severity: Severity, line: usize, message: String) {
        let document = self.document.0;
        let source = self.source.clone();
        self.remarks.push(Remark {
            rule,
            severity,
            document,
            source,
            line,
            message,
        });
    }

    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Stop> {
        match event {
            Event::Comment(text, _) => {
                if let Some(source) = text.trim().strip_prefix("Source: ") {
                    self.source = Some(source.to_owned());
                }
            }
            Event::DocumentStart(..) => {
                self.document.0 += 1;
                self.root = None;
                self.anchors.clear();
            }
            Event::DocumentEnd => self.end_document(),
            Event::Scalar(text, style, anchor, tag) => {
                self.begin_content(line);
                self.scalar(&text, style, tag.as_deref(), anchor, line);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin_content(line);
                self.open.push(Open::List {
                    anchor,
                    entries: Vec::new(),
                });
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin_content(line);
                let (members, merged) = (Map::new(), Vec::new());
                self.open.push(Open::Map {
                    anchor,
                    members,
                    merged,
                    key: Key::Awaited,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.end_collection(line),
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.aliased += size(&value);
                if self.aliased > MAX_ALIASED {
                    let message = "aliases expand to more than a million values".to_owned();
                    self.remark(Rule::YamlSyntax, Severity::Error, line, message);
                    return Err(Stop);
                }
                self.place(value, line);
            }
            _ => {}
        }
        Ok(())
    }

    fn begin_content(&mut self, line: usize) {
        if self.open.is_empty() {
            self.line = line;
        }
    }

    fn end_document(&mut self) {
        let source = self.source.take();
        let Some(value) = self.root.take().filter(|value| !value.is_null()) else {
            return;
        };
        let (number, line) = (self.document.0, self.line);
        self.documents.push(Document {
            number,
            line,
            source,
            value,
        });
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        anchor: usize,
        line: usize,
    ) {
        let is_key = matches!(
            self.open.last(),
            Some(Open::Map {
                key: Key::Awaited,
                ..
            })
        );
        let is_plain = style == ScalarStyle::Plain && tag.is_none();
        if is_key && is_plain && text == "<<" {
            if let Some(Open::Map { key, .. }) = self.open.last_mut() {
                *key = Key::Merge;
            }
            return;
        }
        let typed = tag
            .and_then(Tag::core_suffix)
            .is_some_and(|name| name != "str");
        let value = if is_plain || typed {
            let resolved = resolve::plain(text);
            if let Some(otherwise) = resolved.otherwise.filter(|_| is_plain) {
                let (severity, what) = match is_key {
                    true if !resolved.value.is_string() => (Severity::Error, "key"),
                    true => (Severity::Warning, "key"),
                    false => (Severity::Warning, "value"),
                };
                let message = format!("the bare {what} {text:?}: {otherwise}");
                self.remark(Rule::Yaml11Ambiguous, severity, line, message);
            }
            resolved.value
        } else {
            Value::String(text.to_owned())
        };
        self.keep_anchor(anchor, &value);
        self.place(value, line);
    }

    fn end_collection(&mut self, line: usize) {
        let (anchor, value) = match self.open.pop() {
            Some(Open::List { anchor, entries }) => (anchor, Value::Array(entries)),
            Some(Open::Map {
                anchor,
                mut members,
                merged,
                ..
            }) => {
                for (name, value) in merged.into_iter().flat_map(mergeable) {
                    members.entry(name).or_insert(value);
                }
                (anchor, Value::Object(members))
            }
            None => return,
        };
        self.keep_anchor(anchor, &value);
        self.place(value, line);
    }

    fn keep_anchor(&mut self, anchor: usize, value: &Value) {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
    }

    /// Puts a complete value where it belongs.
    fn place(&mut self, value: Value, line: usize) {
        let mut twice = None;
        let mut refused = false;
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List { entries, .. }) => entries.push(value),
            Some(Open::Map {
                members,
                merged,
                key,
                ..
            }) => match std::mem::replace(key, Key::Awaited) {
                Key::Awaited => {
                    refused = !(value.is_string() || value.is_number() || value.is_boolean());
                    *key = Key::Read(key_text(value));
                }
                Key::Merge => merged.push(value),
                Key::Read(name) => {
                    if members.insert(name.clone(), value).is_some() {
                        twice = Some(name);
                    }
                }
            },
        }
        if refused {
            let message =
                "a key that is not text, number or boolean: kubectl refuses it".to_owned();
            self.remark(Rule::YamlSyntax, Severity::Error, line, message);
        }
        if let Some(name) = twice {
            let message = format!("the key {name:?} is there twice; the last one counts");
            self.remark(Rule::YamlDuplicateKey, Severity::Error, line, message);
        }
    }
}

/// A key as the JSON that the API server is sent has it.
fn key_text(key: Value) -> String {
    match key {
        Value::String(text) => text,
        // Without the point that JSON would write behind a whole number.
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// What `<<` brings in: one map, or a list of them of which the first wins.
fn mergeable(value: Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(map) => map.into_iter().collect(),
        Value::Array(list) => list.into_iter().flat_map(mergeable).collect(),
        _ => Vec::new(),
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(map) => map.values().map(size).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Vec<Value> {
        let (documents, remarks) = read(text);
        assert!(remarks.is_empty(), "{remarks:?}");
        documents.into_iter().map(|d| d.value).collect()
    }

    #[test]
    fn streams_have_numbers_lines_and_sources() {
        let text = "# licence\n---\n# Source: web/templates/a.yaml\nkind: A\n---\n# nothing\n---\n\
                    # Source: web/templates/b.yaml\nkind: B\n...\n";
        let (documents, remarks) = read(text);
        assert!(remarks.is_empty(), "{remarks:?}");
        let seen: Vec<_> = documents
            .iter()
            .map(|d| (d.number, d.line, d.source.as_deref(), &d.value["kind"]))
            .collect();
        assert_eq!(
            seen,
            [
                (1, 4, Some("web/templates/a.yaml"), &json!("A")),
                (3, 9, Some("web/templates/b.yaml"), &json!("B")),
            ]
        );
    }

    #[test]
    fn quoted_words_stay_text_and_bare_ones_are_read_as_kubectl_does() {
        assert_eq!(
            values(
                "{a: \"on\", b: 'no', c: !!str 12, \"y\": |\n  x\n}\n"
                    .replace("|\n  x\n", "x")
                    .as_str()
            ),
            [json!({"a": "on", "b": "no", "c": "12", "y": "x"})]
        );
        let (documents, remarks) = read("pose:\n  y: 1\n  x: on\n");
        assert_eq!(documents[0].value, json!({"pose": {"true": 1, "x": true}}));
        let seen: Vec<_> = remarks
            .iter()
            .map(|r| (r.rule, r.severity, r.line))
            .collect();
        assert_eq!(
            seen,
            [
                (Rule::Yaml11Ambiguous, Severity::Error, 2),
                (Rule::Yaml11Ambiguous, Severity::Warning, 3),
            ]
        );
    }

    #[test]
    fn anchors_and_merge_keys_are_expanded() {
        let text = "base: &b {cpu: 1, mem: 2}\nweb: {<<: *b, mem: 3}\nall: [*b]\n";
        assert_eq!(
            values(text),
            [
                json!({"base": {"cpu": 1, "mem": 2}, "web": {"cpu": 1, "mem": 3}, "all": [{"cpu": 1, "mem": 2}]})
            ]
        );
    }

    #[test]
    fn a_key_twice_is_found_and_the_last_one_counts() {
        let (documents, remarks) = read("a: 1\nb: 2\na: 3\n");
        assert_eq!(documents[0].value, json!({"a": 3, "b": 2}));
        assert_eq!(
            (remarks[0].rule, remarks[0].line),
            (Rule::YamlDuplicateKey, 3)
        );
    }

    #[test]
    fn what_cannot_be_read_is_one_remark_with_its_line() {
        let (_, remarks) = read("a: 1\n---\nb: [1\nc: }\n");
        assert_eq!(remarks.len(), 1);
        assert_eq!(remarks[0].rule, Rule::YamlSyntax);
        assert!(remarks[0].line >= 3, "{remarks:?}");
    }

    #[test]
    fn keys_are_text_as_kubectl_makes_it() {
        let (documents, _) = read("{010: a, 1.0: b, 0x10: c}");
        assert_eq!(documents[0].value, json!({"8": "a", "1": "b", "16": "c"}));
        for text in ["~: a", "[a]: b"] {
            let (_, remarks) = read(&format!("? {}", text.replacen(": ", "\n: ", 1)));
            let found: Vec<_> = remarks.iter().map(|r| r.rule).collect();
            assert_eq!(found, [Rule::YamlSyntax], "{text}");
        }
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}", level - 1);
            text.push_str(
                &[
                    &format!("a{level}: &a{level} ["),
                    &vec![below; 10].join(", "),
                    "]\n",
                ]
                .concat(),
            );
        }
        let (documents, remarks) = read(&text);
        assert!(documents.is_empty());
        assert!(remarks[0].message.contains("aliases"), "{remarks:?}");
    }
}
