//! The cache of everything slow to make, outside the tree and shared by all checkouts on the
//! machine.
//!
//! Things are made beside their place and renamed into it, under a lock: what is there is complete.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::digest;
use crate::mounts;
use crate::progress::say;

/// The cache folder.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of this machine: `HOLDFAST_TESTBED_CACHE`, else
    /// `$XDG_CACHE_HOME/holdfast-testbed`, else `~/.cache/holdfast-testbed`.
    pub fn open() -> Result<Self> {
        let folder = if let Some(folder) = std::env::var_os("HOLDFAST_TESTBED_CACHE") {
            PathBuf::from(folder)
        } else if let Some(folder) = std::env::var_os("XDG_CACHE_HOME") {
            PathBuf::from(folder).join("holdfast-testbed")
        } else {
            let home = std::env::var_os("HOME")
                .context("neither HOLDFAST_TESTBED_CACHE nor XDG_CACHE_HOME nor HOME is set")?;
            PathBuf::from(home).join(".cache/holdfast-testbed")
        };
        Self::at(&folder)
    }

    /// The cache in a given folder.
    pub fn at(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("the cache folder {} can't be made", folder.display()))?;
        Ok(Self {
            folder: folder.canonicalize()?,
        })
    }

    /// A place in the cache.
    #[must_use]
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes `name` unless it is there: `make` gets an empty folder and leaves in it what is to be
    /// kept. Only one process makes a thing; others wait for it and take it.
    pub fn folder(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let place = self.place(name);
        if place.is_dir() {
            return Ok(place);
        }
        let _lock = self.lock(name)?;
        if place.is_dir() {
            return Ok(place);
        }
        let half = self.folder.join(format!("{name}.half"));
        begin_folder(&half)?;
        make(&half)?;
        fs::rename(&half, &place)?;
        Ok(place)
    }

    /// Makes the file `name` inside the folder `folder` of the cache unless it is there: `make`
    /// gets the path to write to and an empty folder to work in.
    pub fn file(
        &self,
        folder: &str,
        name: &str,
        make: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let place = self.place(folder).join(name);
        if place.is_file() {
            return Ok(place);
        }
        let _lock = self.lock(&format!("{folder}-{name}"))?;
        if place.is_file() {
            return Ok(place);
        }
        fs::create_dir_all(self.place(folder))?;
        let half = self.place(folder).join(format!("{name}.half"));
        let work = self.place(folder).join(format!("{name}.work"));
        begin_folder(&work)?;
        let outcome = make(&half, &work);
        remove_folder(&work)?;
        outcome?;
        fs::rename(&half, &place)?;
        Ok(place)
    }

    /// Takes the lock of one thing in the cache; it is released when the returned file is dropped,
    /// also by a killed process.
    pub fn lock(&self, name: &str) -> Result<File> {
        lock(&self.folder.join(format!("{}.lock", name.replace('/', "-"))))
    }
}

/// Makes an empty folder, without what an attempt that was killed left in its place.
pub fn begin_folder(folder: &Path) -> Result<()> {
    remove_folder(folder)?;
    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))
}

/// Removes a folder that may hold mounts: a root file system in the making has /proc mounted.
pub fn remove_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        mounts::unmount_below(&[folder.to_owned()])?;
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} can't be removed", folder.display()))?;
    }
    Ok(())
}

/// Takes the lock a file stands for, saying so when another process has it.
pub fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("the lock {} can't be opened", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(&format!(
                "another testbed command holds {}, waiting for it",
                path.display()
            ));
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("{} can't be locked", path.display()));
        }
    }
    Ok(file)
}

/// A key for the cache: changes with any of the parts.
#[must_use]
pub fn key(parts: &[&str]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| format!("{}:{part}", part.len()))
        .collect();
    digest::of_text(&parts.concat())[..16].to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_made_once_and_only_kept_when_complete() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let failed = cache.folder("thing", |half| {
            fs::write(half.join("a"), "half")?;
            anyhow::bail!("stopped in the middle")
        });
        assert!(failed.is_err());
        assert!(!cache.place("thing").exists());
        let made = cache
            .folder("thing", |half| Ok(fs::write(half.join("b"), "whole")?))
            .unwrap();
        assert!(made.join("b").is_file());
        assert!(
            !made.join("a").exists(),
            "what an earlier, failed attempt left is gone"
        );
        cache.folder("thing", |_| panic!("it is there")).unwrap();
    }

    #[test]
    fn two_processes_make_a_thing_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let made = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    cache.file("images", "one.tar", |half, _work| {
                        made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        Ok(fs::write(half, "tar")?)
                    })
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn the_key_depends_on_where_a_part_ends() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    }
}
