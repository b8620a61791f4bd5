//! Reasons of a restore from a backup that failed, in the report of its `DatabaseRestore`.

use super::ReasonDocument;

reasons! { RESTORES:
    SET_CHANGED = "SetChanged" on "DatabaseRestore Failed":
        "The backup set in the bucket is not the one that was chosen: its manifest or one of its objects \
         has other bytes, or is gone. Nothing of it was parsed, and what is there is unchanged.",
        "Restore another set: `kubectl get dbbackup` lists them. See who can write to the bucket.";
    RESTORE_REFUSED = "RestoreRefused" on "DatabaseRestore Failed":
        "The server, or the claim, can't take the set as it is. The message names what stands against it. \
         Nothing was made.",
        "Correct what the message names, then create another DatabaseRestore.";
    DISK_TOO_SMALL = "DiskTooSmall" on "DatabaseRestore Failed":
        "The disk of the server has too little space for the restored databases beside the present ones, or \
         less than 10 % of it would have stayed free; or a claim has too little for restored files. What was \
         made was dropped; what is there is unchanged.",
        "Expand the claim, or remove what earlier restores have kept (`NAME_before_restore_…`, for files \
         `NAME.before-restore-…`), then create another DatabaseRestore.";
    RESTORE_FAILED = "RestoreFailed" on "DatabaseRestore Failed":
        "pg_restore or a statement of the restore failed, or files could not be written. What was made was \
         dropped; what is there is unchanged.",
        "Read the message and the log of the pod, then create another DatabaseRestore.";
    RESTORE_DIFFERS = "RestoreDiffers" on "DatabaseRestore Failed":
        "The restored rows or files are not those that the manifest says. What was made was dropped; what is \
         there is unchanged.",
        "Restore another set, or restore this one by hand and look at the tables that the message names.";
    SWAP_FAILED = "SwapFailed" on "DatabaseRestore Failed":
        "The restored database, or directory, is good, but could not take the name of the present one, which is \
         unchanged. Of a directory the message says if not every name is as it was.",
        "Correct what the message names, then create another DatabaseRestore.";
    SERVER_REPLACED = "ServerReplaced" on "DatabaseRestore Failed":
        "Another database cluster answers than the one that the restore has begun in: the data directory is \
         another one. Nothing was done there.",
        "See why the data directory is another one (`kubectl holdfast explain`), then create another \
         DatabaseRestore.";
    SCRATCH_FAILED = "ScratchFailed" on "DatabaseRestore Failed":
        "The throwaway server of a drill did not start, or ended: its disk, its memory, or the image. It does \
         not say whether the backup can be restored.",
        "Correct what the message names, such as `spec.drill.storage`, then start another drill.";
}
