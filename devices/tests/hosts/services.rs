//! The services of a fleet, and the person who approves.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_e2e::Platform;
use fleet_e2e::identity::{ChainOptions, Identity};
use fleet_e2e::platform::{Login, Place, Wanted};
use fleet_testbed::wait;

use crate::machine::Machine;

pub(crate) const SOON: Duration = Duration::from_secs(120);

pub(crate) async fn platform(name: &'static str) -> Platform {
    let wanted = Wanted {
        name,
        devices: &[],
        heartbeat: Some(1),
        operator: Place::Process,
        login: Login::Chain(ChainOptions::default()),
    };
    let platform = Platform::start_wanted(wanted, |step| println!("{step}")).await;
    platform.expect("starts")
}

pub(crate) fn identity(platform: &Platform) -> &Identity {
    platform.identity().expect("the chain")
}

/// As somebody who watches the list of those that ask does.
pub(crate) async fn approve(platform: &Platform, device: &str, within: Duration) {
    let identity = identity(platform);
    let asked = || async { matches!(identity.enrolment_of(device).await, Ok(Some(_))) };
    assert!(wait::until(within, asked).await, "{device} asks");
    let name = identity.enrolment_of(device).await.expect("listed");
    identity
        .approve(&name.expect("an enrolment"))
        .await
        .expect("approved");
}

/// A fleet file with these devices on these machines, and a token for each beside it. The key of the first opens all.
pub(crate) async fn fleet_file(
    platform: &Platform,
    agent: &Path,
    devices: &[String],
    machines: &[Machine],
    folder: &Path,
) -> PathBuf {
    let identity = identity(platform);
    let (url, ca) = (identity.enrolment.url(), identity.enrolment.ca_file());
    let (agent, ca) = (agent.display(), ca.display());
    let mut text = format!(
        "[defaults]\nuser = 'root'\nagents = ['{agent}']\nenrol_url = '{url}'\nenrol_ca_file = '{ca}'\n\
         enrol_token_folder = 'tokens'\nlabels = {{ site = 'lyon' }}\n",
    );
    let tokens = folder.join("tokens");
    fs::create_dir(&tokens).expect("a folder");
    for (device, machine) in devices.iter().zip(machines) {
        let token = identity.token(&["--device-id", device]).await;
        fs::write(tokens.join(device), token.expect("a token")).expect("written");
        machine.share_key(&machines[0]);
        let address = machine.address("root").host;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[[hosts]]\naddress = '{address}'\ndevice_id = '{device}'\n"
        );
    }
    let path = folder.join("fleet.toml");
    fs::write(&path, text).expect("written");
    path
}
