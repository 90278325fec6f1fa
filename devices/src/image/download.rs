use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

use super::ImageProgress;
use super::error::ImageFailure;

const MIB: u64 = 1 << 20;

/// How much a server is forgiven.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long it may be silent.
    pub silence: Duration,
    /// How often it is asked again where not a byte came.
    pub tries: u32,
    /// How long to wait before that for the first time; every further time twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            tries: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// Fetches over HTTP.
#[derive(Debug)]
pub(super) struct Downloads {
    client: Client,
    patience: Patience,
}

/// Why an attempt ended.
enum Ended {
    /// It may go better the next time.
    Passing(Box<dyn std::error::Error + Send + Sync>),
    /// It will not.
    For(ImageFailure),
}

impl From<reqwest::Error> for Ended {
    fn from(error: reqwest::Error) -> Self {
        Self::Passing(Box::new(error))
    }
}

impl From<ImageFailure> for Ended {
    fn from(error: ImageFailure) -> Self {
        Self::For(error)
    }
}

impl Downloads {
    pub(super) fn new(patience: Patience) -> Result<Self, ImageFailure> {
        // It stays the same one, whoever was first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("fleet-devices/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(patience.silence)
            .read_timeout(patience.silence)
            .build();
        let client = client.map_err(|error| ImageFailure::Unreachable {
            url: "the network".to_owned(),
            source: Box::new(error),
        })?;
        Ok(Self { client, patience })
    }

    /// All of a short file.
    pub(super) async fn read(&self, url: &str, limit: usize) -> Result<Vec<u8>, ImageFailure> {
        let mut tries = Tries::new(url, self.patience);
        loop {
            match self.read_once(url, limit).await {
                Ok(content) => return Ok(content),
                Err(ended) => tries.again(ended, false).await?,
            }
        }
    }

    async fn read_once(&self, url: &str, limit: usize) -> Result<Vec<u8>, Ended> {
        let mut response = self.ask(url, HeaderMap::new()).await?;
        refusal(url, response.status())?;
        let mut content = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            content.extend_from_slice(&chunk);
            if content.len() > limit {
                let url = url.to_owned();
                return Err(ImageFailure::TooLong { url, limit }.into());
            }
        }
        Ok(content)
    }

    /// All of a long file, into `part`, where some of it may lie already.
    pub(super) async fn fetch(
        &self,
        url: &str,
        part: &Part,
        progress: &mut impl ImageProgress,
    ) -> Result<(), ImageFailure> {
        let mut tries = Tries::new(url, self.patience);
        loop {
            let before = part.length();
            let ended = self.fetch_once(url, part, progress).await;
            progress.ended();
            match ended {
                Ok(()) => return Ok(()),
                Err(ended) => tries.again(ended, part.length() > before).await?,
            }
        }
    }

    async fn fetch_once(
        &self,
        url: &str,
        part: &Part,
        progress: &mut impl ImageProgress,
    ) -> Result<(), Ended> {
        let mut response = self.ask(url, part.resumption()).await?;
        let status = response.status();
        let begin = match status {
            StatusCode::PARTIAL_CONTENT if part.continues(response.headers()) => part.length(),
            // More than there is was asked for, or something else was answered: from the start, then.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                part.remove()?;
                return Err(Ended::Passing("what was there does not fit".into()));
            }
            _ => 0,
        };
        refusal(url, status)?;
        let left = response.content_length();
        part.has_room(left.unwrap_or(0))?;
        let mut file = part.open(begin, response.headers()).await?;
        progress.begins(url, left.map(|left| begin + left));
        let mut length = begin;
        progress.reached(length);
        while let Some(chunk) = response.chunk().await? {
            let written = file.write_all(&chunk).await;
            written.map_err(|source| part.failure(source))?;
            length += chunk.len() as u64;
            progress.reached(length);
        }
        // What was taken is written before the file is looked at by anybody else.
        let kept = async { file.flush().await.and(file.sync_all().await) };
        kept.await.map_err(|source| part.failure(source))?;
        Ok(())
    }

    async fn ask(&self, url: &str, headers: HeaderMap) -> Result<Response, Ended> {
        let request = self.client.get(url).headers(headers).build();
        let url = url.to_owned();
        let request = request.map_err(|error| ImageFailure::Unreachable {
            url,
            source: Box::new(error),
        })?;
        Ok(self.client.execute(request).await?)
    }
}

fn refusal(url: &str, status: StatusCode) -> Result<(), Ended> {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    if status.is_success() {
        Ok(())
    } else if status.is_server_error() || later.contains(&status) {
        Err(Ended::Passing(format!("it answers {status}").into()))
    } else {
        let (url, status) = (url.to_owned(), status.as_u16());
        Err(ImageFailure::Refused { url, status }.into())
    }
}

/// How often it was tried.
struct Tries<'a> {
    url: &'a str,
    patience: Patience,
    failed: u32,
}

impl<'a> Tries<'a> {
    const fn new(url: &'a str, patience: Patience) -> Self {
        Self {
            url,
            patience,
            failed: 0,
        }
    }

    /// Waits for the next one, unless there should be none.
    async fn again(&mut self, ended: Ended, gained: bool) -> Result<(), ImageFailure> {
        let source = match ended {
            Ended::For(failure) => return Err(failure),
            Ended::Passing(source) => source,
        };
        self.failed = if gained { 1 } else { self.failed + 1 };
        if self.failed >= self.patience.tries {
            let url = self.url.to_owned();
            return Err(ImageFailure::Unreachable { url, source });
        }
        tracing::debug!(url = self.url, error = %source, "broken off");
        let pause = self.patience.pause * 2_u32.saturating_pow(self.failed - 1);
        // Not all at once where a server comes back.
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        Ok(())
    }
}

/// A file that is not all there yet, and beside it what tells that the rest belongs to it: the
/// server's own mark for just these bytes (RFC 9110, section 8.8).
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    mark: PathBuf,
}

/// Which of a server's marks go with a range. A weak one says that two files are alike, and not that
/// they are the same.
fn mark_of(headers: &HeaderMap) -> Option<&str> {
    let value = |name: HeaderName| headers.get(name)?.to_str().ok();
    let strong = value(ETAG).filter(|tag| !tag.starts_with("W/"));
    strong.or_else(|| value(LAST_MODIFIED))
}

impl Part {
    pub(super) fn at(path: PathBuf) -> Self {
        let mark = path.with_extension("mark");
        Self { path, mark }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How much is there, in bytes.
    pub(super) fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |found| found.len())
    }

    pub(super) fn remove(&self) -> Result<(), ImageFailure> {
        for path in [&self.mark, &self.path] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ImageFailure::folder(path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks for the rest, if it is still the rest of this.
    fn resumption(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let length = self.length();
        let mark = std::fs::read_to_string(&self.mark).unwrap_or_default();
        let range = format!("bytes={length}-");
        if let (1.., Ok(mark), Ok(range)) = (length, mark.parse(), range.parse())
            && !mark_is_empty(&mark)
        {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, mark);
        }
        headers
    }

    /// Whether what was answered begins where this ends.
    fn continues(&self, headers: &HeaderMap) -> bool {
        let range = headers.get(CONTENT_RANGE).and_then(|it| it.to_str().ok());
        let begin = range.and_then(|it| it.strip_prefix("bytes ")?.split_once('-'));
        begin.is_some_and(|(begin, _)| begin.parse() == Ok(self.length()))
    }

    /// To be written from there on.
    async fn open(&self, begin: u64, headers: &HeaderMap) -> Result<File, ImageFailure> {
        if begin == 0 {
            self.remove()?;
            if let Some(mark) = mark_of(headers) {
                let kept = std::fs::write(&self.mark, mark);
                kept.map_err(|source| self.failure(source))?;
            }
        }
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.path).await;
        file.map_err(|source| self.failure(source))
    }

    /// Whether so many bytes more fit.
    fn has_room(&self, bytes: u64) -> Result<(), ImageFailure> {
        match self.free() {
            Some(free) if free < bytes => Err(self.no_space(bytes, free)),
            _ => Ok(()),
        }
    }

    fn free(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(self.path.parent()?).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn no_space(&self, needed: u64, free: u64) -> ImageFailure {
        ImageFailure::NoSpace {
            path: self.path.parent().unwrap_or(&self.path).to_owned(),
            needed: needed.div_ceil(MIB),
            left: free / MIB,
        }
    }

    fn failure(&self, source: io::Error) -> ImageFailure {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                self.no_space(1, self.free().unwrap_or(0))
            }
            _ => ImageFailure::folder(&self.path)(source),
        }
    }
}

fn mark_is_empty(mark: &reqwest::header::HeaderValue) -> bool {
    mark.as_bytes().is_empty()
}
