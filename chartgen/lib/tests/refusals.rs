//! Charts that are defined wrongly: all that is wrong is told, with the place in the Rust source.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use chartgen::tree::{Part, entry, item};
use chartgen::{
    Chart, ChartError, ChartMeta, Cond, Document, Expr, Kind, Node, Template, helpers, text, v,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Values {
    count: u32,
    name: String,
    list: Vec<String>,
}

#[derive(Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Others {
    elsewhere: String,
}

fn meta() -> ChartMeta {
    ChartMeta {
        name: "wrong".into(),
        version: "1.0.0".into(),
        ..ChartMeta::default()
    }
}

fn object() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "a"},
        "spec": {"count": 1, "name": "x", "list": ["a"], "items": [{"name": "one", "size": 1}]},
    })
}

/// A chart that uses all values, and these templates.
fn chart(templates: impl IntoIterator<Item = (&'static str, Template)>) -> Chart<Values> {
    let using = Document::new(&object())
        .bind("/metadata/name", helpers::fullname())
        .bind("/spec/count", v!(Values, count))
        .bind("/spec/name", v!(Values, name))
        .bind("/spec/list", v!(Values, list));
    let chart = Chart::new(meta()).template("using.yaml", using);
    let templates = templates.into_iter();
    templates.fold(chart, |chart, (name, template)| {
        chart.template(name, template)
    })
}

/// What is wrong with a chart: lines of this file and sentences.
fn errors(chart: &Chart<Values>) -> Vec<(u32, String)> {
    let errors = chart.build().expect_err("refused");
    let errors = errors.iter().map(|error: &ChartError| {
        let at = error.at().expect("a place");
        assert!(at.file().ends_with("tests/refusals.rs"), "{error}");
        (at.line(), error.problem().to_string())
    });
    errors.collect()
}

fn wrong(document: Document) -> Vec<String> {
    let errors = errors(&chart([("wrong.yaml", document.into())]));
    errors.into_iter().map(|(_, error)| error).collect()
}

#[test]
fn all_errors_come_together_each_with_its_line() {
    let first = line!() + 2;
    let document = Document::new(&object())
        .bind("/spec/coutn", v!(Values, count))
        .bind("/spec/count", v!(Values, name))
        .bind("/spec/items/[name=two]/size", v!(Values, count))
        .when("/spec/items/[name", v!(Values, count))
        .splice("/spec/name", v!(Values, list))
        .insert("/spec/name", "y")
        .splice("/spec/list", v!(Values, name))
        .bind("/spec/name", v!(Others, elsewhere));
    let expected = [
        "/spec/coutn: nothing at `/spec/coutn`; there is a mapping of `name`, `count`, `items`, `list`",
        "/spec/count: a whole number stands there, and `name` is Str",
        "/spec/items/[name=two]/size: nothing at `/spec/items/[name=two]`; there is a list of [name=one]",
        "/spec/items/[name: a pointer is empty or begins with `/`, and `[key=value]` stands for an item",
        "/spec/name: a string stands there, but a list or mapping is wanted",
        "/spec/name: something stands there already",
        "/spec/list: a list stands there, and `name` is Str",
        "the values have no `elsewhere`",
    ];
    let found = errors(&chart([("wrong.yaml", document.into())]));
    let expected: Vec<_> = (first..).zip(expected.map(str::to_owned)).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_merges_by_a_key_has_each_key_once() {
    let mut twice = object();
    twice["spec"]["env"] = json!([{"name": "A"}, {"name": "B"}, {"name": "A"}]);
    twice["spec"]["ports"] =
        json!([{"port": 1, "name": "a"}, {"port": 1, "protocol": "TCP", "name": "b"}]);
    let document = Document::new(&twice).add_entries("/spec", [entry("name", "again")]);
    assert_eq!(
        wrong(document),
        [
            "/spec: the key `name` stands there twice",
            "/spec/env: an item with name `A` stands there twice",
            "/spec/ports: an item with port `1` and protocol `TCP` stands there twice",
        ]
    );
}

#[test]
fn an_object_or_a_file_is_there_once() {
    let named = |name: Expr| Document::new(&object()).bind("/metadata/name", name);
    let chart = chart([
        (
            "a.yaml",
            Template::from([named(text!["x"]), named(text!["x"])]),
        ),
        ("a.yaml", named(text!["y"]).into()),
        (
            "b.yaml",
            named(helpers::fullname())
                .document_when(v!(Values, count))
                .into(),
        ),
    ]);
    let errors: Vec<_> = errors(&chart).into_iter().map(|(_, error)| error).collect();
    assert_eq!(
        errors,
        [
            "the file `templates/a.yaml` stands there twice",
            "the object Thing (v1) \"x\" stands there twice",
            "the object Thing (v1) `fullname` stands there twice",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn objects_that_exclude_each_other_may_be_alike() {
    let cond = Cond::equals(v!(Values, name), "b");
    let either = |cond| {
        let document = Document::new(&object()).insert("/spec/other", 1);
        document.document_when(cond)
    };
    let chart = chart([
        ("a.yaml", either(cond.clone()).into()),
        ("b.yaml", either(!cond).into()),
    ]);
    chart.build().expect("a chart");
}

#[test]
fn what_is_no_object_is_refused() {
    let sentence =
        "a document is a Kubernetes object, with `apiVersion`, `kind` and `metadata.name`";
    for data in [
        json!({}),
        json!([1]),
        json!("x"),
        json!({"kind": "Thing", "metadata": {}}),
    ] {
        assert_eq!(wrong(Document::new(&data)), [sentence]);
    }
}

#[test]
fn a_loops_variable_stays_in_its_loop() {
    let mut outside = None;
    let parts = Part::each(v!(Values, list), |each| {
        outside = Some(each.str());
        [item(each.str())]
    });
    let document = Document::new(&object())
        .add_items("/spec/list", [parts])
        .bind("/spec/name", outside.expect("a variable"));
    assert_eq!(
        wrong(document),
        ["the variable of a loop is used outside of it"]
    );
}

#[test]
fn expressions_that_helm_would_refuse_are_refused() {
    let at = |expr: Expr| wrong(Document::new(&object()).bind("/spec/name", expr));
    assert_eq!(
        at(text!["a", v!(Values, list)]),
        ["`list` is Seq, and only strings, numbers and booleans can be part of text"]
    );
    assert_eq!(
        at(Expr::checksum("gone.yaml")),
        ["the chart has no template `gone.yaml`"]
    );
    assert_eq!(
        at(Expr::file("gone.json")),
        ["the chart has no file `gone.json`"]
    );
    let when = |cond| wrong(Document::new(&object()).document_when(cond));
    assert_eq!(
        when(Cond::equals(v!(Values, count), "1")),
        ["`count` is Int and cannot be compared with Str(\"1\")"]
    );
    assert_eq!(
        when(Cond::all::<Cond>([])),
        ["a condition of no conditions"]
    );
    let number = Document::new(&object()).set("/spec/count", Node::Float(f64::NAN));
    assert_eq!(wrong(number), ["not a finite number"]);
    let key = Document::new(&object()).insert(&format!("/spec/{}", "k".repeat(1001)), 1);
    assert_eq!(wrong(key), ["a key of 1001 bytes; keys have at most 1000"]);
}

#[test]
fn values_and_templates_know_each_other() {
    let document = Document::new(&object()).bind("/spec/count", v!(Values, count));
    let chart = Chart::new(meta())
        .template("a.yaml", document)
        .exempt(v!(Values, count), "it is used")
        .exempt(v!(Values, name), "for a later version");
    let errors: Vec<_> = errors(&chart).into_iter().map(|(_, error)| error).collect();
    assert_eq!(
        errors,
        [
            "no template refers to the value `list`; use it, remove it, or exempt it with a reason",
            "the value `count` is exempted from use, but a template refers to it",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn names_that_mislead_are_refused() {
    let document = || Document::new(&object());
    let chart = chart([
        (
            "../a.yaml",
            document().bind("/metadata/name", text!["1"]).into(),
        ),
        (
            "a.txt",
            document().bind("/metadata/name", text!["2"]).into(),
        ),
        (
            "_a.yaml",
            document().bind("/metadata/name", text!["3"]).into(),
        ),
    ])
    .file("/etc/passwd", "");
    let errors: Vec<_> = errors(&chart).into_iter().map(|(_, error)| error).collect();
    assert_eq!(
        errors,
        [
            "`../a.yaml` is no good name for a template: it has to be a path of plain names below templates/",
            "`a.txt` is no good name for a template: it has to end with .yaml",
            "`_a.yaml` is no good name for a template: Helm does not render files whose names begin with _",
            "`/etc/passwd` is no good name for a file: it has to be a path of plain names below the chart's folder",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn a_suffix_leaves_room_for_the_name() {
    let named = |expr| wrong(Document::new(&object()).bind("/metadata/name", expr));
    assert_eq!(
        named(helpers::fullname_within("webhook", 8)),
        ["`webhook` is no good name for a suffix: it leaves no room for the name before it"]
    );
    assert_eq!(
        named(helpers::fullname_with("Web")),
        ["`Web` is no good name for a suffix: it has to be lower case letters, digits and dashes"]
    );
    assert_eq!(
        named(helpers::image(v!(Values, name))),
        ["the values have no `name.repository`"]
    );
}

#[test]
fn the_kind_of_a_fixed_expression_has_to_fit_too() {
    let number = Document::new(&object()).bind("/spec/count", helpers::fullname());
    assert_eq!(
        wrong(number),
        ["/spec/count: a whole number stands there, and `fullname` is Str"]
    );
    // What a place takes can be more than the base shows.
    let whatever = Part::each(v!(Values, list), |each| [item(each.any())]);
    let document = Document::new(&object())
        .bind("/metadata/name", text!["other"])
        .add_items("/spec/list", [whatever])
        .add_entries(
            "/spec",
            [Part::each(v!(Values, list), |each| {
                [entry(
                    text!["x-", each.str()],
                    each.field(v!(Others, elsewhere), Kind::Any),
                )]
            })],
        );
    chart([("a.yaml", document.into())])
        .build()
        .expect("a chart");
}
