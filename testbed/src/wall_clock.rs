//! A wall clock of its own for one program, which a test can set while the program runs. Its steady
//! clock goes on as that of everybody: it is what a machine does whose date is set.
//!
//! It needs libfaketime (Debian: `libfaketime`), and a program that asks the C library for the time:
//! our debug builds do, programs in Go do not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where distributions have the library for programs with threads.
const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// What the clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The time, and so many seconds more, or less.
    Off(i64),
    /// A little after the beginning of 1970 when the program starts, as a device without a battery for
    /// its clock.
    Epoch,
}

/// The clock.
#[derive(Debug, Clone)]
pub struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// A clock that shows the time; `None` where the library is not installed.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn create(folder: &Path) -> io::Result<Option<Self>> {
        let Some(library) = PLACES.iter().map(Path::new).find(|place| place.exists()) else {
            return Ok(None);
        };
        let file = folder.join(format!("clock-{:08x}", fastrand::u32(..)));
        let clock = Self {
            library: library.to_owned(),
            file,
        };
        clock.set(Shows::Off(0))?;
        Ok(Some(clock))
    }

    /// Sets it.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn set(&self, shows: Shows) -> io::Result<()> {
        let text = match shows {
            Shows::Off(seconds) => format!("{seconds:+}"),
            Shows::Epoch => "@1970-01-01 00:01:00".to_owned(),
        };
        // In one step: the program reads it whenever it asks for the time.
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, text)?;
        fs::rename(&fresh, &self.file)
    }

    /// What the program needs in its environment.
    pub fn env(&self) -> [(String, String); 4] {
        let path = |path: &Path| path.display().to_string();
        [
            ("LD_PRELOAD", path(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", path(&self.file)),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }
}
