//! What the operator asks of an agent: the contract between the Jobs it builds and the program
//! inside them. Never a secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    BackupConfirmation, BackupDemotion, BackupDirectory, FileRule, Retention, S3Storage, TableRule,
    TlsMode,
};

/// Environment variable that carries the request as JSON.
pub const REQUEST_VARIABLE: &str = "HOLDFAST_REQUEST";
/// Environment variable with the name of the agent's own Job, from the downward API.
pub const JOB_NAME_VARIABLE: &str = "HOLDFAST_JOB_NAME";
/// Variable that is there if the variables of a proxy were asked for: an image may have some of its
/// own, left over from where it was built.
pub const PROXY_VARIABLE: &str = "HOLDFAST_PROXY";
/// The exit code of an agent whose backup failed, and who has reported that.
pub const FAILED_EXIT_CODE: i32 = 1;
/// How much longer than what its agent does a Job may take, for its pod to start and to report, in seconds.
pub const JOB_MARGIN_SECONDS: u64 = 300;
/// Where the init container puts the static binary.
pub const BINARY_DIRECTORY: &str = "/opt/holdfast/bin";
/// A directory in memory that only the agent can read, for libpq's password file.
pub const WORK_DIRECTORY: &str = "/opt/holdfast/work";
/// Mounted credentials of Postgres: the files `username` and `password`.
pub const POSTGRES_CREDENTIALS_DIRECTORY: &str = "/opt/holdfast/secrets/postgres";
/// Mounted certificate authority of Postgres: the file `ca.crt`.
pub const POSTGRES_CA_DIRECTORY: &str = "/opt/holdfast/secrets/postgres-ca";
/// Mounted client certificate for Postgres: the files `tls.crt` and `tls.key`.
pub const POSTGRES_CERTIFICATE_DIRECTORY: &str = "/opt/holdfast/secrets/postgres-certificate";
/// Mounted credentials of the bucket: the files `accessKeyId` and `secretAccessKey`.
pub const S3_CREDENTIALS_DIRECTORY: &str = "/opt/holdfast/secrets/s3";
/// Mounted certificate authority of the bucket's endpoint: the file `ca.crt`.
pub const S3_CA_DIRECTORY: &str = "/opt/holdfast/secrets/s3-ca";
/// Where the private keys are mounted that read encrypted sets.
pub const IDENTITY_DIRECTORY: &str = "/opt/holdfast/secrets/identity";
/// The file of private keys in it.
pub const IDENTITY_FILE: &str = "identity.txt";

/// What the throwaway server of a drill has, below which its two volumes are mounted.
pub const SCRATCH_DIRECTORY: &str = "/scratch";
/// Its Unix socket, shared by the server and the agent: their only way to each other.
pub const SCRATCH_SOCKET_DIRECTORY: &str = "/scratch/socket";
/// Its data, which only the server mounts.
pub const SCRATCH_DATA_DIRECTORY: &str = "/scratch/data";
/// Mounted credentials that backups use, where a look at the sets has some of its own: the same files.
pub const S3_BACKUP_CREDENTIALS_DIRECTORY: &str = "/opt/holdfast/secrets/s3-backup";
/// Mounted credentials of the bucket that a copy goes to: the same files.
pub const S3_COPY_CREDENTIALS_DIRECTORY: &str = "/opt/holdfast/secrets/s3-copy";
/// Mounted certificate authority of its endpoint: the file `ca.crt`.
pub const S3_COPY_CA_DIRECTORY: &str = "/opt/holdfast/secrets/s3-copy-ca";

/// Where the claim is mounted whose files are looked for.
pub const FILES_DIRECTORY: &str = "/opt/holdfast/files";

/// How an agent reaches the server. The Secrets' names are for error messages; their content is
/// mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRequest {
    /// Host name or address; without it the agent looks for the pod by `pods`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TCP port.
    pub port: u16,
    /// The main database first, then the additional ones.
    pub databases: Vec<String>,
    /// How much encryption to ask for.
    pub tls_mode: TlsMode,
    /// Whether a certificate authority is mounted.
    pub tls_ca: bool,
    /// The name that the server's certificate must be issued for; without it the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
    /// The role to log in as; without it a key of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Name of the Secret with a client certificate, if one is mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_secret: Option<String>,
    /// Name of the Secret with the credentials, and its two keys; empty if there is none.
    pub credentials_secret: String,
    /// Key of the user name.
    pub username_key: String,
    /// Key of the password.
    pub password_key: String,
    /// The start that the host is the address of. Nothing is sent to it unless that very container
    /// runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodReference>,
    /// How to find the pod when there is no host: its labels and the object that controls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodSelection>,
}

impl ServerRequest {
    /// The main database; that of every server if none is named.
    #[must_use]
    pub fn main_database(&self) -> &str {
        self.databases.first().map_or("postgres", String::as_str)
    }
}

/// One start of a pod's container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReference {
    /// Name of the pod.
    pub name: String,
    /// UID of the pod.
    pub uid: String,
    /// Name of the container.
    pub container: String,
    /// Id of the running container.
    pub container_id: String,
}

/// Which pods belong to the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSelection {
    /// A label selector in the form of a query.
    pub selector: String,
    /// Names of the objects (StatefulSet or `ReplicaSet`s) one of which must control the pod; the
    /// prefix `NAME-` is what a Deployment's `ReplicaSet`s share. Empty where the labels alone say it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub controller_kind: String,
    /// Name of the controlling StatefulSet, or of the Deployment whose `ReplicaSet`s control the
    /// pods.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub controller_name: String,
    /// The container that must be running.
    pub container: String,
    /// Whether the labels are those of the primary: then more than one such pod is a failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_primary: bool,
}

/// A check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRequest {
    /// Namespace of everything.
    pub namespace: String,
    /// Name of the ProtectedDatabase.
    pub database: String,
    /// Name of the `DatabaseCheck` whose status is written.
    pub check: String,
    /// How to reach the server; `host` is always set.
    pub server: ServerRequest,
    /// The tables with rules.
    pub tables: Vec<TableRule>,
    /// Whether tables without a rule are counted too.
    pub count_all_tables: bool,
    /// Tables that the last good check found, in addition to those with rules. They are looked for
    /// even when there are more tables than evidence can list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_tables: Vec<KnownTable>,
    /// Budget of the whole check in seconds, waiting for a starting server included.
    pub timeout_seconds: u64,
    /// Budget for counting tables without a rule, in milliseconds.
    #[serde(default = "default_counting_budget")]
    pub counting_milliseconds: u64,
    /// Where the backups are. Set when nothing else remembers what was last known good: then the
    /// newest good backup set says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered_in: Option<S3Storage>,
    /// Which sets there are this database's.
    #[serde(default)]
    pub origin: Origin,
    /// Whether to see if the next backup could read everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looks_ahead: bool,
    /// Tables whose rows the backup leaves out, as `schema.table`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_table_data: Vec<String>,
    /// Whether to ask at the default port, too, without a login.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ask_default_port: bool,
    /// The data directory that the pod configures; empty if it leaves that to its image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub configured_directory: String,
}

/// What a database is known by, whatever names are used again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// UID of the ProtectedDatabase.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database_uid: String,
    /// UIDs of its namespace: of the one that exists, and of those that its ledger was accepted for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespace_uids: Vec<String>,
    /// UID of the namespace `kube-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_cluster: Option<String>,
}

/// A table that the last good check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownTable {
    /// The database that it is in.
    pub database: String,
    /// `schema.table`.
    pub name: String,
    /// Rows that it surely had. One that seems to have far fewer is counted completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
}

fn default_counting_budget() -> u64 {
    10
}

/// One look for the files that the rows of one rule name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilesRequest {
    /// Namespace of everything.
    pub namespace: String,
    /// Name of the `DatabaseCheck` whose status is written.
    pub check: String,
    /// Place of the rule in `spec.verification.files`.
    pub place: usize,
    /// The rule.
    pub rule: FileRule,
    /// How to reach the server; `host` is always set.
    pub server: ServerRequest,
    /// Budget of the whole look in seconds.
    pub timeout_seconds: u64,
    /// The most rows that are read; more are a failure.
    pub path_limit: u64,
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRequest {
    /// Namespace of everything.
    pub namespace: String,
    /// Name of the ProtectedDatabase.
    pub database: String,
    /// UID of the ProtectedDatabase, for the manifest.
    pub database_uid: String,
    /// How to reach the server.
    pub server: ServerRequest,
    /// Where the set goes.
    pub storage: S3Storage,
    /// How long the backup waits in all for a storage that is unavailable or busy, in seconds.
    #[serde(default = "default_retry_seconds")]
    pub retry_seconds: u64,
    /// Longest time the backup may take, in seconds.
    pub deadline_seconds: u64,
    /// How long the backup waits for its turn at most, in seconds, where only so many run at once; without
    /// it, it begins at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_seconds: Option<u64>,
    /// How long the operator's check of the data is waited for before the dump, in seconds.
    #[serde(default = "default_check_seconds")]
    pub check_seconds: u64,
    /// After how long the dump ends for a change of a table that waits for it, in seconds; without it
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yield_seconds: Option<u64>,
    /// Tables whose rows are left out, as `schema.table`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_table_data: Vec<String>,
    /// Directories of claims that belong to the set; their claims are mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<BackupDirectory>,
    /// Public keys that the set is encrypted for; none for a set that is not encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub age_recipients: Vec<String>,
    /// The labels that the manifest carries.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// UID of the namespace `kube-system`, for the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_cluster: Option<String>,
    /// UID of the namespace, for the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
}

impl BackupRequest {
    /// How long its Job may take, in seconds: the wait for its turn, the backup, and the margin.
    #[must_use]
    pub fn job_seconds(&self) -> u64 {
        self.deadline_seconds
            .saturating_add(self.turn_seconds.unwrap_or_default())
            .saturating_add(JOB_MARGIN_SECONDS)
    }
}

/// A look at all sets of a database in its bucket, and the removal of those that no rule keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogRequest {
    /// Namespace of everything.
    pub namespace: String,
    /// Name of the ProtectedDatabase.
    pub database: String,
    /// UID of the ProtectedDatabase.
    pub database_uid: String,
    /// UID of the namespace `kube-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_cluster: Option<String>,
    /// Name of the `DatabaseBackup` whose status gets the report: the newest confirmed one.
    pub backup: String,
    /// Where the sets are.
    pub storage: S3Storage,
    /// The same with the credentials of backups, where the look has some of its own: what the next backup
    /// will do is tried with these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_storage: Option<S3Storage>,
    /// Longest time it may take, in seconds.
    pub deadline_seconds: u64,
    /// Which sets to keep; without it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Whether sets are removed: no run has done so since that backup was confirmed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removes: bool,
    /// Directories whose removal an earlier run began and did not end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removing: Vec<String>,
    /// How many bytes of the sets are read whole each day; none for 0.
    #[serde(default)]
    pub sample_bytes: u64,
    /// Whether only what checks have said is stored, and nothing else is done. `backup` is that which has the
    /// report of the last look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verdicts_only: bool,
}

/// A copy of one set into another bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyRequest {
    /// Namespace of everything.
    pub namespace: String,
    /// Name of the ProtectedDatabase.
    pub database: String,
    /// Name of the `DatabaseBackup` whose set is copied, and whose status gets the report.
    pub backup: String,
    /// Name of the copy.
    pub copy: String,
    /// Where the set is.
    pub source: S3Storage,
    /// Its directory there.
    pub path: String,
    /// SHA-256 of its manifest, in hex.
    pub manifest_sha256: String,
    /// Where the copy goes.
    pub target: S3Storage,
    /// The check that has confirmed the backup; none if it was demoted since, or none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<BackupConfirmation>,
    /// The check that has demoted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demoted: Option<BackupDemotion>,
    /// Whether the copy is Complete, and only what checks say since is missing beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_complete: bool,
    /// How long each of both storages is waited for in all, in seconds.
    pub retry_seconds: u64,
    /// Longest time it may take, in seconds.
    pub deadline_seconds: u64,
}

fn default_retry_seconds() -> u64 {
    3600
}

fn default_check_seconds() -> u64 {
    300
}
