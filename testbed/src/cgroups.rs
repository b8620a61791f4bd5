//! The cgroup that holds all pods of one testbed: made before kubelet starts, removed with whatever
//! still runs in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::layout::Layout;

/// Where the hierarchies are mounted.
const HIERARCHIES: &str = "/sys/fs/cgroup";

/// Makes the testbed's cgroup in every hierarchy.
pub fn create(layout: &Layout) -> Result<()> {
    for hierarchy in hierarchies()? {
        let folder = hierarchy.join(layout.machine_name());
        fs::create_dir_all(&folder).with_context(|| {
            format!(
                "the cgroup {} can't be made: this needs root",
                folder.display()
            )
        })?;
        // In a version 1 hierarchy a new cpuset is empty, and no process can enter it before it has
        // processors and memory.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(value) = fs::read_to_string(hierarchy.join(file)) {
                fs::write(folder.join(file), value)?;
            }
        }
    }
    Ok(())
}

/// The processes in the testbed's cgroup: everything that runs in its pods.
#[must_use]
pub fn processes(layout: &Layout) -> Vec<i32> {
    let mut found = Vec::new();
    for folder in hierarchies().unwrap_or_default() {
        for cgroup in descendants(&folder.join(layout.machine_name())) {
            let text = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
            found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Removes the cgroups below the testbed's own, or that one too. Nothing may run in them any more.
pub fn remove(layout: &Layout, also_the_top: bool) -> Result<()> {
    for hierarchy in hierarchies()? {
        let top = hierarchy.join(layout.machine_name());
        for cgroup in descendants(&top).into_iter().rev() {
            if cgroup == top && !also_the_top {
                continue;
            }
            match fs::remove_dir(&cgroup) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("the cgroup {} can't be removed", cgroup.display())
                    });
                }
            }
        }
    }
    Ok(())
}

/// The testbed's cgroups that exist.
#[must_use]
pub fn existing(layout: &Layout) -> Vec<PathBuf> {
    hierarchies()
        .unwrap_or_default()
        .iter()
        .flat_map(|hierarchy| descendants(&hierarchy.join(layout.machine_name())))
        .collect()
}

/// The mounted hierarchies: one on a machine with cgroup version 2, one per controller with version
/// 1.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let root = Path::new(HIERARCHIES);
    if root.join("cgroup.controllers").exists() {
        return Ok(vec![root.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(root).context("no cgroups are mounted at /sys/fs/cgroup")? {
        let entry = entry?;
        // A link is a second name of a hierarchy, like `cpu` for `cpu,cpuacct`.
        if entry.file_type()?.is_dir() && entry.path().join("cgroup.procs").exists() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// A folder and all folders below it, parents first; nothing when it is not there.
fn descendants(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        waiting.extend(
            entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
        found.push(folder);
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_their_children() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let found = descendants(folder.path());
        assert_eq!(
            found,
            [
                folder.path().to_owned(),
                folder.path().join("a"),
                folder.path().join("a/b")
            ]
        );
    }
}
