//! The public API: the kinds of `holdfast.dev/v1alpha1`, their conditions, labels and names. No
//! I/O.
#![warn(missing_docs)]

mod agent_request;
mod backup_spec;
mod check_outcome;
mod checked_files;
mod condition_status;
mod condition_types;
mod conditions;
mod connection;
mod database_backup;
mod database_check;
mod database_ledger;
mod database_restore;
mod declared_change;
mod evidence;
mod file_rule;
mod finding;
mod mounted_volume;
pub mod names;
mod protected_database;
mod protected_database_status;
pub mod reasons;

pub use agent_request::{
    BINARY_DIRECTORY, BackupRequest, CheckRequest, FILES_DIRECTORY, FilesRequest,
    JOB_NAME_VARIABLE, POSTGRES_CA_DIRECTORY, POSTGRES_CREDENTIALS_DIRECTORY, PodSelection,
    REQUEST_VARIABLE, S3_CA_DIRECTORY, S3_CREDENTIALS_DIRECTORY, ServerRequest, WORK_DIRECTORY,
};
pub use backup_spec::{
    Backup, BackupDirectory, Drill, Encryption, ObjectLock, ObjectLockMode, Retention,
    S3CredentialsSecret, S3Storage, Storage,
};
pub use check_outcome::{AgentFailure, CheckOutcome};
pub use checked_files::{CheckedFiles, FILE_NAME_LIMIT, FILE_PATH_LIMIT};
pub use condition_status::ConditionStatus;
pub use condition_types::{
    ConditionAlert, ConditionEvents, ConditionRow, ConditionType, Severity, Subject,
    TransitionEvent, Unasked, passes_by_itself,
};
pub use conditions::{ConditionChange, DesiredCondition, find_condition, set_condition};
pub use connection::{Connection, CredentialsSecret, SecretKey, Tls, TlsMode};
pub use database_backup::{BackupState, DatabaseBackup, DatabaseBackupSpec, DatabaseBackupStatus};
pub use database_check::{
    BackupEvidence, CheckTarget, CheckTrigger, CheckVerdict, DatabaseCheck, DatabaseCheckSpec,
    DatabaseCheckStatus,
};
pub use database_ledger::{
    DatabaseLedger, DatabaseLedgerSpec, DatabaseLedgerStatus, LEDGER_VOLUME_LIMIT, LedgerBaseline,
    RememberedBackup, RememberedVolume,
};
pub use database_restore::{
    DatabaseRestore, DatabaseRestoreSpec, DatabaseRestoreStatus, RestoreSource, RestoreState,
    RestoreTarget,
};
pub use declared_change::{DECLARATION_LIMIT, DeclaredChange};
pub use evidence::{
    CountKind, DatabaseEvidence, EVIDENCE_TABLE_LIMIT, Evidence, Identity, TableEvidence, TableName,
};
pub use file_rule::{FILE_RULE_LIMIT, FileRule, place};
pub use finding::{
    ClusterState, FINDING_ITEM_LIMIT, FINDING_LIMIT, Finding, LostDatabase, RowCount, RowLimit,
    TableChange,
};
pub use mounted_volume::MountedVolume;
pub use protected_database::{
    Baseline, DeletionGuard, Gate, Guard, ProtectedDatabase, ProtectedDatabaseSpec, TableRule,
    Verification, WhenUnverifiable, Workload, WorkloadKind,
};
pub use protected_database_status::{
    BackupSummary, BaselineStatus, CheckSummary, ClaimStatus, ProtectedDatabaseStatus,
};
