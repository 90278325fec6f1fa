use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_devices::image::{ImageFailure, ImagePlace, ImageProgress, Images, Patience};
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::host::Content;
use fleet_devices_core::vm::image::{Checksum, CloudImage, ImageReference};
use tempfile::TempDir;

use super::server::{Fault, Served, Server};

const PATH: &str = "/images/disk.qcow2";

pub(crate) fn patience(tries: u32) -> Patience {
    Patience {
        silence: Duration::from_secs(20),
        tries,
        pause: Duration::from_millis(1),
    }
}

/// Long enough not to fit into the buffers on the way.
pub(crate) fn content() -> Vec<u8> {
    (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

pub(crate) fn sum(content: &[u8]) -> Checksum {
    Checksum::parse(Content::new(content).checksum()).expect("a checksum")
}

struct Cache {
    folder: TempDir,
}

impl Cache {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    async fn fetch(&self, image: &CloudImage, tries: u32) -> Result<PathBuf, ImageFailure> {
        self.fetch_telling(image, tries, &mut ()).await
    }

    async fn fetch_telling(
        &self,
        image: &CloudImage,
        tries: u32,
        progress: &mut impl ImageProgress,
    ) -> Result<PathBuf, ImageFailure> {
        let images = Images::at(self.folder.path(), None, patience(tries)).expect("a folder");
        images.ensure(image, progress).await
    }

    /// Files in it, but for locks.
    fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder");
        let files = files.map(|entry| entry.expect("an entry").path());
        files
            .filter(|path| path.extension() != Some("lock".as_ref()))
            .collect()
    }
}

fn image(url: String, content: &[u8]) -> CloudImage {
    CloudImage::pinned(url, sum(content))
}

#[tokio::test]
async fn an_image_is_fetched_once_and_nobody_writes_to_it() {
    let (server, cache, content) = (Server::start().await, Cache::new(), content());
    let image = image(server.body(PATH, &content), &content);
    let path = cache.fetch(&image, 1).await.expect("fetched");
    assert_eq!(std::fs::read(&path).expect("a file"), content);
    let mode = path.metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
    assert_eq!(cache.files(), std::slice::from_ref(&path));
    assert_eq!(cache.fetch(&image, 1).await.expect("found"), path);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let (server, cache, content) = (Server::start().await, Cache::new(), content());
    let url = server.put(
        PATH,
        Served {
            body: content.clone(),
            etag: Some("\"1\""),
            faults: [
                Fault::CutAfter(1_000_000),
                Fault::Hangs,
                Fault::Status(503),
                Fault::CutAfter(500_000),
            ]
            .into(),
            ..Served::default()
        },
    );
    let path = cache
        .fetch(&image(url, &content), 4)
        .await
        .expect("fetched");
    assert_eq!(std::fs::read(path).expect("a file"), content);
    let ranges: Vec<_> = server
        .asked()
        .into_iter()
        .map(|asked| asked.range)
        .collect();
    let from = |bytes: &str| Some(format!("bytes={bytes}-"));
    assert_eq!(
        ranges,
        [
            None,
            from("1000000"),
            from("1000000"),
            from("1000000"),
            from("1500000")
        ]
    );
}

#[tokio::test]
async fn what_came_is_there_for_the_next_run() {
    let (server, cache, content) = (Server::start().await, Cache::new(), content());
    let url = server.put(
        PATH,
        Served {
            body: content.clone(),
            etag: Some("\"1\""),
            faults: [Fault::CutAfter(2_000_000)].into(),
            ..Served::default()
        },
    );
    let image = image(url, &content);
    let error = cache.fetch(&image, 1).await.expect_err("broken off");
    assert_eq!(error.reason(), "ImageUnreachable");
    let path = cache.fetch(&image, 1).await.expect("fetched");
    assert_eq!(std::fs::read(path).expect("a file"), content);
    let last = server.asked().pop().expect("a request");
    assert_eq!(last.range.as_deref(), Some("bytes=2000000-"));
}

/// A file that is another one by now, a server without ranges, one without marks, and a part that is
/// longer than the whole: each begins anew, and none mixes two files.
#[tokio::test]
async fn what_does_not_fit_begins_anew() {
    let content = content();
    let cut = || [Fault::CutAfter(2_000_000)].into();
    let old = |body: &[u8]| Served {
        body: body.to_owned(),
        etag: Some("\"old\""),
        faults: cut(),
        ..Served::default()
    };
    let other: Vec<_> = content.iter().rev().copied().collect();
    let longer = [&content[..], &content[..]].concat();
    let new = |etag, no_ranges| Served {
        body: content.clone(),
        etag,
        no_ranges,
        faults: [].into(),
    };
    for (name, before, now) in [
        ("another file", old(&other), new(Some("\"new\""), false)),
        ("no ranges", old(&content), new(Some("\"old\""), true)),
        (
            "no marks",
            Served {
                etag: None,
                ..old(&other)
            },
            new(None, false),
        ),
        (
            "weak marks",
            Served {
                etag: Some("W/\"1\""),
                ..old(&other)
            },
            new(Some("W/\"1\""), false),
        ),
        (
            "the same mark for another file",
            old(&other),
            new(Some("\"old\""), false),
        ),
        (
            "too long",
            Served {
                faults: [Fault::CutAfter(20_000_000)].into(),
                ..old(&longer)
            },
            new(Some("\"old\""), false),
        ),
    ] {
        let (server, cache) = (Server::start().await, Cache::new());
        let image = image(server.put(PATH, before), &content);
        let error = cache.fetch(&image, 1).await.expect_err(name);
        assert_eq!(error.reason(), "ImageUnreachable", "{name}");
        server.put(PATH, now);
        let path = cache.fetch(&image, 2).await.expect(name);
        assert_eq!(std::fs::read(path).expect("a file"), content, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_what_it_should_be_is_thrown_away() {
    let (server, cache, content) = (Server::start().await, Cache::new(), content());
    let mut changed = content.clone();
    changed[5] ^= 1;
    let url = server.body(PATH, &changed);
    let error = cache
        .fetch(&image(url, &content), 3)
        .await
        .expect_err("changed");
    assert_eq!(error.reason(), "ChecksumMismatch");
    let text = error.to_string();
    assert!(
        text.contains(sum(&content).hex()) && text.contains(sum(&changed).hex()),
        "{text}"
    );
    assert_eq!(cache.files(), Vec::<PathBuf>::new());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_broken_image_is_noticed_and_fetched_again() {
    #[derive(Default)]
    struct Lines(Vec<String>);
    impl ImageProgress for Lines {
        fn begins(&mut self, _: &str, _: Option<u64>) {}
        fn reached(&mut self, _: u64) {}
        fn ended(&mut self) {}
        fn says(&mut self, line: &str) {
            self.0.push(line.to_owned());
        }
    }
    let (server, cache, content) = (Server::start().await, Cache::new(), content());
    let image = image(server.body(PATH, &content), &content);
    let path = cache.fetch(&image, 1).await.expect("fetched");
    for broken in [&content[..1000], &content[1..], b""] {
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, broken).expect("written");
        let mut lines = Lines::default();
        cache
            .fetch_telling(&image, 1, &mut lines)
            .await
            .expect("fetched again");
        assert!(
            lines.0.iter().any(|line| line.contains("broken")),
            "{:?}",
            lines.0
        );
        assert_eq!(std::fs::read(&path).expect("a file"), content);
    }
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn who_comes_second_takes_what_the_first_one_fetched() {
    let (server, cache, content) = (Server::start().await, Cache::new(), content());
    let image = image(server.body(PATH, &content), &content);
    let (one, other) = tokio::join!(cache.fetch(&image, 1), cache.fetch(&image, 1));
    assert_eq!(one.expect("fetched"), other.expect("fetched"));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_says_no_is_not_asked_again() {
    let (server, cache) = (Server::start().await, Cache::new());
    let gone = server.put(
        "/gone",
        Served {
            faults: [Fault::Status(410)].into(),
            ..Served::default()
        },
    );
    let missing = gone.replace("gone", "missing");
    for (url, status) in [(missing, "404"), (gone, "410")] {
        let error = cache
            .fetch(&image(url, b"x"), 3)
            .await
            .expect_err("refused");
        assert_eq!(error.reason(), "ImageRefused");
        assert!(error.to_string().contains(status), "{error}");
    }
    assert_eq!(server.asked().len(), 2);
    let nobody = "http://127.0.0.1:1/x".to_owned();
    let error = cache
        .fetch(&image(nobody, b"x"), 2)
        .await
        .expect_err("nobody");
    assert_eq!(error.reason(), "ImageUnreachable");
}

#[tokio::test]
async fn nothing_is_fetched_to_say_where_an_image_is() {
    let (server, cache, content) = (Server::start().await, Cache::new(), content());
    let image = image(server.body(PATH, &content), &content);
    let images = Images::at(cache.folder.path(), None, patience(1)).expect("a folder");
    let reference = ImageReference::Url(image.url.clone());
    let place = async || {
        let checksum = sum(&content);
        let place = images.place_of(&reference, VmArchitecture::X86_64, Some(&checksum));
        place.await.expect("a place")
    };
    assert_eq!(place().await, ImagePlace::At(image.url.clone()));
    assert!(server.asked().is_empty());
    let path = cache.fetch(&image, 1).await.expect("fetched");
    assert_eq!(place().await, ImagePlace::Here(path));
    let unverifiable = images.place_of(&reference, VmArchitecture::X86_64, None);
    let error = unverifiable.await.expect_err("unverifiable");
    assert_eq!(error.reason(), "ImageUnverifiable");
}

#[tokio::test]
async fn files_of_this_machine_are_taken_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let images = Images::at(&folder.path().join("images"), None, patience(1)).expect("a folder");
    let file = folder.path().join("mine.qcow2");
    std::fs::write(&file, "mine").expect("written");
    let of = async |path: &Path, checksum: Option<Checksum>| {
        let reference = ImageReference::File(path.to_owned());
        let mut nobody = ();
        let found = images.file_of(&reference, VmArchitecture::X86_64, checksum, &mut nobody);
        found.await.map_err(|error| error.reason())
    };
    let canonical = file.canonicalize().expect("a path");
    assert_eq!(of(&file, None).await, Ok(canonical.clone()));
    assert_eq!(of(&file, Some(sum(b"mine"))).await, Ok(canonical));
    assert_eq!(
        of(&file, Some(sum(b"other"))).await,
        Err("ChecksumMismatch")
    );
    assert_eq!(of(folder.path(), None).await, Err("ImageNotFound"));
    let missing = ImageReference::File("debian-14".into());
    let mut nobody = ();
    let error = images.file_of(&missing, VmArchitecture::X86_64, None, &mut nobody);
    let error = error.await.expect_err("missing").to_string();
    assert!(
        error.contains("debian-14") && error.contains("debian-13"),
        "{error}"
    );
    let url = ImageReference::Url("https://mirror.example/x".to_owned());
    let error = images.file_of(&url, VmArchitecture::X86_64, None, &mut nobody);
    assert_eq!(
        error.await.expect_err("unverifiable").reason(),
        "ImageUnverifiable"
    );
}
