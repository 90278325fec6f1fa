//! A way to a server on which what a client sends arrives late, for kernels without netem.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// What may be on its way at once: a client that sends more waits.
const UNDER_WAY: usize = 1024;

/// A slow way; dropping it closes its connections.
#[derive(Debug)]
pub struct SlowWay {
    here: SocketAddr,
    accepting: JoinHandle<()>,
}

impl SlowWay {
    /// Listens beside the server, at the same address.
    pub(crate) async fn to(server: SocketAddr, late: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((server.ip(), 0)).await?;
        let here = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass_on(client, server, late));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { here, accepting })
    }

    /// Where clients of the bus connect to.
    pub fn url(&self) -> String {
        format!("nats://{}", self.here)
    }
}

impl Drop for SlowWay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Until either side hangs up.
async fn pass_on(client: TcpStream, server: SocketAddr, late: Duration) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
        _ = pass_on_late(from_client, to_server, late) => {}
    }
}

async fn pass_on_late(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    late: Duration,
) -> io::Result<()> {
    let (sent, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let read = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).await?;
            let bytes = buffer[..length].to_vec();
            let gone = sent.send((Instant::now() + late, bytes)).await.is_err();
            if length == 0 || gone {
                return io::Result::Ok(());
            }
        }
    };
    let write = async {
        while let Some((due, bytes)) = under_way.recv().await {
            tokio::time::sleep_until(due).await;
            if bytes.is_empty() {
                break;
            }
            to.write_all(&bytes).await?;
        }
        io::Result::Ok(())
    };
    tokio::try_join!(read, write).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_arrives_late_whole_and_in_order_and_answers_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = listener.local_addr().expect("an address");
        let late = Duration::from_millis(200);
        let way = SlowWay::to(server, late).await.expect("listens");
        let mut client = TcpStream::connect(way.here).await.expect("connects");
        let (mut far_end, _) = listener.accept().await.expect("accepted");
        let began = Instant::now();
        for part in ["late ", "but ", "whole"] {
            client.write_all(part.as_bytes()).await.expect("sent");
        }
        let mut heard = vec![0; "late but whole".len()];
        far_end.read_exact(&mut heard).await.expect("heard");
        assert_eq!(heard, b"late but whole");
        assert!(began.elapsed() >= late, "{:?}", began.elapsed());
        far_end.write_all(b"yes").await.expect("sent");
        let mut answer = [0; 3];
        client.read_exact(&mut answer).await.expect("answered");
        assert_eq!(&answer, b"yes");
        drop(client);
        assert_eq!(far_end.read(&mut heard).await.expect("hung up"), 0);
    }
}
