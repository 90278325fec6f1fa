//! People log in at Keycloak with `fleet login`, and a real API server knows their roles.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use fleet_people::{Provider as Issuer, Roles};
use fleet_testbed::{Testbed, wait};
use fleet_tools::{Tool, ensure};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::provider::{APPLICATION, FLEET, PASSWORD, Provider};
use crate::scene::SOON;

/// What stands before users and groups of Keycloak's.
const PREFIX: &str = "keycloak:";

/// A cluster that believes Keycloak, where viewers may view.
async fn cluster(provider: &Provider) -> Testbed {
    let bed = Testbed::builder("keycloak-people").people().start().await;
    let bed = bed.expect("a cluster");
    let roles = Roles::List("/groups".parse().expect("a path"));
    let prefix = PREFIX.parse().expect("a prefix");
    let keycloak = provider.keycloak();
    let issuer = Issuer::new(keycloak.issuer(FLEET), [APPLICATION], roles, prefix);
    let authority = std::fs::read_to_string(keycloak.ca_file()).expect("a certificate");
    let issuer = issuer.expect("a provider").with_authority(authority);
    let server = bed.api_server().expect("an API server");
    let text = serde_json::to_string(&issuer.configuration()).expect("JSON");
    server.trust_people(&text).await.expect("restarted");
    let bindings: Api<ClusterRoleBinding> = Api::all(bed.kube_client().await.expect("a client"));
    let binding = json!({
        "metadata": {"name": "viewers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{
            "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": format!("{PREFIX}viewer"),
        }],
    });
    let binding = serde_json::from_value(binding).expect("a binding");
    let made = bindings.create(&PostParams::default(), &binding).await;
    made.expect("bound");
    bed
}

/// Somebody with a home folder, `fleet` and `kubectl`.
struct Person<'a> {
    home: TempDir,
    provider: &'a Provider,
    name: &'a str,
}

impl<'a> Person<'a> {
    fn new(name: &'a str, provider: &'a Provider, bed: &Testbed) -> Self {
        let person = Self {
            home: tempfile::tempdir().expect("a folder"),
            provider,
            name,
        };
        // The cluster, and a context without a user.
        let text = std::fs::read_to_string(bed.kubeconfig().expect("a kubeconfig"));
        let mut config: Value = serde_json::from_str(&text.expect("read")).expect("JSON");
        config["users"] = json!([]);
        config["contexts"][0]["context"] = json!({"cluster": config["clusters"][0]["name"]});
        std::fs::write(person.kubeconfig(), config.to_string()).expect("written");
        person
    }

    fn kubeconfig(&self) -> PathBuf {
        self.home.path().join("config")
    }

    fn program(&self, path: &Path) -> Command {
        let fleet = fleet();
        let folder = fleet.parent().expect("a folder").display();
        let mut command = Command::new(path);
        command
            .env_clear()
            // Where kubectl finds the plugin.
            .env("PATH", format!("{folder}:/usr/bin:/bin"))
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.kubeconfig())
            .stdin(Stdio::null());
        command
    }

    /// Starts a login; the address that it shows.
    fn begin(&self, how: &str) -> (Child, BufReader<ChildStderr>, String) {
        let keycloak = self.provider.keycloak();
        let mut login = self
            .program(&fleet())
            .args(["login", how, "--write-kubeconfig"])
            .args(["--issuer", &keycloak.issuer(FLEET)])
            .args(["--client-id", APPLICATION])
            .arg("--ca-file")
            .arg(keycloak.ca_file())
            .stderr(Stdio::piped())
            .spawn()
            .expect("fleet starts");
        let mut said = BufReader::new(login.stderr.take().expect("standard error"));
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = said.read_line(&mut line).expect("text");
            assert_ne!(read, 0, "no address: {all}");
            all.push_str(&line);
            let address = line.trim();
            // With a code in it, where a code is asked for.
            if address.starts_with("https://") && (how != "--device" || address.contains("code=")) {
                return (login, said, address.to_owned());
            }
        }
    }

    fn end(login: &mut Child, mut said: BufReader<ChildStderr>) {
        let mut rest = String::new();
        said.read_to_string(&mut rest).expect("text");
        assert!(login.wait().expect("ends").success(), "{rest}");
    }

    /// By code flow: the provider's real form, and back to the page on loopback.
    async fn log_in_by_browser(&self) {
        let (mut login, said, address) = self.begin("--no-browser");
        let mut browser = Browser::new(self.provider.keycloak());
        let form = browser.open(&address).await;
        let fields = [("username", self.name), ("password", PASSWORD)];
        let page = browser.submit(&form, &fields).await;
        assert!(page.text.contains("You are logged in"), "{}", page.text);
        Self::end(&mut login, said);
    }

    /// By device flow: the code is in the address, and the person agrees.
    async fn log_in_by_code(&self) {
        let (mut login, said, address) = self.begin("--device");
        let mut browser = Browser::new(self.provider.keycloak());
        let form = browser.open(&address).await;
        let fields = [("username", self.name), ("password", PASSWORD)];
        let question = browser.submit(&form, &fields).await;
        let page = browser.submit(&question, &[("accept", "Yes")]).await;
        assert!(page.text.contains("Successful"), "{}", page.text);
        Self::end(&mut login, said);
    }

    fn kubectl(&self, args: &str) -> Result<String, String> {
        let toolbox = ensure(&[Tool::Kubectl], &mut |_| {}).expect("kubectl");
        let kubectl = toolbox.path(Tool::Kubectl).expect("kubectl");
        let output = self.program(kubectl).args(args.split(' ')).output();
        let output = output.expect("kubectl starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        match output.status.success() {
            true => Ok(text(output.stdout)),
            false => Err(text(output.stderr)),
        }
    }
}

fn fleet() -> PathBuf {
    fleet_testbed::program("fleet").expect("fleet is built")
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_by_browser_and_by_code_and_may_do_what_their_roles_say() {
    let Some(provider) = Provider::shared("people of Keycloak").await else {
        return;
    };
    let bed = cluster(&provider).await;
    let viewer = Person::new("vera", &provider, &bed);
    viewer.log_in_by_browser().await;
    // The API server asks the provider about itself in the background, and knows nobody until then.
    let known = || async { viewer.kubectl("auth whoami").is_ok() };
    assert!(
        wait::until(SOON, known).await,
        "{:?}",
        viewer.kubectl("auth whoami")
    );
    let who = viewer.kubectl("auth whoami -o json").expect("is somebody");
    assert!(who.contains("\"keycloak:viewer\""), "{who}");
    let may = || async { viewer.kubectl("get configmaps -A").is_ok() };
    assert!(wait::until(SOON, may).await, "a viewer reads");
    let refused = viewer.kubectl("create configmap hers --from-literal=a=b");
    assert!(refused.is_err_and(|why| why.contains("forbidden")));

    let nobody = Person::new("nora", &provider, &bed);
    nobody.log_in_by_code().await;
    let who = nobody.kubectl("auth whoami -o json").expect("is somebody");
    assert!(!who.contains("\"keycloak:viewer\""), "{who}");
    let refused = nobody.kubectl("get configmaps -A");
    assert!(refused.is_err_and(|why| why.contains("forbidden")));
}
