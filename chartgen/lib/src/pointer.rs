//! Pointers to places of a tree.
//!
//! JSON pointers (RFC 6901), in which a list's item may also be named by what distinguishes it:
//! `/spec/template/spec/containers/[name=operator]/image`.

use std::fmt;

use crate::tree::{Entry, Item, Key, Node, Part};

/// A place in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// A key, or the number of an item.
    Name(String),
    /// An item by the values of some of its keys.
    Match(Vec<(String, String)>),
}

/// Why a pointer leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It is not a pointer.
    #[error("a pointer is empty or begins with `/`, and `[key=value]` stands for an item")]
    Malformed,
    /// A key or item is missing.
    #[error("nothing at `{upto}`; there is {found}")]
    Missing {
        /// The first part of the pointer that does not exist.
        upto: String,
        /// What stands there instead.
        found: String,
    },
    /// The last part cannot be wrapped or named, for the pointer is empty.
    #[error("the whole document is meant, but only what lies in it can be")]
    Root,
}

impl Pointer {
    pub(crate) fn parse(text: &str) -> Result<Self, PointerError> {
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = rest.strip_prefix('/').ok_or(PointerError::Malformed)?;
            let length = if rest.starts_with('[') {
                rest.find(']').ok_or(PointerError::Malformed)? + 1
            } else {
                rest.find('/').unwrap_or(rest.len())
            };
            let (segment, after) = rest.split_at(length);
            segments.push(Segment::parse(segment)?);
            rest = after;
        }
        Ok(Self(segments))
    }

    /// The pointer to what holds the place, and the last segment.
    fn split(&self) -> Result<(Self, &Segment), PointerError> {
        let (last, holder) = self.0.split_last().ok_or(PointerError::Root)?;
        Ok((Self(holder.to_vec()), last))
    }

    /// The node at this place.
    pub(crate) fn node<'n>(&self, root: &'n mut Node) -> Result<&'n mut Node, PointerError> {
        let mut node = root;
        for (index, segment) in self.0.iter().enumerate() {
            let found = describe(node);
            node = segment
                .step(node)
                .ok_or_else(|| self.missing(index, found))?;
        }
        Ok(node)
    }

    /// The entry or item at this place, among its siblings.
    pub(crate) fn place<'n>(&self, root: &'n mut Node) -> Result<Spot<'n>, PointerError> {
        let (holder, last) = self.split()?;
        let node = holder.node(root)?;
        let found = describe(node);
        let spot = match node {
            Node::Map(parts) => last.entry(parts).map(|(p, i)| Spot::Entry(p, i)),
            Node::Seq(parts) => last.item(parts).map(|(p, i)| Spot::Item(p, i)),
            _ => None,
        };
        spot.ok_or_else(|| self.missing(self.0.len() - 1, found))
    }

    /// The node that will hold this place, and the place's name in it.
    pub(crate) fn holder<'n>(
        &self,
        root: &'n mut Node,
    ) -> Result<(&'n mut Node, String), PointerError> {
        let (holder, last) = self.split()?;
        Ok((holder.node(root)?, last.to_string()))
    }

    fn missing(&self, index: usize, found: String) -> PointerError {
        let upto = Self(self.0[..=index].to_vec()).to_string();
        PointerError::Missing { upto, found }
    }
}

/// An entry or item among its siblings.
pub(crate) enum Spot<'n> {
    Entry(&'n mut Vec<Part<Entry>>, usize),
    Item(&'n mut Vec<Part<Item>>, usize),
}

impl Segment {
    fn parse(text: &str) -> Result<Self, PointerError> {
        let Some(inner) = text.strip_prefix('[') else {
            return Ok(Self::Name(text.replace("~1", "/").replace("~0", "~")));
        };
        let inner = inner.strip_suffix(']').ok_or(PointerError::Malformed)?;
        let pairs = inner.split(',').map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        });
        let pairs: Option<Vec<_>> = pairs.collect();
        pairs.map(Self::Match).ok_or(PointerError::Malformed)
    }

    fn step<'n>(&self, node: &'n mut Node) -> Option<&'n mut Node> {
        match node {
            Node::Map(parts) => {
                let (parts, index) = self.entry(parts)?;
                match &mut parts[index] {
                    Part::One(entry) => Some(&mut entry.value),
                    _ => None,
                }
            }
            Node::Seq(parts) => {
                let (parts, index) = self.item(parts)?;
                match &mut parts[index] {
                    Part::One(item) => Some(&mut item.value),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn entry<'n>(
        &self,
        parts: &'n mut Vec<Part<Entry>>,
    ) -> Option<(&'n mut Vec<Part<Entry>>, usize)> {
        let Self::Name(name) = self else { return None };
        find(
            parts,
            &mut |entry: &Entry| matches!(&entry.key, Key::Text(key) if key == name),
        )
    }

    fn item<'n>(&self, parts: &'n mut Vec<Part<Item>>) -> Option<(&'n mut Vec<Part<Item>>, usize)> {
        match self {
            Self::Name(name) => {
                let mut left: usize = name.parse().ok()?;
                find(parts, &mut |_: &Item| {
                    let here = left == 0;
                    left = left.wrapping_sub(1);
                    here
                })
            }
            Self::Match(pairs) => find(parts, &mut |item: &Item| {
                pairs
                    .iter()
                    .all(|(key, value)| item.value.get(key).is_some_and(|node| is(node, value)))
            }),
        }
    }
}

/// Finds one, wherever control structures have put it.
fn find<'n, T>(
    parts: &'n mut Vec<Part<T>>,
    wanted: &mut dyn FnMut(&T) -> bool,
) -> Option<(&'n mut Vec<Part<T>>, usize)> {
    let here = route(parts, wanted)?;
    let (last, way) = here.split_last()?;
    let mut parts = parts;
    for (index, branch) in way {
        parts = match &mut parts[*index] {
            Part::If {
                then, otherwise, ..
            } => {
                if *branch == 0 {
                    then
                } else {
                    otherwise
                }
            }
            Part::With { body, .. } | Part::Range { body, .. } => body,
            Part::One(_) | Part::Splice(_) => return None,
        };
    }
    Some((parts, last.0))
}

/// The way to it: at each level the part's index, and which branch of it.
fn route<T>(parts: &[Part<T>], wanted: &mut dyn FnMut(&T) -> bool) -> Option<Vec<(usize, usize)>> {
    for (index, part) in parts.iter().enumerate() {
        let branches: Vec<&Vec<Part<T>>> = match part {
            Part::One(one) if wanted(one) => return Some(vec![(index, 0)]),
            Part::One(_) | Part::Splice(_) => Vec::new(),
            Part::If {
                then, otherwise, ..
            } => vec![then, otherwise],
            Part::With { body, .. } | Part::Range { body, .. } => vec![body],
        };
        for (branch, inner) in branches.into_iter().enumerate() {
            if let Some(mut way) = route(inner, wanted) {
                way.insert(0, (index, branch));
                return Some(way);
            }
        }
    }
    None
}

/// Whether a scalar is written like this.
fn is(node: &Node, text: &str) -> bool {
    match node {
        Node::Str(value) => value == text,
        Node::Int(value) => value.to_string() == text,
        Node::Bool(value) => value.to_string() == text,
        _ => false,
    }
}

/// What stands at a place, for messages.
pub(crate) fn describe(node: &Node) -> String {
    match node {
        Node::Null => "null".to_owned(),
        Node::Bool(_) => "a boolean".to_owned(),
        Node::Int(_) => "a whole number".to_owned(),
        Node::Float(_) => "a number".to_owned(),
        Node::Str(_) => "a string".to_owned(),
        Node::Expr(_) => "an expression".to_owned(),
        Node::Seq(parts) => {
            let names: Vec<_> = crate::tree::ones(parts)
                .filter_map(|item| match item.value.get("name") {
                    Some(Node::Str(name)) => Some(format!("[name={name}]")),
                    _ => None,
                })
                .collect();
            list("a list", &names)
        }
        Node::Map(parts) => {
            let keys: Vec<_> = crate::tree::ones(parts)
                .filter_map(|entry| match &entry.key {
                    Key::Text(key) => Some(format!("`{key}`")),
                    Key::Expr(_) => None,
                })
                .collect();
            list("a mapping", &keys)
        }
    }
}

fn list(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        what.to_owned()
    } else {
        format!("{what} of {}", names.join(", "))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Name(name) => {
                write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Match(_) => write!(f, "/{segment}"),
        })
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Match(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "[{}]", pairs.join(","))
            }
        }
    }
}
