//! What the operator asks of the agent that restores a backup set into the server. Never a secret.

use serde::{Deserialize, Serialize};

use super::{
    DataDisk, DrillQuery, FilesToRestore, RestoreTarget, S3Storage, SecretKey, ServerRequest,
    default_jobs,
};

/// A restore of a backup set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRequest {
    /// Namespace of everything.
    pub namespace: String,
    /// Name of the `ProtectedDatabase`.
    pub database: String,
    /// UID of the `ProtectedDatabase`.
    pub database_uid: String,
    /// Name of the `DatabaseRestore` whose status is written.
    pub restore: String,
    /// UID of the `DatabaseRestore`. What the agent leaves in the server is known by it.
    pub restore_uid: String,
    /// How to reach the server, with the credentials of restores; `pod` is set, and `pods` says which may follow
    /// it. Of a drill only the names
    /// of the databases: its server is on the socket in `SCRATCH_SOCKET_DIRECTORY`.
    pub server: ServerRequest,
    /// The claims that the container of `server.pod` mounts. A pod that follows it is taken for the same server
    /// only if it mounts them, too, and its database cluster is the same. None: then no other pod is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// Where the set is.
    pub storage: S3Storage,
    /// The set's directory in the bucket, without the bucket's name.
    pub path: String,
    /// SHA-256 of its manifest, in hex. Another manifest is refused.
    pub manifest_sha256: String,
    /// Whether a set is refused that the verdicts beside its manifest do not confirm: nobody here knows it
    /// otherwise, and its user has not said that it may be suspect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed_only: bool,
    /// Whether the restored database takes the place of the present one, or stays beside it.
    pub into: RestoreTarget,
    /// Whether it is only looked whether it could be done: nothing is made then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// How many indexes and constraints are built at a time.
    #[serde(default = "default_jobs")]
    pub jobs: i32,
    /// The tables that are restored, as `schema.table`; empty for all. Only with `Beside`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Where the private keys are from that read encrypted sets, for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_secret: Option<SecretKey>,
    /// The disk that the data of the server is on.
    #[serde(default)]
    pub disk: DataDisk,
    /// How long the restore waits in all for a storage that is unavailable or busy, in seconds.
    pub retry_seconds: u64,
    /// Longest time the restore may take, in seconds.
    pub deadline_seconds: u64,
    /// What a drill looks at, set if and only if `into` is `Scratch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillRequest>,
    /// The directory whose files are restored instead of databases. Then no server is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesToRestore>,
}

/// What a drill looks at once the set is restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillRequest {
    /// The user's own queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<DrillQuery>,
    /// The columns whose newest value must not be much older than the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freshness: Vec<FreshColumn>,
}

/// A column with times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreshColumn {
    /// The database that it is in; without it the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// `schema.table`.
    pub table: String,
    /// Its name.
    pub column: String,
    /// How much older than the backup its newest value may be, in seconds.
    pub within_seconds: u64,
}
