//! A file in memory: programs that are started while it is open can read it, and nothing of it is on a disk or in
//! the small directory that agents share with them.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// It is gone when it is dropped and nobody reads it any more.
#[derive(Debug)]
pub struct MemoryFile(OwnedFd);

impl MemoryFile {
    /// Writes one.
    pub fn write(content: &[u8]) -> io::Result<Self> {
        // Without MFD_CLOEXEC, so that a program that is started has it, too.
        let descriptor = memfd_create(c"holdfast", MFdFlags::empty())?;
        let mut file = File::from(descriptor);
        file.write_all(content)?;
        Ok(Self(file.into()))
    }

    /// Where a program that this one has started finds it.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::MemoryFile;

    #[test]
    fn a_program_reads_it_from_its_beginning_each_time() {
        let file = MemoryFile::write(b"what it says").unwrap();
        for _ in 0..2 {
            let read = std::process::Command::new("cat")
                .arg(file.path())
                .output()
                .unwrap();
            assert_eq!(read.stdout, b"what it says");
        }
    }
}
