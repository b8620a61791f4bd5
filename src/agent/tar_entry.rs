//! Entries of a tar archive as every `tar` reads them: names and links byte for byte, of any length. GNU's
//! form and not pax: a name in pax must be UTF-8, and files may have any.

use std::io::{Error, Read, Write};

use tar::{Builder, EntryType, Header};

/// The longest name that fits into a header.
const NAME_LIMIT: usize = 100;
/// What the entry is called that carries a longer one.
const LONG_NAME: &[u8] = b"././@LongLink";
/// Bits of a mode that are kept: not those of the type.
const MODE: u32 = 0o7777;

/// What is kept of a file, a directory or a link.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub mode: u32,
    pub user: u32,
    pub group: u32,
    /// Seconds since 1970.
    pub changed_at: i64,
}

/// Writes an entry with its content, which has exactly `size` bytes.
pub fn append_file(
    archive: &mut Builder<impl Write>,
    name: &[u8],
    kept: Kept,
    size: u64,
    content: impl Read,
) -> Result<(), Error> {
    let mut header = begin(archive, EntryType::Regular, name, kept)?;
    header.set_size(size);
    header.set_cksum();
    archive.append(&header, content)
}

/// Writes a directory.
pub fn append_directory(
    archive: &mut Builder<impl Write>,
    name: &[u8],
    kept: Kept,
) -> Result<(), Error> {
    let mut header = begin(archive, EntryType::Directory, &[name, b"/"].concat(), kept)?;
    header.set_cksum();
    archive.append(&header, std::io::empty())
}

/// Writes a symbolic link, which is never followed.
pub fn append_link(
    archive: &mut Builder<impl Write>,
    name: &[u8],
    kept: Kept,
    target: &[u8],
) -> Result<(), Error> {
    if target.len() > NAME_LIMIT {
        append_long(archive, EntryType::GNULongLink, target)?;
    }
    let mut header = begin(archive, EntryType::Symlink, name, kept)?;
    copy(&mut header.as_old_mut().linkname, target);
    header.set_cksum();
    archive.append(&header, std::io::empty())
}

/// The header of an entry, without a size and without its checksum.
fn begin(
    archive: &mut Builder<impl Write>,
    kind: EntryType,
    name: &[u8],
    kept: Kept,
) -> Result<Header, Error> {
    if name.len() > NAME_LIMIT {
        append_long(archive, EntryType::GNULongName, name)?;
    }
    let mut header = Header::new_gnu();
    copy(&mut header.as_old_mut().name, name);
    header.set_entry_type(kind);
    header.set_mode(kept.mode & MODE);
    header.set_uid(kept.user.into());
    header.set_gid(kept.group.into());
    header.set_mtime(u64::try_from(kept.changed_at).unwrap_or_default());
    header.set_size(0);
    Ok(header)
}

/// The entry before an entry, with the name that has no place in its header.
fn append_long(
    archive: &mut Builder<impl Write>,
    kind: EntryType,
    name: &[u8],
) -> Result<(), Error> {
    let mut header = Header::new_gnu();
    copy(&mut header.as_old_mut().name, LONG_NAME);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(name.len() as u64 + 1);
    header.set_cksum();
    archive.append(&header, name.chain(&b"\0"[..]))
}

/// As much of a name as there is place for; the rest is zero.
fn copy(place: &mut [u8; NAME_LIMIT], name: &[u8]) {
    let length = name.len().min(NAME_LIMIT);
    place.fill(0);
    place[..length].copy_from_slice(&name[..length]);
}
