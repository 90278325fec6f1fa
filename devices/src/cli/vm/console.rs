use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::Failure;
use super::args::ConsoleArgs;
use crate::vm::VirtualMachineHost;

/// Control and `]`, as of telnet and virsh: no shell uses it.
const LEAVE: u8 = 0x1d;

pub(super) async fn run<H: VirtualMachineHost>(
    host: &H,
    args: &ConsoleArgs,
) -> Result<(), Failure> {
    let name = args.name.to_string();
    let console = host.console(&args.name).await?;
    let failed = |source| Failure::Console {
        name: name.clone(),
        source,
    };
    if args.log || console.socket.is_some() {
        show(&console.log).map_err(failed)?;
    }
    if args.log {
        return Ok(());
    }
    let Some(socket) = console.socket else {
        return Err(Failure::Off { name });
    };
    attach(&socket).await.map_err(failed)
}

/// All of it: a terminal that is to go on from there has to be as the machine left it.
fn show(log: &Path) -> io::Result<()> {
    let mut said = match std::fs::File::open(log) {
        Ok(said) => said,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut out = io::stdout().lock();
    io::copy(&mut said, &mut out)?;
    out.flush()
}

/// Until the machine goes off, or who types here leaves. Without anybody who types it only listens.
async fn attach(socket: &Path) -> io::Result<()> {
    let (mut from, mut to) = UnixStream::connect(socket).await?.into_split();
    let raw = Raw::of_terminal()?;
    if raw.is_some() {
        eprint!("\r\n[console: Ctrl-] leaves]\r\n");
    }
    let mut typed = keys();
    let mut out = tokio::io::stdout();
    let mut said = vec![0; 4096];
    loop {
        tokio::select! {
            read = from.read(&mut said) => {
                let read = read?;
                if read == 0 {
                    break;
                }
                out.write_all(&said[..read]).await?;
                out.flush().await?;
            }
            Some(keys) = typed.recv() => {
                let left = keys.iter().position(|key| *key == LEAVE);
                to.write_all(&keys[..left.unwrap_or(keys.len())]).await?;
                if left.is_some() {
                    break;
                }
            }
        }
    }
    drop(raw);
    eprintln!();
    Ok(())
}

/// What is typed. A thread of its own reads it: it cannot be interrupted, and ends with the process.
fn keys() -> tokio::sync::mpsc::Receiver<Vec<u8>> {
    let (send, receive) = tokio::sync::mpsc::channel(8);
    std::thread::spawn(move || {
        use std::io::Read as _;
        let mut keys = [0; 256];
        while let Ok(read @ 1..) = io::stdin().lock().read(&mut keys) {
            if send.blocking_send(keys[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    receive
}

/// A terminal that hands on each key as it is typed; as it was again, when this ends.
struct Raw {
    before: Termios,
}

impl Raw {
    /// `None` where nobody types.
    fn of_terminal() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}
