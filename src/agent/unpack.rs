//! Unpacking the archive of a directory into a new, empty one. Each name is made below the directory that was
//! made for it, and nothing that is there is opened or followed. Only what the agent's own archives have is taken:
//! files, directories and links, each directory before what is in it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::symlinkat;
use tar::{Archive, Entry, EntryType, Header};

use super::directory_walk::{DEPTH, DIRECTORY, is_no_applications};
use super::entry_digest::{AnyOrder, EntryDigest};
use super::named_paths::tell;
use super::restored_owner::{Owner, apply, apply_to_link};

/// The longest path and the longest name that is taken.
const PATH_LIMIT: u64 = 64 << 10;
const NAME_LIMIT: usize = 255;
/// Bytes that are written at a time.
const PIECE: usize = 256 << 10;
/// How a file is made: nothing that is there is opened.
const NEW_FILE: OFlag = OFlag::O_WRONLY
    .union(OFlag::O_CREAT)
    .union(OFlag::O_EXCL)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What was unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    pub files: u64,
    pub directories: u64,
    pub links: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Digest of the list of entries with their content, in hex, as in the manifest.
    pub blake3: String,
    /// The same of the entries in any order.
    pub any_order: AnyOrder,
    /// Entries that do not have the owner that they had.
    pub other_owner: u64,
}

/// Why an archive could not be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnpackError {
    /// It is no archive of ours.
    Odd(String),
    /// The disk did not take it.
    Disk(String),
    /// The process was to end, as tests play it.
    Ended,
}

/// A directory that is being filled.
struct Open {
    name: Vec<u8>,
    directory: OwnedFd,
    owner: Owner,
}

struct Unpacking<'a> {
    root: &'a OwnedFd,
    /// From the first directory to the one that is filled.
    open: Vec<Open>,
    unpacked: Unpacked,
    digest: EntryDigest,
    is_whole_claim: bool,
    written: &'a AtomicU64,
}

/// Unpacks all of an archive into `root`, which is empty. `written` counts bytes.
pub fn unpack(
    archive: impl Read,
    root: &OwnedFd,
    is_whole_claim: bool,
    written: &AtomicU64,
) -> Result<Unpacked, UnpackError> {
    let mut archive = Archive::new(archive);
    let mut unpacking = Unpacking {
        root,
        open: Vec::new(),
        unpacked: Unpacked::default(),
        digest: EntryDigest::default(),
        is_whole_claim,
        written,
    };
    let (mut long_name, mut long_link) = (None, None);
    for entry in archive.entries().map_err(unread)?.raw(true) {
        let mut entry = entry.map_err(unread)?;
        match entry.header().entry_type() {
            EntryType::GNULongName if long_name.is_none() => {
                long_name = Some(read_long(&mut entry)?);
            }
            EntryType::GNULongLink if long_link.is_none() => {
                long_link = Some(read_long(&mut entry)?);
            }
            kind => {
                let path = long_name.take();
                let path = path.unwrap_or_else(|| entry.header().path_bytes().into_owned());
                unpacking.take(kind, path, long_link.take(), &mut entry)?;
            }
        }
    }
    if long_name.is_some() || long_link.is_some() {
        return Err(UnpackError::Odd("it ends after a long name".to_owned()));
    }
    expect_nothing_more(archive.into_inner())?;
    unpacking.close(0)?;
    let mut unpacked = unpacking.unpacked;
    unpacked.blake3 = unpacking.digest.in_order();
    unpacked.any_order = unpacking.digest.in_any_order();
    Ok(unpacked)
}

/// After the end of an archive come zeros, and nothing else.
fn expect_nothing_more(mut rest: impl Read) -> Result<(), UnpackError> {
    let mut piece = vec![0; PIECE];
    loop {
        match rest.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) if piece[..read].iter().all(|byte| *byte == 0) => {}
            Ok(_) => return Err(UnpackError::Odd("something is behind its end".to_owned())),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unread(error)),
        }
    }
}

/// A name that has no place in a header.
fn read_long(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, UnpackError> {
    let size = entry.header().entry_size().map_err(unread)?;
    if size > PATH_LIMIT {
        return Err(UnpackError::Odd(format!("it has a name of {size} bytes")));
    }
    let mut name = Vec::new();
    entry.read_to_end(&mut name).map_err(unread)?;
    if name.len() as u64 != size || name.pop() != Some(0) {
        return Err(UnpackError::Odd(
            "it has a long name without an end".to_owned(),
        ));
    }
    Ok(name)
}

impl Unpacking<'_> {
    fn take(
        &mut self,
        kind: EntryType,
        mut path: Vec<u8>,
        long_link: Option<Vec<u8>>,
        entry: &mut Entry<'_, impl Read>,
    ) -> Result<(), UnpackError> {
        if kind == EntryType::Directory && path.last() == Some(&b'/') {
            path.pop();
        }
        let names = self.check(&path)?;
        if long_link.is_some() && kind != EntryType::Symlink {
            return Err(odd(&path, "has a long target and is no link"));
        }
        let (name, above) = names
            .split_last()
            .ok_or_else(|| odd(&path, "has no name"))?;
        self.enter(&path, above)?;
        let owner = owner_of(entry.header(), &path)?;
        let size = entry.header().entry_size().map_err(unread)?;
        match kind {
            EntryType::Regular => self.take_file(&path, name, owner, size, entry),
            EntryType::Directory if size == 0 => self.take_directory(&path, name, owner),
            EntryType::Symlink if size == 0 => {
                let target = long_link.or_else(|| {
                    let target = entry.header().link_name_bytes()?;
                    Some(target.into_owned())
                });
                self.take_link(&path, name, owner, &target.unwrap_or_default())
            }
            EntryType::Directory | EntryType::Symlink => {
                Err(odd(&path, "is no file and has content"))
            }
            _ => Err(odd(
                &path,
                "is neither a file, nor a directory, nor a symbolic link",
            )),
        }
    }

    /// The names that a path consists of. One that no archive of ours has is refused.
    fn check<'p>(&self, path: &'p [u8]) -> Result<Vec<&'p [u8]>, UnpackError> {
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        for name in &names {
            if name.is_empty() {
                return Err(odd(path, "is absolute, or has an empty name"));
            }
            if *name == b"." || *name == b".." {
                return Err(odd(path, "has `.` or `..` in its path"));
            }
            if name.len() > NAME_LIMIT || name.contains(&0) {
                return Err(odd(path, "has a name that no file can have"));
            }
        }
        if names.len() > DEPTH {
            return Err(odd(path, "is more than 200 directories deep"));
        }
        if self.is_whole_claim && is_no_applications(names[0]) {
            return Err(odd(
                path,
                "has a name at the top of a claim that no backup has",
            ));
        }
        Ok(names)
    }

    /// Goes into the directory of an entry: one that is being filled.
    fn enter(&mut self, path: &[u8], above: &[&[u8]]) -> Result<(), UnpackError> {
        let open = self.open.iter().map(|open| open.name.as_slice());
        let same = open.zip(above).take_while(|(open, above)| open == *above);
        let same = same.count();
        if same < above.len() {
            return Err(odd(path, "is not in the directory that comes before it"));
        }
        self.close(same)
    }

    /// Leaves all but so many directories: what they are changed at the end would be changed again.
    fn close(&mut self, keep: usize) -> Result<(), UnpackError> {
        while self.open.len() > keep {
            if let Some(open) = self.open.pop() {
                let is_other =
                    apply(&open.directory, &open.owner).map_err(|errno| disk(&open.name, errno))?;
                self.unpacked.other_owner += u64::from(is_other);
            }
        }
        Ok(())
    }

    fn directory(&self) -> &OwnedFd {
        self.open.last().map_or(self.root, |open| &open.directory)
    }

    fn take_directory(
        &mut self,
        path: &[u8],
        name: &[u8],
        owner: Owner,
    ) -> Result<(), UnpackError> {
        let failed = |errno| disk(path, errno);
        let into = self.directory();
        let made = Path::new(OsStr::from_bytes(name));
        mkdirat(into, made, Mode::S_IRWXU).map_err(failed)?;
        let directory = openat(into, made, DIRECTORY, Mode::empty()).map_err(failed)?;
        self.open.push(Open {
            name: name.to_vec(),
            directory,
            owner,
        });
        self.unpacked.directories += 1;
        self.digest.add(b'5', path, 0, &blake3::hash(&[]));
        Ok(())
    }

    fn take_file(
        &mut self,
        path: &[u8],
        name: &[u8],
        owner: Owner,
        size: u64,
        content: &mut impl Read,
    ) -> Result<(), UnpackError> {
        let made = Path::new(OsStr::from_bytes(name));
        let made = openat(
            self.directory(),
            made,
            NEW_FILE,
            Mode::S_IRUSR | Mode::S_IWUSR,
        );
        let mut file = File::from(made.map_err(|errno| disk(path, errno))?);
        let (mut left, mut digest) = (size, blake3::Hasher::new());
        let mut piece = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE).max(1))];
        while left > 0 {
            let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = match content.read(&mut piece[..most]) {
                Ok(0) => return Err(odd(path, "has less content than it says")),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(unread(error)),
            };
            digest.update(&piece[..read]);
            file.write_all(&piece[..read])
                .map_err(|error| UnpackError::Disk(format!("{}: {error}", tell(path))))?;
            left -= read as u64;
            self.written.fetch_add(read as u64, Ordering::Relaxed);
        }
        let is_other = apply(&OwnedFd::from(file), &owner).map_err(|errno| disk(path, errno))?;
        self.unpacked.other_owner += u64::from(is_other);
        self.unpacked.files += 1;
        self.unpacked.bytes += size;
        self.digest.add(b'0', path, size, &digest.finalize());
        Ok(())
    }

    fn take_link(
        &mut self,
        path: &[u8],
        name: &[u8],
        owner: Owner,
        target: &[u8],
    ) -> Result<(), UnpackError> {
        if target.is_empty() || target.contains(&0) {
            return Err(odd(path, "is a link to nothing"));
        }
        let failed = |errno| disk(path, errno);
        let into = self.directory();
        let made = Path::new(OsStr::from_bytes(name));
        let leads_to = Path::new(OsStr::from_bytes(target));
        symlinkat(leads_to, into, made).map_err(failed)?;
        let is_other = apply_to_link(into, made, &owner).map_err(failed)?;
        self.unpacked.other_owner += u64::from(is_other);
        self.unpacked.links += 1;
        let size = target.len() as u64;
        self.digest.add(b'2', path, size, &blake3::hash(target));
        Ok(())
    }
}

fn owner_of(header: &Header, path: &[u8]) -> Result<Owner, UnpackError> {
    let number = |read: io::Result<u64>| {
        let number = read.ok().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| odd(path, "has an owner that nobody can have"))
    };
    Ok(Owner {
        mode: header.mode().map_err(unread)?,
        user: number(header.uid())?,
        group: number(header.gid())?,
        changed_at: header.mtime().map_err(unread)?,
    })
}

fn odd(path: &[u8], what: &str) -> UnpackError {
    UnpackError::Odd(format!("its entry {} {what}", tell(path)))
}

fn disk(path: &[u8], errno: Errno) -> UnpackError {
    UnpackError::Disk(format!("{}: {}", tell(path), errno.desc()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` has")]
fn unread(error: io::Error) -> UnpackError {
    UnpackError::Odd(error.to_string())
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
