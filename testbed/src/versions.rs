//! The versions that `tools/go.mod` does not pin: everything built or bootstrapped on its own.

/// The version Kubernetes reports; its code is pinned in `tools/go.mod`.
pub const KUBERNETES: &str = "v1.36.3";

/// containerd: on its own, because its CRI is newer than the module of kubelet 1.36.
pub const CONTAINERD: &str = "v2.4.2";

/// A Postgres image: the major version and the Debian release that ships it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresRelease {
    /// The major version, which is the tag of the image.
    pub major: u8,
    /// The Debian release the image is made from.
    pub debian: &'static str,
}

/// Postgres 15, from bookworm.
pub const POSTGRES_15: PostgresRelease = PostgresRelease {
    major: 15,
    debian: "bookworm",
};

/// Postgres 17, from trixie.
pub const POSTGRES_17: PostgresRelease = PostgresRelease {
    major: 17,
    debian: "trixie",
};
