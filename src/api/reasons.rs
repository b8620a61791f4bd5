//! Every reason that a condition, a check or a backup can give, with what it means and what to do.
//! `docs/conditions.md` is generated from this table.

/// One reason and its explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonDocument {
    /// The word in `reason`.
    pub reason: &'static str,
    /// The conditions that carry it, with their value.
    pub conditions: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Guarded, verified, backed up, and the data does not look reset.
pub const ALL_GOOD: &str = "AllGood";
/// One of the other conditions is not as it should be; the message names the first.
pub const NOT_READY: &str = "NotReady";
/// The operator is still at work: marks are being set, or a first check or backup is on its way.
pub const PROGRESSING: &str = "Progressing";
/// Nothing is left to do for now.
pub const SETTLED: &str = "Settled";
/// A field of the spec can't be acted on; the message names it.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// There is no workload of the name in `spec.workload`.
pub const WORKLOAD_NOT_FOUND: &str = "WorkloadNotFound";
/// Both a StatefulSet and a Deployment have the name in `spec.workload.name`, or another ProtectedDatabase names the same workload.
pub const WORKLOAD_AMBIGUOUS: &str = "WorkloadAmbiguous";
/// The pod template has no container of the name in `spec.workload.container`, or several and none was named.
pub const CONTAINER_NOT_FOUND: &str = "ContainerNotFound";
/// Another ProtectedDatabase guards one of the claims already; its marks are left as they are.
pub const CLAIM_SHARED: &str = "ClaimShared";
/// The ProtectedDatabase was deleted without confirmation; its guard stays until the deletion is confirmed.
pub const DELETION_NOT_CONFIRMED: &str = "DeletionNotConfirmed";
/// The API server refused or did not answer a write; it is tried again.
pub const WRITE_FAILED: &str = "WriteFailed";
/// Deletion is refused, the finalizers are set and the volumes are on Retain, all as read back.
pub const GUARDED: &str = "Guarded";
/// Marks are being set and read back.
pub const GUARDING: &str = "Guarding";
/// `spec.guard.deletion` is Off.
pub const GUARD_OFF: &str = "GuardOff";
/// The workload's container mounts no claim: its data is gone with the pod.
pub const NO_CLAIMS: &str = "NoClaims";
/// A claim that the pod template, `spec.extraClaims` or `spec.verification.files` names does not exist.
pub const CLAIM_NOT_FOUND: &str = "ClaimNotFound";
/// A claim has no volume yet.
pub const CLAIM_NOT_BOUND: &str = "ClaimNotBound";
/// A claim's volume object is gone.
pub const CLAIM_LOST: &str = "ClaimLost";
/// A claim or volume has been deleted without confirmation; our finalizer holds it and the volume is on Retain.
pub const CLAIM_TERMINATING: &str = "ClaimTerminating";
/// The namespace is being deleted; what is guarded in it is held.
pub const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// An admission policy of the guard is missing, not the one this operator installs, or not enforced yet.
pub const POLICY_MISSING: &str = "PolicyMissing";
/// One of our definitions is missing, edited or being deleted.
pub const DEFINITION_CHANGED: &str = "DefinitionChanged";
/// Somebody has taken a mark off a guarded claim or volume, or set the volume back from Retain; it is put back at once.
pub const MARKS_REMOVED: &str = "MarksRemoved";
/// The data of the running container is what was last known good, or has grown from it.
pub const VERIFIED: &str = "Verified";
/// Something could not be read from the API server, so nothing new is known.
pub const READ_FAILED: &str = "ReadFailed";
/// A check of the running container is on its way.
pub const CHECKING: &str = "Checking";
/// A gated pod could not be verified in time and gets no traffic.
pub const GATE_HELD: &str = "GateHeld";
/// A gated pod could not be verified in time and gets traffic, as the spec says.
pub const GATE_OPENED: &str = "GateOpened";
/// No pod of the workload has a running Postgres container.
pub const NO_RUNNING_POD: &str = "NoRunningPod";
/// `spec.suspend` is true: no checks and no backups.
pub const SUSPENDED: &str = "Suspended";
/// No check has ended yet.
pub const NEVER_CHECKED: &str = "NeverChecked";
/// The check that holds the last known good evidence is gone, so nothing can be compared.
pub const BASELINE_MISSING: &str = "BaselineMissing";
/// `holdfast.dev/accept-check` names a check that does not exist, is not of this database or found nothing.
pub const ACCEPTED_CHECK_INVALID: &str = "AcceptedCheckInvalid";
/// A database that was there at the last good check does not exist.
pub const DATABASE_MISSING: &str = "DatabaseMissing";
/// Another system identifier on the same volume: initdb has run.
pub const CLUSTER_REINITIALIZED: &str = "ClusterReinitialized";
/// Another system identifier on another volume: the pod mounts a volume that is not the one with your data.
pub const VOLUME_REPLACED: &str = "VolumeReplaced";
/// The data directory lies on no claim.
pub const DATA_OFF_VOLUME: &str = "DataOffVolume";
/// The same cluster of data, in an older state than at the last good check.
pub const ROLLED_BACK: &str = "RolledBack";
/// A database was dropped and created again under its name.
pub const DATABASE_RECREATED: &str = "DatabaseRecreated";
/// Tables that were there at the last good check do not exist.
pub const TABLES_MISSING: &str = "TablesMissing";
/// Tables that had rows at the last good check have none.
pub const TABLES_EMPTIED: &str = "TablesEmptied";
/// Of all that was there only a few rows are left, as many as an application seeds.
pub const SEED_ROWS_ONLY: &str = "SeedRowsOnly";
/// A table has fewer rows than its `minRows`.
pub const ROWS_BELOW_MINIMUM: &str = "RowsBelowMinimum";
/// A table has lost a larger share of its rows than is allowed.
pub const ROWS_DROPPED: &str = "RowsDropped";
/// A database in `spec.connection` does not exist, and no good check has ever seen it.
pub const DATABASE_NOT_FOUND: &str = "DatabaseNotFound";
/// A table in `spec.verification.tables` does not exist, and no good check has ever seen it.
pub const TABLE_NOT_FOUND: &str = "TableNotFound";
/// A table with a rule could only be estimated within `spec.verification.timeout`; an estimate proves nothing.
pub const NOT_COUNTED: &str = "NotCounted";
/// The server is a replica or still recovering; a replica proves nothing about the primary.
pub const IN_RECOVERY: &str = "InRecovery";
/// The server could not be reached within the time given.
pub const CONNECTION_FAILED: &str = "ConnectionFailed";
/// The server refused the user name or password.
pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
/// A Secret, or a key in it, does not exist.
pub const SECRET_MISSING: &str = "SecretMissing";
/// The role may not read what it must.
pub const PERMISSION_DENIED: &str = "PermissionDenied";
/// Row security hides rows from the role, so a count would lie.
pub const ROW_SECURITY: &str = "RowSecurity";
/// The server has no free connection.
pub const TOO_MANY_CONNECTIONS: &str = "TooManyConnections";
/// The connection could not be encrypted as `spec.connection.tls` asks.
pub const TLS_FAILED: &str = "TlsFailed";
/// The server was still starting, or shutting down, when time ran out.
pub const SERVER_STARTING: &str = "ServerStarting";
/// A query failed; the message has the server's answer.
pub const QUERY_FAILED: &str = "QueryFailed";
/// It took longer than allowed.
pub const TIMEOUT: &str = "Timeout";
/// The container that the check was for is gone; nothing was looked at.
pub const SUPERSEDED: &str = "Superseded";
/// The agent's pod ended without a report: it was evicted, killed, or could not start.
pub const JOB_FAILED: &str = "JobFailed";
/// Every path that rows name has a file.
pub const FILES_MATCH: &str = "FilesMatch";
/// Rows name files that are not there.
pub const FILES_MISSING: &str = "FilesMissing";
/// There are files, and no row names one.
pub const FILES_ORPHANED: &str = "FilesOrphaned";
/// Part of the claim could not be looked at, so a file that was not seen may be there.
pub const FILES_UNREADABLE: &str = "FilesUnreadable";
/// The query returns more paths than can be compared.
pub const TOO_MANY_PATHS: &str = "TooManyPaths";
/// The files that rows name have not been looked for yet.
pub const FILES_NOT_CHECKED: &str = "FilesNotChecked";
/// An object of the name that Holdfast needs was made by somebody else; it is left as it is.
pub const NAME_TAKEN: &str = "NameTaken";
/// The newest good backup is not older than the schedule asks.
pub const BACKUP_FRESH: &str = "BackupFresh";
/// There is no `spec.backup`.
pub const NO_BACKUP_CONFIGURED: &str = "NoBackupConfigured";
/// No backup has been completed yet.
pub const NEVER_SUCCEEDED: &str = "NeverSucceeded";
/// The newest good backup is older than two intervals of the schedule.
pub const BACKUP_OVERDUE: &str = "BackupOverdue";
/// `spec.backup.encryption` is set, which this version can't do; no backup is taken, so that nothing leaves unencrypted.
pub const ENCRYPTION_UNSUPPORTED: &str = "EncryptionUnsupported";
/// The backup was taken while the data looked reset or had not been verified; it is kept, and never counts as good.
pub const DATA_SUSPECT: &str = "DataSuspect";
/// The bucket in `spec.backup.storage.s3.bucket` does not exist.
pub const BUCKET_NOT_FOUND: &str = "BucketNotFound";
/// The storage refused the access key.
pub const STORAGE_DENIED: &str = "StorageDenied";
/// The storage could not be reached.
pub const STORAGE_UNREACHABLE: &str = "StorageUnreachable";
/// An upload failed and was aborted; nothing is at the final key.
pub const UPLOAD_FAILED: &str = "UploadFailed";
/// `pg_dump` ended with an error, or is not in the image.
pub const DUMP_FAILED: &str = "DumpFailed";
/// The stream of `pg_dump` did not end as an archive must; it was thrown away.
pub const DUMP_INCOMPLETE: &str = "DumpIncomplete";
/// Restore drills are not there yet.
pub const NOT_CONFIGURED: &str = "NotConfigured";

/// All reasons, in the order in which the documentation lists them.
pub const ALL: &[ReasonDocument] = &[
    ReasonDocument {
        reason: ALL_GOOD,
        conditions: "Ready=True",
        meaning: "Guarded, verified, backed up, and the data does not look reset.",
        remedy: "Nothing to do.",
    },
    ReasonDocument {
        reason: NOT_READY,
        conditions: "Ready=False",
        meaning: "One of the other conditions is not as it should be; the message names the first.",
        remedy: "Read the condition that the message names.",
    },
    ReasonDocument {
        reason: PROGRESSING,
        conditions: "Reconciling=True",
        meaning: "The operator is still at work: marks are being set, or a first check or backup is on its way.",
        remedy: "Wait; the message says for what.",
    },
    ReasonDocument {
        reason: SETTLED,
        conditions: "Reconciling=False, Stalled=False",
        meaning: "Nothing is left to do for now.",
        remedy: "Nothing to do.",
    },
    ReasonDocument {
        reason: INVALID_SPEC,
        conditions: "Stalled=True",
        meaning: "A field of the spec can't be acted on; the message names it.",
        remedy: "Change the field. Everything else goes on: what is guarded stays guarded.",
    },
    ReasonDocument {
        reason: WORKLOAD_NOT_FOUND,
        conditions: "Stalled=True, Guarded=False, DataVerified=Unknown, FilesMatch=Unknown",
        meaning: "There is no workload of the name in `spec.workload`.",
        remedy: "Create it, or correct `spec.workload`. Claims that carry marks stay guarded.",
    },
    ReasonDocument {
        reason: WORKLOAD_AMBIGUOUS,
        conditions: "Stalled=True, Guarded=False, DataVerified=Unknown, FilesMatch=Unknown",
        meaning: "Both a StatefulSet and a Deployment have the name in `spec.workload.name`, or another ProtectedDatabase names the same workload.",
        remedy: "Set `spec.workload.kind`, or delete one of the two ProtectedDatabases.",
    },
    ReasonDocument {
        reason: CONTAINER_NOT_FOUND,
        conditions: "Stalled=True, DataVerified=Unknown, FilesMatch=Unknown",
        meaning: "The pod template has no container of the name in `spec.workload.container`, or several and none was named.",
        remedy: "Set `spec.workload.container` to the container that runs Postgres.",
    },
    ReasonDocument {
        reason: CLAIM_SHARED,
        conditions: "Stalled=True, Guarded=False",
        meaning: "Another ProtectedDatabase guards one of the claims already; its marks are left as they are.",
        remedy: "Let one ProtectedDatabase own the claim.",
    },
    ReasonDocument {
        reason: DELETION_NOT_CONFIRMED,
        conditions: "Stalled=True",
        meaning: "The ProtectedDatabase was deleted without confirmation; its guard stays until the deletion is confirmed.",
        remedy: "Confirm with the command in the message, or leave it: the data is guarded as before.",
    },
    ReasonDocument {
        reason: WRITE_FAILED,
        conditions: "Reconciling=True",
        meaning: "The API server refused or did not answer a write; it is tried again.",
        remedy: "If it stays, read the message: it carries the API server's answer.",
    },
    ReasonDocument {
        reason: GUARDED,
        conditions: "Guarded=True",
        meaning: "Deletion is refused, the finalizers are set and the volumes are on Retain, all as read back.",
        remedy: "Nothing to do.",
    },
    ReasonDocument {
        reason: GUARDING,
        conditions: "Guarded=False",
        meaning: "Marks are being set and read back.",
        remedy: "Wait a few seconds.",
    },
    ReasonDocument {
        reason: GUARD_OFF,
        conditions: "Guarded=False",
        meaning: "`spec.guard.deletion` is Off.",
        remedy: "Set it to Deny to guard the data.",
    },
    ReasonDocument {
        reason: NO_CLAIMS,
        conditions: "Guarded=False",
        meaning: "The workload's container mounts no claim: its data is gone with the pod.",
        remedy: "Mount a PersistentVolumeClaim at the data directory.",
    },
    ReasonDocument {
        reason: CLAIM_NOT_FOUND,
        conditions: "Guarded=False, FilesMatch=Unknown",
        meaning: "A claim that the pod template, `spec.extraClaims` or `spec.verification.files` names does not exist.",
        remedy: "Create it, or correct the name.",
    },
    ReasonDocument {
        reason: CLAIM_NOT_BOUND,
        conditions: "Guarded=False",
        meaning: "A claim has no volume yet.",
        remedy: "Wait for the storage to provide it; `kubectl describe pvc` says what it waits for.",
    },
    ReasonDocument {
        reason: CLAIM_LOST,
        conditions: "Guarded=False",
        meaning: "A claim's volume object is gone.",
        remedy: "Do not delete the claim. Create the PersistentVolume again from its manifest; the claim then binds to it.",
    },
    ReasonDocument {
        reason: CLAIM_TERMINATING,
        conditions: "Guarded=False",
        meaning: "A claim or volume has been deleted without confirmation; our finalizer holds it and the volume is on Retain.",
        remedy: "Do not stop the pod before you have a backup: it still has its data. Then `kubectl holdfast recover NAME -n NAMESPACE`.",
    },
    ReasonDocument {
        reason: NAMESPACE_TERMINATING,
        conditions: "Guarded=False",
        meaning: "The namespace is being deleted: its pods go, what is guarded in it is held, and the volumes are on Retain.",
        remedy: "`kubectl holdfast recover NAME -n NAMESPACE` makes it again with what is guarded in it; then apply again what you keep elsewhere, such as the workload.",
    },
    ReasonDocument {
        reason: POLICY_MISSING,
        conditions: "Guarded=False",
        meaning: "An admission policy of the guard, or its binding, is missing or not the one this operator installs, or was until a moment ago, or is not enforced yet.",
        remedy: "The operator puts it back at once, and an event on the policy names the field manager that changed it last. If this stays, apply the installation manifest again; until then finalizers and Retain hold alone.",
    },
    ReasonDocument {
        reason: DEFINITION_CHANGED,
        conditions: "Guarded=False",
        meaning: "A CustomResourceDefinition of Holdfast is missing, being deleted, or not the one this operator installs, or was until a moment ago.",
        remedy: "The operator puts it back at once, and an event on the definition names the field manager that changed it last. If this stays, apply the definitions again: `holdfast crd | kubectl apply --server-side --force-conflicts -f -`. One that is being deleted can't be saved: see `docs/guard.md`.",
    },
    ReasonDocument {
        reason: MARKS_REMOVED,
        conditions: "Guarded=False",
        meaning: "Somebody has taken a mark off a guarded claim or volume, or set the volume back from Retain; the message names the field manager. It is put back at once.",
        remedy: "Find out who it was. The API server refuses this; that it did not means that the admission policies were off: `kubectl get validatingadmissionpolicy`.",
    },
    ReasonDocument {
        reason: VERIFIED,
        conditions: "DataVerified=True, DataReset=False",
        meaning: "The data of the running container is what was last known good, or has grown from it.",
        remedy: "Nothing to do.",
    },
    ReasonDocument {
        reason: READ_FAILED,
        conditions: "DataVerified=Unknown, DataReset=Unknown, BackupFresh=Unknown, FilesMatch=Unknown",
        meaning: "The operator could not read something from the API server, so nothing new is known; the message says what.",
        remedy: "Wait; it is tried again. If it stays, see whether the API server answers and the operator's role is as installed.",
    },
    ReasonDocument {
        reason: CHECKING,
        conditions: "DataVerified=Unknown",
        meaning: "A check of the running container is on its way.",
        remedy: "Wait; `kubectl get dbcheck` shows it.",
    },
    ReasonDocument {
        reason: GATE_HELD,
        conditions: "Stalled=True, and data-verified=False of the pod",
        meaning: "A pod with the readiness gate could not be verified for longer than spec.verification.gate.patience, and gets no traffic.",
        remedy: "The message says why it can't be verified. It is let through as soon as a check verifies it, or when spec.verification.gate.whenUnverifiable is Open.",
    },
    ReasonDocument {
        reason: GATE_OPENED,
        conditions: "data-verified=True of the pod",
        meaning: "A pod with the readiness gate could not be verified for longer than spec.verification.gate.patience, and gets traffic because spec.verification.gate.whenUnverifiable is Open.",
        remedy: "DataVerified says why it can't be verified.",
    },
    ReasonDocument {
        reason: NO_RUNNING_POD,
        conditions: "DataVerified=Unknown, BackupFresh=False",
        meaning: "No pod of the workload has a running Postgres container.",
        remedy: "Start the workload.",
    },
    ReasonDocument {
        reason: SUSPENDED,
        conditions: "DataVerified=Unknown, BackupFresh=Unknown, FilesMatch=Unknown",
        meaning: "`spec.suspend` is true: no checks and no backups.",
        remedy: "Set it to false.",
    },
    ReasonDocument {
        reason: NEVER_CHECKED,
        conditions: "DataReset=Unknown",
        meaning: "No check has ended yet.",
        remedy: "Wait for the first check.",
    },
    ReasonDocument {
        reason: BASELINE_MISSING,
        conditions: "DataVerified=Unknown",
        meaning: "The check that holds the last known good evidence is gone, so nothing can be compared.",
        remedy: "If the data is as it should be, accept the newest check with the annotation `holdfast.dev/accept-check`.",
    },
    ReasonDocument {
        reason: ACCEPTED_CHECK_INVALID,
        conditions: "Stalled=True",
        meaning: "`holdfast.dev/accept-check` names a check that does not exist, is not of this database or found nothing.",
        remedy: "Name a DatabaseCheck of this database that has evidence, or take the annotation off.",
    },
    ReasonDocument {
        reason: DATABASE_MISSING,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "A database that was there at the last good check does not exist.",
        remedy: "See where the volume went (the message names it), then mount it back or restore.",
    },
    ReasonDocument {
        reason: CLUSTER_REINITIALIZED,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "Another system identifier on the same volume: initdb has run.",
        remedy: "The old files are gone from this volume: restore from the last good backup.",
    },
    ReasonDocument {
        reason: VOLUME_REPLACED,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "Another system identifier on another volume: the pod mounts a volume that is not the one with your data.",
        remedy: "Mount the old volume back; the message names it. It is on Retain.",
    },
    ReasonDocument {
        reason: DATA_OFF_VOLUME,
        conditions: "DataVerified=False, DataReset=True; Guarded=False before anything is lost",
        meaning: "The data directory is not under the mount of any claim: a newer image may have moved it, the mount is gone, or it never was on one. What is written there is gone with the pod. `Guarded` says so as soon as a check has seen it; `DataReset` says so when another cluster of data is there than the known one.",
        remedy: "Mount the claim where the image keeps its data, or set PGDATA below the mount; the message names the directory and the volume with the data.",
    },
    ReasonDocument {
        reason: ROLLED_BACK,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "The same system identifier, but the write-ahead log or the timeline went back: an older copy of the volume, a snapshot that was put back, or a recovery to an earlier point in time.",
        remedy: "Mount the volume with the newer state back; the message names it if it is another one. If the data was put back on purpose, accept the check.",
    },
    ReasonDocument {
        reason: DATABASE_RECREATED,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "A database was dropped and created again under its name.",
        remedy: "Restore it from the last good backup, or accept the check if it was made anew on purpose.",
    },
    ReasonDocument {
        reason: TABLES_MISSING,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "Tables that were there at the last good check do not exist.",
        remedy: "Restore them from the last good backup, or accept the check if they were dropped on purpose.",
    },
    ReasonDocument {
        reason: TABLES_EMPTIED,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "Tables that had rows at the last good check have none.",
        remedy: "Restore them from the last good backup, accept the check, or, for tables that come and go, set maxDropPercent to 100.",
    },
    ReasonDocument {
        reason: SEED_ROWS_ONLY,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "All tables that are watched have lost at least 95 % of their rows, and the whole database has at most 1,000: what an application seeds when it finds nothing.",
        remedy: "Restore from the last good backup, or accept the check if it was emptied on purpose.",
    },
    ReasonDocument {
        reason: ROWS_BELOW_MINIMUM,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "A table has fewer rows than its `minRows`.",
        remedy: "Restore, or lower `minRows` if that many is right.",
    },
    ReasonDocument {
        reason: ROWS_DROPPED,
        conditions: "DataVerified=False, DataReset=True",
        meaning: "A table has lost a larger share of its rows than is allowed.",
        remedy: "Restore, or accept the check if the rows were removed on purpose.",
    },
    ReasonDocument {
        reason: DATABASE_NOT_FOUND,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "A database in `spec.connection` does not exist, and no good check has ever seen it.",
        remedy: "Correct `spec.connection.database` or `additionalDatabases`, or create the database.",
    },
    ReasonDocument {
        reason: TABLE_NOT_FOUND,
        conditions: "DataVerified=Unknown",
        meaning: "A table in `spec.verification.tables` does not exist, and no good check has ever seen it.",
        remedy: "Correct the name, or create the table.",
    },
    ReasonDocument {
        reason: NOT_COUNTED,
        conditions: "DataVerified=Unknown",
        meaning: "A table with a rule could only be estimated within `spec.verification.timeout`; an estimate proves nothing.",
        remedy: "Raise `spec.verification.timeout`.",
    },
    ReasonDocument {
        reason: IN_RECOVERY,
        conditions: "DataVerified=Unknown",
        meaning: "The server is a replica or still recovering; a replica proves nothing about the primary.",
        remedy: "Wait for the recovery to end, or set `spec.connection.host` to the primary.",
    },
    ReasonDocument {
        reason: CONNECTION_FAILED,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "The server could not be reached within the time given.",
        remedy: "See that Postgres runs and listens on `spec.connection.port`, and that network policies let the agent's pod in.",
    },
    ReasonDocument {
        reason: AUTHENTICATION_FAILED,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "The server refused the user name or password.",
        remedy: "Correct the Secret that `spec.connection.credentialsSecret` names.",
    },
    ReasonDocument {
        reason: SECRET_MISSING,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "A Secret, or a key in it, does not exist.",
        remedy: "Create it; the message has the command.",
    },
    ReasonDocument {
        reason: PERMISSION_DENIED,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "The role may not read what it must.",
        remedy: "`kubectl holdfast grant-sql NAME -n NAMESPACE` prints the SQL of a role that may read what is needed, and nothing else.",
    },
    ReasonDocument {
        reason: ROW_SECURITY,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "Row security hides rows from the role, so a count would lie.",
        remedy: "Use a role with BYPASSRLS.",
    },
    ReasonDocument {
        reason: TOO_MANY_CONNECTIONS,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "The server has no free connection.",
        remedy: "Raise `max_connections` or reserve connections for the role.",
    },
    ReasonDocument {
        reason: TLS_FAILED,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "The connection could not be encrypted as `spec.connection.tls` asks.",
        remedy: "Correct the mode or the certificate authority.",
    },
    ReasonDocument {
        reason: SERVER_STARTING,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "The server was still starting, or shutting down, when time ran out.",
        remedy: "Wait; it is tried again.",
    },
    ReasonDocument {
        reason: QUERY_FAILED,
        conditions: "DataVerified=Unknown, FilesMatch=Unknown",
        meaning: "A query failed; the message has the server's answer.",
        remedy: "See the server's log, and correct the query if it is one of `spec.verification.files`.",
    },
    ReasonDocument {
        reason: TIMEOUT,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "It took longer than allowed.",
        remedy: "Raise `spec.verification.timeout`, `spec.backup.deadline` or the `timeout` of the rule in `spec.verification.files`.",
    },
    ReasonDocument {
        reason: SUPERSEDED,
        conditions: "DataVerified=Unknown",
        meaning: "The container that the check was for is gone; nothing was looked at.",
        remedy: "Nothing: the container that runs now has a check of its own.",
    },
    ReasonDocument {
        reason: JOB_FAILED,
        conditions: "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown",
        meaning: "The agent's pod ended without a report: it was evicted, killed, or could not start.",
        remedy: "`kubectl describe job` and the pod's log say more; it is tried again.",
    },
    ReasonDocument {
        reason: FILES_MATCH,
        conditions: "FilesMatch=True",
        meaning: "Every path that rows name has a file. Files that no row names are told beside, and are no alarm.",
        remedy: "Nothing to do.",
    },
    ReasonDocument {
        reason: FILES_MISSING,
        conditions: "FilesMatch=False",
        meaning: "Rows name files that are not there; the message says how many, which and on which claim.",
        remedy: "If many are missing, see whether the claim still has the volume with your files. Put the files back, or correct the rows; the next check looks again.",
    },
    ReasonDocument {
        reason: FILES_ORPHANED,
        conditions: "FilesMatch=False",
        meaning: "There are files, and no row names one: as if the database had been reset and the files had stayed.",
        remedy: "See what DataReset says. Do not clean up the files: they belong to the rows that come back. If the rows were removed on purpose, remove the files too.",
    },
    ReasonDocument {
        reason: FILES_UNREADABLE,
        conditions: "FilesMatch=Unknown",
        meaning: "Part of the claim could not be looked at, or lies behind a symbolic link, which is not followed: a file that was not seen may be there.",
        remedy: "Set `runAsUser` and `runAsGroup` of the rule to the owner of the files, or `root` to the folder that the link leads to.",
    },
    ReasonDocument {
        reason: TOO_MANY_PATHS,
        conditions: "FilesMatch=Unknown",
        meaning: "The query returns more than 5,000,000 paths, which is more than is compared.",
        remedy: "Split the rule: several queries, each with a `where` and the folder that its paths are in.",
    },
    ReasonDocument {
        reason: FILES_NOT_CHECKED,
        conditions: "FilesMatch=Unknown",
        meaning: "The files that rows name have not been looked for yet, for the rules as they are now.",
        remedy: "Wait; it follows the next check that can say something about the data.",
    },
    ReasonDocument {
        reason: BACKUP_FRESH,
        conditions: "BackupFresh=True",
        meaning: "The newest good backup is not older than the schedule asks.",
        remedy: "Nothing to do.",
    },
    ReasonDocument {
        reason: NO_BACKUP_CONFIGURED,
        conditions: "BackupFresh=False",
        meaning: "There is no `spec.backup`.",
        remedy: "Add one.",
    },
    ReasonDocument {
        reason: NEVER_SUCCEEDED,
        conditions: "BackupFresh=False",
        meaning: "No backup has been completed yet.",
        remedy: "Wait for the first; it follows the first good check.",
    },
    ReasonDocument {
        reason: BACKUP_OVERDUE,
        conditions: "BackupFresh=False",
        meaning: "The newest good backup is older than two intervals of the schedule.",
        remedy: "See `kubectl get dbbackup` for what the newest ones say.",
    },
    ReasonDocument {
        reason: NAME_TAKEN,
        conditions: "BackupFresh=False, Stalled=True",
        meaning: "An object of the name that Holdfast needs was made by somebody else. It is neither changed nor deleted.",
        remedy: "Rename or delete the object that the message names; Holdfast then makes its own.",
    },
    ReasonDocument {
        reason: ENCRYPTION_UNSUPPORTED,
        conditions: "BackupFresh=False",
        meaning: "`spec.backup.encryption` is set, which this version can't do; no backup is taken, so that nothing leaves unencrypted.",
        remedy: "Take the field out to have unencrypted backups.",
    },
    ReasonDocument {
        reason: DATA_SUSPECT,
        conditions: "BackupFresh=False",
        meaning: "The backup was taken while the data looked reset or had not been verified; it is kept, and never counts as good.",
        remedy: "Bring the data back, or see what DataVerified says, first.",
    },
    ReasonDocument {
        reason: BUCKET_NOT_FOUND,
        conditions: "BackupFresh=False",
        meaning: "The bucket in `spec.backup.storage.s3.bucket` does not exist.",
        remedy: "Create it or correct the name.",
    },
    ReasonDocument {
        reason: STORAGE_DENIED,
        conditions: "BackupFresh=False",
        meaning: "The storage refused the access key.",
        remedy: "Correct the Secret, or give the key the right to read, write and list below the prefix.",
    },
    ReasonDocument {
        reason: STORAGE_UNREACHABLE,
        conditions: "BackupFresh=False",
        meaning: "The storage could not be reached.",
        remedy: "Correct `spec.backup.storage.s3.endpoint`.",
    },
    ReasonDocument {
        reason: UPLOAD_FAILED,
        conditions: "BackupFresh=False",
        meaning: "An upload failed and was aborted; nothing is at the final key.",
        remedy: "See the message; it is tried again at the next time of the schedule.",
    },
    ReasonDocument {
        reason: DUMP_FAILED,
        conditions: "BackupFresh=False",
        meaning: "pg_dump ended with an error, or is not in the image.",
        remedy: "See the message and the pod's log.",
    },
    ReasonDocument {
        reason: DUMP_INCOMPLETE,
        conditions: "BackupFresh=False",
        meaning: "The stream of pg_dump did not end as an archive must; it was thrown away.",
        remedy: "See the message; it is tried again at the next time of the schedule.",
    },
    ReasonDocument {
        reason: NOT_CONFIGURED,
        conditions: "RestoreProven=Unknown",
        meaning: "Restore drills are not there yet.",
        remedy: "See `docs/roadmap.md`.",
    },
];

/// Finds the explanation of a reason.
#[must_use]
pub fn find(reason: &str) -> Option<&'static ReasonDocument> {
    ALL.iter().find(|document| document.reason == reason)
}

/// The constant for a word that came from an agent, so that only documented reasons reach a condition.
#[must_use]
pub fn known(reason: &str) -> &'static str {
    find(reason).map_or(QUERY_FAILED, |document| document.reason)
}
