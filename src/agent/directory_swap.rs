//! A directory that was unpacked takes the name of the one that is there, which is kept. Killed between any two
//! steps, the next start sees by the names and by the number of the new directory how far it was, and goes on.
//!
//! One directory is exchanged for the other at once: its name always leads to the old one or to the new one. All
//! of a claim has no name: its entries are moved one by one, each old one right before the new one of its name.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, RenameFlags, openat, renameat2};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmodat, mkdirat};
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, fsync, unlinkat};

use super::claim_place::{
    ClaimPlace, PlaceState, find, is_directory, list, path, rename_to_new, unhex,
};
use super::directory_walk::{DIRECTORY, is_no_applications};
use super::named_paths::tell;

/// A point at which a restore of files can be killed; each is after something was done on the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesStep {
    /// The directory to unpack into was made.
    Begun,
    /// All of it is unpacked.
    Unpacked,
    /// It was compared and is on the disk, and its file says that it takes the name.
    Announced,
    /// What was there has gone and the new one has not come: only where a file system can't exchange two names.
    Apart,
    /// The new directory has the name.
    Exchanged,
    /// What was there has the name under which it is kept.
    Kept,
    /// An old entry of a whole claim was moved to what is kept.
    EntryKept,
    /// A new entry of a whole claim has its name.
    EntryMoved,
    /// Everything has its name.
    Swapped,
}

/// Called after each step; an error ends the restore there, as if the process was killed.
pub type AfterStep<'a> = &'a (dyn Fn(FilesStep) -> Result<(), Error> + Send + Sync);

/// Notes what takes the name, before anything is renamed. From here on it goes on, whatever happens.
pub fn announce(place: &ClaimPlace, state: &mut PlaceState) -> Result<(), Error> {
    let tree = place.find(&place.tree)?.ok_or_else(|| gone(&place.tree))?;
    if place.name.is_none() {
        let names = list(&place.above)?.into_iter();
        let names = names.filter(|name| !is_no_applications(name));
        state.before = names.map(hex::encode).collect();
        let unpacked = openat(&place.above, path(&place.tree), DIRECTORY, Mode::empty())?;
        state.after = list(&unpacked)?.iter().map(hex::encode).collect();
    }
    state.new = Some(tree.st_ino);
    place.write_state(state)
}

/// What can't be renamed by this user, before anything is. The parent of a directory changes, so it must be
/// writable itself, or this user's own.
pub fn look_ahead(place: &ClaimPlace) -> Result<(), Error> {
    let may_write = |directory: &OwnedFd, name: &[u8]| {
        let access = AccessFlags::W_OK | AccessFlags::X_OK;
        faccessat(directory, path(name), access, AtFlags::AT_EACCESS).is_ok()
    };
    if !may_write(&place.above, b".") {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            "its user may not write to the directory above",
        ));
    }
    if let Some(name) = &place.name {
        return match place.find(name)? {
            Some(found) if !is_directory(&found) => Err(Error::other(format!(
                "{} is there and is no directory",
                tell(name)
            ))),
            _ => free(place, &place.kept),
        };
    }
    free(place, &place.kept)?;
    for name in list(&place.above)? {
        let found = place.find(&name)?;
        let is_held = found.as_ref().is_some_and(|found| {
            is_directory(found)
                && found.st_uid != nix::unistd::geteuid().as_raw()
                && !may_write(&place.above, &name)
        });
        if is_held && !is_no_applications(&name) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                format!(
                    "its user may not move {}, which belongs to another",
                    tell(&name)
                ),
            ));
        }
    }
    Ok(())
}

fn free(place: &ClaimPlace, name: &[u8]) -> Result<(), Error> {
    match place.find(name)? {
        Some(_) => Err(Error::other(format!("the name {} is taken", tell(name)))),
        None => Ok(()),
    }
}

/// Gives the new directory its name, from wherever an earlier start was ended.
pub fn swap(place: &ClaimPlace, state: &PlaceState, after: AfterStep<'_>) -> Result<(), Error> {
    let Some(new) = state.new else {
        return Err(Error::other("nothing was announced"));
    };
    match &place.name {
        Some(name) => swap_named(place, name, new, after)?,
        None => {
            if let Err(error) = swap_entries(place, state, after) {
                if is_killed(&error) {
                    return Err(error);
                }
                return Err(match put_back(place, state) {
                    Ok(()) => Error::other(format!(
                        "{error}. Every entry is where it was; what was restored is kept as {}, because others may \
                         have written to it",
                        tell(&place.not_restored)
                    )),
                    Err(back) => Error::other(format!(
                        "{error}, and not every entry could be put back ({back}): what is not there is in {}",
                        tell(&place.kept)
                    )),
                });
            }
        }
    }
    after(FilesStep::Swapped)
}

/// Whether it is the end of the process, as tests play it.
pub fn is_killed(error: &Error) -> bool {
    error.kind() == ErrorKind::Interrupted
}

fn swap_named(
    place: &ClaimPlace,
    name: &[u8],
    new: u64,
    after: AfterStep<'_>,
) -> Result<(), Error> {
    let is_new = |found: &Option<FileStat>| found.is_some_and(|found| found.st_ino == new);
    if !is_new(&place.find(name)?) {
        if !is_new(&place.find(&place.tree)?) {
            return Err(gone(&place.tree));
        }
        exchange(place, name, after)?;
        fsync(&place.above)?;
        after(FilesStep::Exchanged)?;
    }
    // What was there has its name by now.
    if place.find(&place.tree)?.is_some() {
        rename_to_new((&place.above, &place.tree), (&place.above, &place.kept))?;
    }
    fsync(&place.above)?;
    after(FilesStep::Kept)
}

/// Lets both directories take each other's name; the one that is there may be missing.
fn exchange(place: &ClaimPlace, name: &[u8], after: AfterStep<'_>) -> Result<(), Error> {
    let (above, tree) = (&place.above, &place.tree);
    if place.find(name)?.is_none() {
        return Ok(rename_to_new((above, tree), (above, name))?);
    }
    let flags = RenameFlags::RENAME_EXCHANGE;
    match renameat2(above, path(tree), above, path(name), flags) {
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => take_apart(place, name, after),
        exchanged => Ok(exchanged?),
    }
}

/// The same where a file system can't exchange two names: for a moment the name leads to neither.
fn take_apart(place: &ClaimPlace, name: &[u8], after: AfterStep<'_>) -> Result<(), Error> {
    let above = &place.above;
    rename_to_new((above, name), (above, &place.kept))?;
    after(FilesStep::Apart)?;
    let taken = rename_to_new((above, &place.tree), (above, name));
    if taken.is_err() {
        rename_to_new((above, &place.kept), (above, name))?;
    }
    Ok(taken?)
}

/// Whether nothing has another name than before, so that what was unpacked may go.
pub fn is_as_before(place: &ClaimPlace, state: &PlaceState) -> bool {
    let tree = place.find(&place.tree).ok().flatten();
    let is_there = state.new.is_none() || tree.map(|tree| tree.st_ino) == state.new;
    is_there && matches!(place.find(&place.kept), Ok(None))
}

fn swap_entries(place: &ClaimPlace, state: &PlaceState, after: AfterStep<'_>) -> Result<(), Error> {
    let root = &place.above;
    let kept = open_or_make(root, &place.kept)?;
    let tree = match openat(root, path(&place.tree), DIRECTORY, Mode::empty()) {
        Ok(tree) => tree,
        // All of it was moved.
        Err(Errno::ENOENT) => return remove_if_empty(root, &place.kept),
        Err(errno) => return Err(errno.into()),
    };
    let new: BTreeSet<&String> = state.after.iter().collect();
    for old in &state.before {
        let Some(name) = unhex(old) else { continue };
        // The new one of its name already exists where the old one went by itself.
        let is_old = !new.contains(old) || find(&tree, &name)?.is_some();
        if is_old && find(&kept, &name)?.is_none() && find(root, &name)?.is_some() {
            move_entry(root, &kept, &name)?;
            after(FilesStep::EntryKept)?;
        }
        if find(&tree, &name)?.is_some() {
            move_entry(&tree, root, &name)?;
            after(FilesStep::EntryMoved)?;
        }
    }
    for name in state.after.iter().filter_map(|name| unhex(name)) {
        if find(&tree, &name)?.is_some() {
            move_entry(&tree, root, &name)?;
            after(FilesStep::EntryMoved)?;
        }
    }
    for directory in [&kept, root] {
        fsync(directory)?;
    }
    match unlinkat(root, path(&place.tree), UnlinkatFlags::RemoveDir) {
        // What others have put there is theirs.
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => {
            rename_to_new((root, &place.tree), (root, &place.not_restored))?;
        }
        removed => removed?,
    }
    remove_if_empty(root, &place.kept)
}

/// Nothing is kept where nothing was there.
fn remove_if_empty(above: &OwnedFd, name: &[u8]) -> Result<(), Error> {
    match unlinkat(above, path(name), UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Puts every entry of a claim back where it was, after a step that could not be done.
fn put_back(place: &ClaimPlace, state: &PlaceState) -> Result<(), Error> {
    let root = &place.above;
    let kept = open_or_make(root, &place.kept)?;
    let tree = openat(root, path(&place.tree), DIRECTORY, Mode::empty())?;
    let before: BTreeSet<&String> = state.before.iter().collect();
    for new in &state.after {
        let Some(name) = unhex(new) else { continue };
        let is_moved = find(&tree, &name)?.is_none() && find(root, &name)?.is_some();
        // One of its name that was there is still there.
        let is_old = before.contains(new) && find(&kept, &name)?.is_none();
        if is_moved && !is_old {
            move_entry(root, &tree, &name)?;
        }
    }
    for name in list(&kept)? {
        move_entry(&kept, root, &name)?;
    }
    unlinkat(root, path(&place.kept), UnlinkatFlags::RemoveDir)?;
    // Its entries had their names: what others wrote to them meanwhile must not go.
    rename_to_new((root, &place.tree), (root, &place.not_restored))?;
    fsync(root)?;
    place.remove_state()
}

fn open_or_make(above: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    match mkdirat(above, path(name), Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    openat(above, path(name), DIRECTORY, Mode::empty())
}

/// Moves an entry into another directory. A directory that may not be written to can't change its parent, so
/// its owner may do that for a moment.
fn move_entry(from: &OwnedFd, to: &OwnedFd, name: &[u8]) -> Result<(), Error> {
    let moved = match rename_to_new((from, name), (to, name)) {
        Err(Errno::EACCES) => match find(from, name)? {
            Some(found) if is_directory(&found) => move_closed(from, to, name, found.st_mode),
            _ => Err(Errno::EACCES),
        },
        moved => moved,
    };
    moved.map_err(Error::from).map_err(|error| {
        Error::new(
            error.kind(),
            format!("{} could not be moved: {error}", tell(name)),
        )
    })
}

fn move_closed(from: &OwnedFd, to: &OwnedFd, name: &[u8], mode: u32) -> Result<(), Errno> {
    let own = |directory: &OwnedFd, mode: u32| {
        let mode = Mode::from_bits_truncate(mode & 0o7777);
        fchmodat(directory, path(name), mode, FchmodatFlags::FollowSymlink)
    };
    own(from, mode | 0o700)?;
    let moved = rename_to_new((from, name), (to, name));
    own(if moved.is_ok() { to } else { from }, mode)?;
    moved
}

fn gone(name: &[u8]) -> Error {
    Error::other(format!(
        "{}, which was unpacked, is not there any more",
        tell(name)
    ))
}

#[cfg(test)]
#[path = "directory_swap_tests.rs"]
mod tests;
