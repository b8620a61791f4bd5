//! What the throwaway server of a drill and its agent say to each other: small files beside the socket. The
//! code of the restored database can write there, too, so nothing is followed and little is read.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use serde::{Deserialize, Serialize};

/// The server answers; it says how much space it has.
const READY: &str = "ready";
/// The server could not be started, or has ended, and why.
const FAILED: &str = "failed";
/// Written again and again while the agent is at work.
const ALIVE: &str = "alive";
/// The agent has ended.
const DONE: &str = "done";
/// So much of a disk stays free, as one part of: the kubelet evicts pods of others when less than 15 % is free.
const KEPT_FREE: u64 = 5;
/// The most bytes of a file that are read.
const READ_LIMIT: u64 = 4 << 10;

/// The space of the volume with the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskSpace {
    pub free: u64,
    pub total: u64,
}

impl DiskSpace {
    /// Whether too little is free: then the server is stopped before others on the disk are.
    #[must_use]
    pub const fn is_low(self) -> bool {
        self.free < self.total / KEPT_FREE
    }

    /// What can be used before it is low.
    #[must_use]
    pub const fn usable(self) -> u64 {
        self.free.saturating_sub(self.total / KEPT_FREE)
    }
}

/// The directory with the socket.
#[derive(Clone, Debug)]
pub struct ScratchFiles {
    directory: PathBuf,
}

impl ScratchFiles {
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Says that the server answers.
    pub fn say_ready(&self, space: DiskSpace) -> io::Result<()> {
        self.write(READY, &serde_json::to_string(&space)?)
    }

    /// The space of a server that answers.
    #[must_use]
    pub fn ready(&self) -> Option<DiskSpace> {
        serde_json::from_str(&self.read(READY)?).ok()
    }

    /// Says why there is no server. The first reason stays.
    pub fn say_failed(&self, why: &str) -> io::Result<()> {
        if self.failed().is_some() {
            return Ok(());
        }
        self.write(FAILED, why)
    }

    /// Why there is no server.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.read(FAILED)
    }

    /// Says that the agent is at work.
    pub fn say_alive(&self) -> io::Result<()> {
        self.write(ALIVE, "")
    }

    /// How long ago the agent has said that it is at work; none if it never has.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        let written = fs::symlink_metadata(self.directory.join(ALIVE)).ok()?;
        // A clock that was set back is no silence.
        Some(written.modified().ok()?.elapsed().unwrap_or(Duration::ZERO))
    }

    /// Says that the agent has ended.
    pub fn say_done(&self) -> io::Result<()> {
        self.write(DONE, "")
    }

    /// Whether the agent has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        fs::symlink_metadata(self.directory.join(DONE)).is_ok()
    }

    /// A new file takes the place of whatever has the name.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let unfinished = self.directory.join(format!("{name}.unfinished"));
        fs::remove_file(&unfinished).ok();
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&unfinished, self.directory.join(name))
    }

    /// The beginning of a file. A link could lead to a secret, and a pipe has no end.
    fn read(&self, name: &str) -> Option<String> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(self.directory.join(name))
            .ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(READ_LIMIT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_one_says_the_other_reads() {
        let directory = tempfile::tempdir().unwrap();
        let files = ScratchFiles::new(directory.path());
        assert_eq!(
            (
                files.ready(),
                files.failed(),
                files.silence(),
                files.is_done()
            ),
            (None, None, None, false)
        );
        let space = DiskSpace {
            free: 5,
            total: 100,
        };
        files.say_ready(space).unwrap();
        files.say_failed("no space").unwrap();
        files.say_failed("it has ended").unwrap();
        files.say_alive().unwrap();
        files.say_done().unwrap();
        assert_eq!(files.ready(), Some(space));
        assert_eq!(files.failed().as_deref(), Some("no space"));
        assert!(files.silence().unwrap() < Duration::from_mins(1) && files.is_done());
        assert!(space.is_low() && space.usable() == 0);
    }

    #[test]
    fn nothing_leads_to_another_file() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("secret");
        fs::write(&secret, "hush").unwrap();
        let files = ScratchFiles::new(directory.path());
        for name in [FAILED, ALIVE, "alive.unfinished"] {
            symlink(&secret, directory.path().join(name)).unwrap();
        }
        assert_eq!(files.failed(), None);
        files.say_alive().unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "hush");
        fs::write(directory.path().join(READY), vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(files.ready(), None);
    }
}
