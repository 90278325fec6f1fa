use super::*;

fn application() -> Application {
    Application {
        issuer: "https://id.example.com".to_owned(),
        client_id: "3129".to_owned(),
        zitadel_project: None,
        further_scopes: vec![],
        ca_file: None,
    }
}

fn change<'a>(application: &'a Application, context: Option<&'a str>) -> Change<'a> {
    Change {
        user: "fleet",
        command: "fleet",
        application,
        context,
    }
}

fn config() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "unknown": {"x": ["NO"]},
        "clusters": [{"name": "c", "cluster": {"server": "https://c", "future-field": true}}],
        "contexts": [
            {"name": "there", "context": {"cluster": "c", "user": "admin"}},
            {"name": "here", "context": {"cluster": "c", "user": "admin", "namespace": "shop"}},
        ],
        "users": [{"name": "admin", "user": {"token": "t"}}],
    })
}

fn file(folder: &Path, name: &str, document: &Value) -> PathBuf {
    let path = folder.join(name);
    let text = document::write(document, DocumentFormat::Yaml).expect("writes");
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    path
}

#[tokio::test]
async fn the_context_uses_the_login_and_all_else_stays() {
    let folder = tempfile::tempdir().expect("folder");
    let path = file(folder.path(), "config", &config());
    let application = application();
    let change = change(&application, None);
    let said = write(std::slice::from_ref(&path), &change)
        .await
        .expect("writes");
    let path_text = fs::canonicalize(&path)
        .expect("there")
        .display()
        .to_string();
    assert_eq!(
        said,
        [
            format!(
                "{path_text}: context \"here\" uses user \"fleet\", no longer \"admin\", who stays \
                 in the file"
            ),
            format!("{path_text}: user \"fleet\" added"),
        ]
    );
    let mut expected = config();
    expected["contexts"][1]["context"]["user"] = json!("fleet");
    let users = expected["users"].as_array_mut().expect("users");
    users.push(json!({"name": "fleet", "user": {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "fleet",
        "args": ["token", "--issuer", "https://id.example.com", "--client-id", "3129"],
        "installHint": "fleet, the command line of fleet-platform, is not on PATH",
        "interactiveMode": "Never",
        "provideClusterInfo": false,
    }}}));
    assert_eq!(document::read(&path).expect("reads"), expected);
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = Kubeconfig::read_from(&path).expect("a kubeconfig");
    assert_eq!(super::application(&config, None), Some(application.clone()));
    assert_eq!(super::application(&config, Some("there")), None);
    // Once more changes nothing, and says so.
    assert_eq!(write(&[path], &change).await.expect("writes"), [""; 0]);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("reads").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn the_file_that_has_the_context_gets_the_user() {
    let folder = tempfile::tempdir().expect("folder");
    let first = json!({"current-context": "far"});
    let first = file(folder.path(), "first", &first);
    let second = json!({"contexts": [{"name": "far", "context": {"cluster": "c"}}]});
    let second = file(folder.path(), "second", &second);
    let application = application();
    let files = [first, second.clone()];
    let said = write(&files, &change(&application, None))
        .await
        .expect("writes");
    assert!(said.iter().all(|line| line.contains("second")), "{said:?}");
    let said = document::read(&second).expect("reads");
    assert_eq!(said["contexts"][0]["context"]["user"], "fleet");
    assert_eq!(said["users"][0]["name"], "fleet");
    let error = write(&files, &change(&application, Some("nowhere"))).await;
    assert!(
        matches!(error, Err(KubeconfigError::NoContext(_))),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_kubeconfig_that_kubectl_is_changing_is_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let path = file(folder.path(), "config", &config());
    let lock = folder.path().join("config.lock");
    fs::write(&lock, "").expect("written");
    let application = application();
    let error = write(std::slice::from_ref(&path), &change(&application, None)).await;
    assert!(
        matches!(error, Err(KubeconfigError::Locked(_))),
        "{error:?}"
    );
    assert!(lock.exists());
    assert_eq!(document::read(&path).expect("reads"), config());
}
