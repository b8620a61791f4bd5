//! Finding and removing mounts below a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// At most this much of the machine's memory is for one folder.
const MEMORY: &str = "size=60%,mode=0755";

/// Keeps what is written below a folder in memory.
pub fn mount_memory(folder: &Path) -> Result<()> {
    let none = None::<&str>;
    mount(none, folder, Some("tmpfs"), MsFlags::empty(), Some(MEMORY))
        .with_context(|| format!("no memory can be mounted at {}", folder.display()))
}

/// Unmounts everything below the given folders, and makes sure of it.
pub fn unmount_below(folders: &[PathBuf]) -> Result<()> {
    for mount in below(folders).into_iter().rev() {
        match umount2(&mount, MntFlags::MNT_DETACH) {
            // A mount below an unmounted one is gone with it.
            Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("{} can't be unmounted", mount.display()));
            }
        }
    }
    // What comes next removes folders: through a mount that is still there it would remove the data
    // of a volume.
    if let Some(mount) = below(folders).first() {
        bail!(
            "{} is still mounted after unmounting: find out by whom with `grep {0} \
             /proc/*/mountinfo`",
            mount.display()
        );
    }
    Ok(())
}

/// The mounts below the given folders, in the order they were made.
#[must_use]
pub fn below(folders: &[PathBuf]) -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts_in(&text)
        .into_iter()
        .filter(|mount| folders.iter().any(|folder| mount.starts_with(folder)))
        .collect()
}

/// The mount points in a mountinfo text, in the order they were mounted.
fn mounts_in(text: &str) -> Vec<PathBuf> {
    let unescape = |path: &str| {
        path.replace("\\040", " ")
            .replace("\\011", "\t")
            .replace("\\012", "\n")
            .replace("\\134", "\\")
    };
    text.lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| PathBuf::from(unescape(path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_with_spaces_are_read() {
        let text = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n40 31 0:1 / \
            /work/my\\040checkout/.testbed/kubelet/x rw shared:1 - tmpfs tmpfs rw\n";
        assert_eq!(
            mounts_in(text),
            [
                PathBuf::from("/sys/fs/cgroup"),
                PathBuf::from("/work/my checkout/.testbed/kubelet/x")
            ]
        );
    }
}
