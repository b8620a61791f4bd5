//! Reasons of `Guarded`.

use super::ReasonDocument;

reasons! { GUARD:
    GUARDED = "Guarded" on "Guarded=True":
        "The API server refuses deletions, the finalizers are set and the volumes are on Retain. \
         All of it was read back.",
        "Nothing to do.";
    OWNER_GONE = "OwnerGone" on "Guarded=True":
        "What owned the claims, such as the Cluster of another operator, is gone or is being deleted. \
         Garbage collection tries to delete the claims, and the API server refuses it each time, for \
         days. The claims are not Terminating, and their volumes are on Retain.",
        "Recreate the owner if its tool can take the claims over, or remove the owner reference from \
         each claim; the message has the command.";
    OWNER_REPLACED = "OwnerReplaced" on "Guarded=True":
        "What owned the claims was deleted, and another object of the same name was created since. It does \
         not own the claims, so garbage collection tries to delete them, and the API server refuses it \
         each time.",
        "Give the claims to the new owner; the message has the command. See first what is on the volumes \
         that it has made since: the data is on those of the claims that the message names.";
    GUARDING = "Guarding" on "Guarded=False":
        "The operator sets the marks and reads them back.",
        "Wait a few seconds.";
    MARK_REFUSED = "MarkRefused" on "Guarded=False":
        "The API server refuses a mark, because of a policy or a webhook of others, and the message \
         quotes it; or something removes the mark as soon as it is written. The object that is named \
         is not guarded. What is not named is.",
        "Exclude the service account of the operator, `system:serviceaccount:NAMESPACE:holdfast`, from \
         the policy or webhook that the message names, or correct the object so that it is admitted.";
    CONFIRMED = "Confirmed" on "Guarded=False":
        "A user has confirmed the deletion or a change of a guarded object, so the API server \
         accepts it now. The message names the object and the end, 15 minutes after the \
         confirmation.",
        "Do what you have confirmed, or revoke it: `kubectl holdfast unlock KIND/NAME --revoke`. \
         The operator removes it when it has ended.";
    GUARD_OFF = "GuardOff" on "Guarded=False, Ready=False":
        "`spec.guard.deletion` is Off, so nothing refuses deletions. What carries marks stays \
         guarded until somebody confirms the change.",
        "Set it to Deny; the message has the command.";
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
         access mode `ReadWriteOncePod` is given to one pod only. `Recreate` covers changes only: a \
         pod that is deleted or evicted is replaced while it still terminates.";
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
    PRIMARY_NOT_NAMED = "PrimaryNotNamed" on "Guarded=False":
        "The primary of the cluster is a pod that `spec.workload` does not name: some operators run each \
         instance in a StatefulSet of its own. What clients write there is not checked or backed up, and \
         its claims are not guarded.",
        "Do not stop it. Select all instances by their labels (`spec.workload.selector` and `primary`); \
         the message has both.";
    SAME_STORAGE = "SameStorage" on "Guarded=False":
        "Another PersistentVolume is for the storage of a guarded one, or for a directory that \
         contains it, and is not on Retain or is being deleted: the files of the guarded one would \
         be deleted with it. Or pods may write to these files through it: two servers destroy them.",
        "The operator sets it to Retain; the message names both. Find out who has created it and \
         why. If its deletion has begun, take a backup at once. Stop the pods that use it; where they \
         are yours, the message has the command.";
    TOO_MANY_KEPT_VOLUMES = "TooManyKeptVolumes" on "Guarded=False":
        "The databases of the namespace have kept as many volumes of deleted claims as the operator \
         allows, so a new claim is not guarded: deleting it deletes its files. What is guarded stays \
         guarded.",
        "Ask whoever may delete PersistentVolumes to remove kept volumes that nobody needs; the \
         message has the command. Or start the operator with a higher `--kept-volume-limit`.";
    TOO_MANY_LEDGERS = "TooManyLedgers" on "Guarded=False":
        "As many DatabaseLedgers are left in the namespace of databases that do not exist any more as the \
         operator allows, so none is created for this one. Its claims and volumes are guarded.",
        "Ask whoever may delete DatabaseLedgers to remove those that nobody needs; the message has the \
         command. Or start the operator with a higher `--kept-volume-limit`.";
    TOO_MANY_CLAIMS = "TooManyClaims" on "Guarded=False":
        "More claims carry the mark of the database than are followed for nothing but their mark, or the \
         database has more volumes than its ledger can remember. The others are not looked after.",
        "Name claims with data in `spec.extraClaims`, remove the mark from others, or divide the database \
         into several ProtectedDatabases.";
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
    WORKLOAD_TERMINATING = "WorkloadTerminating" on "Guarded=False":
        "The workload is being deleted, and its pods with it. Its guarded claims stay.",
        "The message names the finalizer that it waits for, and whose it is. When it is gone, apply it \
         again from where you keep it.";
    LEDGER_TERMINATING = "LedgerTerminating" on "Guarded=False":
        "The DatabaseLedger is being deleted: what is remembered outside of the namespace goes with it.",
        "Save it as the message says, and wait for whoever set the finalizer that it names. The \
         operator writes a new one when it is gone.";
    POLICY_MISSING = "PolicyMissing" on "Guarded=False":
        "An admission policy of Holdfast, or its binding, was deleted or changed, or the API server \
         does not ask them, so it may not refuse deletions. Finalizers and Retain still hold.",
        "Wait; the operator restores it at once, and an event on the policy names the field \
         manager that changed it. If it does not pass, or the ClusterRole `holdfast-repair` was left \
         out, apply the installation manifest again. If the message says that the policies exist, see that the API server has the admission plugin \
         ValidatingAdmissionPolicy.";
    DEFINITION_CHANGED = "DefinitionChanged" on "Guarded=False":
        "A CustomResourceDefinition of Holdfast was deleted or changed.",
        "Wait; the operator restores it at once, and an event on it names the field manager that \
         changed it. If it does not pass, or the ClusterRole `holdfast-repair` was left out: `holdfast crd | kubectl apply --server-side \
         --force-conflicts -f -`. For one that is Terminating, see `docs/guard.md`.";
    NEWER_VERSION = "NewerVersion" on "Guarded=False":
        "An admission policy or CustomResourceDefinition says that a newer version of Holdfast has \
         installed it, and is not the one of this operator with more rules or fields: this operator \
         can't tell whether deletions are refused, and leaves it alone. A dry-run delete of the \
         ProtectedDatabase was refused, if it could be tried; that proves nothing of claims and volumes. \
         Finalizers and Retain still hold.",
        "During an upgrade, wait for the newer operator. After a rollback, apply the installation \
         manifest of this version again, with `--force-conflicts`. If nobody has upgraded, somebody has \
         changed the object: do the same, and find out who.";
    AGENT_PERMISSIONS_CHANGED = "AgentPermissionsChanged" on "Guarded=False":
        "The RoleBinding of the agents in the namespace was changed: it gave them other permissions, \
         or gave theirs to others. The operator makes it what it should be at once.",
        "Find out who may write role bindings in the namespace, and why they did.";
    MARKS_REMOVED = "MarksRemoved" on "Guarded=False":
        "A label, annotation or finalizer was removed from a guarded claim or volume, or its \
         reclaim policy was changed from Retain. The operator restores it at once; the message \
         names the field manager.",
        "Find out why the API server did not refuse it: the admission policies must have been off. \
         `kubectl get validatingadmissionpolicy` shows them.";
}
