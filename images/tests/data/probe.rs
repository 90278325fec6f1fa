//! The program that tests put in the operator's place: it says as whom it runs and what it can do.

use std::fs;
use std::net::ToSocketAddrs;

fn main() {
    let status = fs::read_to_string("/proc/self/status").expect("proc");
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().nth(1).expect("a value").to_owned()
    };
    println!("args {:?}", std::env::args().collect::<Vec<_>>());
    println!("user {} group {}", line("Uid:"), line("Gid:"));
    println!("capabilities {}", line("CapEff:"));
    println!("may gain privileges {}", line("NoNewPrivs:") == "0");
    println!("may write {}", fs::write("/file", "").is_ok());
    println!("localhost is known {}", ("localhost", 80).to_socket_addrs().is_ok());
    let kernel = ["dev", "proc", "sys", "run"];
    list("/", &|path| kernel.iter().any(|name| path == format!("/{name}")));
}

/// Files of the image; of what the runtime mounts over it, only the names in `/etc`.
fn list(folder: &str, is_kernel: &dyn Fn(&str) -> bool) {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path().display().to_string();
        if is_kernel(&path) {
            continue;
        }
        if entry.path().is_dir() {
            list(&path, is_kernel);
        } else {
            println!("file {path}");
        }
    }
}
