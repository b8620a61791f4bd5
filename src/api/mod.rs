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
mod confirmation;
mod connection;
mod database_backup;
mod database_check;
mod database_ledger;
mod database_restore;
mod declared_change;
mod evidence;
mod file_rule;
mod finding;
mod finding_parts;
mod finding_schema;
mod mounted_volume;
pub mod names;
mod protected_database;
mod protected_database_status;
pub mod reasons;
mod valid_name;
mod without_login;

pub use agent_request::{
    BINARY_DIRECTORY, BackupRequest, CheckRequest, FILES_DIRECTORY, FilesRequest,
    JOB_NAME_VARIABLE, KnownTable, POSTGRES_CA_DIRECTORY, POSTGRES_CERTIFICATE_DIRECTORY,
    POSTGRES_CREDENTIALS_DIRECTORY, PodReference, PodSelection, REQUEST_VARIABLE, S3_CA_DIRECTORY,
    S3_CREDENTIALS_DIRECTORY, ServerRequest, WORK_DIRECTORY,
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
pub use confirmation::{
    CLOCK_TOLERANCE, CONFIRMATION_LIMIT, CONFIRMATION_TIME, Confirmation, ConfirmedVerb,
};
pub use connection::{
    ClientCertificateSecret, Connection, CredentialsSecret, DEFAULT_PORT, SecretKey, Tls, TlsMode,
};
pub use database_backup::{BackupState, DatabaseBackup, DatabaseBackupSpec, DatabaseBackupStatus};
pub use database_check::{
    BackupElsewhere, BackupEvidence, CheckTarget, CheckTrigger, CheckVerdict, DatabaseCheck,
    DatabaseCheckSpec, DatabaseCheckStatus,
};
pub use database_ledger::{
    BestCount, DatabaseLedger, DatabaseLedgerSpec, DatabaseLedgerStatus, LEDGER_NAMESPACE_LIMIT,
    LEDGER_VOLUME_LIMIT, LedgerBaseline, RememberedBackup, RememberedVolume,
};
pub use database_restore::{
    DatabaseRestore, DatabaseRestoreSpec, DatabaseRestoreStatus, RestoreSource, RestoreState,
    RestoreTarget,
};
pub use declared_change::{DECLARATION_LIMIT, DeclaredChange};
pub use evidence::{
    CountKind, Coverage, DatabaseEvidence, EVIDENCE_OTHER_DATABASE_LIMIT, EVIDENCE_SEQUENCE_LIMIT,
    EVIDENCE_TABLE_LIMIT, Evidence, IMAGE_VOLUME_LIMIT, Identity, ImageEvidence,
    NOT_COUNTED_NAME_LIMIT, NotCounted, NotCountedReason, OtherDatabase, SequenceEvidence,
    TableEvidence, TableName,
};
pub use file_rule::{FILE_RULE_LIMIT, FileRule, place};
pub use finding::{FINDING_ITEM_LIMIT, FINDING_LIMIT, Finding};
pub use finding_parts::{
    ClusterState, LostDatabase, RenamedTable, RowCount, RowLimit, SequenceChange, TableChange,
};
pub use mounted_volume::MountedVolume;
pub use protected_database::{
    Baseline, DeletionGuard, Gate, Guard, ProtectedDatabase, ProtectedDatabaseSpec, TableRule,
    Verification, WhenUnverifiable, Workload, WorkloadKind,
};
pub use protected_database_status::{
    BackupSummary, BaselineStatus, CheckSummary, ClaimStatus, ProtectedDatabaseStatus,
};
pub use valid_name::{is_namespace_name, is_object_name, split_owner};
pub use without_login::{LoginMethod, WithoutLogin};
