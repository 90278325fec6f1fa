use std::io::{Read as _, Write as _};

use fleet_devices_core::host::Command;
use fleet_output::tell;

use super::Failure;
use super::args::ExecArgs;
use crate::host::{Ssh, Transport as _, TransportError};
use crate::vm::{Folders, VirtualMachineHost};

pub(super) async fn run<H: VirtualMachineHost>(
    host: &H,
    folders: &Folders,
    args: &ExecArgs,
) -> Result<(), Failure> {
    let name = args.name.to_string();
    let way = host.info(&args.name).await?.way;
    let way = way.ok_or_else(|| Failure::Off { name: name.clone() })?;
    let ssh = Ssh::connect(&way.address, &way.settings(folders.identity())).await;
    let ssh = ssh.map_err(TransportError::from)?;
    let ended = ssh.run(&command(args)?).await?;
    tell(&ended.output)?;
    // Whoever reads may have heard enough.
    let _ = std::io::stderr().write_all(&ended.errors);
    match ended.status {
        0 => Ok(()),
        status => Err(Failure::Ended { name, status }),
    }
}

fn command(args: &ExecArgs) -> Result<Command, Failure> {
    let (program, arguments) = args.words.split_first().map_or(("true", &[][..]), |words| {
        let (program, arguments) = words;
        (program.as_str(), arguments)
    });
    let command = Command::look(program, arguments);
    let mut input = Vec::new();
    if args.stdin {
        let read = std::io::stdin().lock().read_to_end(&mut input);
        read.map_err(Failure::Input)?;
    }
    let command = command.reading(input);
    Ok(if args.root {
        command.as_root()
    } else {
        command
    })
}
