//! Test images: a static web server and one page, from scratch.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

/// Where distributions put a statically linked busybox.
const BUSYBOX: [&str; 4] = [
    "/bin/busybox",
    "/usr/bin/busybox",
    "/sbin/busybox",
    "/usr/sbin/busybox",
];

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is no busybox.
    #[error("no busybox was found; tools/system-packages.sh installs a static one")]
    NoBusybox,
    /// The archive could not be written.
    #[error("cannot write the image archive {path}", path = .path.display())]
    Write {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Writes a docker archive with one image: busybox's `httpd` on port 80 serving `body`, and a
/// shell for health checks.
pub(crate) fn write_archive(path: &Path, reference: &str, body: &str) -> Result<(), ImageError> {
    let busybox = BUSYBOX.iter().find(|path| Path::new(path).is_file());
    let busybox = busybox.ok_or(ImageError::NoBusybox)?;
    let write = || -> io::Result<()> {
        let layer = layer(&fs::read(busybox)?, body)?;
        let config = config(&hex(&layer))?;
        let config_name = format!("{}.json", hex(&config));
        let manifest = serde_json::to_vec(&json!([{
            "Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"],
        }]))?;
        let mut archive = tar::Builder::new(File::create(path)?);
        add_file(&mut archive, &config_name, 0o644, &config)?;
        add_file(&mut archive, "layer.tar", 0o644, &layer)?;
        add_file(&mut archive, "manifest.json", 0o644, &manifest)?;
        archive.finish()
    };
    write().map_err(|source| ImageError::Write {
        path: path.to_owned(),
        source,
    })
}

fn layer(busybox: &[u8], body: &str) -> io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    for folder in ["bin/", "etc/", "tmp/", "www/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if folder == "tmp/" { 0o1777 } else { 0o755 });
        header.set_size(0);
        layer.append_data(&mut header, folder, io::empty())?;
    }
    add_file(&mut layer, "bin/busybox", 0o755, busybox)?;
    for applet in [
        "sh", "sleep", "cat", "ls", "echo", "env", "id", "wget", "false", "true", "test",
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
    }
    add_file(
        &mut layer,
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n",
    )?;
    add_file(&mut layer, "www/index.html", 0o644, body.as_bytes())?;
    layer.into_inner()
}

fn config(layer_digest: &str) -> io::Result<Vec<u8>> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Ok(serde_json::to_vec(&json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": ["PATH=/bin"],
            "Cmd": ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"],
            "ExposedPorts": {"80/tcp": {}},
            // busybox ignores SIGTERM as a container's first process; SIGKILL ends it without the
            // ten seconds of waiting.
            "StopSignal": "SIGKILL",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
        "history": [{"created_by": "fleet-testbed"}],
    }))?)
}

fn add_file<W: io::Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content)
}

fn hex(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_layer_is_what_the_configuration_says_and_serves_the_body() {
        let layer = layer(b"program", "hello").unwrap();
        let config = config(&hex(&layer)).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            format!("sha256:{}", hex(&layer))
        );

        let mut archive = tar::Archive::new(layer.as_slice());
        let mut page = archive
            .entries()
            .unwrap()
            .flatten()
            .find(|entry| {
                entry
                    .path()
                    .is_ok_and(|path| path.ends_with("www/index.html"))
            })
            .unwrap();
        let mut body = String::new();
        page.read_to_string(&mut body).unwrap();
        assert_eq!(body, "hello");
    }
}
