//! Which set is taken, from where, and by what names the server knows those who take it.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::api::BackupRequest;
use crate::postgres::Presence;
use crate::store::{SetPath, StoreLimits};

use super::{BackupMeter, DUMP_APPLICATION_NAME, MountedFiles};

/// Which set is taken, from where.
#[derive(Clone, Debug)]
pub struct SetOrder<'request> {
    /// What the operator asks for.
    pub request: &'request BackupRequest,
    /// Where the credentials are.
    pub files: &'request MountedFiles,
    /// The server.
    pub host: String,
    /// Whether the server is still the one that was found.
    pub presence: Option<Presence>,
    /// Name of the `DatabaseBackup`.
    pub backup: String,
    /// The set's directory.
    pub path: SetPath,
    /// How long the storage is waited for.
    pub limits: StoreLimits,
    /// The image that the agent and `pg_dump` run from, with its digest, if that is known.
    pub image: Option<String>,
    /// How long to wait before a set is begun again that had to end for a change of a table.
    pub pause: Duration,
    /// What shows how far it is.
    pub meter: BackupMeter,
    /// Another program as `pg_dump`.
    pub dump_program: Option<PathBuf>,
}

impl SetOrder<'_> {
    /// What agents call themselves while they dump this database, and while they dump it for this set.
    /// Postgres keeps 63 bytes.
    #[must_use]
    pub fn application_names(&self) -> (String, String) {
        let request = self.request;
        let whose = format!(
            "{}/{}/{}",
            request.namespace, request.database, request.database_uid
        );
        let digest = hex::encode(Sha256::digest(whose));
        let of_database = format!("{DUMP_APPLICATION_NAME} {} ", &digest[..8]);
        let set = self.path.as_str().rsplit('/').next().unwrap_or_default();
        let of_set = format!("{of_database}{set}");
        (of_database, of_set)
    }

    /// The number of the lock in the server that only one backup of a database can have.
    #[must_use]
    pub fn lock_number(&self) -> i64 {
        let whose = format!("holdfast backup {}", self.request.database_uid);
        let digest: [u8; 32] = Sha256::digest(whose).into();
        let bytes = digest.iter().take(8);
        bytes.fold(0, |number, byte| (number << 8) | i64::from(*byte))
    }
}
