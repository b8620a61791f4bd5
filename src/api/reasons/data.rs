//! Reasons of `DataVerified`, `DataReset` and of the readiness gate: what is known of the data, and
//! how it looks reset.

use super::ReasonDocument;

reasons! { DATA:
    VERIFIED = "Verified" on "DataVerified=True, DataReset=False":
        "The data of the running container is what was last known good, or has grown from it.",
        "Nothing to do.";
    READ_FAILED = "ReadFailed" on "DataVerified=Unknown, DataReset=Unknown, BackupFresh=Unknown, \
        FilesMatch=Unknown":
        "The operator could not read something from the API server, so nothing new is known; the \
         message says what.",
        "Wait; it is tried again. If it stays, see whether the API server answers and the \
         operator's role is as installed.";
    CHECKING = "Checking" on "DataVerified=Unknown":
        "A check of the running container is on its way.",
        "Wait; `kubectl get dbcheck` shows it.";
    GATE_HELD = "GateHeld" on "Stalled=True, and data-verified=False of the pod":
        "A pod with the readiness gate could not be verified for longer than \
         spec.verification.gate.timeout, and gets no traffic.",
        "The message says why it can't be verified. It is let through as soon as a check verifies \
         it, or when spec.verification.gate.whenUnverifiable is Open.";
    GATE_OPENED = "GateOpened" on "data-verified=True of the pod":
        "A pod with the readiness gate could not be verified for longer than \
         spec.verification.gate.timeout, and gets traffic because \
         spec.verification.gate.whenUnverifiable is Open.",
        "DataVerified says why it can't be verified.";
    NO_RUNNING_POD = "NoRunningPod" on "DataVerified=Unknown, BackupFresh=False":
        "No pod of the workload has a running Postgres container.",
        "Start the workload.";
    SUSPENDED = "Suspended" on "DataVerified=Unknown, BackupFresh=Unknown, FilesMatch=Unknown":
        "`spec.suspend` is true: no checks and no backups.",
        "Set it to false.";
    NEVER_CHECKED = "NeverChecked" on "DataReset=Unknown":
        "No check has ended yet.",
        "Wait for the first check.";
    BASELINE_MISSING = "BaselineMissing" on "DataVerified=Unknown":
        "The check that holds the last known good evidence is gone, so nothing can be compared.",
        "If the data is as it should be, accept the newest check with the annotation \
         `holdfast.dev/accept-check`.";
    ACCEPTED_CHECK_INVALID = "AcceptedCheckInvalid" on "Stalled=True":
        "`holdfast.dev/accept-check` names a check that does not exist, is not of this database or \
         found nothing.",
        "Name a DatabaseCheck of this database that has evidence, or take the annotation off.";
    DATABASE_MISSING = "DatabaseMissing" on "DataVerified=False, DataReset=True":
        "A database that was there at the last good check does not exist.",
        "See where the volume went (the message names it), then mount it back or restore.";
    CLUSTER_REINITIALIZED = "ClusterReinitialized" on "DataVerified=False, DataReset=True":
        "Another system identifier on the same volume: initdb has run.",
        "The old files are gone from this volume: restore from the last good backup.";
    VOLUME_REPLACED = "VolumeReplaced" on "DataVerified=False, DataReset=True":
        "Another system identifier on another volume: the pod mounts a volume that is not the one \
         with your data.",
        "Mount the old volume back; the message names it. It is on Retain.";
    DATA_OFF_VOLUME = "DataOffVolume" on "DataVerified=False, DataReset=True; Guarded=False before \
        anything is lost":
        "The data directory is not under the mount of any claim: a newer image may have moved it, \
         the mount is gone, or it never was on one. What is written there is gone with the pod. \
         `Guarded` says so as soon as a check has seen it; `DataReset` says so when another \
         cluster of data is there than the known one.",
        "Mount the claim where the image keeps its data, or set PGDATA below the mount; the \
         message names the directory and the volume with the data.";
    ROLLED_BACK = "RolledBack" on "DataVerified=False, DataReset=True":
        "The same system identifier, but the write-ahead log or the timeline went back: an older \
         copy of the volume, a snapshot that was put back, or a recovery to an earlier point in \
         time.",
        "Mount the volume with the newer state back; the message names it if it is another one. If \
         the data was put back on purpose, accept the check.";
    DATABASE_RECREATED = "DatabaseRecreated" on "DataVerified=False, DataReset=True":
        "A database was dropped and created again under its name.",
        "Restore it from the last good backup, or accept the check if it was made anew on purpose.";
    TABLES_MISSING = "TablesMissing" on "DataVerified=False, DataReset=True":
        "Tables that were there at the last good check do not exist.",
        "Restore them from the last good backup, or accept the check if they were dropped on \
         purpose.";
    TABLES_EMPTIED = "TablesEmptied" on "DataVerified=False, DataReset=True":
        "Tables that had rows at the last good check have none.",
        "Restore them from the last good backup, accept the check, or, for tables that come and \
         go, set maxDropPercent to 100.";
    SEED_ROWS_ONLY = "SeedRowsOnly" on "DataVerified=False, DataReset=True":
        "All tables that are watched have lost at least 95 % of their rows, and the whole database \
         has at most 1,000: what an application seeds when it finds nothing.",
        "Restore from the last good backup, or accept the check if it was emptied on purpose.";
    ROWS_BELOW_MINIMUM = "RowsBelowMinimum" on "DataVerified=False, DataReset=True":
        "A table has fewer rows than its `minRows`.",
        "Restore, or lower `minRows` if that many is right.";
    ROWS_DROPPED = "RowsDropped" on "DataVerified=False, DataReset=True":
        "A table has lost a larger share of its rows than is allowed.",
        "Restore, or accept the check if the rows were removed on purpose.";
}
