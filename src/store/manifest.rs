//! What `manifest.json` says. Data only: no command, no key, no absolute path. A newer format only adds
//! fields, so that readers of this version read every older one.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::api::Finding;
use crate::postgres::DatabaseDescription;

use super::ManifestDirectory;

/// The format that this version writes. 1: the first one; tables have a SHA-256. 2: tables have a
/// BLAKE3 instead, and there is more that a restore needs. 3: there may be directories of claims.
pub const FORMAT_VERSION: u32 = 3;
/// The oldest format that this version reads.
pub const OLDEST_FORMAT_VERSION: u32 = 1;

/// What a backup set holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Version of this format.
    pub format_version: u32,
    /// Whether the set counts.
    pub state: SetState,
    /// Why the set is suspect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What the rows of the dump were found to be, compared with the last good check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Name of the check that the rows of the dump were compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_with: Option<String>,
    /// Why the data was not verified when the set was taken, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// Name of the `DatabaseBackup`.
    pub backup: String,
    /// The `ProtectedDatabase`.
    pub protected_database: ProtectedDatabaseReference,
    /// Which database cluster was dumped, read before the dump.
    pub identity: ManifestIdentity,
    /// Version of the server, as it says itself.
    pub server_version: String,
    /// Version of `pg_dump`.
    pub client_version: String,
    /// Version of Holdfast.
    pub holdfast_version: String,
    /// The databases in the set, the main one first.
    pub databases: Vec<ManifestDatabase>,
    /// Directories of claims in the set. From format version 3 on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<ManifestDirectory>,
    /// The objects of the set, except the manifest.
    pub objects: Vec<ManifestObject>,
    /// The Kubernetes cluster, by the UID of its namespace `kube-system`. Sets of another one are
    /// another database's, whatever their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_cluster: Option<String>,
    /// The image that the server and `pg_dump` ran from, with its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The labels of `spec.backup.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Databases of the server that are in no set, because the spec does not name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases_left_out: Vec<String>,
    /// Public keys that the set is encrypted for; empty if it is not encrypted.
    pub recipients: Vec<String>,
    /// Whether the roles have the hashes of their passwords. Only an encrypted set may have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_passwords: Option<RolePasswords>,
    /// When the backup began and how long its parts took.
    pub durations: Durations,
}

impl Manifest {
    /// Whether an object is the archive of a directory, which no database needs.
    #[must_use]
    pub fn is_of_files(&self, object: &ManifestObject) -> bool {
        let mut directories = self.directories.iter();
        directories.any(|directory| directory.object == object.name)
    }
}

/// Whether a set counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetState {
    /// Taken while nothing was wrong.
    Good,
    /// Taken while the data looked reset; it never counts.
    Suspect,
}

/// Whether the roles of an encrypted set have the hashes of their passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RolePasswords {
    /// They have.
    Included,
    /// The role that dumped may not read them.
    NotReadable,
}

/// Which `ProtectedDatabase` a set belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtectedDatabaseReference {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// UID of the namespace: its name may be used again. Older sets do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
}

/// Which database cluster was dumped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestIdentity {
    /// The identifier that initdb gave it.
    pub system_identifier: String,
    /// When initdb made it.
    pub initialized_at: Time,
    /// Timeline of the write-ahead log.
    pub timeline: i64,
    /// Position in the write-ahead log before the dump.
    pub wal_position: String,
    /// The next transaction id before the dump.
    pub next_transaction_id: String,
    /// When that was read, by the database's clock; what was committed before it is in the dump.
    pub snapshot_time: Time,
    /// Whether the server was a replica.
    pub in_recovery: bool,
    /// Digest of the salt that the server gives for a role that does not exist: distinguishes another
    /// database cluster without a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_digest: Option<String>,
}

/// A database in the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestDatabase {
    pub name: String,
    /// Name of its object in the set.
    pub object: String,
    /// Rows in all its tables, counted in the dump.
    pub rows: u64,
    /// Its tables with data in the dump; a partitioned table by its partitions.
    pub tables: Vec<ManifestTable>,
    /// How many large objects it has, and their bytes.
    pub large_objects: ManifestLargeObjects,
    pub extensions: Vec<ManifestExtension>,
    /// When the snapshot of this database was taken, by the database's clock. All of a database is of
    /// one moment. Each database of a set has a moment of its own, and roles are of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_time: Option<Time>,
    /// Version of the archive's format, such as `1.16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_version: Option<String>,
    /// Who counted the rows: the dump itself, or queries in its snapshot, where nobody here knows the
    /// version of the archive. Then tables have no digest, and nothing but the exit code of `pg_dump`
    /// says that the archive is whole.
    #[serde(default, skip_serializing_if = "CountedBy::is_dump")]
    pub counted_by: CountedBy,
    /// How the database was created and what belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<DatabaseDescription>,
    /// Tables whose rows were left out on request (`spec.backup.excludeTableData`), as `schema.table`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_rows: Vec<String>,
    /// Why a restore of it is refused, and what `pg_dump` has warned of; at most 50, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Who counted the rows of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CountedBy {
    /// They were counted in the bytes of the dump.
    #[default]
    Dump,
    /// They were counted by queries in the snapshot that was dumped.
    Query,
}

impl CountedBy {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    const fn is_dump(&self) -> bool {
        matches!(self, Self::Dump)
    }
}

/// A table in the dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestTable {
    pub schema: String,
    pub name: String,
    /// Rows, counted in the dump.
    pub rows: u64,
    /// Where its data begins, in bytes from the beginning of the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Bytes of the rows in COPY's text format.
    pub bytes: u64,
    /// SHA-256 of these bytes, in hex. Only format version 1 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// BLAKE3 of these bytes, in hex. From format version 2 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// Whether it belongs to an extension, which makes some of its rows itself: a restored table may
    /// have more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_extension: bool,
}

/// The large objects of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestLargeObjects {
    /// How many.
    pub count: u64,
    pub bytes: u64,
    /// The first 10,000, in the order of the dump.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<ManifestLargeObject>,
    /// BLAKE3 over the object id (4 bytes, least first), the size (8 bytes, least first) and the digest
    /// (32 bytes) of every one, in the order of the dump, in hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub blake3: String,
}

/// A large object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestLargeObject {
    pub oid: u32,
    pub bytes: u64,
    /// BLAKE3 of its bytes, in hex.
    pub blake3: String,
}

/// An extension of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestExtension {
    pub name: String,
    pub version: String,
}

/// An object of the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestObject {
    /// Its name in the set's directory.
    pub name: String,
    /// Bytes stored.
    pub size: u64,
    /// SHA-256 of these bytes, in hex.
    pub sha256: String,
    /// The storage's own checksum (`ETag`).
    pub store_checksum: String,
    /// Bytes before compression.
    pub raw_size: u64,
    /// How it is compressed.
    pub compression: Compression,
    /// How it is encrypted after that, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<ObjectEncryption>,
    /// Where further frames of Zstandard begin: bytes before compression, and bytes stored. Each can
    /// be read by itself; all of them are one file for `zstd -d`. Not of an encrypted object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<(u64, u64)>,
}

/// How an object is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard (RFC 8878).
    Zstd,
}

/// How an object is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectEncryption {
    /// age (<https://age-encryption.org/v1>), for the set's recipients.
    Age,
}

/// When a backup began and how long its parts took, by the agent's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Durations {
    /// When it began.
    pub started_at: Time,
    /// When all but the manifest was stored.
    pub completed_at: Time,
    /// Seconds for the dumps of all databases.
    pub dump_seconds: u64,
    /// Seconds for roles and tablespaces.
    pub globals_seconds: u64,
    /// Seconds for directories.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files_seconds: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}
