//! Reasons of `DataVerified`, `DataReset` and of the readiness gate: what is known of the data, and
//! why it looks reset.

use super::ReasonDocument;

reasons! { DATA:
    VERIFIED = "Verified" on "DataVerified=True, DataReset=False":
        "The running container has the data of the last good check, or has grown from it.",
        "Nothing to do.";
    READ_FAILED = "ReadFailed" on "DataVerified=Unknown, DataReset=Unknown, BackupFresh=Unknown, \
        FilesMatch=Unknown":
        "The operator could not read an object from the API server, so its answer would be old. \
         The message names the object.",
        "Wait; the operator tries again. If it does not pass, see that the API server answers and \
         that the operator's ClusterRole is unchanged.";
    CHECK_OVERDUE = "CheckOverdue" on "DataVerified=Unknown":
        "No check has found the data good for two intervals of `spec.verification.schedule` (every \
         hour without it, or if it is `Off`), or for 32 days.",
        "`kubectl get dbcheck,jobs` shows why no check has ended. If the schedule is `Off`, remove \
         the field.";
    TWO_PRIMARIES = "TwoPrimaries" on "DataVerified=Unknown":
        "Two pods of the workload are primaries at the same time. What is written to one is not in \
         the other.",
        "Find out which of the two pods in the message has the data, and stop the other.";
    PRIMARY_NOT_KNOWN = "PrimaryNotKnown" on "DataVerified=Unknown":
        "No pod has the labels of `spec.workload.primary`, or more than one has them, so it is not \
         known which server has the data that clients see.",
        "Wait if a failover is under way. Else see the labels: `kubectl get pods --show-labels`, and \
         correct them, or `spec.workload.primary`.";
    NEW = "New" on "DataVerified=Unknown, and data-verified=True of the pod":
        "The database has no rows yet, and neither a ledger, a backup in the bucket nor a guarded \
         volume knows of any. The readiness gate lets such a pod through, so that its application \
         can create its tables.",
        "Nothing to do: the data is verified once there are rows. If there should be rows, see \
         that the right volume is mounted and that `spec.connection` names the right database.";
    CHECKING = "Checking" on "DataVerified=Unknown":
        "A check of the running container is in progress.",
        "Wait; `kubectl get dbcheck` shows the check.";
    GATE_HELD = "GateHeld" on "Stalled=True, and data-verified=False of the pod":
        "A pod with the readiness gate gets no traffic, because its data could not be verified in \
         time. `spec.verification.gate` sets the time.",
        "Fix what the message names. The pod gets traffic as soon as a check verifies its data, or \
         when spec.verification.gate.whenUnverifiable is Open.";
    GATE_OPENED = "GateOpened" on "data-verified=True of the pod":
        "A pod with the readiness gate gets traffic, although its data could not be verified in \
         time, because spec.verification.gate.whenUnverifiable is Open.",
        "Fix what DataVerified says.";
    NO_RUNNING_POD = "NoRunningPod" on "DataVerified=Unknown, BackupFresh=False":
        "No pod of the workload has a running Postgres container.",
        "Start the workload.";
    SUSPENDED = "Suspended" on "DataVerified=Unknown, BackupFresh=Unknown, FilesMatch=Unknown":
        "`spec.suspend` is true, so no checks run and no backups are taken.",
        "Set it to false.";
    NEVER_CHECKED = "NeverChecked" on "DataReset=Unknown":
        "No check has ended yet.",
        "Wait for the first check; `kubectl get dbcheck` shows it.";
    BASELINE_MISSING = "BaselineMissing" on "DataVerified=Unknown":
        "The last good check is gone, so there is nothing to compare the data with.",
        "If the data is right, accept the newest check: `kubectl holdfast accept NAME CHECK -n \
         NAMESPACE`.";
    ACCEPTED_CHECK_INVALID = "AcceptedCheckInvalid" on "Stalled=True":
        "The annotation `holdfast.dev/accept-check` names a check that does not exist, belongs to \
         another database, or has no evidence.",
        "Name a DatabaseCheck of this database that has evidence, or remove the annotation: \
         `kubectl holdfast accept NAME --revoke -n NAMESPACE`.";
    DATABASE_MISSING = "DatabaseMissing" on "DataVerified=False, DataReset=True":
        "A database that the last good check saw does not exist.",
        "If the message names another volume, `kubectl holdfast recover NAME -n NAMESPACE` \
         mounts it again. Otherwise restore the last good backup: `kubectl holdfast restore \
         NAME -n NAMESPACE`.";
    CLUSTER_REINITIALIZED = "ClusterReinitialized" on "DataVerified=False, DataReset=True":
        "initdb has created a new database cluster on the same volume: the system identifier is \
         another one. Where the role of the checks can't log in, the salt that the server gives \
         for a role that does not exist is another one. The old files are gone from this \
         directory.",
        "See whether they were moved to another directory of the volume: the message has the \
         command. Otherwise restore the last good backup: `kubectl holdfast restore NAME -n \
         NAMESPACE`.";
    VOLUME_REPLACED = "VolumeReplaced" on "DataVerified=False, DataReset=True":
        "The pod runs on another volume, with another database cluster: the system identifier is \
         another one.",
        "`kubectl holdfast recover NAME -n NAMESPACE` mounts the volume with the data again. It is \
         on Retain, so its files are kept.";
    DATA_OFF_VOLUME = "DataOffVolume" on "DataVerified=False, DataReset=True; Guarded=False before \
        anything is lost":
        "The data directory is not on a PersistentVolumeClaim: a newer image keeps it in another \
         directory, or the mount is missing. Its data is lost when the pod is deleted. `Guarded` \
         says so as soon as a check has seen it, `DataReset` when the database cluster is another \
         one.",
        "Mount the claim where the image keeps its data, or set PGDATA to a directory below the \
         mount. The message names the directory and the volume with the data.";
    OTHER_DATA_DIRECTORY = "OtherDataDirectory" on "DataVerified=False, DataReset=True":
        "Postgres runs in another directory of the same volume, with another database cluster: \
         PGDATA, `subPath`, the mount path or the image was changed. The directory with the data \
         should still be there.",
        "Put it back: the message names both directories. Do not restore anything before.";
    OTHER_VOLUME_UNREAD = "OtherVolumeUnread" on "DataVerified=False, DataReset=True":
        "The pod runs on another volume than at the last good check, and nothing on it can be \
         read. So nothing shows that it has the data.",
        "`kubectl holdfast recover NAME -n NAMESPACE` mounts the volume with the data again. If the \
         data was moved on purpose, let the checks log in: the message says what they were \
         refused.";
    ROLE_CHANGED = "RoleChanged" on "DataVerified=False, DataReset=True":
        "The login of the checks is refused, and not because of the Secret: in the database their \
         role is gone, was created again, or has another or an expired password. An older copy of \
         the data looks like this too.",
        "If somebody changed the password in the database, write it into the Secret. Otherwise see \
         whether the data is there, and create the role again: `kubectl holdfast grant-sql NAME -n \
         NAMESPACE`.";
    ROLLED_BACK = "RolledBack" on "DataVerified=False, DataReset=True":
        "The database cluster is the same, but older: its write-ahead log or its timeline went \
         back. An old copy of the volume or a snapshot was restored, or the server recovered to an \
         earlier point in time.",
        "If the message names another volume, `kubectl holdfast recover NAME -n NAMESPACE` mounts \
         it again. If the data was restored on purpose, accept the check.";
    DATABASE_RECREATED = "DatabaseRecreated" on "DataVerified=False, DataReset=True":
        "A database was dropped and created again under the same name.",
        "Restore the last good backup: `kubectl holdfast restore NAME -n NAMESPACE`. If it was \
         recreated on purpose, accept the check.";
    OLDER_DATA = "OlderData" on "DataVerified=False, DataReset=True":
        "An older state of the data was put over the newer one, such as an old dump that was \
         restored: sequences went back, and tables have fewer rows.",
        "Restore the last good backup: `kubectl holdfast restore NAME -n NAMESPACE`. If the \
         older state is meant, accept the check.";
    TABLES_MISSING = "TablesMissing" on "DataVerified=False, DataReset=True":
        "Tables that the last good check saw do not exist.",
        "Restore the last good backup: `kubectl holdfast restore NAME -n NAMESPACE`. If they \
         were dropped on purpose, accept the check.";
    TABLES_EMPTIED = "TablesEmptied" on "DataVerified=False, DataReset=True":
        "Tables that had rows at the last good check are empty.",
        "Restore the last good backup: `kubectl holdfast restore NAME -n NAMESPACE`. If they \
         were emptied on purpose, accept the check. For a table that is emptied regularly, set \
         `volatile: true` in its rule.";
    SEED_ROWS_ONLY = "SeedRowsOnly" on "DataVerified=False, DataReset=True":
        "Every table that is compared lost at least 95 % of its rows, and at most 1,000 rows are left \
         in the database: as many as an application inserts into an empty one.",
        "Restore the last good backup: `kubectl holdfast restore NAME -n NAMESPACE`. If it was \
         emptied on purpose, accept the check.";
    ROWS_BELOW_MINIMUM = "RowsBelowMinimum" on "DataVerified=False, DataReset=True":
        "A table has fewer rows than its `minRows`.",
        "Restore the rows, or lower `minRows` if the number is right.";
    ROWS_DROPPED = "RowsDropped" on "DataVerified=False, DataReset=True":
        "A table lost a larger share of its rows than `maxDropPercent` allows.",
        "Restore the last good backup (`kubectl holdfast restore NAME -n NAMESPACE`), or copy \
         the rows out of it with `--beside`. If they were deleted on purpose, accept the \
         check.";
    TABLE_COUNT_DROPPED = "TableCountDropped" on "DataVerified=False, DataReset=True":
        "A database with more tables than a check lists has lost a larger share of its tables than \
         `spec.verification.baseline.maxDropPercent` allows.",
        "Restore the last good backup: `kubectl holdfast restore NAME -n NAMESPACE`. If they \
         were dropped on purpose, accept the check.";
    ROWS_DWINDLED = "RowsDwindled" on "DataVerified=False, DataReset=True":
        "Each check found a loss that is allowed, but together, within 7 days, tables lost a larger \
         share of their rows than `maxDropPercent` allows.",
        "Restore the last good backup (`kubectl holdfast restore NAME -n NAMESPACE`), or copy \
         the rows out of it with `--beside`. If they were deleted on purpose, accept the \
         check.";
    NOTHING_COUNTED = "NothingCounted" on "DataVerified=Unknown":
        "No table of a database could be counted, so nothing is known of its rows. In most cases \
         the role of the checks may not read the tables.",
        "`kubectl holdfast grant-sql NAME -n NAMESPACE` prints the SQL for the role.";
    NO_ROWS = "NoRows" on "DataVerified=Unknown":
        "No good check came before, the database has no rows, and other databases of the server \
         have some: it may be the wrong database.",
        "Correct `spec.connection.database`. If an empty database is right, accept the check.";
    MORE_ROWS_ELSEWHERE = "MoreRowsElsewhere" on "DataVerified=Unknown":
        "No good check came before, and the bucket has a backup of a database of the same name in \
         another namespace, with far more rows: this may be the wrong or an empty volume.",
        "If it should have those rows, restore that backup with `kubectl holdfast adopt`. If it is another \
         database, accept the check.";
    OTHERS_BACKUPS = "OthersBackups" on "DataVerified=Unknown":
        "No good check came before, and where the backups of this database belong in the bucket there are \
         only some of another Kubernetes cluster, or of another namespace that had the name. They are \
         neither compared nor shown: they may be another owner's, or what a cluster had that is lost.",
        "If the data here is complete, or it is another database, accept the check, and give each cluster a \
         `spec.backup.storage.s3.prefix` of its own. If the data is missing here, restore it with \
         `kubectl holdfast adopt`.";
    UNCHANGED = "Unchanged" on "DataChanged=False":
        "No check of the last 24 hours saw a table without a rule lose its rows, or another \
         database of the server disappear.",
        "Nothing to do.";
    TABLES_CHANGED = "TablesChanged" on "DataChanged=True":
        "Tables without a rule in `spec.verification.tables` lost rows or were dropped. By itself \
         this is no reset: queues, logs and staging tables do so every day.",
        "If it was meant, nothing to do, or add a rule with `volatile: true`. If not, copy the \
         rows out of the last good backup (`kubectl holdfast restore NAME -n NAMESPACE \
         --beside`), and add a rule for the table: then it is a reset.";
    OTHER_DATABASES_MISSING = "OtherDatabasesMissing" on "DataChanged=True":
        "Databases that the server had at the last good check do not exist. No check connects to \
         them, so what was in them is not known.",
        "If it was not meant, restore them. Add databases that matter to \
         `spec.connection.additionalDatabases`.";
}
