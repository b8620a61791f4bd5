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
    BACKUP_OVERDUE = "BackupOverdue" on "BackupFresh=False":
        "The newest good backup is older than two intervals of the schedule.",
        "`kubectl get dbbackup` shows why the newer ones failed.";
    NAME_TAKEN = "NameTaken" on "BackupFresh=False, Stalled=True":
        "An object that Holdfast did not create has a name that Holdfast needs. Holdfast neither \
         changes nor deletes it.",
        "Rename or delete the object that the message names. Holdfast then creates its own.";
    ENCRYPTION_UNSUPPORTED = "EncryptionUnsupported" on "BackupFresh=False":
        "`spec.backup.encryption` is set, but this version does not support it. No backup is \
         taken, so that nothing is uploaded unencrypted.",
        "Remove the field to get unencrypted backups.";
    DATA_SUSPECT = "DataSuspect" on "BackupFresh=False":
        "The backup was taken while the data looked reset or was not verified. It is kept, but \
         never counts as a good backup.",
        "Fix what DataVerified or DataReset says. The next backup is good again.";
    BUCKET_NOT_FOUND = "BucketNotFound" on "BackupFresh=False":
        "The bucket in `spec.backup.storage.s3.bucket` does not exist.",
        "Create the bucket, or correct its name.";
    STORAGE_DENIED = "StorageDenied" on "BackupFresh=False":
        "The storage refused the access key.",
        "Correct the Secret, or allow the key to read, write and list objects under the prefix.";
    STORAGE_UNREACHABLE = "StorageUnreachable" on "BackupFresh=False":
        "The storage did not answer.",
        "Correct `spec.backup.storage.s3.endpoint`.";
    UPLOAD_FAILED = "UploadFailed" on "BackupFresh=False":
        "An upload failed and was aborted. No partial backup is left under its final name.",
        "Read the message. The next scheduled backup tries again.";
    DUMP_FAILED = "DumpFailed" on "BackupFresh=False":
        "pg_dump failed, or the image does not contain it.",
        "Read the message and the log of the pod.";
    DUMP_INCOMPLETE = "DumpIncomplete" on "BackupFresh=False":
        "The output of pg_dump was not a complete archive. It was discarded.",
        "Read the message. The next scheduled backup tries again.";
    NOT_CONFIGURED = "NotConfigured" on "RestoreProven=Unknown":
        "This version does not run restore drills yet.",
        "Nothing to do; `docs/roadmap.md` lists what is planned.";
}
