//! Reasons of `BackupFresh` and `RestoreProven`.

use super::ReasonDocument;

reasons! { BACKUPS:
    BACKUP_FRESH = "BackupFresh" on "BackupFresh=True":
        "The newest good backup is not older than the schedule asks.",
        "Nothing to do.";
    NO_BACKUP_CONFIGURED = "NoBackupConfigured" on "BackupFresh=False":
        "There is no `spec.backup`.",
        "Add one.";
    NEVER_SUCCEEDED = "NeverSucceeded" on "BackupFresh=False":
        "No backup has been completed yet.",
        "Wait for the first; it follows the first good check.";
    BACKUP_OVERDUE = "BackupOverdue" on "BackupFresh=False":
        "The newest good backup is older than two intervals of the schedule.",
        "See `kubectl get dbbackup` for what the newest ones say.";
    NAME_TAKEN = "NameTaken" on "BackupFresh=False, Stalled=True":
        "An object of the name that Holdfast needs was made by somebody else. It is neither \
         changed nor deleted.",
        "Rename or delete the object that the message names; Holdfast then makes its own.";
    ENCRYPTION_UNSUPPORTED = "EncryptionUnsupported" on "BackupFresh=False":
        "`spec.backup.encryption` is set, which this version can't do; no backup is taken, so that \
         nothing leaves unencrypted.",
        "Take the field out to have unencrypted backups.";
    DATA_SUSPECT = "DataSuspect" on "BackupFresh=False":
        "The backup was taken while the data looked reset or had not been verified; it is kept, \
         and never counts as good.",
        "Bring the data back, or see what DataVerified says, first.";
    BUCKET_NOT_FOUND = "BucketNotFound" on "BackupFresh=False":
        "The bucket in `spec.backup.storage.s3.bucket` does not exist.",
        "Create it or correct the name.";
    STORAGE_DENIED = "StorageDenied" on "BackupFresh=False":
        "The storage refused the access key.",
        "Correct the Secret, or give the key the right to read, write and list below the prefix.";
    STORAGE_UNREACHABLE = "StorageUnreachable" on "BackupFresh=False":
        "The storage could not be reached.",
        "Correct `spec.backup.storage.s3.endpoint`.";
    UPLOAD_FAILED = "UploadFailed" on "BackupFresh=False":
        "An upload failed and was aborted; nothing is at the final key.",
        "See the message; it is tried again at the next time of the schedule.";
    DUMP_FAILED = "DumpFailed" on "BackupFresh=False":
        "pg_dump ended with an error, or is not in the image.",
        "See the message and the pod's log.";
    DUMP_INCOMPLETE = "DumpIncomplete" on "BackupFresh=False":
        "The stream of pg_dump did not end as an archive must; it was thrown away.",
        "See the message; it is tried again at the next time of the schedule.";
    NOT_CONFIGURED = "NotConfigured" on "RestoreProven=Unknown":
        "Restore drills are not there yet.",
        "See `docs/roadmap.md`.";
}
