//! The public API: the kinds of `holdfast.dev/v1alpha1`, their conditions, labels and names. No
//! I/O.
#![warn(missing_docs)]

mod age_recipient;
mod agent_request;
mod agents;
mod answered;
mod backup_copy;
mod backup_directory;
mod backup_progress;
mod backup_spec;
mod backup_storage;
mod backup_turn;
mod backup_verdict;
mod bounded_schema;
mod carried_out;
mod catalog_report;
mod check_outcome;
mod checked_files;
mod condition_status;
mod condition_types;
mod conditions;
mod confirmation;
mod connection;
mod csi_source;
mod data_disk;
mod database_backup;
mod database_check;
mod database_ledger;
mod database_restore;
mod declared_change;
mod drill_report;
mod drill_spec;
mod drill_status;
mod evidence;
mod file_rule;
mod finding;
mod finding_parts;
mod finding_schema;
mod google_disk;
mod mounted_volume;
pub mod names;
mod other_backups;
mod pod_labels;
mod protected_database;
mod protected_database_status;
pub mod reasons;
mod restore_report;
mod restore_request;
mod restore_settings;
mod restored_files;
mod set_reads;
mod set_source;
mod storage;
mod storage_endpoint;
mod storage_name;
#[cfg(test)]
mod storage_samples;
mod valid_name;
mod volume_hosts;
mod volume_source;
mod wal_position;
mod without_login;
mod workload_kind;
mod workload_name;

pub use age_recipient::parse_age_recipient;
pub use agent_request::{
    BINARY_DIRECTORY, BackupRequest, CatalogRequest, CheckRequest, CopyRequest, FAILED_EXIT_CODE,
    FILES_DIRECTORY, FilesRequest, IDENTITY_DIRECTORY, IDENTITY_FILE, JOB_MARGIN_SECONDS,
    JOB_NAME_VARIABLE, KnownTable, Origin, POSTGRES_CA_DIRECTORY, POSTGRES_CERTIFICATE_DIRECTORY,
    POSTGRES_CREDENTIALS_DIRECTORY, PROXY_VARIABLE, PodReference, PodSelection, REQUEST_VARIABLE,
    S3_BACKUP_CREDENTIALS_DIRECTORY, S3_CA_DIRECTORY, S3_COPY_CA_DIRECTORY,
    S3_COPY_CREDENTIALS_DIRECTORY, S3_CREDENTIALS_DIRECTORY, SCRATCH_DATA_DIRECTORY,
    SCRATCH_DIRECTORY, SCRATCH_SOCKET_DIRECTORY, ServerRequest, WORK_DIRECTORY,
};
pub use agents::{
    AGENT_RESOURCES, AgentResources, AgentSecurityContext, AgentVariable, Agents, RESERVED_KEYS,
    RESERVED_VARIABLES,
};
pub use answered::Answered;
pub use backup_copy::{BackupCopy, BackupCopyState, BackupCopyStatus, COPY_LIMIT, CopiedVerdict};
pub use backup_directory::{BackupDirectory, claim_mount, claims_of};
pub use backup_progress::BackupProgress;
pub use backup_spec::{Backup, Encryption, Retention};
pub use backup_storage::{
    EncryptionAlgorithm, ObjectLock, ObjectLockMode, S3CredentialsSecret, S3Profile, S3Storage,
    ServerSideEncryption, Storage,
};
pub use backup_turn::{BackupTurn, TURN_NAME_LIMIT};
pub use backup_verdict::{BackupConfirmation, BackupDemotion, BackupSnapshot, BackupVerdict};
pub use carried_out::CarriedOut;
pub use catalog_report::{
    CATALOG_LIMIT, CATALOG_TEXT_LIMIT, CatalogReport, CatalogSummary, DAMAGED_LIMIT, PlannedSet,
    VerdictReport,
};
pub use check_outcome::{AgentFailure, CheckOutcome};
pub use checked_files::{CheckedFiles, FILE_NAME_LIMIT, FILE_PATH_LIMIT};
pub use condition_status::ConditionStatus;
pub use condition_types::{
    ConditionAlert, ConditionEvents, ConditionRow, ConditionType, Severity, Subject,
    TransitionEvent, Unasked, passes_by_itself,
};
pub use conditions::{
    ConditionChange, DesiredCondition, find_condition, set_condition, whole_seconds,
};
pub use confirmation::{
    CLOCK_TOLERANCE, CONFIRMATION_LIMIT, CONFIRMATION_TIME, Confirmation, ConfirmedVerb,
};
pub use connection::{
    ClientCertificateSecret, Connection, CredentialsSecret, DEFAULT_PORT, SecretKey, Tls, TlsMode,
};
pub use data_disk::DataDisk;
pub use database_backup::{
    BackupState, DatabaseBackup, DatabaseBackupSpec, DatabaseBackupStatus, FAILED_BACKUPS_KEPT,
};
pub use database_check::{
    BackupEvidence, CheckTarget, CheckTrigger, CheckVerdict, DatabaseCheck, DatabaseCheckSpec,
    DatabaseCheckStatus,
};
pub use database_ledger::{
    BestCount, DatabaseLedger, DatabaseLedgerSpec, DatabaseLedgerStatus, LEDGER_NAMESPACE_LIMIT,
    LEDGER_VOLUME_LIMIT, LedgerBaseline, RememberedBackup, RememberedVolume,
};
pub use database_restore::{
    DatabaseRestore, DatabaseRestoreSpec, DatabaseRestoreStatus, RestoreFrom, RestoreSource,
    RestoreState, RestoreTarget, RestoredSet,
};
pub use declared_change::{DECLARATION_LIMIT, DeclaredChange};
pub use drill_report::{
    DRILL_NAME_LIMIT, DrillFailureClass, DrillReport, DrillTimes, DrilledColumn, DrilledQuery,
};
pub use drill_spec::{
    DRILL_FRESHNESS_LIMIT, DRILL_QUERY_LIMIT, Drill, DrillFreshness, DrillQuery, DrillSelection,
    DrillStorage,
};
pub use drill_status::{BackupDrill, DrillSummary, ProvenBackup};
pub use evidence::{
    CountKind, Coverage, DatabaseEvidence, EVIDENCE_OTHER_DATABASE_LIMIT, EVIDENCE_SEQUENCE_LIMIT,
    EVIDENCE_TABLE_LIMIT, Evidence, IMAGE_VOLUME_LIMIT, Identity, ImageEvidence,
    NOT_COUNTED_NAME_LIMIT, NotCounted, NotCountedReason, OtherDatabase, SequenceEvidence,
    TableEvidence, TableName,
};
pub use file_rule::{FILE_RULE_LIMIT, FileRule, place};
pub use finding::{FINDING_LIMIT, Finding};
pub use finding_parts::{
    ClusterState, FINDING_ITEM_LIMIT, LostDatabase, RenamedTable, RowCount, RowLimit,
    SequenceChange, TableChange,
};
pub use mounted_volume::MountedVolume;
pub use other_backups::OtherBackups;
pub use pod_labels::PodLabels;
pub use protected_database::{
    Baseline, DeletionGuard, Gate, Guard, ProtectedDatabase, ProtectedDatabaseSpec, TableRule,
    Verification, WhenUnverifiable, Workload,
};
pub use protected_database_status::{
    BackupSummary, BaselineStatus, CheckSummary, ClaimStatus, MarkedWorkload,
    ProtectedDatabaseStatus,
};
pub use restore_report::{
    RESTORE_PROBLEM_LIMIT, RESTORE_WARNING_LIMIT, RESTORED_DATABASE_LIMIT, RESTORED_TABLE_LIMIT,
    RestorePhase, RestoreReport, RestoredDatabase, RestoredTable,
};
pub use restore_request::{DrillRequest, FreshColumn, RestoreRequest};
pub use restore_settings::{Restore, default_jobs};
pub use restored_files::{FilesToRestore, RestoredDirectory, RestoredFiles};
pub use set_reads::{BackupRead, SampleReport, SetRead, SetRemark};
pub use set_source::SetSource;
pub use storage::{VolumeStorage, is_same_handle};
pub use storage_endpoint::{host_of_endpoint, is_address_of_node, is_host_of_node_or_cluster};
pub use valid_name::{
    is_label_key, is_label_value, is_namespace_name, is_object_name, split_owner,
};
pub use wal_position::WalPosition;
pub use without_login::{LoginMethod, WithoutLogin};
pub use workload_kind::WorkloadKind;
