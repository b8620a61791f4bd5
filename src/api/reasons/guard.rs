//! Reasons of `Guarded`.

use super::ReasonDocument;

reasons! { GUARD:
    GUARDED = "Guarded" on "Guarded=True":
        "The API server refuses deletions, the finalizers are set and the volumes are on Retain. \
         All of it was read back.",
        "Nothing to do.";
    GUARDING = "Guarding" on "Guarded=False":
        "The operator sets the marks and reads them back.",
        "Wait a few seconds.";
    GUARD_OFF = "GuardOff" on "Guarded=False":
        "`spec.guard.deletion` is Off, so nothing refuses deletions.",
        "Set it to Deny.";
    NO_CLAIMS = "NoClaims" on "Guarded=False":
        "The Postgres container mounts no PersistentVolumeClaim: its data is lost when the pod is \
         deleted.",
        "Mount a PersistentVolumeClaim at the data directory.";
    DATA_IN_IMAGE_VOLUME = "DataInImageVolume" on "Guarded=False":
        "The claim is mounted above a directory that the image declares as `VOLUME`, and the data \
         is in that directory. The container runtime mounts an empty directory there, so the data \
         is not on the claim: it is lost with the next restart of the container.",
        "Do not restart the pod. Copy the data onto the claim and mount the claim where the \
         message says; it contains both commands. This change is not refused.";
    CLAIM_MOUNTED_TWICE = "ClaimMountedTwice" on "Guarded=False":
        "More than one pod has the claim with the data directory, and may write to it. Two servers on \
         the same files destroy them, and Postgres does not notice a server in another container.",
        "Stop the pod that does not belong there; the message has the command. A claim with the \
         access mode `ReadWriteOncePod` is given to one pod only.";
    SERVERS_MAY_OVERLAP = "ServersMayOverlap" on "Guarded=False":
        "The workload would start a second server on the data directory: a Deployment with a strategy \
         other than `Recreate`, or more than one replica on one claim.",
        "Run the command in the message, and change it where you keep the manifest. A claim with the \
         access mode `ReadWriteOncePod` is given to one pod only.";
    OTHER_SERVER_SELECTED = "OtherServerSelected" on "Guarded=False":
        "A Service of the database leads to another Postgres, in addition to the protected one or in \
         its place. What is written to the other is not in the protected database.",
        "Stop the other one, or let the Service lead to the pods with the data. The message has both \
         commands, and the claim that has the data.";
    SECOND_SERVER = "SecondServer" on "Guarded=False":
        "A second Postgres of the namespace has the same database, or the same labels, as after a \
         chart was installed under another name. It may be empty, and nothing guards it.",
        "Stop it if it was made by mistake; the message has the command, and the claim that has the \
         data. If it is a database of its own, create a ProtectedDatabase for it.";
    CLAIM_NOT_FOUND = "ClaimNotFound" on "Guarded=False, FilesMatch=Unknown":
        "A claim that the pod template, `spec.extraClaims` or `spec.verification.files` names does \
         not exist.",
        "If it was deleted, `kubectl holdfast recover NAME -n NAMESPACE` recreates it on its \
         volume. Otherwise create it, or correct the name.";
    CLAIM_NOT_BOUND = "ClaimNotBound" on "Guarded=False":
        "A claim has no volume yet.",
        "Wait for the storage; `kubectl describe pvc` says what it waits for.";
    CLAIM_LOST = "ClaimLost" on "Guarded=False":
        "The PersistentVolume of a claim was deleted.",
        "Do not delete the claim. `kubectl holdfast recover NAME -n NAMESPACE` recreates the \
         PersistentVolume from its manifest, and the claim binds to it.";
    CLAIM_TERMINATING = "ClaimTerminating" on "Guarded=False":
        "A claim or volume was deleted without confirmation. The finalizer of Holdfast holds it, \
         and the volume is on Retain.",
        "Do not stop the pod: it still has the data. Take a backup first, then run `kubectl \
         holdfast recover NAME -n NAMESPACE`.";
    NAMESPACE_TERMINATING = "NamespaceTerminating" on "Guarded=False":
        "The namespace is being deleted. Its pods are deleted, its guarded claims are held, and \
         the volumes are on Retain.",
        "`kubectl holdfast recover NAME -n NAMESPACE` recreates the namespace and its guarded \
         objects. Then apply the rest again, such as the workload.";
    POLICY_MISSING = "PolicyMissing" on "Guarded=False":
        "An admission policy of Holdfast, or its binding, was deleted or changed, so the API \
         server may not refuse deletions. Finalizers and Retain still hold.",
        "Wait; the operator restores it at once, and an event on the policy names the field \
         manager that changed it. If it does not pass, apply the installation manifest again.";
    DEFINITION_CHANGED = "DefinitionChanged" on "Guarded=False":
        "A CustomResourceDefinition of Holdfast was deleted or changed.",
        "Wait; the operator restores it at once, and an event on it names the field manager that \
         changed it. If it does not pass: `holdfast crd | kubectl apply --server-side \
         --force-conflicts -f -`. For one that is Terminating, see `docs/guard.md`.";
    MARKS_REMOVED = "MarksRemoved" on "Guarded=False":
        "A label, annotation or finalizer was removed from a guarded claim or volume, or its \
         reclaim policy was changed from Retain. The operator restores it at once; the message \
         names the field manager.",
        "Find out why the API server did not refuse it: the admission policies must have been off. \
         `kubectl get validatingadmissionpolicy` shows them.";
}
