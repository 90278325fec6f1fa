//! A server of files that can be told to misbehave.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it does instead of answering well, once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It breaks off after so many bytes of what it was asked for.
    CutAfter(usize),
    /// It answers this.
    Status(u16),
    /// It closes the connection at once.
    Hangs,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Served {
    pub(crate) body: Vec<u8>,
    pub(crate) etag: Option<&'static str>,
    /// It sends all of it, whatever it is asked for.
    pub(crate) no_ranges: bool,
    pub(crate) faults: VecDeque<Fault>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<String, Served>,
    asked: Vec<Asked>,
}

pub(crate) struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::<Mutex<State>>::default();
        let served = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, served.clone()));
            }
        });
        Self { address, state }
    }

    pub(crate) fn put(&self, path: &str, served: Served) -> String {
        let mut state = self.state.lock().expect("a lock");
        state.files.insert(path.to_owned(), served);
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn body(&self, path: &str, body: &[u8]) -> String {
        let served = Served {
            body: body.to_owned(),
            etag: Some("\"1\""),
            ..Served::default()
        };
        self.put(path, served)
    }

    /// What it was asked for, so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().expect("a lock").asked.clone()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let header = |name: &str| {
        let line = head.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        });
        line.map(|(_, value)| value.to_owned())
    };
    let (range, if_range) = (header("range"), header("if-range"));
    let (file, fault) = {
        let mut state = state.lock().expect("a lock");
        state.asked.push(Asked {
            path: path.clone(),
            range: range.clone(),
        });
        let file = state.files.get_mut(&path);
        let fault = file.and_then(|file| file.faults.pop_front());
        (state.files.get(&path).cloned(), fault)
    };
    let answer = match (file, fault) {
        (_, Some(Fault::Hangs)) => return,
        (_, Some(Fault::Status(status))) => status_line(status),
        (None, _) => status_line(404),
        (Some(file), fault) => whole_or_part(&file, range.as_deref(), if_range.as_deref(), fault),
    };
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

fn status_line(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into()
}

fn whole_or_part(
    file: &Served,
    range: Option<&str>,
    if_range: Option<&str>,
    fault: Option<Fault>,
) -> Vec<u8> {
    let begin = range.and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    let fresh = if_range.is_none() || if_range == file.etag;
    let begin: usize = begin.filter(|_| fresh && !file.no_ranges).unwrap_or(0);
    let total = file.body.len();
    if begin > 0 && begin >= total {
        return status_line(416);
    }
    let status = if begin == 0 {
        "200 OK".to_owned()
    } else {
        let end = total - 1;
        format!("206 Part\r\ncontent-range: bytes {begin}-{end}/{total}")
    };
    let etag = file.etag.map(|etag| format!("etag: {etag}\r\n"));
    let (etag, left) = (etag.unwrap_or_default(), total - begin);
    let answer =
        format!("HTTP/1.1 {status}\r\n{etag}content-length: {left}\r\nconnection: close\r\n\r\n");
    let rest = &file.body[begin..];
    let sent = match fault {
        Some(Fault::CutAfter(bytes)) => &rest[..bytes.min(rest.len())],
        _ => rest,
    };
    [answer.as_bytes(), sent].concat()
}
