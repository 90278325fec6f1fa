//! A way to a server that can be cut, or fall silent.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on until it is cut.
pub struct Wire {
    here: SocketAddr,
    mended: watch::Sender<bool>,
    silenced: watch::Sender<()>,
}

impl Wire {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("an address");
        let (mended, state) = watch::channel(true);
        let (silenced, silence) = watch::channel(());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let silence = silence.clone();
                tokio::spawn(pass_on(client, server, state.clone(), silence));
            }
        });
        Self {
            here,
            mended,
            silenced,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.here
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.here)
    }

    /// Nothing passes any more on the connections that there are, and nobody is told; new ones work.
    /// So it is behind a firewall that has forgotten its connections.
    pub fn forget_connections(&self) {
        self.silenced.send_replace(());
    }

    pub fn cut(&self) {
        self.mended.send_replace(false);
    }

    pub fn mend(&self) {
        self.mended.send_replace(true);
    }
}

/// Until it is cut; who dials while it is cut is hung up on.
async fn pass_on(
    mut client: TcpStream,
    server: SocketAddr,
    mut mended: watch::Receiver<bool>,
    mut silence: watch::Receiver<()>,
) {
    if !*mended.borrow_and_update() {
        return;
    }
    silence.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let silent = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        changed = silence.changed() => changed.is_ok(),
        _ = mended.wait_for(|mended| !mended) => false,
    };
    if silent {
        // Both ends stay open until the wire itself goes.
        let _ = silence.wait_for(|()| false).await;
    }
}
