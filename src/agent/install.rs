//! Copying this program to where the main container of an agent's Job runs it from.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;

/// The running program, also when its file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Copies the running program to `to`, executable by everyone. It appears there whole or not at
/// all.
pub fn install(to: &Path) -> anyhow::Result<()> {
    let directory = to
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = to.file_name().with_context(|| {
        format!(
            "{} names no file; give the path to copy the program to",
            to.display()
        )
    })?;
    fs::create_dir_all(directory).with_context(|| {
        format!(
            "the directory {} can't be created; is the volume mounted writable?",
            directory.display()
        )
    })?;
    let mut unfinished = name.to_os_string();
    unfinished.push(".unfinished");
    let unfinished = directory.join(unfinished);
    let copy = || -> std::io::Result<()> {
        fs::copy(OWN_PROGRAM, &unfinished)?;
        fs::set_permissions(&unfinished, Permissions::from_mode(0o755))?;
        File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, to)
    };
    copy().with_context(|| {
        format!(
            "the program can't be copied to {}; is the volume full or mounted read-only?",
            to.display()
        )
    })
}
