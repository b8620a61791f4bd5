//! What to back up, where to and for how long: the `backup` part of a `ProtectedDatabase`.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bounded_schema::pairs;
use super::{AgentResources, BackupCopy, BackupDirectory, S3CredentialsSecret, Storage};

/// Where a storage is, in CEL: bucket, endpoint and prefix.
macro_rules! place {
    ($of:literal) => {
        concat!(
            "[",
            $of,
            ".bucket, has(",
            $of,
            ".endpoint) ? (",
            $of,
            ".endpoint.endsWith('/') ? ",
            $of,
            ".endpoint : ",
            $of,
            ".endpoint + '/') : '', has(",
            $of,
            ".prefix) ? ",
            $of,
            ".prefix : '']"
        )
    };
}

/// Backups with `pg_dump` to an S3 bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(concat!("!has(self.copies) || self.copies.all(copy, ",
    place!("copy.storage.s3"), " != ", place!("self.storage.s3"), ")"))
    .message("spec.backup.copies has a copy in the bucket and below the prefix of \
        spec.backup.storage: that is no copy. Name another bucket"))]
#[x_kube(validation = Rule::new(concat!("!has(self.copies) || self.copies.all(copy, \
    self.copies.exists_one(other, ", place!("other.storage.s3"), " == ", place!("copy.storage.s3"), "))"))
    .message("spec.backup.copies has two copies in one bucket and below one prefix: name another \
        bucket for one of them"))]
#[x_kube(validation = Rule::new("!has(self.directories) || self.directories.all(one, \
    self.directories.exists_one(other, other.claim == one.claim && \
    (has(other.path) ? other.path : '') == (has(one.path) ? one.path : '')))")
    .message("spec.backup.directories names a directory of a claim twice: name each once"))]
#[x_kube(validation = Rule::new("!has(self.directories) || self.directories.all(one, \
    one.?runAsUser.orValue(0) == self.directories[0].?runAsUser.orValue(0) && \
    one.?runAsGroup.orValue(0) == self.directories[0].?runAsGroup.orValue(0))")
    .message("spec.backup.directories: runAsUser and runAsGroup must be the same for all directories: \
        one pod reads all of them"))]
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
    /// How long after each tick of the schedule the backup may begin, such as `2h`: at a minute of its
    /// own, which the UID of this object decides, so that many databases with one schedule do not begin
    /// together. `status.nextBackup` says when. 1 m to 24 h. Default: at the tick itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h|d))+$"), length(max = 20))]
    pub window: Option<String>,
    /// Where the backups go.
    pub storage: Storage,
    /// Which backups to keep. Older ones are removed from the bucket after a new backup is confirmed, at
    /// most once a day. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Further buckets that get a copy of every backup, each by Jobs of its own: at most 4. Nothing is
    /// ever removed from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub copies: Vec<BackupCopy>,
    /// How much of the sets in the bucket is read back each day and compared with the SHA-256 of its
    /// manifest, such as `10Gi`: the sets in turn, each as a whole. What was not needed is added up for a
    /// set that is larger. `"Off"` (quoted) for none.
    #[serde(default = "default_verify_sample")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,4}(Mi|Gi|Ti)|Off)$"))]
    pub verify_sample: String,
    /// Directories of other claims to archive in the same backup set, after the snapshot of the
    /// databases. A backup whose files could not all be read does not count. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub directories: Vec<BackupDirectory>,
    /// Encryption of dumps, roles and directories before they are uploaded. The manifest is not encrypted: names,
    /// numbers and digests of tables are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Timeout of one backup, such as `6h` or `90m`. A backup that takes longer is ended and marked
    /// Failed. 1 s to 7 d.
    #[serde(default = "default_deadline")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h|d))+$"), length(max = 20))]
    pub deadline: String,
    /// After how long a backup ends for a change of a table that waits for it, such as an
    /// `ALTER TABLE` of a migration: while it waits, every query of that table waits as well. The
    /// backup is tried again, at most 3 times in all. 1 s to 1 d, or `"Off"` (quoted: YAML reads the
    /// unquoted word as false).
    #[serde(default = "default_yield_to_ddl", rename = "yieldToDDL")]
    #[schemars(regex(pattern = r"^(([0-9]+(s|m|h|d))+|Off)$"), length(max = 20))]
    pub yield_to_ddl: String,
    /// Requests and limits of the backup's containers, in place of those of `spec.agents.resources`.
    /// A dump needs four times the largest value of a row: with values of 500 MB a memory limit of
    /// 3Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<AgentResources>,
    /// Tables whose rows are not in the backup, as `schema.table`; the tables themselves are. Not
    /// those with `minRows`. Of a partitioned table no partition has rows in the backup. Holds for
    /// every database that has such a table. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(max = 127),
            regex(pattern = r#"^[^.\s"';]{1,63}\.[^.\s"';]{1,63}$"#)
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub exclude_table_data: Vec<String>,
    /// Labels that the manifest of each set carries, such as the version of the application. At most
    /// 32, of at most 256 characters each. No secrets: whoever may read the bucket can read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "pairs::<256>")]
    pub labels: BTreeMap<String, String>,
}

/// Which confirmed backups to keep. A backup is kept while at least one rule keeps it. Those that do not
/// count stay until newer ones that count are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.keepLast) || has(self.keepDays) || has(self.keepWeekly) \
    || has(self.keepMonthly)")
    .message("spec.backup.retention needs at least one rule: keepLast, keepDays, keepWeekly or \
        keepMonthly"))]
pub struct Retention {
    /// Keep this many of the newest, at least 1. The newest is always kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub keep_last: Option<i32>,
    /// Keep those of this many days before the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub keep_days: Option<i32>,
    /// Keep the newest of each of this many weeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 520))]
    pub keep_weekly: Option<i32>,
    /// Keep the newest of each of this many months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 120))]
    pub keep_monthly: Option<i32>,
    /// Access key of the look at the sets, which removes them, in place of that of the backups: then only
    /// this one needs to be allowed to delete. It is never in a pod with an image of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<S3CredentialsSecret>,
}

impl Backup {
    /// The access key of the look at the sets.
    #[must_use]
    pub fn look_credentials(&self) -> Option<&S3CredentialsSecret> {
        let own = self.retention.as_ref();
        let own = own.and_then(|retention| retention.credentials_secret.as_ref());
        own.or(self.storage.s3.credentials_secret.as_ref())
    }

    /// Whether the look at the sets has another access key than backups.
    #[must_use]
    pub fn has_look_credentials(&self) -> bool {
        self.look_credentials() != self.storage.s3.credentials_secret.as_ref()
    }
}

/// Encryption of backups with age (<https://age-encryption.org>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
// On the object and not on its field: the API server repeats the value of a text that it refuses.
#[x_kube(validation = Rule::new("!has(self.ageRecipients) || self.ageRecipients.all(key, \
    !key.lowerAscii().contains('age-secret-key'))")
    .message("spec.backup.encryption.ageRecipients has a private key, which must be in no spec: write \
        the public key (age1...) there. Make a new pair of keys, because this one has been sent"))]
#[x_kube(validation = Rule::new("has(self.ageRecipients) && self.ageRecipients.all(key, \
    key.matches('^age1[02-9ac-hj-np-z]{58}$'))")
    .message("spec.backup.encryption.ageRecipients must be public keys of age, as age-keygen prints \
        them: age1 and 58 letters and digits"))]
pub struct Encryption {
    /// Who can read the backups: public keys as `age-keygen` prints them, `age1...`. Each can read all
    /// of a set by itself. Keep the private keys outside of the cluster: without one of them a set
    /// can't be restored. 1 to 16.
    // A spec of an earlier version has none. It is refused, and must not be unreadable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 128)))]
    pub age_recipients: Vec<String>,
}

fn default_deadline() -> String {
    "6h".to_owned()
}

fn default_verify_sample() -> String {
    "10Gi".to_owned()
}

fn default_yield_to_ddl() -> String {
    "30s".to_owned()
}
