//! What the image of the database mounts by itself. The agent of a check runs in that image, so its
//! own mount table shows it: what the pod does not mount, the container runtime does.

use std::env;
use std::fs;

use crate::api::{IMAGE_VOLUME_LIMIT, ImageEvidence};

/// The kernel's table of the mounts of this process.
const MOUNT_TABLE: &str = "/proc/self/mountinfo";
/// Where the pod and the runtime mount what every container gets.
const EVERY_CONTAINER: &[&str] = &[
    "/proc",
    "/sys",
    "/dev",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/run/secrets",
    "/var/run/secrets",
    "/opt/holdfast",
];
/// Variables by which images say where they keep their data.
const DATA_DIRECTORY_VARIABLES: &[&str] = &[
    "PGDATA",
    "POSTGRESQL_DATA_DIR",
    "PATRONI_POSTGRESQL_DATA_DIR",
];

/// Looks at the image that this process runs in. `None` if the mount table can't be read.
#[must_use]
pub fn look_at_image() -> Option<ImageEvidence> {
    let table = fs::read_to_string(MOUNT_TABLE)
        .inspect_err(|error| tracing::warn!("{MOUNT_TABLE} can't be read: {error}"))
        .ok()?;
    let data_directory = DATA_DIRECTORY_VARIABLES
        .iter()
        .find_map(|name| env::var(name).ok())
        .unwrap_or_default();
    Some(ImageEvidence {
        volumes: image_volumes(&table),
        data_directory,
    })
}

/// The mount points of a table but those of every container, in the order of their names.
fn image_volumes(table: &str) -> Vec<String> {
    let is_ordinary = |path: &str| {
        let below = |above: &&str| {
            path.strip_prefix(*above)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        path == "/" || EVERY_CONTAINER.iter().any(below)
    };
    let mut paths: Vec<String> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape)
        .filter(|path| !is_ordinary(path))
        .collect();
    paths.sort();
    paths.dedup();
    paths.truncate(IMAGE_VOLUME_LIMIT);
    paths
}

/// The kernel writes a space, tab, line end or backslash as a backslash and three octal digits.
fn unescape(path: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (code, character)| {
        path.replace(code, character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As containerd makes it for the agent of a check in an image that declares
    /// `VOLUME /var/lib/postgresql/data`.
    const TABLE: &str = "\
1021 900 0:60 / / ro,relatime master:300 - overlay overlay rw
1022 1021 0:63 / /proc rw,nosuid - proc proc rw
1023 1021 0:64 / /dev rw,nosuid - tmpfs tmpfs rw
1027 1023 0:58 / /dev/shm rw,nosuid - tmpfs shm rw
1028 1021 8:1 /pods/u/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw
1029 1023 8:1 /pods/u/termination-log /dev/termination-log rw - ext4 /dev/sda1 rw
1030 1021 8:1 /pods/u/binary /opt/holdfast/bin ro - ext4 /dev/sda1 rw
1031 1021 0:55 / /run/secrets/kubernetes.io/serviceaccount ro - tmpfs tmpfs rw
1032 1021 8:1 /containers/c/volumes/1 /var/lib/postgresql/data rw - ext4 /dev/sda1 rw
1033 1021 8:1 /containers/c/volumes/2 /srv/my\\040data rw - ext4 /dev/sda1 rw
";

    #[test]
    fn what_every_container_has_is_left_out() {
        assert_eq!(
            image_volumes(TABLE),
            ["/srv/my data", "/var/lib/postgresql/data"]
        );
        assert!(image_volumes("").is_empty());
        assert!(image_volumes("not a table").is_empty());
    }

    #[test]
    fn this_process_has_a_mount_table() {
        assert!(look_at_image().is_some());
    }
}
