//! Where in the life of its database a set was taken, for the status of the `DatabaseBackup`.

use crate::api::BackupSnapshot;
use crate::store::ManifestIdentity;

/// The position that the manifest notes.
pub fn describe_snapshot(identity: &ManifestIdentity) -> BackupSnapshot {
    BackupSnapshot {
        time: identity.snapshot_time.clone(),
        timeline: identity.timeline,
        wal_position: identity.wal_position.clone(),
    }
}
