//! Where `pg_dump` and its kin are in a database's image.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Finds a program of Postgres on `PATH`, or where Debian puts it; there the newest version comes
/// first.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_program_in(
        name,
        std::env::split_paths(&path),
        Path::new("/usr/lib/postgresql"),
    )
}

/// As [`find_program`], in these directories and below this root of versions.
#[must_use]
pub fn find_program_in(
    name: &str,
    directories: impl Iterator<Item = PathBuf>,
    versions: &Path,
) -> Option<PathBuf> {
    let mut numbered: Vec<(u32, PathBuf)> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    numbered.sort();
    // Debian's /usr/bin/pg_dump is a script in Perl that chooses a version by configuration; the
    // program itself is surer.
    let beside = numbered.into_iter().rev().map(|(_, directory)| directory);
    beside
        .chain(directories)
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(candidate: &Path) -> bool {
    std::fs::metadata(candidate)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
