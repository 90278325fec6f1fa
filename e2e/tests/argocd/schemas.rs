//! Whether Argo CD's own definitions take what we write, to the letter.

use fleet_chartgen::Release;
use fleet_gitops::platform::{Component, application, defaults, projects, root};
use fleet_gitops::{customizations, examples};
use kube::api::{PatchParams, ValidationDirective};

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn every_manifest_is_what_argo_cds_definitions_ask_for() {
    let release = Release::current().expect("definitions");
    let Some(bed) = Bed::start("argocd-schemas", |bed| bed, &release).await else {
        return;
    };
    let strict = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("test").force()
    };
    let mut objects = vec![serde_json::to_value(customizations()).expect("JSON")];
    for parameters in examples().expect("parameters") {
        let json = |object| serde_json::to_value(object).expect("JSON");
        let components = Component::ALL.map(|c| application(c, &parameters).expect("an object"));
        objects.extend(components.map(json));
        objects.extend([defaults(&parameters), root(&parameters)].map(json));
        let projects = projects(&parameters);
        objects.extend(projects.map(|project| serde_json::to_value(project).expect("JSON")));
    }
    for object in &objects {
        let answer = bed.applications.try_apply(object, &strict).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {object:#}"));
        // Unknown fields would be gone from what the server would keep.
        let kept = serde_json::to_value(&answer.data["spec"]).expect("JSON");
        if !object["spec"].is_null() {
            assert_eq!(kept, object["spec"]);
        }
    }
    println!("{} objects", objects.len());
    // And it does refuse.
    let mut wrong = objects[1].clone();
    wrong["spec"]["sorces"] = wrong["spec"]["sources"].clone();
    let error = bed.applications.try_apply(&wrong, &strict).await;
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("sorces"), "{error}");
}
