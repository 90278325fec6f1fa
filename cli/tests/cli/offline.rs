//! The program without a cluster: help, printing, completion, and how it says what is wrong.

use std::io::Write as _;

use crate::support::{Said, program, run, run_with_input};
use fleet_api::Deployment;
use rstest::rstest;

fn fleet(args: &[&str]) -> Said {
    run(program(env!("CARGO_BIN_EXE_fleet")), args)
}

const WEB: [&str; 5] = [
    "deploy",
    "--name",
    "web",
    "--image",
    "registry.example/team/web:1.27",
];

fn web(more: &[&'static str]) -> Said {
    fleet(&[&WEB, more].concat())
}

#[rstest]
#[case(&["--help"])]
#[case(&["deploy", "--help"])]
#[case(&["doctor", "--help"])]
#[case(&["get", "--help"])]
#[case(&["describe", "--help"])]
#[case(&["plan", "--help"])]
#[case(&["trace", "--help"])]
#[case(&["kv", "--help"])]
#[case(&["keys", "--help"])]
#[case(&["authentication-config", "--help"])]
#[case(&["completion", "--help"])]
fn every_command_has_help_with_examples(#[case] args: &[&str]) {
    let help = fleet(args).ok();
    assert!(help.contains("Usage: fleet"), "{help}");
    assert!(args.len() == 1 || help.contains("Examples:"), "{help}");
}

#[test]
fn as_a_plugin_it_calls_itself_kubectl_fleet() {
    let plugin = || program(env!("CARGO_BIN_EXE_kubectl-fleet"));
    let help = run(plugin(), ["get", "--help"]).ok();
    assert!(help.contains("Usage: kubectl fleet get"), "{help}");
    let error = run(plugin(), ["get"]).failed();
    assert!(error.contains("kubectl fleet get"), "{error}");
}

#[rstest]
#[case("yaml")]
#[case("json")]
fn what_is_printed_is_a_deployment_of_the_api(#[case] format: &str) {
    let more = [
        "--selector",
        "site=lab",
        "--selector",
        "!old",
        "--port",
        "8080:80",
        "--env",
        "ON=yes",
    ];
    let printed = fleet(&[&WEB[..], &more, &["-n", "shop", "--print", "-o", format]].concat()).ok();
    let deployment: Deployment = serde_saphyr::from_str(&printed).expect("a Deployment");
    assert_eq!(deployment.metadata.namespace.as_deref(), Some("shop"));
    let again = serde_json::to_value(&deployment).expect("json");
    let printed: serde_json::Value = serde_saphyr::from_str(&printed).expect("a document");
    assert_eq!(again, printed);
}

#[test]
fn a_score_comes_from_a_file_or_standard_input() {
    let score = r#"{"PodmanV0": {"services": [{"name": "a", "image": "i", "env": {"A": "NO"}}]}}"#;
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(score.as_bytes()).expect("written");
    let path = file.path().to_str().expect("text");
    let args = |file| {
        [
            "deploy",
            "--name",
            "a",
            "--target-all",
            "--print",
            "--file",
            file,
        ]
    };
    let from_file = fleet(&args(path)).ok();
    let from_input = run_with_input(program(env!("CARGO_BIN_EXE_fleet")), &args("-"), score).ok();
    assert_eq!(from_file, from_input);
    assert!(from_file.contains("A: \"NO\""), "{from_file}");
}

#[rstest]
#[case(&["--name", "web", "--image", "i"], "--target-all")]
#[case(&["--name", "web", "--target-all"], "--image")]
#[case(&["--target-all", "--image", "i"], "--name")]
#[case(&["--name", "Web", "--target-all", "--image", "i"], "RFC 1123")]
#[case(&["--name", "web", "--target-all", "--image", "i i"], "image")]
#[case(&["--name", "web", "--target-all", "--image", "i", "--port", "80"], "8080:80")]
#[case(&["--name", "web", "--target-all", "--image", "i", "--env", "A"], "KEY=VALUE")]
#[case(&["--name", "web", "--target-all", "--selector", "a=b", "--image", "i"], "cannot be used")]
#[case(&["--name", "web", "--selector", "a=b=c", "--image", "i"], "label value")]
#[case(&["--name", "web", "--target-all", "--image", "i", "--file", "x"], "cannot be used")]
#[case(&["--name", "web", "--target-all", "--file", "/nonexistent/score"], "/nonexistent/score")]
#[case(&["--name", "web", "--target-all", "--image", "i", "--timeout", "5"], "90s")]
#[case(&["--name", "web", "--target-all", "--image", "i", "-o", "json"], "--print")]
fn bad_flags_are_refused_with_what_to_say_instead(#[case] args: &[&str], #[case] named: &str) {
    let error = fleet(&[&["deploy"], args].concat()).failed();
    assert!(error.starts_with("error: "), "{error}");
    assert!(error.contains(named), "{error}");
}

#[rstest]
#[case(&["get", "pods"], "deployments or enrolments")]
#[case(&["get"], "TYPE")]
#[case(&["get", "deployments", "web", "-A"], "one namespace")]
#[case(&["describe", "device"], "fleet describe device NAME")]
#[case(&["plan"], "--filename")]
#[case(&["plan", "-f", "x", "--image", "i"], "cannot be used")]
#[case(&["kv", "get", "pods", "x"], "desired-state")]
#[case(&["kv", "get", "device-info", "*"], "is not a key")]
#[case(&["kv", "ls"], "NATS_SEED_FILE")]
fn other_commands_say_what_is_missing_too(#[case] args: &[&str], #[case] named: &str) {
    let error = fleet(args).failed();
    assert!(error.contains(named), "{error}");
}

#[test]
fn without_any_kubeconfig_it_says_where_it_looked() {
    let error = fleet(&["get", "devices"]).failed();
    assert!(
        error.contains("KUBECONFIG") && error.contains("--kubeconfig"),
        "{error}"
    );
}

fn kubeconfig(server: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    });
    file.write_all(config.to_string().as_bytes())
        .expect("written");
    file
}

#[test]
fn a_server_that_is_away_is_named_with_the_file_that_names_it() {
    // Bound and then closed, so that nothing else answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("port")
        .port();
    let server = format!("http://127.0.0.1:{port}");
    let file = kubeconfig(&server);
    let path = file.path().to_str().expect("text");
    let mut command = program(env!("CARGO_BIN_EXE_fleet"));
    command.env("KUBECONFIG", format!("/nonexistent/first:{path}"));
    let error = run(command, ["get", "devices"]).failed();
    assert!(error.contains(&server) && error.contains(path), "{error}");
}

#[test]
fn a_context_that_does_not_exist_is_named() {
    let file = kubeconfig("http://127.0.0.1:1");
    let path = file.path().to_str().expect("text");
    let error = fleet(&["get", "dev", "--kubeconfig", path, "--context", "there"]).failed();
    assert!(
        error.contains("\"there\"") && error.contains(path),
        "{error}"
    );
    let error = fleet(&["get", "dev", "--kubeconfig", "/nonexistent/file"]).failed();
    assert!(error.contains("/nonexistent/file"), "{error}");
}

#[rstest]
#[case("bash")]
#[case("zsh")]
#[case("fish")]
#[case("powershell")]
fn completion_scripts_know_the_commands(#[case] shell: &str) {
    let script = fleet(&["completion", shell]).ok();
    for command in ["deploy", "describe", "target-device"] {
        assert!(script.contains(command), "{shell} does not know {command}");
    }
}

#[test]
fn kubectl_is_answered_word_by_word() {
    assert_eq!(
        fleet(&["__complete", "desc"]).ok(),
        "describe\tShow all that is known of one device, deployment or enrolment\n:4\n"
    );
    let flags = fleet(&["__complete", "deploy", "--target"]).ok();
    assert!(
        flags.starts_with("--target-device\t") && flags.ends_with(":4\n"),
        "{flags}"
    );
    assert_eq!(fleet(&["__complete", "get", "dev"]).ok(), "devices\n:4\n");
    assert_eq!(fleet(&["__complete", "plan", "x"]).ok(), ":0\n");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut command = program(env!("CARGO_BIN_EXE_fleet"));
    let mut child = command
        .args(["completion", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn the_version_is_printed() {
    let version = concat!("fleet ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(fleet(&["version"]).ok(), version);
    assert_eq!(fleet(&["--version"]).ok(), version);
    assert!(
        web(&["--target-all", "--print"])
            .ok()
            .contains("kind: Deployment")
    );
}

const ZITADEL: [&str; 9] = [
    "authentication-config",
    "--issuer",
    "https://id.example.com",
    "--client-id",
    "3129",
    "--zitadel-project",
    "3127",
    "--prefix",
    "zitadel:",
];

#[test]
fn the_file_for_an_api_server_is_the_same_as_yaml_and_as_json() {
    let parsed = |format| -> serde_json::Value {
        let printed = fleet(&[&ZITADEL[..], &["--device-role", "edge", "-o", format]].concat());
        serde_saphyr::from_str(&printed.ok()).expect("a document")
    };
    let yaml = parsed("yaml");
    assert_eq!(yaml, parsed("json"));
    assert_eq!(yaml["kind"], "AuthenticationConfiguration");
    let rule = yaml.pointer("/jwt/0/claimValidationRules/1/expression");
    let rule = rule.and_then(|rule| rule.as_str()).expect("a rule");
    assert!(rule.contains(r#"role == "edge""#), "{rule}");
}

#[rstest]
#[case(&["--prefix", "system:"], "is no prefix")]
#[case(&["--issuer", "http://id.example.com"], "not an https:// address")]
#[case(&["--client-id", ""], "no application is named")]
#[case(&["--roles-claim", "/groups"], "cannot be used")]
#[case(&["--ca-file", "/nonexistent/ca.crt"], "/nonexistent/ca.crt")]
#[case(&["--ca-file", "/dev/null"], "holds no certificates")]
fn what_no_api_server_would_start_with_is_refused(#[case] more: &[&str], #[case] named: &str) {
    let flag = more[0];
    let place = ZITADEL.iter().position(|given| *given == flag);
    let mut args = ZITADEL.to_vec();
    match place {
        Some(place) => args[place + 1] = more[1],
        None => args.extend(more),
    }
    let error = fleet(&args).failed();
    assert!(error.contains(named), "{error}");
}
