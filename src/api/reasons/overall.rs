//! Reasons of the whole: ready, at work, or waiting for a person.

use super::ReasonDocument;

reasons! { OVERALL:
    ALL_GOOD = "AllGood" on "Ready=True":
        "Guarded, verified, backed up, and the data does not look reset.",
        "Nothing to do.";
    NOT_READY = "NotReady" on "Ready=False":
        "One of the other conditions is not as it should be; the message names the first.",
        "Read the condition that the message names.";
    PROGRESSING = "Progressing" on "Reconciling=True":
        "The operator is still at work: marks are being set, or a first check or backup is on its \
         way.",
        "Wait; the message says for what.";
    SETTLED = "Settled" on "Reconciling=False, Stalled=False":
        "Nothing is left to do for now.",
        "Nothing to do.";
    INVALID_SPEC = "InvalidSpec" on "Stalled=True":
        "A field of the spec can't be acted on; the message names it.",
        "Change the field. Everything else goes on: what is guarded stays guarded.";
    WORKLOAD_NOT_FOUND = "WorkloadNotFound" on "Stalled=True, Guarded=False, DataVerified=Unknown, \
        FilesMatch=Unknown":
        "There is no workload of the name in `spec.workload`.",
        "Create it, or correct `spec.workload`. Claims that carry marks stay guarded.";
    WORKLOAD_AMBIGUOUS = "WorkloadAmbiguous" on "Stalled=True, Guarded=False, \
        DataVerified=Unknown, FilesMatch=Unknown":
        "Both a StatefulSet and a Deployment have the name in `spec.workload.name`, or another \
         ProtectedDatabase names the same workload.",
        "Set `spec.workload.kind`, or delete one of the two ProtectedDatabases.";
    CONTAINER_NOT_FOUND = "ContainerNotFound" on "Stalled=True, DataVerified=Unknown, \
        FilesMatch=Unknown":
        "The pod template has no container of the name in `spec.workload.container`, or several \
         and none was named.",
        "Set `spec.workload.container` to the container that runs Postgres.";
    CLAIM_SHARED = "ClaimShared" on "Stalled=True, Guarded=False":
        "Another ProtectedDatabase guards one of the claims already; its marks are left as they \
         are.",
        "Let one ProtectedDatabase own the claim.";
    DELETION_NOT_CONFIRMED = "DeletionNotConfirmed" on "Stalled=True":
        "The ProtectedDatabase was deleted without confirmation; its guard stays until the \
         deletion is confirmed.",
        "Confirm with the command in the message, or leave it: the data is guarded as before.";
    WRITE_FAILED = "WriteFailed" on "Reconciling=True":
        "The API server refused or did not answer a write; it is tried again.",
        "If it stays, read the message: it carries the API server's answer.";
}
