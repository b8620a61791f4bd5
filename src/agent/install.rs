//! Copying this program to where the main container of an agent's Job runs it from.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;
use nix::unistd::{Gid, Uid};

/// The running program, also when its file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Copies the running program to `to`, executable by everyone. It appears there whole or not at
/// all. Nothing is forced to the disk: a node that dies runs this again before the pod's containers.
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
        fs::rename(&unfinished, to)
    };
    copy().with_context(|| {
        format!(
            "the program can't be copied to {}; is the volume full or mounted read-only?",
            to.display()
        )
    })
}

/// Writes a file for `/etc/passwd` of a container that runs as the same user: `initdb` refuses a user without
/// a name, and an image has one for its own user only.
pub fn write_passwd(to: &Path) -> anyhow::Result<()> {
    let text = build_passwd(Uid::effective().as_raw(), Gid::effective().as_raw());
    fs::write(to, text).with_context(|| format!("{} can't be written", to.display()))?;
    fs::set_permissions(to, Permissions::from_mode(0o644))
        .with_context(|| format!("{} can't be made readable", to.display()))
}

fn build_passwd(user: u32, group: u32) -> String {
    let root = "root:x:0:0:root:/root:/sbin/nologin\n";
    if user == 0 {
        return root.to_owned();
    }
    format!("{root}postgres:x:{user}:{group}:postgres:/scratch:/sbin/nologin\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_the_pod_has_a_name() {
        assert!(build_passwd(65_532, 65_532).contains("\npostgres:x:65532:65532:"));
        assert!(!build_passwd(0, 0).contains("postgres"));
    }
}
