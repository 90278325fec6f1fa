//! Opening an address in the user's browser, where there is one.

use std::process::{Command, Stdio};

/// Starts the browser; whether one was started. It says nothing in the terminal.
pub(super) fn open(address: &str) -> bool {
    programs()
        .iter()
        .any(|program| start(program, address).is_ok())
}

/// What opens addresses here, the user's own choice first.
fn programs() -> Vec<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(browser) = variable("BROWSER") {
        return vec![browser];
    }
    if cfg!(target_os = "macos") {
        return vec!["open".to_owned()];
    }
    // Without a display `xdg-open` may start a browser in the terminal.
    let displays = ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"];
    if displays.into_iter().any(|name| variable(name).is_some()) {
        return vec!["xdg-open".to_owned(), "wslview".to_owned()];
    }
    Vec::new()
}

fn start(program: &str, address: &str) -> std::io::Result<()> {
    Command::new(program)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
}
