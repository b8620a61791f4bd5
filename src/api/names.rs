//! Every label, annotation, finalizer and object name that others may rely on. No logic beyond
//! joining names.

/// API group of all kinds.
pub const GROUP: &str = "holdfast.dev";
/// API version of all kinds.
pub const VERSION: &str = "v1alpha1";

/// Label on every guarded object, `"true"`; admission rules and watches select by it.
pub const PROTECTED_LABEL: &str = "holdfast.dev/protected";
/// Label on a guarded workload while all of its claims are guarded too, `"true"`: then it may be deleted
/// without its pods.
pub const CLAIMS_GUARDED_LABEL: &str = "holdfast.dev/claims-guarded";
/// Annotation on every guarded object but workloads and namespaces: `NAMESPACE/NAME` of the `ProtectedDatabase` that guards it.
pub const PROTECTED_BY_ANNOTATION: &str = "holdfast.dev/protected-by";
/// Annotation on guarded claims: what would be lost with them, shown by the API server when it
/// refuses.
pub const LOSS_SUMMARY_ANNOTATION: &str = "holdfast.dev/loss-summary";
/// Finalizer on guarded claims, volumes and `ProtectedDatabase`s. Never on a workload: a
/// terminating `StatefulSet` no longer recreates its pods.
pub const KEEP_FINALIZER: &str = "holdfast.dev/keep";
/// Annotation that confirms the deletion of the object that carries it, [`super::Confirmation`].
pub const CONFIRM_DELETION_ANNOTATION: &str = "holdfast.dev/confirm-deletion";
/// Annotation that confirms a change of the object that carries it, [`super::Confirmation`].
pub const CONFIRM_CHANGE_ANNOTATION: &str = "holdfast.dev/confirm-change";
/// Annotation on a claim whose deletion the operator has confirmed for a `DatabaseRestore`: that
/// restore, `NAMESPACE/NAME`.
pub const CONFIRMED_FOR_ANNOTATION: &str = "holdfast.dev/confirmed-for-restore";
/// Annotation beside that one: the `ProtectedDatabase`, `NAMESPACE/NAME`, that is restored.
pub const CONFIRMED_FOR_DATABASE_ANNOTATION: &str = "holdfast.dev/confirmed-for-database";
/// Annotation on guarded volumes: the UID of the namespace whose volume it is. A namespace that is
/// created again under the name is another one.
pub const NAMESPACE_UID_ANNOTATION: &str = "holdfast.dev/namespace-uid";
/// Annotation on a volume that was released and stays on Retain: the UID of the namespace whose
/// database has set it so. It counts among the kept volumes of that namespace.
pub const KEPT_FOR_ANNOTATION: &str = "holdfast.dev/kept-for-namespace";
/// Annotation on a `DatabaseLedger`: the UID of the namespace that is another one of the name, and
/// still the same owner's. What the ledger remembers is of that one too.
pub const ACCEPT_NAMESPACE_ANNOTATION: &str = "holdfast.dev/accept-namespace";
/// Annotation on a `DatabaseLedger` and on the namespace that `recover` creates for it: the same
/// text on both, so that a recovery that was interrupted knows the namespace as its own.
pub const RECREATION_ANNOTATION: &str = "holdfast.dev/recreation";
/// Annotation on a claim that was Lost: the resource version of its recreated volume. Writing it
/// makes the volume controller read the claim at once.
pub const REBOUND_VOLUME_VERSION_ANNOTATION: &str = "holdfast.dev/rebound-volume-version";
/// Annotation on a `ProtectedDatabase`: the `DatabaseRestore`s that were carried out for it,
/// [`super::CarriedOut`].
pub const CARRIED_OUT_ANNOTATION: &str = "holdfast.dev/restores-carried-out";
/// Finalizer on a `DatabaseRestore` while it has stopped the workload, or while its Job restores a backup:
/// deleted on its way, it is gone only after the workload has its pods back, or the Job has ended.
pub const RESTORING_FINALIZER: &str = "holdfast.dev/restoring";
/// Annotation on a `DatabaseRestore`, `true`: its user has seen that the disk has space for it, whatever
/// the claim says.
pub const IGNORE_DISK_ANNOTATION: &str = "holdfast.dev/ignore-disk";
/// Annotation on a workload that a recovery has scaled to 0: how many pods it had.
pub const REPLICAS_BEFORE_ANNOTATION: &str = "holdfast.dev/replicas-before-recovery";
/// Annotation on a guarded workload whose data lies beside its claim: the one change of a mount
/// that the admission policy lets through, `CONTAINER PATH -> RIGHT PATH`.
pub const MOUNT_REPAIR_ANNOTATION: &str = "holdfast.dev/mount-repair";
/// Readiness gate that a pod template may ask for: no traffic reaches such a pod before its data is
/// verified.
pub const DATA_VERIFIED_GATE: &str = "holdfast.dev/data-verified";
/// Annotation on a `ProtectedDatabase`: the `DatabaseCheck` whose evidence becomes the new
/// baseline.
pub const ACCEPT_CHECK_ANNOTATION: &str = "holdfast.dev/accept-check";
/// Annotation on a `ProtectedDatabase`: accepts the next change of its data,
/// [`super::DeclaredChange`].
pub const ACCEPT_NEXT_CHANGE_ANNOTATION: &str = "holdfast.dev/accept-next-change";
/// Label on everything that belongs to one `ProtectedDatabase` (checks, backups, Jobs): its name.
pub const DATABASE_LABEL: &str = "holdfast.dev/database";
/// Label on agent Jobs and their pods: `check`, `files`, `backup`, `restore`, `restore-files`,
/// `drill`, `catalog` or `copy`.
pub const TASK_LABEL: &str = "holdfast.dev/task";
/// Annotation on our `CustomResourceDefinition`s and admission policies: the version of Holdfast that
/// installed them.
pub const DEFINITION_VERSION_ANNOTATION: &str = "holdfast.dev/definition-version";
/// Standard label on everything that an installation consists of, `"holdfast"`.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The value of [`NAME_LABEL`].
pub const NAME_VALUE: &str = "holdfast";
/// Standard label that names what manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Field manager and event reporter of the operator, and the value of [`MANAGED_BY_LABEL`].
pub const OPERATOR_MANAGER: &str = "holdfast";
/// Field manager of agents, the programs inside Jobs.
pub const AGENT_MANAGER: &str = "holdfast-agent";
/// Prefix of the field managers of agents that look for files; the index of the rule follows. Each
/// has its own: an apply removes what the same manager applied before and leaves out now.
const FILES_MANAGER: &str = "holdfast-agent-files";
/// Prefix of the names of Jobs that look for files; the UID of the check follows.
pub const FILES_JOB_PREFIX: &str = "files-";
/// Field manager of agents that restore a backup.
pub const RESTORE_AGENT_MANAGER: &str = "holdfast-agent-restore";
/// What the agent of a Job does that restores files, as in its label.
pub const RESTORE_FILES_TASK: &str = "restore-files";
/// Prefix of the names of Jobs that restore a backup; the UID of the `DatabaseRestore` follows.
pub const RESTORE_JOB_PREFIX: &str = "restore-";
/// Field manager of the agents that look at the sets in the bucket.
pub const CATALOG_MANAGER: &str = "holdfast-agent-catalog";
/// Prefix of the names of Jobs that look at the sets in the bucket; the UID of a backup follows.
pub const CATALOG_JOB_PREFIX: &str = "catalog-";
/// Prefix of the field managers of agents that copy sets; the name of the copy follows.
const COPY_MANAGER: &str = "holdfast-agent-copy";
/// Prefix of the names of Jobs that copy a set into another bucket; the UID of its backup follows.
pub const COPY_JOB_PREFIX: &str = "copy-";
/// Field manager of the plugin, `kubectl holdfast`.
pub const PLUGIN_MANAGER: &str = "kubectl-holdfast";
/// Service account of the operator.
pub const OPERATOR_SERVICE_ACCOUNT: &str = "holdfast";
/// Service account of agents, one in each namespace that has a `ProtectedDatabase`.
pub const AGENT_SERVICE_ACCOUNT: &str = "holdfast-agent";
/// Cluster role that the agents' role binding names.
pub const AGENT_CLUSTER_ROLE: &str = "holdfast-agent";

/// The longest name of a `ProtectedDatabase`: what Holdfast derives from it must fit the 52
/// characters of a `CronJob`'s name.
pub const DATABASE_NAME_LIMIT: usize = 40;

/// Name of the `CronJob` that takes the backups of a `ProtectedDatabase`.
#[must_use]
pub fn backup_cron_job(database: &str) -> String {
    format!("{database}-backup")
}

/// What the names of the Jobs of the first backup begin with, and of what they make.
#[must_use]
pub fn first_backup(database: &str) -> String {
    format!("{database}-backup-first")
}

/// Field manager of the agent that looks for the files of one rule.
#[must_use]
pub fn files_manager(rule: usize) -> String {
    format!("{FILES_MANAGER}-{rule}")
}

/// Name of the Job that looks for the files of one rule for one check. It carries the check's UID
/// and not its name, which may be as long as a name can be: so the pod's name, which the API server
/// cuts, still says whose status the agent may write.
#[must_use]
pub fn files_job(check_uid: &str, rule: usize) -> String {
    format!("{FILES_JOB_PREFIX}{check_uid}-{rule}")
}

/// Name of the Job that restores a backup for one `DatabaseRestore`, by its UID: no other object's Job
/// has it, and there is no second one.
#[must_use]
pub fn restore_job(restore_uid: &str) -> String {
    format!("{RESTORE_JOB_PREFIX}{restore_uid}")
}

/// What the names of the `DatabaseRestore`s of drills begin with.
#[must_use]
pub fn drill_prefix(database: &str) -> String {
    format!("{database}-drill-")
}

/// Name of the `DatabaseRestore` of a drill that is due, or was asked for, at that time.
#[must_use]
pub fn drill(database: &str, at: jiff::Timestamp) -> String {
    let time = at
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime("%Y%m%d-%H%M%S");
    format!("{}{time}", drill_prefix(database))
}

/// Name of a Job that looks at the sets in the bucket: the UID of the backup that gets its report comes
/// first, and a number that no other run for it has.
#[must_use]
pub fn catalog_job(backup_uid: &str, run: i64) -> String {
    format!("{CATALOG_JOB_PREFIX}{backup_uid}-{run}")
}

/// Field manager of the agents that make one copy.
#[must_use]
pub fn copy_manager(copy: &str) -> String {
    format!("{COPY_MANAGER}-{copy}")
}

/// What the names of the Jobs begin with that copy the set of one backup to one bucket: the UID of the
/// backup, and eight hex digits that stand for the name of the copy.
#[must_use]
pub fn copy_jobs(backup_uid: &str, copy_digits: &str) -> String {
    format!("{COPY_JOB_PREFIX}{backup_uid}-{copy_digits}-")
}

/// Name of the `DatabaseLedger` of a `ProtectedDatabase`. No namespace has a dot in its name, so no
/// two share one.
#[must_use]
pub fn ledger(namespace: &str, database: &str) -> String {
    format!("{namespace}.{database}")
}

/// `NAMESPACE/NAME`, the value of [`PROTECTED_BY_ANNOTATION`].
#[must_use]
pub fn protected_by(namespace: &str, database: &str) -> String {
    format!("{namespace}/{database}")
}
