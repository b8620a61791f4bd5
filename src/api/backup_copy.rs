//! Copies of backups in further buckets: where they go, and how far each one is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{S3Storage, Storage};

/// The most copies of one database's backups.
pub const COPY_LIMIT: usize = 4;

/// A further bucket that gets a copy of every backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupCopy {
    /// Name of the copy, such as `offsite`: lowercase letters, digits and hyphens, at most 30.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$"))]
    pub name: String,
    /// Where the copy goes: not below the bucket and prefix of `spec.backup.storage`. Its Secrets are
    /// mounted only in the Job that copies, which never runs in the image of the database.
    pub storage: Storage,
}

/// How far one copy of a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupCopyStatus {
    /// Name of the copy, as in `spec.backup.copies`.
    #[schemars(length(max = 30))]
    pub name: String,
    /// State of the copy.
    pub state: BackupCopyState,
    /// Since when, by the clock of a node.
    pub time: Time,
    /// The Job that said so.
    #[schemars(length(max = 63))]
    pub job: String,
    /// One word for what failed, listed in `docs/conditions.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// What happened and what to do next. Never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// The bucket that the copy is in.
    #[schemars(length(max = 63))]
    pub bucket: String,
    /// The endpoint of its object store; none means Amazon's endpoint for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub endpoint: Option<String>,
    /// Its directory in that bucket.
    #[schemars(length(max = 1024))]
    pub path: String,
    /// What the copy says beside its manifest: whether the backup counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<CopiedVerdict>,
}

/// The state of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BackupCopyState {
    /// It is being copied. Nothing of it is to be seen as a set.
    Running,
    /// Every object is there, and its manifest.
    Complete,
    /// It could not be copied. It is tried again.
    Failed,
}

/// What a copy says beside its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CopiedVerdict {
    /// A good check has found the same data.
    Confirmed,
    /// A reset was found, and no good check lies between it and the backup.
    Demoted,
}

impl BackupCopyStatus {
    /// Whether every object is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == BackupCopyState::Complete
    }

    /// Whether its Job has reported the end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        // Of what is Complete already, a message is.
        self.state != BackupCopyState::Running && self.message.is_some()
    }

    /// Whether it is in the bucket that a copy goes to now.
    #[must_use]
    pub fn is_in(&self, storage: &S3Storage) -> bool {
        storage.is_bucket(&self.bucket, self.endpoint.as_deref()) && storage.contains(&self.path)
    }
}

/// An endpoint without what does not tell one server from another.
fn plain(endpoint: Option<&str>) -> String {
    let endpoint = endpoint.unwrap_or_default();
    endpoint.trim_end_matches('/').to_ascii_lowercase()
}

impl S3Storage {
    /// Whether it is in this bucket of the object store at this endpoint.
    #[must_use]
    pub fn is_bucket(&self, bucket: &str, endpoint: Option<&str>) -> bool {
        self.bucket == bucket && plain(self.endpoint.as_deref()) == plain(endpoint)
    }

    /// Whether another one is the same place: what one of them writes, the other one would.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        let place = |storage: &Self| {
            let prefix = storage.prefix.trim_matches('/').to_owned();
            let endpoint = plain(storage.endpoint.as_deref());
            (storage.bucket.clone(), endpoint, prefix)
        };
        place(self) == place(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_however_it_is_spelled() {
        let storage = |bucket: &str, endpoint: Option<&str>, prefix: &str| S3Storage {
            bucket: bucket.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            prefix: prefix.to_owned(),
            ..S3Storage::default()
        };
        let one = storage("backups", Some("https://s3.example.com"), "prod");
        for (other, is_same) in [
            (
                storage("backups", Some("https://S3.example.com/"), "prod"),
                true,
            ),
            (
                storage("backups", Some("https://s3.example.com"), "prod/eu"),
                false,
            ),
            (
                storage("offsite", Some("https://s3.example.com"), "prod"),
                false,
            ),
            (
                storage("backups", Some("https://s3.example.org"), "prod"),
                false,
            ),
            (storage("backups", None, "prod"), false),
        ] {
            assert_eq!(one.is_same_place(&other), is_same, "{other:?}");
        }
    }
}
