//! Reasons of `Guarded`.

use super::ReasonDocument;

reasons! { GUARD:
    GUARDED = "Guarded" on "Guarded=True":
        "Deletion is refused, the finalizers are set and the volumes are on Retain, all as read \
         back.",
        "Nothing to do.";
    GUARDING = "Guarding" on "Guarded=False":
        "Marks are being set and read back.",
        "Wait a few seconds.";
    GUARD_OFF = "GuardOff" on "Guarded=False":
        "`spec.guard.deletion` is Off.",
        "Set it to Deny to guard the data.";
    NO_CLAIMS = "NoClaims" on "Guarded=False":
        "The workload's container mounts no claim: its data is gone with the pod.",
        "Mount a PersistentVolumeClaim at the data directory.";
    CLAIM_NOT_FOUND = "ClaimNotFound" on "Guarded=False, FilesMatch=Unknown":
        "A claim that the pod template, `spec.extraClaims` or `spec.verification.files` names does \
         not exist.",
        "Create it, or correct the name.";
    CLAIM_NOT_BOUND = "ClaimNotBound" on "Guarded=False":
        "A claim has no volume yet.",
        "Wait for the storage to provide it; `kubectl describe pvc` says what it waits for.";
    CLAIM_LOST = "ClaimLost" on "Guarded=False":
        "A claim's volume object is gone.",
        "Do not delete the claim. Create the PersistentVolume again from its manifest; the claim \
         then binds to it.";
    CLAIM_TERMINATING = "ClaimTerminating" on "Guarded=False":
        "A claim or volume has been deleted without confirmation; our finalizer holds it and the \
         volume is on Retain.",
        "Do not stop the pod before you have a backup: it still has its data. Then `kubectl \
         holdfast recover NAME -n NAMESPACE`.";
    NAMESPACE_TERMINATING = "NamespaceTerminating" on "Guarded=False":
        "The namespace is being deleted: its pods go, what is guarded in it is held, and the \
         volumes are on Retain.",
        "`kubectl holdfast recover NAME -n NAMESPACE` makes it again with what is guarded in it; \
         then apply again what you keep elsewhere, such as the workload.";
    POLICY_MISSING = "PolicyMissing" on "Guarded=False":
        "An admission policy of the guard, or its binding, is missing or not the one this operator \
         installs, or was until a moment ago, or is not enforced yet.",
        "The operator puts it back at once, and an event on the policy names the field manager \
         that changed it last. If this stays, apply the installation manifest again; until then \
         finalizers and Retain hold alone.";
    DEFINITION_CHANGED = "DefinitionChanged" on "Guarded=False":
        "A CustomResourceDefinition of Holdfast is missing, being deleted, or not the one this \
         operator installs, or was until a moment ago.",
        "The operator puts it back at once, and an event on the definition names the field manager \
         that changed it last. If this stays, apply the definitions again: `holdfast crd | kubectl \
         apply --server-side --force-conflicts -f -`. One that is being deleted can't be saved: \
         see `docs/guard.md`.";
    MARKS_REMOVED = "MarksRemoved" on "Guarded=False":
        "Somebody has taken a mark off a guarded claim or volume, or set the volume back from \
         Retain; the message names the field manager. It is put back at once.",
        "Find out who it was. The API server refuses this; that it did not means that the \
         admission policies were off: `kubectl get validatingadmissionpolicy`.";
}
