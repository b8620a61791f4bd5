//! Reasons of `BackupFresh` and `RestoreProven`.

use super::ReasonDocument;

reasons! { BACKUPS:
    BACKUP_FRESH = "BackupFresh" on "BackupFresh=True":
        "The newest good backup is not older than the schedule allows.",
        "Nothing to do.";
    NO_BACKUP_CONFIGURED = "NoBackupConfigured" on "BackupFresh=False":
        "`spec.backup` is not set, so no backups are taken.",
        "Set `spec.backup`.";
    NEVER_SUCCEEDED = "NeverSucceeded" on "BackupFresh=False":
        "No backup has completed yet.",
        "Wait. The first backup starts after the first good check; `kubectl get dbbackup` shows it.";
    BACKUP_NOT_CONFIRMED = "BackupNotConfirmed" on "BackupFresh=False":
        "The only backups that are Complete have not been confirmed by a good check made after them, so \
         they do not count yet.",
        "Wait for the next check, or see in DataVerified why there is none.";
    BACKUP_DEMOTED = "BackupDemoted" on "BackupFresh=False":
        "A reset of the data was found, and no good check lies between it and the newest backup: that \
         backup may hold only what was left. It is kept, and never counts.",
        "Fix what DataReset says. Restore an older, confirmed backup if data is missing.";
    SET_INCOMPLETE = "SetIncomplete" on "BackupFresh=False":
        "An object of a backup set is gone from the bucket, or has another size or another manifest: that \
         set can't be restored. All sets are compared with their manifests once a day.",
        "Find out who removes from the bucket. Delete what is left of the set, and its DatabaseBackup.";
    SET_DAMAGED = "SetDamaged" on "BackupFresh=False":
        "An object of a backup set has other bytes than were stored, in two reads one after the other: that \
         set can't be restored, and does not count any more. A part of all sets is read whole each day.",
        "See what is wrong with the storage. Delete what is left of the set, and its DatabaseBackup; the \
         copies of that set in other buckets are not concerned.";
    BACKUP_OVERDUE = "BackupOverdue" on "BackupFresh=False":
        "The newest good backup is older than two intervals of the schedule.",
        "`kubectl get dbbackup` shows why the newer ones failed.";
    NAME_TAKEN = "NameTaken" on "BackupFresh=False, Stalled=True":
        "An object that Holdfast did not create has a name that Holdfast needs. Holdfast neither \
         changes nor deletes it.",
        "Rename or delete the object that the message names. Holdfast then creates its own.";
    DATA_SUSPECT = "DataSuspect" on "BackupFresh=False":
        "The backup was taken while the data looked reset or was not verified. It is kept, but \
         never counts as a good backup.",
        "Fix what DataVerified or DataReset says. The next backup is good again.";
    DIRECTORY_INCOMPLETE = "DirectoryIncomplete" on "BackupFresh=False":
        "A directory of `spec.backup.directories` could not be archived completely: it does not exist, not \
         all of its files could be read, or it is the data directory of a Postgres. The backup is kept, \
         with its dumps, but never counts as a good backup.",
        "Do what the message says. `runAsUser` and `runAsGroup` of the directory are the owner of the files.";
    BUCKET_NOT_FOUND = "BucketNotFound" on "BackupFresh=False":
        "The bucket in `spec.backup.storage.s3.bucket` does not exist.",
        "Create the bucket, or correct its name.";
    STORAGE_DENIED = "StorageDenied" on "BackupFresh=False":
        "The storage refused the access key.",
        "Correct the Secret, or allow the key to read, write and list objects under the prefix.";
    STORAGE_UNREACHABLE = "StorageUnreachable" on "BackupFresh=False":
        "The storage did not answer.",
        "Correct `spec.backup.storage.s3.endpoint`.";
    BACKUPS_UNREADABLE = "BackupsUnreadable" on "DataVerified=Unknown, BackupFresh=False":
        "What the bucket holds of this database can't be read, so which backup is the newest good one \
         is not known.",
        "Read the message. Move what is no backup of Holdfast out of the directory that it names.";
    CLOCK_SKEWED = "ClockSkewed" on "BackupFresh=False":
        "The storage refused the time of a request: the clock of the agent's node, or of the storage, \
         is wrong by minutes.",
        "Correct the clock of the node, or of the storage.";
    STORAGE_FULL = "StorageFull" on "BackupFresh=False":
        "The storage is full, or a quota is reached.",
        "Free space, or raise the quota of the bucket.";
    STORAGE_REFUSED = "StorageRefused" on "BackupFresh=False":
        "The storage does not take objects as `spec.backup.storage.s3` describes them: its region, \
         parts, storage class, encryption or object lock.",
        "Correct the field that the message names.";
    UPLOAD_FAILED = "UploadFailed" on "BackupFresh=False":
        "An upload failed and was aborted. Without a manifest nothing of it counts as a backup.",
        "Read the message. The next scheduled backup tries again.";
    DUMP_FAILED = "DumpFailed" on "BackupFresh=False":
        "pg_dump failed, or the image does not contain it.",
        "Read the message and the log of the pod.";
    DUMP_INCOMPLETE = "DumpIncomplete" on "BackupFresh=False":
        "The output of pg_dump was not a complete archive. It was discarded.",
        "Read the message. The next scheduled backup tries again.";
    SERVER_CHANGED = "ServerChanged" on "BackupFresh=False":
        "Postgres was restarted or promoted, or another server answered, while the backup was taken. \
         Its parts would be of different servers, so nothing was stored.",
        "Nothing to do if that was a restart or a failover: the next backup is of the new server. If \
         `spec.connection.host` leads to several servers, let it lead to one.";
    YIELDED_TO_DDL = "YieldedToDDL" on "BackupFresh=False":
        "A change of a table waited for the dump for longer than `spec.backup.yieldToDDL`, so the dump \
         was ended. It was tried again, and the same happened.",
        "Take backups at another time than migrations, or raise `spec.backup.yieldToDDL`.";
    CLIENT_TOO_OLD = "ClientTooOld" on "BackupFresh=False":
        "The server is newer than every pg_dump in the image of the database's container.",
        "Use an image with the client programs of the server's version.";
    ANOTHER_IS_RUNNING = "AnotherIsRunning" on "BackupFresh=False":
        "Another backup of the same database is being taken. Two at once would only slow each other \
         down.",
        "Nothing to do. `kubectl get dbbackup` shows the other one.";
    NOT_REPORTED = "NotReported" on "BackupFresh=False":
        "The Job of a backup has ended, and its agent has not reported how it went: it was killed, or the API \
         server was unavailable until the deadline of the Job. Whether its set is complete is not known, so it does \
         not count. Nothing of it is removed while it has a manifest.",
        "`holdfast backup show SET`, with the set that the message names, says whether it is complete. The next \
         backup is another set.";
    OUT_OF_MEMORY = "OutOfMemory" on "BackupFresh=False":
        "The kernel killed the agent or pg_dump, because they used more memory than their limit. \
         Without a manifest nothing of it counts.",
        "Raise `spec.backup.resources.limits.memory`: pg_dump needs four times the largest value of a \
         row, and at least 512Mi.";
    PROVEN = "Proven" on "RestoreProven=True":
        "A drill has restored a backup that counts into a throwaway server, and found in it all that its \
         manifest says, not longer ago than the schedule of drills allows.",
        "Nothing to do.";
    DRILL_FAILED = "DrillFailed" on "RestoreProven=False, DatabaseRestore Failed":
        "A drill could not restore its backup, or found something else in it than its manifest, or your own \
         queries, say. Older proven backups are kept.",
        "Read the message. Correct what it names, then `kubectl holdfast drill NAME`.";
    DRILL_NEVER_RAN = "NeverRan" on "RestoreProven=Unknown, RestoreProven=False":
        "Drills are asked for, and none has ended yet: Unknown before the first is due, False afterwards.",
        "Wait, or run one now: `kubectl holdfast drill NAME`.";
    DRILL_TOO_OLD = "TooOld" on "RestoreProven=False":
        "The newest drill that has proven a backup is older than two intervals of `spec.drill.schedule` and \
         the deadline of a drill, or without a schedule than 90 days.",
        "`kubectl get dbrestore` shows why there is no newer one.";
    NOT_PROVEN = "NotProven" on "RestoreProven=Unknown, RestoreProven=False":
        "The backup that a drill has proven is gone, was demoted since, or is of another database cluster or \
         bucket than those of now, and no other one is proven.",
        "Run another drill: `kubectl holdfast drill NAME`.";
}
