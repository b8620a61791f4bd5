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
    let folder = to
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = to.file_name().with_context(|| {
        format!(
            "{} names no file; give the path of the program to be",
            to.display()
        )
    })?;
    fs::create_dir_all(folder).with_context(|| {
        format!(
            "the folder {} can't be made; is the volume mounted writable?",
            folder.display()
        )
    })?;
    let mut unfinished = name.to_os_string();
    unfinished.push(".unfinished");
    let unfinished = folder.join(unfinished);
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
