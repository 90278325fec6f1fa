//! A way to a server that can be cut.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on until it is cut.
pub struct Wire {
    here: SocketAddr,
    mended: watch::Sender<bool>,
}

impl Wire {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("an address");
        let (mended, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, state.clone()));
            }
        });
        Self { here, mended }
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.here)
    }

    pub fn cut(&self) {
        self.mended.send_replace(false);
    }

    pub fn mend(&self) {
        self.mended.send_replace(true);
    }
}

/// Until it is cut; who dials while it is cut is hung up on.
async fn pass_on(mut client: TcpStream, server: SocketAddr, mut mended: watch::Receiver<bool>) {
    if !*mended.borrow_and_update() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = mended.wait_for(|mended| !mended) => {}
    }
}
