//! What a restore of files does on the claim, in threads that may wait for the disk: it puts right what earlier
//! starts have left, unpacks, compares, and swaps.

use std::io::{Error, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::fstat;
use nix::sys::statvfs::fstatvfs;
use nix::unistd::syncfs;

use crate::store::ManifestDirectory;
use crate::wording::{count, number};

use super::claim_place::{ClaimPlace, PlaceState, is_directory};
use super::directory_swap::{FilesStep, announce, is_as_before, is_killed, look_ahead, swap};
use super::directory_walk::{Walked, open_below, walk_into};
use super::named_paths::tell;
use super::restored_owner::{Owner, apply};
use super::unpack::{UnpackError, Unpacked, unpack};

/// Called after each step.
pub type AfterFilesStep = Arc<dyn Fn(FilesStep) -> Result<(), Error> + Send + Sync>;

/// What an order without tests does after each step: nothing.
#[must_use]
pub fn nothing_after() -> AfterFilesStep {
    Arc::new(|_| Ok::<(), Error>(()))
}

/// A claim that is worked on.
pub struct ClaimWork {
    claim: PathBuf,
    of_claim: String,
    uid: String,
    place: ClaimPlace,
    after: AfterFilesStep,
    /// Nobody else restores in the same directory meanwhile.
    _lock: Option<Flock<OwnedFd>>,
}

/// Why it can't begin.
#[derive(Debug)]
pub enum NotBegun {
    /// Another restore works there.
    Another,
    /// What stands against it.
    Refused(String),
}

/// How far an earlier start of the same restore was.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing is left of it.
    Nothing,
    /// What takes the name is complete, and may have it already.
    Announced(PlaceState),
}

/// What there is on the disk for it, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free: u64,
    pub all: u64,
    pub needed: u64,
}

impl ClaimWork {
    /// Opens the place, and puts right what others have left there. Says what it has put right.
    pub fn begin(
        claim: &Path,
        of_claim: &str,
        (uid, is_beside): (&str, bool),
        after: AfterFilesStep,
    ) -> Result<(Self, Left, Vec<String>), NotBegun> {
        let failed = |what: String| NotBegun::Refused(what);
        let place = ClaimPlace::open(claim, of_claim, uid).map_err(|errno| match errno {
            Errno::ELOOP | Errno::ENOTDIR => failed(format!(
                "the path to {of_claim} leads through a symbolic link or a file"
            )),
            errno => failed(format!(
                "the path to {of_claim} can't be opened: {}",
                errno.desc()
            )),
        })?;
        let place = if is_beside { place.beside(uid) } else { place };
        // All of the claim: one restore may move what another one works in.
        let lock = lock(claim)?;
        let unread = |error: Error| failed(format!("what is on the claim can't be read: {error}"));
        let mut put_right = Vec::new();
        for (other, state) in place.left_behind().map_err(unread)? {
            let said = put_right_other(&other, &state, &*after);
            put_right.push(said.map_err(|error| {
                failed(format!(
                    "restore {} was ended while it worked in the same directory, and that can't be put right: \
                     {error}",
                    state.restore
                ))
            })?);
        }
        let left = match place.read_state().map_err(unread)? {
            Some(state) if state.restore != uid => {
                return Err(failed(format!(
                    "{} is of another restore, {}",
                    tell(&place.tree),
                    state.restore
                )));
            }
            // What has begun to take names was compared, and goes on.
            Some(state) if state.new.is_some() && !is_as_before(&place, &state) => {
                Left::Announced(state)
            }
            // What has not is unpacked and compared again: others may have written to it meanwhile.
            Some(state) => {
                place.discard(&state).map_err(unread)?;
                Left::Nothing
            }
            None if place.find(&place.tree).is_ok_and(|found| found.is_none()) => Left::Nothing,
            None => {
                return Err(failed(format!(
                    "{} is there, and this restore has not made it",
                    tell(&place.tree)
                )));
            }
        };
        let work = Self {
            claim: claim.to_owned(),
            of_claim: of_claim.to_owned(),
            uid: uid.to_owned(),
            place,
            after,
            _lock: lock,
        };
        Ok((work, left, put_right))
    }

    /// What can't be done, before anything is: names, permissions, and space for what the manifest says.
    pub fn look_ahead(&self, is_beside: bool, wanted: &ManifestDirectory) -> Result<Space, Error> {
        look_ahead(&self.place)?;
        if let (true, Some(name)) = (is_beside, &self.place.name)
            && self.place.find(name)?.is_some()
        {
            return Err(Error::other(format!("the name {} is taken", tell(name))));
        }
        let disk = fstatvfs(&self.place.above)?;
        let block = disk.fragment_size().max(1);
        let entries = wanted.files + wanted.directories + wanted.links + 1;
        if disk.files() > 0 && disk.files_available() < entries {
            return Err(Error::other(format!(
                "the file system has space for {} more files, and {} are needed",
                disk.files_available(),
                entries
            )));
        }
        Ok(Space {
            free: disk.blocks_available().saturating_mul(block),
            all: disk.blocks().saturating_mul(block),
            // Each file may fill a block only in part.
            needed: wanted.bytes.saturating_add(entries.saturating_mul(block)),
        })
    }

    /// Unpacks all of an archive into the new directory.
    pub fn unpack(&self, archive: impl Read, written: &AtomicU64) -> Result<Unpacked, UnpackError> {
        let disk = |error: Error| {
            if is_killed(&error) {
                return UnpackError::Ended;
            }
            UnpackError::Disk(error.to_string())
        };
        self.place.write_state(&self.state()).map_err(disk)?;
        let tree = self.place.make_tree().map_err(|errno| disk(errno.into()))?;
        (self.after)(FilesStep::Begun).map_err(disk)?;
        let is_whole_claim = self.of_claim.is_empty();
        let mut unpacked = unpack(archive, &tree, is_whole_claim, written)?;
        let owner = self.owner().map_err(disk)?;
        let is_other = apply(&tree, &owner).map_err(|errno| disk(errno.into()))?;
        unpacked.other_owner += u64::from(is_other);
        (self.after)(FilesStep::Unpacked).map_err(disk)?;
        Ok(unpacked)
    }

    fn state(&self) -> PlaceState {
        PlaceState {
            restore: self.uid.clone(),
            name: self
                .place
                .name
                .as_ref()
                .map(hex::encode)
                .unwrap_or_default(),
            new: None,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Whose the new directory is: as the present one, else as the one above. No archive has it.
    fn owner(&self) -> Result<Owner, Error> {
        let names = self.of_claim.rsplit('/').next().unwrap_or_default();
        let present = self.place.find(names.as_bytes());
        match present.ok().flatten().filter(is_directory) {
            Some(found) if !names.is_empty() => Ok(Owner::of(&found)),
            _ => Ok(Owner::of(&fstat(&self.place.above)?)),
        }
    }

    /// Reads back what was unpacked.
    pub fn read_back(&self) -> Result<Walked, Error> {
        syncfs(&self.place.above)?;
        let above = self
            .of_claim
            .rsplit_once('/')
            .map_or("", |(above, _)| above);
        let tree = format!("{above}/{}", String::from_utf8_lossy(&self.place.tree));
        walk_into(&self.claim, &tree, std::io::sink())
    }

    /// Gives the new directory its name.
    pub fn swap(&self, left: Left) -> Result<(), Error> {
        let state = match left {
            Left::Announced(state) => state,
            Left::Nothing => {
                let mut state = self.state();
                announce(&self.place, &mut state)?;
                (self.after)(FilesStep::Announced)?;
                state
            }
        };
        swap(&self.place, &state, &*self.after)
    }

    /// Removes what was unpacked, unless it has the name of something by now. Says whether nothing is left.
    pub fn clear(&self) -> Result<bool, Error> {
        let Some(state) = self.place.read_state()? else {
            return Ok(true);
        };
        if !is_as_before(&self.place, &state) {
            return Ok(false);
        }
        self.place.discard(&state)?;
        Ok(true)
    }

    /// Nothing is left to do.
    pub fn finish(&self) -> Result<(), Error> {
        self.place.remove_state()
    }

    /// The path on the claim that the restored files have.
    #[must_use]
    pub fn restored_as(&self) -> String {
        self.path_of(self.place.name.as_deref())
    }

    /// The path on the claim that what was there before has; none if there is nothing.
    #[must_use]
    pub fn kept_as(&self) -> Option<String> {
        let kept = self.place.find(&self.place.kept).ok().flatten();
        kept.map(|_| self.path_of(Some(&self.place.kept)))
    }

    fn path_of(&self, name: Option<&[u8]>) -> String {
        let name = name.map(|name| String::from_utf8_lossy(name).into_owned());
        let above = self.of_claim.rsplit_once('/').map(|(above, _)| above);
        [above.map(ToOwned::to_owned), name]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// Finishes the swap of a restore that was ended, if it had begun; else removes what that has unpacked.
fn put_right_other(
    place: &ClaimPlace,
    state: &PlaceState,
    after: &(dyn Fn(FilesStep) -> Result<(), Error> + Send + Sync),
) -> Result<String, Error> {
    let restore = &state.restore;
    if is_as_before(place, state) {
        place.discard(state)?;
        return Ok(format!("what restore {restore} had unpacked is removed"));
    }
    swap(place, state, after)?;
    place.remove_state()?;
    Ok(format!(
        "the swap of restore {restore}, which was ended on its way, is finished"
    ))
}

/// Locks the claim, where its file system can.
fn lock(claim: &Path) -> Result<Option<Flock<OwnedFd>>, NotBegun> {
    let unread = |errno: Errno| NotBegun::Refused(format!("it can't be opened: {}", errno.desc()));
    let own = open_below(claim, "").map_err(unread)?;
    match Flock::lock(own, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Err(NotBegun::Another),
        Err((_, errno)) => {
            tracing::warn!("the claim can't be locked: {}", errno.desc());
            Ok(None)
        }
    }
}

/// What of the files on the disk is not as in the manifest; none if all is.
#[must_use]
pub fn differs(wanted: &ManifestDirectory, unpacked: &Unpacked, read: &Walked) -> Option<String> {
    let pairs = [
        ("files", wanted.files, unpacked.files, read.files),
        (
            "directories",
            wanted.directories,
            unpacked.directories,
            read.directories,
        ),
        ("links", wanted.links, unpacked.links, read.links),
        ("bytes", wanted.bytes, unpacked.bytes, read.bytes),
    ];
    let counted = pairs
        .into_iter()
        .find(|(_, wanted, unpacked, read)| wanted != unpacked || wanted != read);
    if let Some((what, wanted, unpacked, read)) = counted {
        let number = |amount: u64| number(i64::try_from(amount).unwrap_or(i64::MAX));
        return Some(format!(
            "the manifest says {} {what}, the archive has {}, and {} are on the disk",
            number(wanted),
            number(unpacked),
            number(read)
        ));
    }
    if wanted.blake3 != unpacked.blake3 {
        return Some(
            "the archive has other paths or other content than the manifest says".to_owned(),
        );
    }
    if read.unread > 0 || read.special > 0 || read.changed > 0 || read.vanished > 0 {
        let unread = i64::try_from(read.unread.max(1)).unwrap_or(i64::MAX);
        let first = read.remarks.first().map_or("", String::as_str);
        return Some(format!(
            "what was unpacked changes, or can't be read back ({}): {first}",
            count(unread, "time")
        ));
    }
    (read.any_order != unpacked.any_order)
        .then(|| "the files have other content on the disk than in the archive".to_owned())
}

#[cfg(test)]
#[path = "claim_work_tests.rs"]
mod tests;
