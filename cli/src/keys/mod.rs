//! `fleet keys`: the keys of a platform and of devices that log in with static ones. It only
//! writes files; nothing is sent anywhere.

mod folder;

use std::path::PathBuf;

use fleet_bus::server::{self, ServerSettings, StaticUsers};

use crate::args::{KeysCommand, KeysCreateArgs, NatsConfigArgs};
use crate::file::FileError;
use crate::output::{OutputError, emit, table};
use folder::{KeyFolder, Made};

/// Why keys could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file of the folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that should hold a key holds something else. It is not overwritten.
    #[error("{path} holds no {what}; move it away, or name another folder", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A device's file whose name is no device id.
    #[error("{path} is not named after a device", path = .path.display())]
    DeviceName {
        /// The file.
        path: PathBuf,
        /// What is wrong with the name.
        #[source]
        source: fleet_contracts::id::InvalidName,
    },
    /// The system gives no random numbers, or a key cannot be encoded.
    #[error("cannot make a key")]
    Make,
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs `fleet keys`.
pub fn run(command: &KeysCommand) -> Result<(), KeysError> {
    match command {
        KeysCommand::Create(args) => create(args),
        KeysCommand::NatsConfig(args) => nats_config(args),
    }
}

fn create(args: &KeysCreateArgs) -> Result<(), KeysError> {
    let folder = KeyFolder::create(&args.folder)?;
    let mut rows = Vec::new();
    let mut row = |file: &str, what: &str, made: Made| {
        let file = args.folder.join(file).display().to_string();
        rows.push(vec![file, made.to_string(), what.to_owned()]);
    };
    let (key, made) = folder.signing_key()?;
    row(
        "manifest.key",
        "signs manifests: Secret of the operator",
        made,
    );
    row(
        "manifest.pub",
        &format!("trusted_keys of devices: {key}"),
        made,
    );
    for (name, what) in [
        (
            "operator",
            "the operator's login at NATS: Secret of the operator",
        ),
        ("system", "login for the server's own events"),
        ("auth", "login of the auth callout"),
    ] {
        let (_, made) = folder.user(name)?;
        row(&format!("{name}.nk"), what, made);
    }
    for id in &args.devices {
        let (_, made) = folder.device(id)?;
        let what = format!("login of device {id}: its nats.seed_file");
        row(&format!("devices/{id}.nk"), &what, made);
    }
    Ok(emit(table(&["FILE", "STATE", "WHAT IT IS"], &rows))?)
}

fn nats_config(args: &NatsConfigArgs) -> Result<(), KeysError> {
    let folder = KeyFolder::open(&args.folder);
    let settings = ServerSettings {
        listen: args.listen.clone(),
        name: "fleet".to_owned(),
        store_dir: args.store_dir.clone(),
        users: StaticUsers {
            auth: vec![folder.public("auth")?],
            platform: vec![folder.public("operator")?],
            system: vec![folder.public("system")?],
            devices: folder.devices()?,
            ..StaticUsers::default()
        },
        callout: None,
    };
    Ok(emit(server::render(&settings))?)
}
