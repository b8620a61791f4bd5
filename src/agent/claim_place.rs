//! Where a restore of files works on a claim: beside the directory that it restores, under names made of the
//! restore's UID, with a file that says how far it is. Nothing else is touched.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Error, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, geteuid, unlinkat};
use serde::{Deserialize, Serialize};

use super::directory_walk::{DIRECTORY, open_below};
use super::named_paths::{components, tell};

/// What the directory begins with that is unpacked into; eight digits of the restore's UID follow.
const TREE: &str = ".holdfast-restore-";
/// What follows in the name of the file that says how far it is.
const STATE: &str = ".json";
/// Where the entries of a whole claim are kept that were there before; the digits follow.
const KEPT_AT_TOP: &str = ".holdfast-before-restore-";
/// Where they are that were restored and put back.
const NOT_RESTORED: &str = ".holdfast-not-restored-";
/// Where they are that were restored beside them.
const BESIDE_AT_TOP: &str = ".holdfast-restored-";
/// Digits of a UID in names.
const DIGITS: usize = 8;
/// The longest name on a file system.
const NAME_LIMIT: usize = 255;
/// The longest file that says how far a restore is.
const STATE_LIMIT: u64 = 64 << 20;

/// How far a restore is, on the claim itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceState {
    /// UID of the restore.
    pub restore: String,
    /// The directory that is restored, by its name beside this file; empty for all of the claim. In hex.
    pub name: String,
    /// What is unpacked is complete, compared and on the disk, and takes the name: the number of its directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<u64>,
    /// Of a whole claim: the names at its top that were there before, in hex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// And those that take their place, in hex: what appears meanwhile is of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// A directory that is restored, and what is beside it.
#[derive(Debug)]
pub struct ClaimPlace {
    /// The directory above it; the claim itself where all of it is restored.
    pub above: OwnedFd,
    /// Its name there; none for all of the claim.
    pub name: Option<Vec<u8>>,
    /// Where it is unpacked.
    pub tree: Vec<u8>,
    /// Where what was there is kept.
    pub kept: Vec<u8>,
    /// Where the restored entries of a whole claim are kept that were put back.
    pub not_restored: Vec<u8>,
    state: Vec<u8>,
}

/// A name as the functions of the system want it.
pub fn path(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}

impl ClaimPlace {
    /// Opens the directory above, name by name. What is missing of it is made: an empty claim has none of it.
    pub fn open(claim: &Path, of_claim: &str, uid: &str) -> Result<Self, Errno> {
        let names: Vec<&[u8]> = components(of_claim.as_bytes()).collect();
        if names.contains(&b"..".as_slice()) {
            return Err(Errno::EINVAL);
        }
        let Some((name, parents)) = names.split_last() else {
            return Ok(Self::of(open_below(claim, "")?, None, uid));
        };
        let mut above = open_below(claim, "")?;
        for parent in parents {
            let mode = Mode::from_bits_truncate(0o775);
            match mkdirat(&above, path(parent), mode) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
            above = openat(&above, path(parent), DIRECTORY, Mode::empty())?;
        }
        Ok(Self::of(above, Some(name.to_vec()), uid))
    }

    /// The place of a restore of that UID, or of its first digits.
    fn of(above: OwnedFd, name: Option<Vec<u8>>, uid: &str) -> Self {
        let digits = digits_of(uid);
        let tree = format!("{TREE}{digits}").into_bytes();
        let kept = match &name {
            Some(name) => suffixed(name, &format!(".before-restore-{digits}")),
            None => format!("{KEPT_AT_TOP}{digits}").into_bytes(),
        };
        Self {
            above,
            name,
            state: [&tree, STATE.as_bytes()].concat(),
            tree,
            kept,
            not_restored: format!("{NOT_RESTORED}{digits}").into_bytes(),
        }
    }

    /// The same under a name beside what is there, which it does not take the place of.
    #[must_use]
    pub fn beside(self, uid: &str) -> Self {
        let digits = digits_of(uid);
        let name = match &self.name {
            Some(name) => suffixed(name, &format!(".restore-{digits}")),
            None => format!("{BESIDE_AT_TOP}{digits}").into_bytes(),
        };
        Self::of(self.above, Some(name), uid)
    }

    /// The places of other restores that were ended on their way, in the same directory.
    pub fn left_behind(&self) -> Result<Vec<(Self, PlaceState)>, Error> {
        let mut left = Vec::new();
        for name in list(&self.above)? {
            let Some(digits) = name
                .strip_prefix(TREE.as_bytes())
                .and_then(|name| name.strip_suffix(STATE.as_bytes()))
                .and_then(|digits| std::str::from_utf8(digits).ok())
            else {
                continue;
            };
            if name == self.state {
                continue;
            }
            let above = openat(&self.above, c".", DIRECTORY, Mode::empty())?;
            let mut place = Self::of(above, None, digits);
            let Some(state) = place.read_state()? else {
                continue;
            };
            if let Some(name) = unhex(&state.name).filter(|name| !name.is_empty()) {
                let above = place.above;
                place = Self::of(above, Some(name), digits);
            }
            left.push((place, state));
        }
        Ok(left)
    }

    /// How far this restore is by the file on the claim, if there is one. One that can't be read is not ours.
    pub fn read_state(&self) -> Result<Option<PlaceState>, Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.above, path(&self.state), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(None),
            Err(errno) => {
                let (name, why) = (tell(&self.state), errno.desc());
                return Err(Error::other(format!(
                    "{name} says how far another restore was, and can't be read ({why}): it is of another user. \
                     Restore with that runAsUser, or remove it if no restore of files runs"
                )));
            }
        };
        // Only what an agent has written as this very user leads anywhere.
        let found = fstat(&file)?;
        let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
        let is_own = found.st_uid == geteuid().as_raw()
            && found.st_nlink == 1
            && kind == SFlag::S_IFREG
            && found.st_mode & 0o777 == 0o600;
        if !is_own {
            return Ok(None);
        }
        let mut text = Vec::new();
        file.take(STATE_LIMIT).read_to_end(&mut text)?;
        let state: Option<PlaceState> = serde_json::from_slice(&text).ok();
        Ok(state.filter(|state| {
            let of_uid = format!("{TREE}{}", digits_of(&state.restore)).into_bytes();
            let is_name = |name: &String| unhex(name).is_some_and(|name| is_one_name(&name));
            of_uid == self.tree
                && (state.name.is_empty() || is_name(&state.name))
                && state.before.iter().chain(&state.after).all(is_name)
        }))
    }

    /// Writes how far it is; on the disk when this returns. What could not be read again is not written.
    pub fn write_state(&self, state: &PlaceState) -> Result<(), Error> {
        let text = serde_json::to_vec(state)?;
        if text.len() as u64 >= STATE_LIMIT {
            return Err(Error::other(
                "there are too many entries to move one by one",
            ));
        }
        let new = [&self.state, ".new".as_bytes()].concat();
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        unlink(&self.above, &new)?;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let mut file = File::from(openat(&self.above, path(&new), flags, mode)?);
        file.write_all(&text)?;
        file.sync_all()?;
        renameat(&self.above, path(&new), &self.above, path(&self.state))?;
        Ok(fsync(&self.above)?)
    }

    /// Removes the file that says how far it is: nothing is left to do.
    pub fn remove_state(&self) -> Result<(), Error> {
        unlink(&self.above, &self.state)?;
        Ok(fsync(&self.above)?)
    }

    /// Makes the empty directory that is unpacked into.
    pub fn make_tree(&self) -> Result<OwnedFd, Errno> {
        mkdirat(&self.above, path(&self.tree), Mode::S_IRWXU)?;
        openat(&self.above, path(&self.tree), DIRECTORY, Mode::empty())
    }

    /// Removes what was unpacked and did not take the place of anything. It is of this restore alone: its
    /// name and the file beside it say so. That it was announced is taken back before: a part of it must never
    /// take the name.
    pub fn discard(&self, state: &PlaceState) -> Result<(), Error> {
        if state.new.is_some() {
            self.write_state(&PlaceState {
                new: None,
                before: Vec::new(),
                after: Vec::new(),
                ..state.clone()
            })?;
        }
        remove_all(&self.above, &self.tree)?;
        self.remove_state()
    }

    /// What is under that name, beside the directory.
    pub fn find(&self, name: &[u8]) -> Result<Option<FileStat>, Errno> {
        find(&self.above, name)
    }
}

/// What of a UID is in names.
fn digits_of(uid: &str) -> &str {
    &uid[..uid.floor_char_boundary(DIGITS.min(uid.len()))]
}

/// What is under a name of a directory; a link itself.
pub fn find(directory: &OwnedFd, name: &[u8]) -> Result<Option<FileStat>, Errno> {
    match fstatat(directory, path(name), AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Whether it is a directory.
pub fn is_directory(found: &FileStat) -> bool {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// The names in a directory.
pub fn list(directory: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::openat(directory, c".", DIRECTORY, Mode::empty())? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Gives an entry a name that nothing has. Where the file system can't do that at once, it looks before.
pub fn rename_to_new(from: (&OwnedFd, &[u8]), to: (&OwnedFd, &[u8])) -> Result<(), Errno> {
    let flags = RenameFlags::RENAME_NOREPLACE;
    match renameat2(from.0, path(from.1), to.0, path(to.1), flags) {
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {}
        renamed => return renamed,
    }
    if find(to.0, to.1)?.is_some() {
        return Err(Errno::EEXIST);
    }
    renameat(from.0, path(from.1), to.0, path(to.1))
}

fn unlink(directory: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    match unlinkat(directory, path(name), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Removes a directory of ours with all that is in it. No link is followed.
fn remove_all(above: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    let directory = match openat(above, path(name), DIRECTORY, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EACCES) => {
            // It was unpacked with the permissions that it had.
            let flags = nix::sys::stat::FchmodatFlags::FollowSymlink;
            nix::sys::stat::fchmodat(above, path(name), Mode::S_IRWXU, flags)?;
            openat(above, path(name), DIRECTORY, Mode::empty())?
        }
        Err(errno) => return Err(errno),
    };
    // Not all file systems remove what is in a directory that may not be written to.
    nix::sys::stat::fchmod(&directory, Mode::S_IRWXU)?;
    for entry in list(&directory)? {
        match find(&directory, &entry)? {
            Some(found) if is_directory(&found) => remove_all(&directory, &entry)?,
            _ => unlink(&directory, &entry)?,
        }
    }
    unlinkat(above, path(name), UnlinkatFlags::RemoveDir)
}

/// A name with something behind it, cut to what a file system takes.
fn suffixed(name: &[u8], suffix: &str) -> Vec<u8> {
    let most = NAME_LIMIT - suffix.len();
    let mut end = name.len().min(most);
    // Not within a character.
    while end > 0 && end < name.len() && name[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    [&name[..end], suffix.as_bytes()].concat()
}

/// Whether it is the name of one entry of a directory.
fn is_one_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name != b"."
        && name != b".."
        && name.len() <= NAME_LIMIT
        && !name.contains(&b'/')
        && !name.contains(&0)
}

/// A name that was written in hex.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::fs;

    use super::*;

    const UID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn names_are_of_the_restore_and_fit() {
        let claim = tempfile::tempdir().unwrap();
        let place = ClaimPlace::open(claim.path(), "a/b", UID).unwrap();
        assert_eq!(place.tree, b".holdfast-restore-11111111");
        assert_eq!(place.kept, b"b.before-restore-11111111");
        let beside = place.beside(UID);
        assert_eq!(
            beside.name.as_deref(),
            Some(b"b.restore-11111111".as_slice())
        );
        assert!(
            claim.path().join("a").is_dir(),
            "the directory above is made"
        );
        let long = "ü".repeat(127);
        let place = ClaimPlace::open(claim.path(), &long, UID).unwrap();
        assert!(place.kept.len() <= NAME_LIMIT && String::from_utf8(place.kept).is_ok());
        let whole = ClaimPlace::open(claim.path(), "", UID).unwrap();
        assert_eq!(whole.kept, b".holdfast-before-restore-11111111");
        assert!(ClaimPlace::open(claim.path(), "a/../b", UID).is_err());
    }

    #[test]
    fn no_link_is_followed_on_the_way_and_a_state_of_others_is_none() {
        let claim = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), claim.path().join("out")).unwrap();
        assert!(ClaimPlace::open(claim.path(), "out/b", UID).is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);

        let place = ClaimPlace::open(claim.path(), "b", UID).unwrap();
        let state = PlaceState {
            restore: UID.to_owned(),
            name: hex::encode("b"),
            new: None,
            before: Vec::new(),
            after: Vec::new(),
        };
        place.write_state(&state).unwrap();
        assert_eq!(place.read_state().unwrap(), Some(state.clone()));
        for (name, before) in [
            ("2e2e", "62"),
            ("612f62", "62"),
            ("62", "2e2e2f61"),
            ("62", "zz"),
        ] {
            let wrong = PlaceState {
                name: name.to_owned(),
                before: vec![before.to_owned()],
                ..state.clone()
            };
            place.write_state(&wrong).unwrap();
            assert_eq!(place.read_state().unwrap(), None, "{name} {before}");
        }
        let wrong = PlaceState {
            restore: "22222222".to_owned(),
            ..state
        };
        place.write_state(&wrong).unwrap();
        assert_eq!(place.read_state().unwrap(), None, "of another restore");
    }

    #[test]
    fn only_what_was_unpacked_is_removed_and_no_link_followed() {
        let claim = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        fs::write(claim.path().join("kept"), "x").unwrap();
        let place = ClaimPlace::open(claim.path(), "b", UID).unwrap();
        let state = PlaceState {
            restore: UID.to_owned(),
            name: hex::encode("b"),
            new: Some(1),
            before: Vec::new(),
            after: Vec::new(),
        };
        place.write_state(&state).unwrap();
        place.make_tree().unwrap();
        let tree = claim.path().join(".holdfast-restore-11111111");
        fs::create_dir_all(tree.join("deep/er")).unwrap();
        fs::write(tree.join("deep/er/file"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), tree.join("out")).unwrap();
        place.discard(&state).unwrap();
        assert!(!tree.exists());
        assert!(outside.path().join("kept").exists() && claim.path().join("kept").exists());
        place.discard(&state).unwrap();
        assert_eq!(place.read_state().unwrap(), None);
    }
}
