//! Pods log in at `OpenBao` with tokens that are for it and nobody else.

use serde_json::{Value, json};

use crate::scene::{component, told, workloads};
use crate::support::Objects;

/// A program's pod.
fn pod<'a>(objects: &'a Objects, program: &str) -> &'a Value {
    let mut of = workloads(objects).into_iter();
    let found = of.find(|workload| component(workload) == program);
    &found.expect(program)["spec"]["template"]["spec"]
}

/// The projection of a token, and the file that the program is told.
fn token(pod: &Value) -> (&Value, String) {
    let volumes = pod["volumes"].as_array().expect("volumes");
    let mut projected = volumes
        .iter()
        .filter(|volume| volume.get("projected").is_some());
    let volume = projected.next().expect("a projected volume");
    assert!(projected.next().is_none(), "one is enough");
    let mounts = pod["containers"][0]["volumeMounts"]
        .as_array()
        .expect("mounts");
    let mount = mounts.iter().find(|mount| mount["name"] == volume["name"]);
    let folder = mount.expect("a mount")["mountPath"]
        .as_str()
        .expect("a path");
    let projection = &volume["projected"]["sources"][0]["serviceAccountToken"];
    let file = projection["path"].as_str().expect("a file");
    (projection, format!("--bao-token-file={folder}/{file}"))
}

const ALL: [&str; 3] = ["callout", "enrolment", "openbao"];

#[test]
fn a_token_is_for_openbao_and_lasts_for_minutes() {
    let objects = told().objects();
    for program in ALL {
        let pod = pod(&objects, program);
        let (projection, argument) = token(pod);
        let wanted = json!({"audience": "openbao", "expirationSeconds": 600, "path": "token"});
        assert_eq!(*projection, wanted, "{program}");
        let args = pod["containers"][0]["args"].as_array().expect("arguments");
        assert!(args.contains(&json!(argument)), "{program}: {args:?}");
    }
    let job = pod(&objects, "openbao")["containers"][0]["args"].to_string();
    assert!(job.contains("--kubernetes-audience=openbao"), "{job}");
}

#[test]
fn who_asks_the_api_server_nothing_has_no_token_for_it() {
    let objects = told().objects();
    let automounts = |program: &str| pod(&objects, program)["automountServiceAccountToken"] == true;
    assert_eq!(ALL.map(automounts), [false, true, false]);
    assert!(automounts("secrets"));
}

#[test]
fn outside_of_the_cluster_a_token_has_to_be_one_that_openbao_can_ask_with() {
    let external = json!({"openbao": {
        "external": true, "kubernetesHost": "https://api.example:6443",
    }});
    let objects = told().values(external).objects();
    for program in ALL {
        let (projection, _) = token(pod(&objects, program));
        assert_eq!(projection.get("audience"), None, "{program}");
        assert_eq!(projection["expirationSeconds"], 600, "{program}");
    }
    let job = pod(&objects, "openbao");
    let args = job["containers"][0]["args"].to_string();
    assert!(!args.contains("--kubernetes-audience"), "{args}");
    assert!(
        args.contains("--kubernetes-ca-file=/etc/fleet/cluster-ca/ca.crt"),
        "{args}"
    );
    assert!(job["volumes"].to_string().contains("kube-root-ca.crt"));
}
