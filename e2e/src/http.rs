//! The smallest HTTP client that can tell whether a container answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Error;

/// How long one try may take. A connection may be taken by a port forwarder whose container is
/// gone; such a try must not hold up the next.
const TRY: Duration = Duration::from_millis(500);
/// How long a connection may take. While a container is being replaced its port may lead nowhere
/// for a moment, and what is sent then is lost, not refused.
const CONNECT: Duration = Duration::from_millis(40);
/// Between two tries; sets the resolution of what the benchmarks measure.
const PAUSE: Duration = Duration::from_millis(2);
/// More than any test page.
const MAX_ANSWER: u64 = 64 * 1024;

/// The body of a `GET /`, if the answer is a 200 within half a second.
pub async fn get(address: SocketAddr) -> Option<String> {
    text(address, "/").await
}

/// The same of another page.
pub async fn text(address: SocketAddr, path: &str) -> Option<String> {
    let (status, body) = tokio::time::timeout(TRY, exchange(address, path))
        .await
        .ok()?
        .ok()?;
    (status == 200).then_some(body)
}

/// The status of a `GET`, if there is an answer within half a second.
pub async fn status(address: SocketAddr, path: &str) -> Option<u16> {
    Some(
        tokio::time::timeout(TRY, exchange(address, path))
            .await
            .ok()?
            .ok()?
            .0,
    )
}

async fn exchange(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await??;
    let request = format!("GET {path} HTTP/1.1\r\nHost: device\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    Ok((status, body.trim().to_owned()))
}

/// Waits until `GET /` is answered with this body; says how long that took.
pub async fn wait_for(address: SocketAddr, body: &str, limit: Duration) -> Result<Duration, Error> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if get(address).await.as_deref() == Some(body) {
            return Ok(start.elapsed());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::Timeout {
        what: format!("http://{address}/ answers {body:?}"),
        limit,
    })
}

/// Waits until nothing answers at this address.
pub async fn wait_gone(address: SocketAddr, limit: Duration) -> Result<(), Error> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if get(address).await.is_none() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(Error::Timeout {
        what: format!("http://{address}/ stops answering"),
        limit,
    })
}
