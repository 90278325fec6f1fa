//! The server's configuration that the chart renders is that of the test bed, by meaning.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_bus::account;
use fleet_bus::server::{self, CalloutSettings, ServerSettings, StaticUsers};
use fleet_keys::SecretKey;
use fleet_keys::catalogue::{ACCOUNTS_ENTRY, Name, PUBLIC_NAME};
use fleet_tools::Tool;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::process::{Server, free, get};
use crate::scene::{Scene, rendered};
use crate::support::Objects;

/// Keys of a platform, of which a server knows the public halves.
struct Keys {
    users: StaticUsers,
    callout: CalloutSettings,
}

impl Keys {
    fn make() -> Self {
        let public = |name: Name| {
            let key = SecretKey::make(name.kind()).expect("made");
            key.public().to_owned()
        };
        let user = |name: Name| vec![public(name)];
        Self {
            users: StaticUsers {
                auth: user(Name::Callout),
                platform: user(Name::Operator),
                system: user(Name::System),
                enforcer: user(Name::Enforcer),
                devices: Vec::new(),
            },
            callout: CalloutSettings {
                issuer: public(Name::Issuer),
                xkey: public(Name::Xkey),
            },
        }
    }

    /// What the test bed's server reads.
    fn testbed(&self, store: &Path) -> String {
        server::render(&ServerSettings {
            listen: "127.0.0.1:0".to_owned(),
            name: "testbed".to_owned(),
            store_dir: store.to_owned(),
            users: self.users.clone(),
            callout: Some(self.callout.clone()),
        })
    }

    /// What `fleet-auth secrets ensure` puts into the `ConfigMap`.
    fn published(&self) -> String {
        let shared = server::shared(&self.users, Some(&self.callout));
        format!("{shared:#}\n")
    }
}

/// The files of the server's container, below a folder of ours.
struct Container {
    root: TempDir,
    config: PathBuf,
}

impl Container {
    fn of(objects: &Objects, keys: &Keys) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let spec = &objects.get("StatefulSet fleet-nats")["spec"]["template"]["spec"];
        let container = &spec["containers"][0];
        for mount in container["volumeMounts"].as_array().expect("mounts") {
            let volumes = spec["volumes"].as_array().expect("volumes");
            let volume = volumes.iter().find(|v| v["name"] == mount["name"]);
            let name = volume.and_then(|volume| volume["configMap"]["name"].as_str());
            let Some(name) = name else { continue };
            let folder = mount["mountPath"].as_str().expect("a path");
            let folder = root.path().join(folder.trim_start_matches('/'));
            fs::create_dir_all(&folder).expect("made");
            if name == PUBLIC_NAME {
                fs::write(folder.join(ACCOUNTS_ENTRY), keys.published()).expect("written");
                continue;
            }
            let map = objects.get(&format!("ConfigMap {name}"));
            for (file, text) in map["data"].as_object().expect("data") {
                fs::write(folder.join(file), text.as_str().expect("text")).expect("written");
            }
        }
        let args = container["args"].as_array().expect("arguments");
        let config = args.iter().skip_while(|arg| *arg != "--config").nth(1);
        let config = config.and_then(Value::as_str).expect("a file");
        let config = root.path().join(config.trim_start_matches('/'));
        Self { root, config }
    }
}

/// A configuration as the server understands it: includes are in their places, variables and sizes are
/// text. Only what the chart writes is understood: JSON but for those.
fn parse(file: &Path) -> Map<String, Value> {
    let text = fs::read_to_string(file).expect("a configuration");
    let mut all = Map::new();
    let mut rest = Vec::new();
    for line in text.lines() {
        if let Some(include) = line.trim().strip_prefix("include ") {
            let path = include.trim_end_matches(';');
            let folder = file.parent().expect("a folder");
            all.extend(parse(&folder.join(path)));
        } else {
            rest.push(quoted(line));
        }
    }
    let own: Value = serde_json::from_str(&rest.join("\n")).expect("JSON");
    all.extend(own.as_object().expect("a map").clone());
    all
}

/// A line whose value is made a string if it is nothing of JSON.
fn quoted(line: &str) -> String {
    let Some((key, value)) = line.split_once(": ") else {
        return line.to_owned();
    };
    let (value, comma) = match value.strip_suffix(',') {
        Some(value) => (value, ","),
        None => (value, ""),
    };
    let bare = value.starts_with('$') || value.ends_with('i') || value.ends_with('s');
    if bare && !value.starts_with('"') {
        format!("{key}: \"{value}\"{comma}")
    } else {
        line.to_owned()
    }
}

/// What depends on neither place nor size, and so has to be the same.
const SAME: [&str; 5] = [
    "accounts",
    "authorization",
    "max_control_line",
    "max_payload",
    "system_account",
];

#[test]
fn the_chart_says_of_the_bus_what_the_test_bed_says() {
    let Some(scene) = Scene::with_real_charts("the rendered configuration of the bus") else {
        return;
    };
    let keys = Keys::make();
    let testbed: Value = serde_json::from_str(&keys.testbed(Path::new("/data"))).expect("JSON");
    for profile in [None, Some("ha"), Some("okd"), Some("airgap")] {
        let objects = Objects::read(&rendered(&scene.case(profile)));
        let container = Container::of(&objects, &keys);
        let ours = parse(&container.config);
        for key in SAME {
            assert!(testbed.get(key).is_some(), "{key}");
            assert_eq!(ours.get(key), testbed.get(key), "{profile:?}: {key}");
        }
        assert_eq!(ours["jetstream"]["store_dir"], "/data");
        // The rest says where it listens and how it stops.
        let rest: BTreeSet<_> = ours
            .keys()
            .map(String::as_str)
            .filter(|key| !SAME.contains(key))
            .collect();
        let mut expected = BTreeSet::from([
            "http_port",
            "jetstream",
            "lame_duck_duration",
            "lame_duck_grace_period",
            "pid_file",
            "port",
            "server_name",
        ]);
        if profile == Some("ha") {
            expected.insert("cluster");
            let routes = ours["cluster"]["routes"].as_array().map(Vec::len);
            assert_eq!(routes, Some(3));
        }
        assert_eq!(rest, expected);
        assert!(reloads(&objects), "a change of keys has to be noticed");
    }
}

/// Whether the container beside the server looks at the included file.
fn reloads(objects: &Objects) -> bool {
    let spec = &objects.get("StatefulSet fleet-nats")["spec"]["template"]["spec"];
    let reloader = spec["containers"].as_array().and_then(|containers| {
        containers
            .iter()
            .find(|container| container["name"] == "reloader")
    });
    let args = reloader.and_then(|reloader| reloader["args"].as_array());
    args.expect("arguments")
        .iter()
        .filter_map(Value::as_str)
        .any(|arg| arg.ends_with(ACCOUNTS_ENTRY))
}

/// The same file with another folder for streams, which no option may name a second time.
fn stored_in(config: &Path, folder: &Path) -> PathBuf {
    let text = fs::read_to_string(config).expect("a configuration");
    let named = "\"store_dir\": \"/data\"";
    assert!(text.contains(named), "{text}");
    let moved = config.with_file_name("moved.conf");
    let here = format!("\"store_dir\": \"{}\"", folder.display());
    fs::write(&moved, text.replace(named, &here)).expect("written");
    moved
}

/// A real server with a configuration, on addresses of this test's.
fn run(config: &Path, root: &Path) -> (Server, SocketAddr) {
    let toolbox = fleet_tools::ensure(&[Tool::NatsServer], &mut |_| {}).expect("a server");
    let monitor = free();
    let text = |path: PathBuf| path.to_str().expect("text").to_owned();
    let mut command = Command::new(toolbox.path(Tool::NatsServer).expect("a server"));
    command
        .args(["--config", &text(config.to_owned())])
        .args(["--addr", "127.0.0.1", "--port", "-1"])
        .args(["--http_port", &monitor.port().to_string()])
        .args(["--pid", &text(root.join("pid"))])
        .env("SERVER_NAME", "fleet-nats-0");
    (Server::start(&mut command, "Server is ready"), monitor)
}

/// What a server says of itself, without what depends on time, place and size.
fn self_description(monitor: SocketAddr) -> Value {
    let general = get(monitor, "/varz");
    let general = [
        "auth_required",
        "auth_timeout",
        "max_control_line",
        "max_payload",
        "system_account",
    ]
    .map(|key| (key.to_owned(), general[key].clone()));
    let mut all = Map::from_iter(general);
    for name in [
        account::AUTH,
        account::PLATFORM,
        account::DEVICES,
        account::SYS,
    ] {
        let mut about = get(monitor, &format!("/accountz?acc={name}"))["account_detail"].clone();
        for passing in [
            "update_time",
            "sublist_stats",
            "subscriptions",
            "client_count",
        ] {
            about.as_object_mut().expect("an account").remove(passing);
        }
        for list in ["imports", "exports"] {
            // In no order.
            if let Some(list) = about[list].as_array_mut() {
                list.sort_by_key(Value::to_string);
            }
        }
        all.insert(name.to_owned(), about);
    }
    Value::Object(all)
}

#[test]
fn a_real_server_says_the_same_of_itself_with_either() {
    let what = "a server with the rendered configuration";
    let Some(scene) = Scene::with_real_charts(what) else {
        return;
    };
    let keys = Keys::make();
    let objects = Objects::read(&rendered(&scene.case(None)));
    let container = Container::of(&objects, &keys);
    let config = stored_in(&container.config, &container.root.path().join("data"));
    let (_chart, monitor) = run(&config, container.root.path());
    let chart = self_description(monitor);
    let memory = get(monitor, "/varz")["jetstream"]["config"]["max_memory"].clone();
    assert!(
        memory.as_i64().is_some_and(|bytes| bytes > 0),
        "heartbeats are kept in memory"
    );

    let root = tempfile::tempdir().expect("a folder");
    let config = root.path().join("nats.conf");
    fs::write(&config, keys.testbed(&root.path().join("data"))).expect("written");
    let (_testbed, monitor) = run(&config, root.path());
    let testbed = self_description(monitor);
    assert_eq!(chart, testbed);
    let exports = chart[account::PLATFORM]["exports"].as_array().map(Vec::len);
    assert_eq!(
        exports,
        account::platform_exports().as_array().map(Vec::len)
    );
}
