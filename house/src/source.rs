//! Our sources as the rules see them: without test code, with the lines each function takes.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::repository::{Member, files, read, shown};

/// One source file of a crate.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    lines: Vec<String>,
    tests: Vec<RangeInclusive<usize>>,
    functions: Vec<Function>,
}

pub(crate) struct Function {
    pub(crate) name: String,
    lines: RangeInclusive<usize>,
}

/// The sources below a crate's `src`, without files that exist only for tests.
pub(crate) fn sources(member: &Member) -> Vec<Source> {
    let mut test_only = BTreeSet::new();
    let mut sources = Vec::new();
    for path in files(&member.folder.join("src"), &["rs"]) {
        let (source, test_modules) = parse(path);
        test_only.extend(test_modules);
        sources.push(source);
    }
    sources.retain(|source| !test_only.iter().any(|t| source.path.starts_with(t)));
    sources
}

impl Source {
    /// The lines outside test modules, each with its number from 1.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines
            .iter()
            .enumerate()
            .map(|(i, line)| (i + 1, line.as_str()))
            .filter(|(number, _)| !self.tests.iter().any(|t| t.contains(number)))
    }

    /// The product lines that hold code: neither blank nor comment.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.product_lines()
            .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
    }

    /// Every function outside test modules and the lines of code in it.
    pub(crate) fn function_lengths(&self) -> impl Iterator<Item = (&Function, usize)> {
        self.functions.iter().map(|function| {
            let length = self
                .code_lines()
                .filter(|(number, _)| function.lines.contains(number))
                .count();
            (function, length)
        })
    }
}

/// Parses a file; also the paths (a file and a folder each) of modules it declares for tests only.
fn parse(path: PathBuf) -> (Source, Vec<PathBuf>) {
    let text = read(&path);
    let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", shown(&path)));
    let mut scan = Scan {
        folder: path.parent().expect("a folder").to_owned(),
        modules: module_folder(&path),
        tests: Vec::new(),
        test_modules: Vec::new(),
        functions: Vec::new(),
    };
    scan.visit_file(&file);
    let source = Source {
        path,
        lines: text.lines().map(str::to_owned).collect(),
        tests: scan.tests,
        functions: scan.functions,
    };
    (source, scan.test_modules)
}

/// Where the submodules of a file lie.
fn module_folder(path: &Path) -> PathBuf {
    let folder = path.parent().expect("a folder");
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") | None => folder.to_owned(),
        Some(stem) => folder.join(stem),
    }
}

struct Scan {
    /// Where the file lies: `#[path]` counts from here.
    folder: PathBuf,
    modules: PathBuf,
    tests: Vec<RangeInclusive<usize>>,
    test_modules: Vec<PathBuf>,
    functions: Vec<Function>,
}

impl Scan {
    fn take(&mut self, name: &syn::Ident, span: proc_macro2::Span) {
        self.functions.push(Function {
            name: name.to_string(),
            lines: span.start().line..=span.end().line,
        });
    }
}

impl<'ast> Visit<'ast> for Scan {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if attributes(item).iter().any(is_cfg_test) {
            let span = item.span();
            self.tests.push(span.start().line..=span.end().line);
            if let syn::Item::Mod(module) = item {
                let folder = self.modules.join(module.ident.to_string());
                self.test_modules.push(folder.with_extension("rs"));
                self.test_modules.push(folder);
                let named = module.attrs.iter().find_map(path_attribute);
                self.test_modules
                    .extend(named.map(|name| self.folder.join(name)));
            }
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.take(&item.sig.ident, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.take(&item.sig.ident, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.take(&item.sig.ident, block.span());
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        _ => &[],
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Ident>()
            .is_ok_and(|condition| condition == "test")
}

/// The file that `#[path = "..."]` names.
fn path_attribute(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(name),
            ..
        }) if pair.path.is_ident("path") => Some(name.value()),
        _ => None,
    }
}
