//! Where one cluster of a checkout keeps its things, and the names it uses on the machine: all
//! derived from the checkout's path and the cluster's name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::digest;

/// The node's address, on a bridge inside the network namespace.
pub const NODE_ADDRESS: &str = "10.90.0.1";
/// The name of the only node.
pub const NODE_NAME: &str = "node1";
/// The addresses pods get.
pub const POD_NETWORK: &str = "10.91.0.0/24";
/// The addresses Services get.
pub const SERVICE_NETWORK: &str = "10.96.0.0/16";
/// The address of the Service `kubernetes.default`.
pub const SERVICE_API_ADDRESS: &str = "10.96.0.1";
/// The port of the API server, on the node's address and on loopback.
pub const API_PORT: u16 = 6443;

/// The longest path the kernel takes for a Unix socket.
const LONGEST_SOCKET_PATH: usize = 107;

/// The folder with the state of the checkout's own cluster; those of named clusters begin with it.
const STATE: &str = ".testbed";

/// The places and names of one cluster of a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    state: PathBuf,
    id: String,
}

impl Layout {
    /// Finds the checkout that holds the current directory.
    pub fn discover() -> Result<Self> {
        let current = std::env::current_dir().context("the current directory can't be read")?;
        let Some(root) = current
            .ancestors()
            .find(|folder| folder.join("testbed/tools/go.mod").is_file())
        else {
            bail!(
                "{} is not inside a checkout of holdfast: no testbed/tools/go.mod here or above; \
                 cd into the checkout",
                current.display()
            );
        };
        Self::at(root)
    }

    /// The layout of the checkout at `root`.
    pub fn at(root: &Path) -> Result<Self> {
        let root = root
            .canonicalize()
            .with_context(|| format!("{} can't be found", root.display()))?;
        Self::build(&root, STATE, &root.to_string_lossy())
    }

    /// The layout of another cluster of the same checkout, which runs beside the others. Its name
    /// consists of lowercase letters and digits.
    pub fn named(&self, name: &str) -> Result<Self> {
        if name.is_empty() || !name.bytes().all(is_of_a_name) {
            bail!("{name:?} can't be the name of a cluster: use lowercase letters and digits");
        }
        let text = format!("{}\n{name}", self.root.display());
        Self::build(&self.root, &format!("{STATE}-{name}"), &text)
    }

    /// The named clusters of this checkout that have left a state folder.
    pub fn all_named(&self) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)?.flatten() {
            let file_name = entry.file_name();
            if let Some(name) = file_name
                .to_str()
                .and_then(|file_name| file_name.strip_prefix(STATE)?.strip_prefix('-'))
            {
                found.push(self.named(name)?);
            }
        }
        found.sort_by(|one, other| one.state.cmp(&other.state));
        Ok(found)
    }

    fn build(root: &Path, state: &str, identity: &str) -> Result<Self> {
        let layout = Self {
            root: root.to_owned(),
            state: root.join(state),
            id: digest::of_text(identity)[..8].to_owned(),
        };
        let longest = layout.state().join("kubelet/pod-resources/1234567890.sock");
        if longest.as_os_str().len() > LONGEST_SOCKET_PATH {
            bail!(
                "the path of this checkout is too long for Unix sockets ({}): move it to a shorter \
                 one",
                longest.display()
            );
        }
        Ok(layout)
    }

    /// The checkout.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is a cluster beside the checkout's own: those are for tests.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !self.state.ends_with(STATE)
    }

    /// Eight hexadecimal digits that tell this cluster from others on the machine.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The state folder, ignored by git.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.state.clone()
    }

    /// What a reboot would lose: containerd's socket and the running containers' mounts.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        PathBuf::from("/run").join(self.machine_name())
    }

    /// The name of the network namespace and of the cgroup.
    #[must_use]
    pub fn machine_name(&self) -> String {
        format!("holdfast-{}", self.id)
    }

    /// The file that stands for the network namespace.
    #[must_use]
    pub fn network_namespace(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(self.machine_name())
    }

    /// containerd's socket.
    #[must_use]
    pub fn containerd_socket(&self) -> PathBuf {
        self.runtime().join("containerd.sock")
    }

    /// Certificates and keys.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.state().join("pki")
    }

    /// Configuration files of the components.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.state().join("configuration")
    }

    /// The kubeconfig of a user.
    #[must_use]
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.configuration().join(format!("{user}.kubeconfig"))
    }

    /// The components' logs; they outlive `down`, for reading.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.state().join("logs")
    }

    /// The pid files.
    #[must_use]
    pub fn pids(&self) -> PathBuf {
        self.state().join("pids")
    }

    /// The folders of dynamically made volumes.
    #[must_use]
    pub fn volumes(&self) -> PathBuf {
        self.state().join("volumes")
    }

    /// The folder the S3 server keeps its buckets in, as plain files.
    #[must_use]
    pub fn object_store(&self) -> PathBuf {
        self.state().join("s3")
    }

    /// Links to `holdfast` and `kubectl-holdfast`, for the PATH of `testbed exec`.
    #[must_use]
    pub fn links(&self) -> PathBuf {
        self.state().join("bin")
    }

    /// The operator's binary as `cargo build` leaves it.
    #[must_use]
    pub fn operator_binary(&self) -> PathBuf {
        self.target().join(format!(
            "{}-unknown-linux-gnu/debug/holdfast",
            std::env::consts::ARCH
        ))
    }

    /// Cargo's target folder.
    fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn two_checkouts_share_no_name() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (
            Layout::at(one.path()).unwrap(),
            Layout::at(other.path()).unwrap(),
        );
        assert_ne!(one.network_namespace(), other.network_namespace());
        assert_ne!(one.runtime(), other.runtime());
        assert_ne!(one.state(), other.state());
    }

    #[test]
    fn two_clusters_of_a_checkout_share_no_name_and_can_be_found() {
        let folder = tempfile::tempdir().unwrap();
        let own = Layout::at(folder.path()).unwrap();
        let named = own.named("tests").unwrap();
        assert_ne!(named.network_namespace(), own.network_namespace());
        assert_ne!(named.runtime(), own.runtime());
        assert!(!named.state().starts_with(own.state()), "{named:?}");
        assert_eq!(named.operator_binary(), own.operator_binary());
        for layout in [&own, &named] {
            fs::create_dir(layout.state()).unwrap();
        }
        assert_eq!(own.all_named().unwrap(), [named]);
        for name in ["", "Upper", "a/b", "a b", ".."] {
            own.named(name).unwrap_err();
        }
    }

    #[test]
    fn the_same_checkout_keeps_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        let real = folder.path().join("real");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(Layout::at(&real).unwrap(), Layout::at(&link).unwrap());
    }

    #[test]
    fn a_path_too_long_for_sockets_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a".repeat(90));
        fs::create_dir(&deep).unwrap();
        let error = Layout::at(&deep).unwrap_err().to_string();
        assert!(error.contains("too long for Unix sockets"), "{error}");
    }
}
