//! The protocol of the bus by hand. The client library is too polite for attacks, comes back by itself,
//! and takes the server's own PING, which comes after two seconds of waiting for the callout, for a
//! login that succeeded.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::bed::SOON;

/// A connection.
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    /// What the server wants signed by whom has a key.
    pub(crate) nonce: String,
}

impl Wire {
    pub(crate) async fn open(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.expect("a server");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        let read = stream.read_line(&mut line);
        let read = tokio::time::timeout(SOON, read).await.expect("in time");
        read.expect("a greeting");
        let info = line.strip_prefix("INFO ").expect("a greeting");
        let info: Value = serde_json::from_str(info).expect("JSON");
        Self {
            stream,
            nonce: info["nonce"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// Logs in with these credentials; whether the server answers a PING then.
    pub(crate) async fn log_in(&mut self, mut connect: Value) -> bool {
        for (field, value) in [
            ("lang", json!("test")),
            ("version", json!("0")),
            ("verbose", json!(false)),
            ("pedantic", json!(false)),
            ("protocol", json!(1)),
        ] {
            connect[field] = value;
        }
        self.send(format!("CONNECT {connect}\r\n").as_bytes()).await;
        self.answer().await.open
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // A server that refuses the first bytes may close before the last are sent.
        let _ = self.stream.get_mut().write_all(bytes).await;
    }

    /// What the server says to all that was sent.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.send(b"PING\r\n").await;
        let mut answer = Answer::default();
        let read = async {
            let mut line = String::new();
            while self
                .stream
                .read_line(&mut line)
                .await
                .is_ok_and(|read| read > 0)
            {
                match line.trim_end() {
                    "PONG" => {
                        answer.open = true;
                        return;
                    }
                    error if error.starts_with("-ERR") => answer.errors.push(error.to_owned()),
                    _ => {}
                }
                line.clear();
            }
        };
        let read = tokio::time::timeout(SOON, read).await;
        read.expect("the server answers or closes");
        answer
    }
}

/// What a server says.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// It did not hang up.
    pub(crate) open: bool,
    /// What it complained about.
    pub(crate) errors: Vec<String>,
}
