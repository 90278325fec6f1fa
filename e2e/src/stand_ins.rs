//! Images that stand for those of others, with the real programs in them.
//!
//! The charts of others name images that are pulled from the internet. A test pulls nothing: it gives
//! the node the program that the testbed itself runs, in the version that is pinned there, and around
//! it no more than the chart's command lines ask for. Such an image fits any user id, for nothing in it
//! belongs to anybody.

use std::fs;

use fleet_images::oci::{Layer, Settings};
use fleet_testbed::{NodeError, Testbed};
use fleet_tools::Tool;

use crate::Error;
use crate::cluster::ImageName;

/// Where official images keep their programs, and charts look for them.
const PROGRAMS: &str = "/usr/local/bin";
/// What the command lines of the chart `openbao` run beside the server: `sh`, `cp` and `sed` to start
/// it, `sleep`, `kill` and `pidof` to end it, `grep` to test it.
const APPLETS: [&str; 7] = ["cp", "grep", "kill", "pidof", "sed", "sh", "sleep"];
/// Without what the official one does as root, which no pod here may.
const ENTRYPOINT: &str = "#!/bin/sh\nexec \"$@\"\n";

/// The bus, for the chart `nats`: the server alone.
///
/// # Errors
/// When the testbed has no node, or there is no server.
pub async fn nats(bed: &Testbed) -> Result<ImageName, Error> {
    let layer = Layer::new();
    let entrypoint = format!("{PROGRAMS}/nats-server");
    make(bed, Tool::NatsServer, layer, entrypoint).await
}

/// `OpenBao`, for the chart `openbao`, whose command lines want a shell.
///
/// # Errors
/// When the testbed has no node, or there is no server or no static busybox.
pub async fn openbao(bed: &Testbed) -> Result<ImageName, Error> {
    let busybox = fleet_testbed::busybox().map_err(NodeError::from)?;
    let entrypoint = format!("{PROGRAMS}/docker-entrypoint.sh");
    let layer = Layer::new()
        .file("/bin/busybox", 0o755, busybox)
        .file(&entrypoint, 0o755, ENTRYPOINT)
        // Where the chart writes its configuration once more.
        .folder("/tmp", 0o1777);
    let layer = APPLETS.iter().fold(layer, |layer, applet| {
        layer.link(&format!("/bin/{applet}"), "busybox")
    });
    make(bed, Tool::Bao, layer, entrypoint).await
}

async fn make(
    bed: &Testbed,
    tool: Tool,
    layer: Layer,
    entrypoint: String,
) -> Result<ImageName, Error> {
    let reference = format!("localhost/fleet-e2e/{}:{}", tool.name(), tool.version());
    let unmade = |error: &dyn std::fmt::Display| {
        Error::Unexpected(format!("cannot make the image {reference}: {error}"))
    };
    let tools = fleet_tools::ensure(&[tool], &mut |_| {}).map_err(|e| unmade(&e))?;
    let program = tools.path(tool).map_err(|e| unmade(&e))?;
    let program = fs::read(program).map_err(|e| unmade(&e))?;
    let layer = layer.file(&format!("{PROGRAMS}/{}", tool.name()), 0o755, program);
    let settings = Settings {
        entrypoint: vec![entrypoint],
        environment: vec![format!("PATH={PROGRAMS}:/bin")],
        ..Settings::default()
    };
    bed.node()?.make_image(&reference, settings, layer).await?;
    ImageName::parse(&reference).ok_or_else(|| unmade(&"it is no reference of an image"))
}
