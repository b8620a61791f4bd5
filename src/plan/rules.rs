//! Vets every plan before anything of it is done: no step may lose data. Pure.
//!
//! A rule reads what the step was decided from; what it does not know, it refuses.

use super::release_rules as release;
use super::requirements::{Permission, Pin};
use super::scope::Scope;
use super::{
    ConfirmedKind, Plan, RecoveryPlan, Step, backup_rules as backups, drill_rules as drills,
    job_rules as jobs, ownership_rules as ownership, recovery_rules as recovery,
    storage_rules as storage, workload_rules as workload,
};
use crate::api::{WhenUnverifiable, names};
use crate::guard::{self, Standing};
use crate::world::{AgentIdentity, Observed};

/// A plan that must not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refusing to {step}: {why}; nothing of this plan was done")]
pub struct RuleViolation {
    pub step: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

pub(crate) type Rule = fn(&Scope<'_>, &[Step], usize) -> Result<(), &'static str>;

/// The rules and their names, each a "make sure that …".
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("steps_are_for_who_may", steps_are_for_who_may),
    ("writes_are_pinned", writes_are_pinned),
    (
        "what_is_confirmed_is_terminating",
        what_is_confirmed_is_terminating,
    ),
    ("removals_are_confirmed", removals_are_confirmed),
    ("disturbances_were_agreed_to", disturbances_were_agreed_to),
    ("releases_are_permitted", release::releases_are_permitted),
    (
        "terminating_objects_are_released_by_their_own_confirmation",
        release::terminating_objects_are_released_by_their_own_confirmation,
    ),
    (
        "releases_follow_an_assertion_of_the_database",
        release::releases_follow_an_assertion_of_the_database,
    ),
    (
        "volumes_are_retained_first",
        release::volumes_are_retained_first,
    ),
    (
        "claims_follow_an_assertion_of_their_volume",
        release::claims_follow_an_assertion_of_their_volume,
    ),
    (
        "the_database_is_released_last",
        release::the_database_is_released_last,
    ),
    ("only_our_claims", only_our_claims),
    ("only_our_cron_job", only_our_cron_job),
    ("only_a_wrong_role_binding", only_a_wrong_role_binding),
    (
        "only_jobs_of_idle_agents_are_ended",
        jobs::only_jobs_of_idle_agents_are_ended,
    ),
    (
        "restores_are_confirmed_and_run_once",
        jobs::restores_are_confirmed_and_run_once,
    ),
    (
        "claims_are_written_only_by_restores_of_files",
        jobs::claims_are_written_only_by_restores_of_files,
    ),
    (
        "only_backups_go_whose_sets_are_removed",
        backups::only_backups_go_whose_sets_are_removed,
    ),
    ("only_old_failures_go", backups::only_old_failures_go),
    (
        "running_backups_outlive_their_database",
        backups::running_backups_outlive_their_database,
    ),
    ("drills_are_begun_alone", drills::drills_are_begun_alone),
    (
        "backups_are_proven_by_drills",
        drills::backups_are_proven_by_drills,
    ),
    ("only_old_drills_go", drills::only_old_drills_go),
    (
        "only_damage_demotes_what_counts",
        backups::only_damage_demotes_what_counts,
    ),
    ("evidence_is_kept", evidence_is_kept),
    ("gates_open_for_a_reason", gates_open_for_a_reason),
    (
        "recovery_stays_with_the_databases_own",
        recovery::recovery_stays_with_the_databases_own,
    ),
    (
        "claims_go_when_their_volume_is_kept",
        recovery::claims_go_when_their_volume_is_kept,
    ),
    ("claims_go_without_pods", recovery::claims_go_without_pods),
    (
        "volumes_are_not_taken_from_others",
        recovery::volumes_are_not_taken_from_others,
    ),
    (
        "pods_start_on_their_own_claims",
        recovery::pods_start_on_their_own_claims,
    ),
    (
        "scaling_down_deletes_no_claim",
        recovery::scaling_down_deletes_no_claim,
    ),
    (
        "one_server_on_each_data_directory",
        recovery::one_server_on_each_data_directory,
    ),
    (
        "confirmations_of_volumes_are_used_up",
        recovery::confirmations_of_volumes_are_used_up,
    ),
    (
        "claims_are_the_databases_own",
        ownership::claims_are_the_databases_own,
    ),
    (
        "volumes_are_of_this_namespace",
        ownership::volumes_are_of_this_namespace,
    ),
    (
        "pods_of_others_are_not_disturbed",
        ownership::pods_of_others_are_not_disturbed,
    ),
    (
        "restores_confirm_what_they_delete",
        ownership::restores_confirm_what_they_delete,
    ),
    (
        "only_recreated_namespaces_are_accepted",
        ownership::only_recreated_namespaces_are_accepted,
    ),
    (
        "ledgers_stay_with_their_namespace",
        ownership::ledgers_stay_with_their_namespace,
    ),
    (
        "volumes_stay_with_their_namespace",
        ownership::volumes_stay_with_their_namespace,
    ),
    ("revoked_is_what_has_ended", revoked_is_what_has_ended),
    (
        "twins_endanger_guarded_volumes",
        storage::twins_endanger_guarded_volumes,
    ),
    (
        "no_server_beside_that_of_a_twin",
        storage::no_server_beside_that_of_a_twin,
    ),
    (
        "needed_volumes_are_remembered",
        storage::needed_volumes_are_remembered,
    ),
    ("only_our_workload", workload::only_our_workload),
    (
        "recovery_leaves_the_workloads_of_others",
        workload::recovery_leaves_the_workloads_of_others,
    ),
];

/// Vets the plan of the operator's pass for one database.
///
/// # Errors
/// The first step that breaks a rule, and the rule.
pub fn check_plan(observed: &Observed, plan: &Plan) -> Result<(), RuleViolation> {
    let status = &plan.status;
    check_steps(&Scope::Database { observed, status }, &plan.steps)
}

/// Vets the plan of a recovery.
///
/// # Errors
/// The first step that breaks a rule, and the rule.
pub fn check_recovery(scope: &Scope<'_>, plan: &RecoveryPlan) -> Result<(), RuleViolation> {
    check_steps(scope, &plan.steps)
}

fn check_steps(scope: &Scope<'_>, steps: &[Step]) -> Result<(), RuleViolation> {
    check_by(scope, steps, &RULES.iter().collect::<Vec<_>>())
}

/// Vets every step by the given rules.
pub(crate) fn check_by(
    scope: &Scope<'_>,
    steps: &[Step],
    rules: &[&(&str, Rule)],
) -> Result<(), RuleViolation> {
    for (position, step) in steps.iter().enumerate() {
        for (_, rule) in rules {
            rule(scope, steps, position).map_err(|why| RuleViolation {
                step: step.describe(),
                why,
            })?;
        }
    }
    Ok(())
}

/// Make sure that each step is carried out only by those who may.
fn steps_are_for_who_may(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    if steps[position].actors().contains(&scope.actor()) {
        Ok(())
    } else {
        Err("whoever carries out this plan may not do that")
    }
}

/// Make sure that every change to an object of others, and every deletion, names the very object
/// that was read.
fn writes_are_pinned(_: &Scope<'_>, steps: &[Step], position: usize) -> Result<(), &'static str> {
    let is_pinned = match steps[position].pin() {
        Pin::Version(metadata) => metadata.uid.is_some() && metadata.resource_version.is_some(),
        Pin::Uid(uid, _) => uid.is_some(),
        Pin::NewName | Pin::OwnFields | Pin::NoWrite => true,
    };
    if is_pinned {
        Ok(())
    } else {
        Err(
            "the object it would change has no UID or resource version, so it could be another one \
             of the same name",
        )
    }
}

/// Make sure that the deletion of a namespace or a ProtectedDatabase is confirmed only where it is
/// under way: it can't be undone any more.
fn what_is_confirmed_is_terminating(
    _: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    match steps[position].permission() {
        Permission::Terminating(metadata) if metadata.deletion_timestamp.is_none() => {
            Err("nobody has deleted it")
        }
        _ => Ok(()),
    }
}

/// Make sure that a claim, or an object that we guard, is deleted, or its last finalizer removed, only
/// when that very deletion is confirmed.
fn removals_are_confirmed(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let (metadata, must_be_deleted) = match steps[position].permission() {
        Permission::Confirmation(metadata) => (metadata, false),
        Permission::ConfirmedDeletion(metadata) => (metadata, true),
        Permission::NotNeeded
        | Permission::Release(_)
        | Permission::Terminating(_)
        | Permission::OwnObject => return Ok(()),
    };
    let earlier = &steps[..position];
    let is_confirmed = guard::deletion_confirmed(metadata, scope.now())
        || earlier.iter().any(|step| match step {
            Step::ConfirmNamespaceDeletion(confirmed)
            | Step::ConfirmClaimDeletion(confirmed)
            | Step::ConfirmDatabaseDeletion(confirmed) => confirmed.uid == metadata.uid,
            _ => false,
        });
    // A claim in the way is confirmed too, guarded or not: the API server asks for it.
    let is_guarded = guard::is_labelled(metadata)
        || guard::is_held(metadata)
        || matches!(steps[position], Step::DeleteClaim(_));
    if is_guarded && !is_confirmed {
        return Err("its deletion is not confirmed by its UID");
    }
    let is_deleted = metadata.deletion_timestamp.is_some()
        || earlier
            .iter()
            .any(|step| matches!(step, Step::DeleteClaim(deleted) if deleted.uid == metadata.uid));
    if must_be_deleted && !is_deleted {
        return Err("it is not being deleted");
    }
    Ok(())
}

/// Make sure that the operator removes no confirmation that is in force: a user has just written it.
/// Whoever recovers a database wants to keep it.
fn revoked_is_what_has_ended(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::RevokeConfirmation(step) = &steps[position] else {
        return Ok(());
    };
    let standing = guard::standing(&step.metadata, step.verb, scope.now());
    let Scope::Database { observed, .. } = scope else {
        return Ok(());
    };
    // What an annotation says on a workload is no mark; another rule asks whose that is.
    let marked = guard::marked_owner(&step.metadata)
        .filter(|_| !matches!(step.kind, ConfirmedKind::Workload(_)));
    match marked {
        Some(other) if other != observed.owner() => {
            Err("it carries the mark of another ProtectedDatabase")
        }
        _ if observed.clock_ahead.known().is_none() => {
            Err("the time of the API server is not known, which says whether it is in force")
        }
        _ if matches!(standing, Standing::Until(_)) => Err("it is in force"),
        _ => Ok(()),
    }
}

/// Make sure that what stops pods or removes an object in a recovery was among what the user
/// confirmed, or what the status of the `DatabaseRestore` announced.
fn disturbances_were_agreed_to(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let agreed = match scope {
        Scope::Database { .. }
        | Scope::User {
            confirmed: None, ..
        } => return Ok(()),
        Scope::Restore { announced, .. } => announced,
        Scope::User {
            confirmed: Some(confirmed),
            ..
        } => confirmed,
    };
    match steps[position].consent() {
        Some(consent) if !agreed.contains(&consent) => {
            Err("it stops pods or removes an object, and was not confirmed or announced before")
        }
        _ => Ok(()),
    }
}

/// Make sure that only claims without another's mark are marked, written to or released.
fn only_our_claims(scope: &Scope<'_>, steps: &[Step], position: usize) -> Result<(), &'static str> {
    let metadata = match &steps[position] {
        Step::MarkClaim(metadata) | Step::NoteLoss { metadata, .. } => metadata,
        Step::ReleaseClaim(release) => &release.metadata,
        _ => return Ok(()),
    };
    let owner = scope.database()?.owner();
    match guard::marked_owner(metadata) {
        Some(other) if other != owner => Err("it carries the mark of another ProtectedDatabase"),
        _ => Ok(()),
    }
}

/// Make sure that a CronJob is changed or deleted only when it is ours, or when there is none.
fn only_our_cron_job(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let step = &steps[position];
    if !matches!(
        step,
        Step::ApplyCronJob(_) | Step::DeleteCronJob(_) | Step::LeaveBackup(_)
    ) {
        return Ok(());
    }
    let observed = scope.database()?;
    let Some(present) = observed.cron_job.known() else {
        return Err("the CronJob could not be read, so it may be somebody else's");
    };
    if let Some(present) = present
        && !observed.is_ours(&present.metadata)
    {
        return Err("the CronJob of that name is not one of Holdfast's");
    }
    let read_uid = present.as_ref().map(|present| &present.metadata.uid);
    match step {
        Step::DeleteCronJob(metadata) if read_uid != Some(&metadata.uid) => {
            Err("it is not the CronJob that was read")
        }
        _ => Ok(()),
    }
}

/// Make sure that a role binding is deleted only when it is the one that gives the agents another role,
/// and when the right one follows.
fn only_a_wrong_role_binding(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::DeleteRoleBinding(metadata) = &steps[position] else {
        return Ok(());
    };
    let read = scope.database()?.agent_identity.known();
    let is_wrong = matches!(read, Some(AgentIdentity::OtherRole { binding, .. })
        if binding.uid.is_some() && binding.uid == metadata.uid);
    if !is_wrong {
        return Err("it is not the agents' role binding that gives another role");
    }
    if steps[position..].contains(&Step::EnsureAgentIdentity) {
        Ok(())
    } else {
        Err("the agents would have no permissions afterwards")
    }
}

/// Make sure that no check is deleted that later ones are compared with, or that was accepted.
fn evidence_is_kept(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::DeleteCheck(metadata) = &steps[position] else {
        return Ok(());
    };
    let Scope::Database { observed, status } = scope else {
        return Err("checks are deleted by the operator's pass only");
    };
    let name = metadata.name.as_ref();
    let before = observed.database.status.as_ref();
    let before = before.and_then(|status| status.baseline.as_ref());
    let mut baselines = [before, status.baseline.as_ref()].into_iter().flatten();
    let is_baseline = baselines.any(|baseline| Some(&baseline.check) == name);
    let annotations = observed.database.metadata.annotations.as_ref();
    let accepted = annotations.and_then(|all| all.get(names::ACCEPT_CHECK_ANNOTATION));
    if is_baseline || (name.is_some() && name == accepted) {
        Err("it is what the data is compared with")
    } else {
        Ok(())
    }
}

/// Make sure that a gate opens only for a container that runs now and that was checked, or because
/// the spec says so.
fn gates_open_for_a_reason(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::SetGate(step) = &steps[position] else {
        return Ok(());
    };
    let observed = scope.database()?;
    let spec = &observed.database.spec;
    let is_allowed =
        spec.suspend || spec.verification.gate.when_unverifiable == WhenUnverifiable::Open;
    let pods = observed.pods.known().into_iter().flatten();
    let runs = |id: &str| {
        let mut pods = pods.clone().filter(|pod| pod.uid == step.pod_uid);
        pods.any(|pod| pod.running.iter().any(|running| running.id == id))
    };
    let mut checks = observed.checks.known().into_iter().flatten();
    let is_checked = checks.any(|check| {
        let target = check.spec.target.as_ref();
        target.is_some_and(|target| target.pod_uid == step.pod_uid && runs(&target.container_id))
            && check
                .status
                .as_ref()
                .is_some_and(|status| status.evidence.is_some())
    });
    if !step.gate.is_open || is_allowed || is_checked {
        Ok(())
    } else {
        Err("the container that runs in this pod was not checked")
    }
}
