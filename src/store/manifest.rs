//! What `manifest.json` says, format version 1. Data only: no command, no key, no absolute path.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// The format that this version writes.
pub const FORMAT_VERSION: u32 = 1;

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
    /// The objects of the set, except the manifest.
    pub objects: Vec<ManifestObject>,
    /// Public keys that the set is encrypted for; empty if it is not encrypted.
    pub recipients: Vec<String>,
    /// When the backup began and how long its parts took.
    pub durations: Durations,
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

/// Which `ProtectedDatabase` a set belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtectedDatabaseReference {
    pub namespace: String,
    pub name: String,
    pub uid: String,
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
}

/// A table in the dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestTable {
    pub schema: String,
    pub name: String,
    /// Rows, counted in the dump.
    pub rows: u64,
    /// Bytes of the rows in COPY's text format.
    pub bytes: u64,
    /// SHA-256 of these bytes, in hex.
    pub sha256: String,
}

/// The large objects of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestLargeObjects {
    /// How many.
    pub count: u64,
    pub bytes: u64,
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
}

/// How an object is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard (RFC 8878).
    Zstd,
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
}
