//! From a bare host to a member of a real fleet, another agent and back, and away again: over the real enrolment
//! service, callout, operator and bus, which the host reaches at the address of the testbed's bridge.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fleet_e2e::{Platform, workload};
use fleet_testbed::wait;
use tempfile::TempDir;

use crate::machine::{Machine, skips};
use crate::program::{Program, Ran, agent};
use crate::services::{SOON, approve, identity, platform};

struct Scene {
    platform: Platform,
    machine: Machine,
    folder: TempDir,
}

impl Scene {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A further agent: the same program with something behind it, or another program altogether.
    fn other_agent(&self, name: &str, of: &Path, and: &[u8]) -> PathBuf {
        let path = self.file(name);
        let mut program = fs::read(of).expect("the program");
        program.extend_from_slice(and);
        fs::write(&path, program).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("runnable");
        path
    }

    fn setup(&self, agent: impl AsRef<Path>) -> Program {
        self.setup_as("robot-1", &identity(&self.platform).enrolment.url(), agent)
    }

    fn setup_as(&self, device: &str, url: &str, agent: impl AsRef<Path>) -> Program {
        let enrolment = &identity(&self.platform).enrolment;
        Program::new(["setup", "-o", "json", "--label", "site=lyon", "--host"])
            .args([self.machine.address("root").to_string()])
            .args(self.machine.login_options())
            .option("--agent", agent.as_ref())
            .option("--enrol-url", url)
            .option("--enrol-ca-file", enrolment.ca_file())
            .option("--device-id", device)
    }

    fn with_token(&self, agent: impl AsRef<Path>) -> Program {
        let token = self.file("token");
        self.setup(agent).option("--enrol-token-file", token)
    }

    fn kubeconfig(&self) -> &Path {
        self.platform.bed.kubeconfig().expect("a cluster")
    }

    fn podman(&self, words: &str) -> String {
        let user = "runuser -u fleet-agent -- env --chdir=/ HOME=/var/lib/fleet-agent";
        self.machine.sh(&format!("{user} podman {words}"))
    }

    /// Which containers there are, and since when each runs as which process.
    fn containers(&self) -> String {
        let ids = self
            .podman("ps --all --quiet --no-trunc")
            .replace('\n', " ");
        if ids.is_empty() {
            return ids;
        }
        self.podman(&format!(
            "inspect --format '{{{{.Id}}}} {{{{.State.StartedAt}}}} {{{{.State.Pid}}}} {{{{.State.Status}}}}' {ids}"
        ))
    }

    /// What of the program the agent runs, by its checksum.
    fn running(&self) -> String {
        let pid = self
            .machine
            .sh("systemctl show --value --property=MainPID fleet-agent");
        let sum = self.machine.sh(&format!("sha256sum < /proc/{pid}/exe"));
        sum.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

fn checksum(path: impl AsRef<Path>) -> String {
    let content = fs::read(path).expect("the program");
    fleet_devices_core::host::Content::new(content)
        .checksum()
        .to_owned()
}

/// What keeps a host from being enrolled has a name, and all before it stays done.
async fn is_refused(scene: &Scene) {
    let agent = agent();
    let refused = |ran: Ran, reason: &str, says: &str| {
        assert_eq!(ran.reason(), reason, "{}", ran.complained);
        assert!(ran.complained.contains(says), "{}", ran.complained);
    };
    let ran = scene.with_token(&agent).run().await;
    refused(ran, "TokenUnreadable", "fleet-auth token create");
    fs::write(scene.file("token"), "what is this").expect("written");
    let ran = scene.with_token(&agent).run().await;
    refused(ran, "TokenInvalid", "no enrolment token");
    let unknown = "fleet-enrol-0123456789abcdefghijklmnopqrstuvwxyz";
    fs::write(scene.file("token"), unknown).expect("written");
    let ran = scene.with_token(&agent).run().await;
    assert!(!ran.complained.contains(unknown), "{}", ran.complained);
    refused(ran, "EnrolmentRefused", "TokenUnknown");
    let nowhere = format!("https://{}:1", scene.platform.bed.host_ip());
    let ran = scene
        .setup_as("robot-1", &nowhere, &agent)
        .option("--timeout", "3");
    let ran = ran
        .option("--enrol-token-file", scene.file("token"))
        .run()
        .await;
    refused(ran, "EnrolmentUnreachable", "no answer from");
}

/// Nobody approves in time; the next run goes on, without the token.
async fn becomes_a_member(scene: &Scene) {
    let identity = identity(&scene.platform);
    let token = identity.token(&["--device-id", "robot-1"]).await;
    fs::write(scene.file("token"), token.expect("a token")).expect("written");
    let ran = scene
        .with_token(agent())
        .option("--timeout", "5")
        .run()
        .await;
    assert_eq!(ran.reason(), "NotApproved", "{}", ran.complained);
    assert!(
        ran.complained.contains("fleet approve "),
        "{}",
        ran.complained
    );
    fs::remove_file(scene.file("token")).expect("used up");
    let again = scene.setup(agent()).cluster(scene.kubeconfig()).run();
    let (ran, ()) = tokio::join!(again, approve(&scene.platform, "robot-1", SOON));
    let host = ran.host();
    assert_eq!(
        (&host["device"], &host["reachable"]),
        (&"robot-1".into(), &true.into())
    );
    let lyon = |d: &fleet_api::Device| {
        let labels = d.metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get("site"))
            .is_some_and(|site| site == "lyon")
    };
    let waited = scene
        .platform
        .wait_device("robot-1", "is in Lyon", lyon)
        .await;
    waited.expect("labelled");
}

async fn runs_a_container(scene: &Scene) {
    let image = workload::image("v1");
    scene.machine.sh(
        "mkdir -p /tmp/image/bin /tmp/image/www; cp /bin/busybox /tmp/image/bin/; echo v1 > /tmp/image/www/index.html; \
         tar -C /tmp/image -cf /tmp/image.tar .; chmod 644 /tmp/image.tar",
    );
    scene.podman(&format!(
        "import --change 'CMD [\"/bin/busybox\", \"httpd\", \"-f\", \"-h\", \"/www\"]' /tmp/image.tar {image}"
    ));
    let web = workload::web("web", ("site", "lyon"), "v1", 8080).expect("a deployment");
    scene.platform.apply(&web).await.expect("applied");
    let running = || async { scene.containers().ends_with("running") };
    let journal = || {
        scene
            .machine
            .sh("journalctl --unit fleet-agent --lines 20 --no-pager")
    };
    assert!(
        wait::until(SOON, running).await,
        "{}\n{}",
        scene.containers(),
        journal()
    );
}

/// The second time there is nothing to do; what cannot be checked is said.
async fn stays_as_it_is(scene: &Scene) {
    let ran = scene.setup(agent()).cluster(scene.kubeconfig()).run().await;
    let host = ran.host();
    assert_eq!(
        (&host["changes"], &host["reachable"]),
        (&0.into(), &true.into())
    );
    let unchecked = scene.setup(agent()).run().await.host();
    assert_eq!(
        (&unchecked["changes"], &unchecked["reachable"]),
        (&0.into(), &().into())
    );
    let why = unchecked["notChecked"].as_str().expect("why");
    assert!(why.contains("no cluster is configured"), "{why}");
    let url = identity(&scene.platform).enrolment.url();
    let other = scene.setup_as("robot-2", &url, agent()).run().await;
    assert_eq!(other.reason(), "EnrolledAsOther");
}

/// Another agent, and the one before; then such as do not come up.
async fn gets_other_agents(scene: &Scene) {
    let (first, containers) = (PathBuf::from(agent()), scene.containers());
    let second = scene.other_agent("second", &first, b"another");
    for agent in [&second, &first] {
        let ran = scene.setup(agent).cluster(scene.kubeconfig()).run().await;
        assert_eq!(ran.host()["changes"], 2, "{}", ran.complained);
        assert_eq!(scene.running(), checksum(agent));
        assert_eq!(scene.containers(), containers);
    }
    let kept = scene
        .machine
        .sh("sha256sum < /usr/local/bin/fleet-agent.previous");
    assert!(kept.starts_with(&checksum(&second)));

    // One that the unit does not start, and one that ends as soon as it was.
    for program in ["/bin/false", "/bin/true"] {
        let broken = scene.other_agent("broken", Path::new(program), b"");
        let ran = scene.setup(&broken).run().await;
        assert_eq!(ran.reason(), "AgentPutBack", "{}", ran.complained);
        assert!(
            ran.complained.contains("/usr/local/bin/fleet-agent"),
            "{}",
            ran.complained
        );
        assert_eq!(scene.running(), checksum(&first));
        assert_eq!(scene.containers(), containers);
    }
    // One that runs and finds no bus.
    let config = scene.file("config.toml");
    fs::write(&config, "[nats]\nurl = \"nats://127.0.0.1:1\"\n").expect("written");
    let lost = scene.setup(&first).option("--config", &config);
    let ran = lost.option("--timeout", "5").run().await;
    assert_eq!(ran.reason(), "AgentPutBack", "{}", ran.complained);
    assert!(ran.complained.contains("config.toml"), "{}", ran.complained);
    let ran = scene.setup(&first).cluster(scene.kubeconfig()).run().await;
    assert_eq!(ran.host()["changes"], 0, "{}", ran.complained);
    assert_eq!(scene.containers(), containers);
}

fn remove(scene: &Scene) -> Program {
    Program::new(["remove", "--host"])
        .args([scene.machine.address("root").to_string()])
        .args(scene.machine.login_options())
}

/// What was kept is enough to go on as the same device: nobody is asked again.
async fn comes_back(scene: &Scene) {
    let gone = remove(scene).args(["--keep-data"]).run().await;
    assert!(gone.ok, "{}{}", gone.printed, gone.complained);
    let left = "ls -d /usr/local/bin/fleet-agent /etc/systemd/system/fleet-agent.service 2>/dev/null || true";
    assert_eq!(scene.machine.sh(left), "");
    let ran = scene.setup(agent()).cluster(scene.kubeconfig()).run().await;
    assert!(ran.ok, "{}", ran.complained);
    let host = ran.host();
    assert_eq!(
        (&host["device"], &host["reachable"]),
        (&"robot-1".into(), &true.into())
    );
    let running = || async { scene.containers().ends_with("running") };
    assert!(wait::until(SOON, running).await, "{}", scene.containers());
}

async fn goes_away(scene: &Scene) {
    let remove = || remove(scene);
    let containers = scene.containers();
    let uid = scene.machine.sh("id -u fleet-agent");
    let plan = remove().args(["--plan"]).run().await;
    assert!(
        plan.ok && plan.printed.contains("6 to go"),
        "{}{}",
        plan.printed,
        plan.complained
    );
    assert_eq!(scene.containers(), containers);
    let gone = remove()
        .args(["--delete-device"])
        .cluster(scene.kubeconfig())
        .run()
        .await;
    assert!(
        gone.ok && gone.printed.contains("Device robot-1 gone"),
        "{}{}",
        gone.printed,
        gone.complained
    );
    let processes = format!("find /proc -maxdepth 1 -uid {uid}");
    let left = "ls -d /var/lib/fleet-agent /etc/fleet-agent* /usr/local/bin/fleet-agent* /etc/systemd/system/fleet-agent*; \
                getent passwd fleet-agent; grep fleet-agent /etc/subuid /etc/subgid";
    assert_eq!(
        scene
            .machine
            .sh(&format!("({left}; {processes}) 2>/dev/null || true")),
        ""
    );
    let there = scene.platform.bed.kube_client().await.expect("a client");
    let devices: kube::Api<fleet_api::Device> = kube::Api::all(there);
    let none = || async { matches!(devices.get_opt("robot-1").await, Ok(None)) };
    assert!(wait::until(SOON, none).await, "the Device is gone");
    let again = remove().run().await;
    assert!(
        again.ok && again.printed.contains("0 gone"),
        "{}{}",
        again.printed,
        again.complained
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_host_becomes_a_member_gets_other_agents_and_goes_away() {
    if skips("a member") {
        return;
    }
    let platform = platform("member");
    let (platform, machine) = tokio::join!(platform, Machine::start_for_containers());
    let scene = Scene {
        platform,
        machine,
        folder: tempfile::tempdir().expect("a folder"),
    };
    is_refused(&scene).await;
    becomes_a_member(&scene).await;
    runs_a_container(&scene).await;
    stays_as_it_is(&scene).await;
    gets_other_agents(&scene).await;
    comes_back(&scene).await;
    goes_away(&scene).await;
}
