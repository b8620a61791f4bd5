//! Reasons of the whole: ready, in progress, or waiting for the user.

use super::ReasonDocument;

reasons! { OVERALL:
    ALL_GOOD = "AllGood" on "Ready=True":
        "The data is guarded and verified, and backed up if `spec.backup` is set; the message says \
         which.",
        "Nothing to do.";
    NOT_READY = "NotReady" on "Ready=False":
        "Another condition is not good; the message names the first one.",
        "Read the condition that the message names.";
    PROGRESSING = "Progressing" on "Reconciling=True":
        "The operator is not done: it still sets marks, or waits for a first check or backup.",
        "Wait; the message says for what.";
    SETTLED = "Settled" on "Reconciling=False, Stalled=False":
        "The operator has nothing left to do, or nothing before you change what `Stalled` says. Both \
         are never True at once.",
        "Nothing to do.";
    DATA_RESET = "DataReset" on "Stalled=True":
        "The data looks reset, and the operator waits for you. Tools that read `Stalled`, such as Flux, \
         see a failure. The condition `DataReset` has the reason.",
        "Read the condition `DataReset`.";
    INVALID_SPEC = "InvalidSpec" on "Stalled=True":
        "A field of the spec is invalid; the message names it. The rest of the spec still applies, \
         and what is guarded stays guarded.",
        "Correct the field.";
    WORKLOAD_NOT_FOUND = "WorkloadNotFound" on "Stalled=True, Guarded=False, DataVerified=Unknown, \
        FilesMatch=Unknown":
        "The workload in `spec.workload` does not exist. Claims that have marks stay guarded.",
        "Create the workload, or correct `spec.workload`.";
    WORKLOAD_AMBIGUOUS = "WorkloadAmbiguous" on "Stalled=True, Guarded=False, \
        DataVerified=Unknown, FilesMatch=Unknown":
        "Both a StatefulSet and a Deployment have the name in `spec.workload.name`, or another \
         ProtectedDatabase names the same workload.",
        "Set `spec.workload.kind`, or delete one of the two ProtectedDatabases.";
    CONTAINER_NOT_FOUND = "ContainerNotFound" on "Stalled=True, DataVerified=Unknown, \
        FilesMatch=Unknown":
        "The pod template has no container named `spec.workload.container`, or it has several and \
         the field is not set.",
        "Set `spec.workload.container` to the container that runs Postgres.";
    NAMESPACE_REPLACED = "NamespaceReplaced" on "Stalled=True, Guarded=False, \
        DataVerified=Unknown, FilesMatch=Unknown":
        "The namespace was deleted and its name is used again, so the DatabaseLedger, or a volume, may \
         be another owner's. Nothing of it is compared, shown or restored.",
        "If it is the same owner's, accept the namespace with the command in the message; it needs the \
         permission to write DatabaseLedgers or PersistentVolumes. If not, confirm the deletion of the \
         ledger and delete it.";
    CLAIM_SHARED = "ClaimShared" on "Stalled=True, Guarded=False":
        "Another ProtectedDatabase already guards one of the claims. Its marks are not changed.",
        "Remove the claim from one of the two ProtectedDatabases.";
    DELETION_NOT_CONFIRMED = "DeletionNotConfirmed" on "Stalled=True":
        "The ProtectedDatabase was deleted without confirmation. The data stays guarded until the \
         deletion is confirmed.",
        "Confirm it with `kubectl holdfast unlock protdb/NAME -n NAMESPACE`, or leave it.";
    WRITE_FAILED = "WriteFailed" on "Reconciling=True":
        "The API server refused or did not answer a write; the message contains its answer. While \
         something is `Stalled`, the message of that condition contains it.",
        "Wait; the operator tries again.";
}
