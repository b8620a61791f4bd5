//! Folders of the machine that kubelet, containerd and the pods' network write to whatever their
//! settings: one testbed's part of them.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::layout::Layout;

/// Where kubelet links the logs of all containers.
const CONTAINER_LOG_LINKS: &str = "/var/log/containers";

/// Where the pods' network remembers what it gave to whom.
const NETWORK_RESULTS: &str = "/var/lib/cni/results";

/// Where the keepers of containers have their sockets.
const KEEPER_SOCKETS: &str = "/run/containerd/s";

/// Removes what belongs to this testbed, and sockets nobody listens to.
pub fn clean(layout: &Layout) -> Result<()> {
    let (state, runtime) = (
        layout.state(),
        layout.runtime().to_string_lossy().into_owned(),
    );
    remove_where(CONTAINER_LOG_LINKS, |path| {
        fs::read_link(path).is_ok_and(|target| target.starts_with(&state))
    })?;
    remove_where(NETWORK_RESULTS, |path| {
        fs::read_to_string(path).is_ok_and(|text| text.contains(&runtime))
    })?;
    remove_where(KEEPER_SOCKETS, |path| {
        UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}

fn remove_where(folder: &str, condition: impl Fn(&Path) -> bool) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for path in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| condition(path))
    {
        match fs::remove_file(&path) {
            // Another testbed was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome.with_context(|| format!("{} can't be removed", path.display()))?,
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_what_meets_the_condition_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (dead, alive) = (folder.path().join("dead"), folder.path().join("alive"));
        drop(UnixListener::bind(&dead).unwrap());
        let _listener = UnixListener::bind(&alive).unwrap();
        remove_where(&folder.path().to_string_lossy(), |path| {
            UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        })
        .unwrap();
        assert!(!dead.exists() && alive.exists());
    }
}
