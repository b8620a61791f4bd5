//! Reading a directory of a claim into a tar archive. Each name is opened below the directory that it was
//! found in, so that nobody who changes the files meanwhile leads out of it: a symbolic link is kept as a
//! link, and never followed. No more is held than one piece of a file and its path.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Error, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use tar::Builder;

use super::entry_digest::{AnyOrder, EntryDigest};
use super::named_paths::{components, tell};
use super::tar_entry::{Kept, append_directory, append_file, append_link};

/// What `mkfs` makes on a volume of its own, for root only. No application's file is in there.
const RECOVERED_BY_FSCK: &[u8] = b"lost+found";
/// What the names begin with that a restore of files gives to what it makes at the top of a claim.
pub const OF_RESTORES: &[u8] = b".holdfast-";
/// How many directories deep it is read: each is open meanwhile.
pub const DEPTH: usize = 200;
/// The most files that are named of those that could not be archived as they are.
const NAMED: usize = 20;
/// What a data directory of Postgres has.
const OF_POSTGRES: (&[u8], &CStr) = (b"PG_VERSION", c"global/pg_control");

/// How a directory is opened: itself, and not what a link leads to.
pub const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);
/// How a file is opened: nobody waits for who writes into a pipe.
const FILE: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What was archived of a directory, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    pub files: u64,
    pub directories: u64,
    pub links: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Digest of the list of entries with their content, in hex.
    pub blake3: String,
    /// The same of the entries in any order.
    pub any_order: AnyOrder,
    /// Sockets, pipes and devices, which are left out.
    pub special: u64,
    /// Files that were written to while they were read.
    pub changed: u64,
    /// What was removed before it was read.
    pub vanished: u64,
    /// What could not be read.
    pub unread: u64,
    /// The first of those that changed or could not be read, with the reason.
    pub remarks: Vec<String>,
    /// Why nothing could be read at all.
    pub missing: Option<String>,
    /// A data directory of Postgres that is in it.
    pub data_directory: Option<String>,
}

/// Archives what is at `path` of the claim that is mounted at `claim`. An error is one of the writer.
pub fn walk_into(claim: &Path, path: &str, writer: impl Write) -> Result<Walked, Error> {
    let mut walk = Walk {
        archive: Builder::new(writer),
        walked: Walked::default(),
        digest: EntryDigest::default(),
        is_whole_claim: path.is_empty(),
    };
    match open_below(claim, path) {
        Ok(root) => walk.read(&root, &mut Vec::new(), 0)?,
        Err(errno) => walk.walked.missing = Some(errno.desc().to_owned()),
    }
    let mut walked = walk.walked;
    walked.blake3 = walk.digest.in_order();
    walked.any_order = walk.digest.in_any_order();
    walk.archive.into_inner()?.flush()?;
    Ok(walked)
}

/// Opens a directory name by name, so that no link is followed on the way.
pub fn open_below(claim: &Path, path: &str) -> Result<OwnedFd, Errno> {
    let mut directory = open(claim, DIRECTORY, Mode::empty())?;
    for name in components(path.as_bytes()) {
        if name == b".." {
            return Err(Errno::ENOENT);
        }
        directory = openat(&directory, name, DIRECTORY, Mode::empty())?;
    }
    Ok(directory)
}

struct Walk<W: Write> {
    archive: Builder<W>,
    walked: Walked,
    digest: EntryDigest,
    is_whole_claim: bool,
}

impl<W: Write> Walk<W> {
    /// Reads a directory, whose path below the first one is `path`.
    fn read(&mut self, directory: &OwnedFd, path: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
        let listed = match Dir::openat(directory, c".", DIRECTORY, Mode::empty()) {
            Ok(listed) => listed,
            Err(errno) => {
                self.note_unread(path, errno.desc());
                return Ok(());
            }
        };
        let length = path.len();
        for entry in listed {
            let entry = match entry {
                Ok(entry) => entry,
                Err(errno) => {
                    self.note_unread(path, errno.desc());
                    break;
                }
            };
            let name = entry.file_name();
            let is_left_out = match name.to_bytes() {
                b"." | b".." => true,
                name => depth == 0 && self.is_whole_claim && is_no_applications(name),
            };
            if is_left_out {
                continue;
            }
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            self.take(directory, name, path, depth)?;
            path.truncate(length);
        }
        Ok(())
    }

    /// Takes one entry of a directory.
    fn take(
        &mut self,
        directory: &OwnedFd,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Error> {
        let found = match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(errno) => {
                self.note_failure(path, errno);
                return Ok(());
            }
        };
        match kind(&found) {
            SFlag::S_IFDIR => self.take_directory(directory, name, path, depth),
            SFlag::S_IFREG => self.take_file(directory, name, path),
            SFlag::S_IFLNK => self.take_link(directory, name, path, &found),
            _ => {
                self.walked.special += 1;
                Ok(())
            }
        }
    }

    fn take_directory(
        &mut self,
        above: &OwnedFd,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Error> {
        if depth + 1 >= DEPTH {
            self.note_unread(path, "it is more than 200 directories deep");
            return Ok(());
        }
        let opened = openat(above, name, DIRECTORY, Mode::empty())
            .and_then(|directory| fstat(&directory).map(|found| (directory, found)));
        match opened {
            Ok((directory, found)) => {
                append_directory(&mut self.archive, path, kept(&found))?;
                self.walked.directories += 1;
                self.digest.add(b'5', path, 0, &blake3::hash(&[]));
                self.read(&directory, path, depth + 1)
            }
            Err(errno) => {
                self.note_failure(path, errno);
                Ok(())
            }
        }
    }

    fn take_file(&mut self, directory: &OwnedFd, name: &CStr, path: &[u8]) -> Result<(), Error> {
        let (marker, control) = OF_POSTGRES;
        if name.to_bytes() == marker
            && fstatat(directory, control, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
        {
            let above = &path[..path.len() - marker.len()];
            self.walked
                .data_directory
                .get_or_insert_with(|| tell(or_itself(above)));
        }
        let opened = openat(directory, name, FILE, Mode::empty())
            .and_then(|file| fstat(&file).map(|found| (file, found)));
        let (file, found) = match opened {
            Ok((file, found)) if kind(&found) == SFlag::S_IFREG => (File::from(file), found),
            // Another one has taken its name.
            Ok(_) => {
                self.walked.vanished += 1;
                return Ok(());
            }
            Err(errno) => {
                self.note_failure(path, errno);
                return Ok(());
            }
        };
        let size = u64::try_from(found.st_size).unwrap_or_default();
        let mut content = Content {
            file: &file,
            left: size,
            digest: blake3::Hasher::new(),
            fault: None,
        };
        append_file(&mut self.archive, path, kept(&found), size, &mut content)?;
        let (digest, fault) = (content.digest.finalize(), content.fault);
        self.walked.files += 1;
        self.walked.bytes += size;
        self.digest.add(b'0', path, size, &digest);
        match fault {
            Some(Fault::Unread(why)) => self.note_unread(path, &why),
            Some(Fault::Shorter) => self.note_changed(path),
            None if fstat(&file).is_ok_and(|now| stamp(&now) != stamp(&found)) => {
                self.note_changed(path);
            }
            None => {}
        }
        Ok(())
    }

    fn take_link(
        &mut self,
        directory: &OwnedFd,
        name: &CStr,
        path: &[u8],
        found: &FileStat,
    ) -> Result<(), Error> {
        match readlinkat(directory, name) {
            Ok(target) => {
                let target = target.as_bytes();
                append_link(&mut self.archive, path, kept(found), target)?;
                self.walked.links += 1;
                let (size, content) = (target.len() as u64, blake3::hash(target));
                self.digest.add(b'2', path, size, &content);
            }
            Err(errno) => self.note_failure(path, errno),
        }
        Ok(())
    }

    fn note_failure(&mut self, path: &[u8], errno: Errno) {
        match errno {
            // Removed, or another kind of entry has its name by now.
            Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO => {
                self.walked.vanished += 1;
            }
            errno => self.note_unread(path, errno.desc()),
        }
    }

    fn note_unread(&mut self, path: &[u8], why: &str) {
        self.walked.unread += 1;
        self.remark(path, why);
    }

    fn note_changed(&mut self, path: &[u8]) {
        self.walked.changed += 1;
        self.remark(path, "it was written to while it was read");
    }

    fn remark(&mut self, path: &[u8], why: &str) {
        let path = tell(or_itself(path));
        tracing::warn!(path, "{why}");
        if self.walked.remarks.len() < NAMED {
            self.walked.remarks.push(format!("{path}: {why}"));
        }
    }
}

/// Whether nothing of an application is behind a name at the top of a claim.
#[must_use]
pub fn is_no_applications(name: &[u8]) -> bool {
    name == RECOVERED_BY_FSCK || name.starts_with(OF_RESTORES)
}

/// What the first directory is called in a message.
const fn or_itself(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"." } else { path }
}

/// Why the content of a file is not that of one moment.
enum Fault {
    Unread(String),
    Shorter,
}

/// A file's content, with as many bytes as its entry says: what is not there any more is zero.
struct Content<'a> {
    file: &'a File,
    left: u64,
    digest: blake3::Hasher,
    fault: Option<Fault>,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let buffer = &mut buffer[..most];
        if most == 0 {
            return Ok(0);
        }
        let mut length = 0;
        while self.fault.is_none() && length == 0 {
            match self.file.read(buffer) {
                Ok(0) => self.fault = Some(Fault::Shorter),
                Ok(read) => length = read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => self.fault = Some(Fault::Unread(error.to_string())),
            }
        }
        if self.fault.is_some() {
            buffer.fill(0);
            length = most;
        }
        self.digest.update(&buffer[..length]);
        self.left -= length as u64;
        Ok(length)
    }
}

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

fn kept(found: &FileStat) -> Kept {
    Kept {
        mode: found.st_mode,
        user: found.st_uid,
        group: found.st_gid,
        changed_at: found.st_mtime,
    }
}

/// What is another one after something was written.
fn stamp(found: &FileStat) -> (i64, i64, i64) {
    (found.st_size, found.st_mtime, found.st_mtime_nsec)
}

#[cfg(test)]
#[path = "directory_walk_tests.rs"]
mod tests;
