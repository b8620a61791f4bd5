//! Owner, permissions and time of what a restore of files has made: as they were, as far as the agent's user
//! may.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, Mode, UtimensatFlags, fchmod, fstat, fstatat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};

use super::claim_place::is_directory;

/// The bits of a mode that let a file run as its owner or group.
const AS_OWNER: u32 = 0o6000;

/// What a file, a directory or a link had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub mode: u32,
    pub user: u32,
    pub group: u32,
    /// Seconds since 1970.
    pub changed_at: u64,
}

impl Owner {
    /// What a file has that is there.
    #[must_use]
    pub fn of(found: &FileStat) -> Self {
        Self {
            mode: found.st_mode,
            user: found.st_uid,
            group: found.st_gid,
            changed_at: u64::try_from(found.st_mtime).unwrap_or_default(),
        }
    }

    const fn is_of(&self, found: &FileStat) -> bool {
        found.st_uid == self.user && found.st_gid == self.group
    }

    /// The mode, where the owner could not be set: no file runs as the agent's user, and that user may do
    /// what it could by the group or as others, because it was read so.
    const fn mode_for_another(&self, is_directory: bool) -> u32 {
        let as_owner = if is_directory { 0 } else { AS_OWNER };
        let mode = self.mode & 0o7777 & !as_owner;
        mode | (((mode >> 3) | mode) & 0o7) << 6
    }

    fn time(&self) -> TimeSpec {
        let seconds = i64::try_from(self.changed_at).unwrap_or(i64::MAX);
        TimeSpec::new(seconds, 0)
    }
}

/// Sets them. Says whether it has another owner than it had.
pub fn apply(file: &OwnedFd, owner: &Owner) -> Result<bool, Errno> {
    let user = (
        Some(Uid::from_raw(owner.user)),
        Some(Gid::from_raw(owner.group)),
    );
    let found = fstat(file)?;
    let is_owned = owner.is_of(&found)
        || match fchown(file, user.0, user.1) {
            Ok(()) => true,
            Err(Errno::EPERM | Errno::EINVAL) => false,
            Err(errno) => return Err(errno),
        };
    let mode = if is_owned {
        owner.mode & 0o7777
    } else {
        owner.mode_for_another(is_directory(&found))
    };
    fchmod(file, Mode::from_bits_truncate(mode))?;
    futimens(file, &TimeSpec::UTIME_OMIT, &owner.time())?;
    Ok(!is_owned)
}

/// The same of a link itself, which has no mode.
pub fn apply_to_link(directory: &OwnedFd, name: &Path, owner: &Owner) -> Result<bool, Errno> {
    let found = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let user = (
        Some(Uid::from_raw(owner.user)),
        Some(Gid::from_raw(owner.group)),
    );
    let is_owned = owner.is_of(&found)
        || match fchownat(
            directory,
            name,
            user.0,
            user.1,
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(()) => true,
            Err(Errno::EPERM | Errno::EINVAL) => false,
            Err(errno) => return Err(errno),
        };
    let (unchanged, time) = (TimeSpec::UTIME_OMIT, owner.time());
    utimensat(
        directory,
        name,
        &unchanged,
        &time,
        UtimensatFlags::NoFollowSymlink,
    )?;
    Ok(!is_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_another_runs_as_nobody_and_stays_readable() {
        let of = |mode, is_directory| {
            let owner = Owner {
                mode,
                user: 1,
                group: 1,
                changed_at: 0,
            };
            owner.mode_for_another(is_directory)
        };
        let mode = |mode| of(mode, false);
        assert_eq!(
            of(0o2750, true),
            0o2750,
            "its group is for what is made in it"
        );
        assert_eq!(mode(0o4755), 0o755);
        assert_eq!(mode(0o2040), 0o440, "it was read by its group");
        assert_eq!(mode(0o0007), 0o707, "it was read as others");
        assert_eq!(mode(0o100_600), 0o600);
        assert_eq!(mode(0o1777), 0o1777, "the sticky bit stays");
    }
}
