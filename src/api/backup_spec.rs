//! What to back up, where to and for how long: the `backup` and `drill` parts of a
//! `ProtectedDatabase`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretKey;

/// Backups with `pg_dump` to an S3 bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// When to take a backup, as five cron fields or a macro such as `@daily`
    /// (<https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>).
    #[schemars(
        regex(
            pattern = r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|\S+(\s+\S+){4})$"
        ),
        length(max = 100)
    )]
    pub schedule: String,
    /// Time zone of the schedule, by its name in the IANA database. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Where the backups go.
    pub storage: Storage,
    /// Which backups to keep. Not supported yet: nothing is ever deleted from the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Directories of other claims to archive in the same backup set. Not supported yet: they are
    /// not in the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub directories: Vec<BackupDirectory>,
    /// Encryption of what is uploaded. Not supported yet: while this is set, no backup is taken, so
    /// that nothing is uploaded unencrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Timeout of one backup, such as `6h` or `90m`. A backup that takes longer is ended and marked
    /// Failed. 1 s to 7 d.
    #[serde(default = "default_deadline")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h|d))+$"), length(max = 20))]
    pub deadline: String,
}

/// Where backups are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// An S3 bucket, at Amazon or any compatible server.
    pub s3: S3Storage,
}

/// An S3 bucket and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Storage {
    /// Name of the bucket. It must exist; Holdfast does not create buckets.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub bucket: String,
    /// Path inside the bucket below which everything is written, without leading or trailing slash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*)?$"),
        length(max = 256)
    )]
    pub prefix: String,
    /// URL of the server, such as `http://s3.storage:9000`. Default: Amazon's for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^/\s?#]+/?$"), length(max = 300))]
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    #[serde(default = "default_region")]
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Whether the bucket is part of the path (`http://host/bucket`) and not of the host name. Most
    /// servers other than Amazon's need it.
    #[serde(default)]
    pub force_path_style: bool,
    /// Secret in the same namespace with the access key. Agents mount it; the operator never reads
    /// it.
    pub credentials_secret: S3CredentialsSecret,
    /// Certificate authority (PEM) of an `https` endpoint, in addition to the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<SecretKey>,
    /// Retention lock on every uploaded object. Not supported yet: objects are uploaded without a
    /// lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
}

/// A Secret with an S3 access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3CredentialsSecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key that holds the access key's id.
    #[serde(default = "default_access_key_id_key")]
    #[schemars(length(min = 1, max = 253))]
    pub access_key_id_key: String,
    /// Key that holds the secret access key.
    #[serde(default = "default_secret_access_key_key")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_access_key_key: String,
}

/// S3 Object Lock (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLock {
    /// Who may shorten the lock.
    pub mode: ObjectLockMode,
    /// How long each object is locked, in days, 1 to 3650.
    #[schemars(range(min = 1, max = 3650))]
    pub days: i32,
}

/// Who may shorten an object's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ObjectLockMode {
    /// Users with a special permission.
    Governance,
    /// Nobody.
    Compliance,
}

/// Which good backups to keep. A backup is kept while at least one rule keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.keepLast) || has(self.keepDays) || has(self.keepWeekly) \
    || has(self.keepMonthly)")
    .message("spec.backup.retention needs at least one rule: keepLast, keepDays, keepWeekly or \
        keepMonthly"))]
pub struct Retention {
    /// Keep this many of the newest, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub keep_last: Option<i32>,
    /// Keep those of this many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub keep_days: Option<i32>,
    /// Keep one per week for this many weeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 520))]
    pub keep_weekly: Option<i32>,
    /// Keep one per month for this many months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 120))]
    pub keep_monthly: Option<i32>,
}

/// A directory on a claim that belongs to the backup set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupDirectory {
    /// Name of the claim, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
    /// Path on the claim, relative and without `..`. Default: all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub path: String,
}

/// Encryption of backups with age (<https://age-encryption.org>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// Secret whose key lists the recipients (public keys), one per line.
    pub age_recipients_secret: SecretKey,
}

/// Regular restores of a backup into a temporary server, to prove that backups work. Not supported
/// yet: nothing is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drill {
    /// When, in the format of `spec.backup.schedule`.
    #[schemars(
        regex(
            pattern = r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|\S+(\s+\S+){4})$"
        ),
        length(max = 100)
    )]
    pub schedule: String,
}

fn default_deadline() -> String {
    "6h".to_owned()
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_access_key_id_key() -> String {
    "accessKeyId".to_owned()
}

fn default_secret_access_key_key() -> String {
    "secretAccessKey".to_owned()
}
