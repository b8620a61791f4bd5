//! The end of a ProtectedDatabase: removing the marks in an order in which nothing is left without
//! an owner. Deletes no data. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::area::Stall;
use super::former_workload::is_to_go;
use super::going;
use super::ready::push_progress;
use crate::api::{ConditionStatus, ConditionType, ConfirmedVerb, DesiredCondition, reasons};
use crate::guard::{self, MarkState, Marks};
use crate::plan::{Permit, Plan, Release, Step, VolumeStep};
use crate::world::{Fact, Observed, VolumeFact};

/// Plans what the deletion of a ProtectedDatabase asks for: to remove all marks if it is confirmed,
/// nothing if it is not.
pub fn release_all(observed: &Observed, plan: &mut Plan) {
    let metadata = &observed.database.metadata;
    if let Some(status) = &observed.database.status {
        let generation = plan.status.observed_generation;
        plan.status = status.clone();
        plan.status.conditions = Vec::new();
        plan.status.observed_generation = generation;
    }
    if !metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == crate::api::names::KEEP_FINALIZER)
    {
        if let Some(waiting) = going::say_released(observed) {
            push_progress(None, Some(waiting), plan);
        }
        return;
    }
    if !guard::deletion_confirmed(metadata, observed.server_time()) {
        let message = format!(
            "the ProtectedDatabase was deleted without confirmation; the guard stays until you \
             confirm, but nothing is checked any more. Confirm: {}",
            guard::confirm_command("protdb", metadata, ConfirmedVerb::Delete)
        );
        plan.conditions.push(DesiredCondition {
            condition: ConditionType::Ready,
            status: ConditionStatus::False,
            reason: reasons::NOT_READY,
            message: message.clone(),
        });
        let stall = Stall {
            reason: reasons::DELETION_NOT_CONFIRMED,
            message,
        };
        push_progress(Some(stall), None, plan);
        return;
    }
    let permit = Permit::DatabaseConfirmed(metadata.uid.clone().unwrap_or_default());
    if release_guard(observed, &permit, plan) && leave_backup(observed, plan) {
        release_database(observed, permit, plan);
    } else {
        let waiting = unconfirmed(observed).unwrap_or_else(|| {
            "the marks are being removed; the ProtectedDatabase is deleted once every object with \
             marks could be read"
                .to_owned()
        });
        push_progress(None, Some(waiting), plan);
    }
}

/// Plans to let a backup go on that runs: with the ProtectedDatabase its CronJob is deleted, and with that its
/// Job. Nobody waits for it, as the confirmation ends before a long backup does. Says whether it is known that
/// there is none, or that it goes on.
fn leave_backup(observed: &Observed, plan: &mut Plan) -> bool {
    let Fact::Known(cron_job) = observed.own_cron_job() else {
        return false;
    };
    let Some(cron_job) = cron_job.filter(|_| observed.may_run_backup()) else {
        return true;
    };
    let database = Step::AssertDatabase(Box::new(observed.database.metadata.clone()));
    if !plan.steps.contains(&database) {
        plan.steps.push(database);
    }
    plan.steps
        .push(Step::LeaveBackup(Box::new(cron_job.clone())));
    true
}

/// Plans to remove the database's own marks, if it has any.
pub fn release_database(observed: &Observed, permit: Permit, plan: &mut Plan) {
    let metadata = &observed.database.metadata;
    if matches!(
        guard::mark_state(metadata, &observed.owner(), Marks::Itself),
        MarkState::Ours | MarkState::Partial
    ) {
        let release = Release {
            metadata: Box::new(metadata.clone()),
            permit,
        };
        if release.is_safe(observed.server_time()) {
            plan.steps.push(Step::ReleaseDatabase(release));
        }
    }
}

/// What is being deleted without confirmation and so blocks the whole release, with the command
/// that confirms it.
pub fn unconfirmed(observed: &Observed) -> Option<String> {
    let owner = observed.owner();
    let claims = observed.claims.known().into_iter().flatten();
    let of_claims = claims.flat_map(|claim| {
        let volume = match &claim.volume {
            VolumeFact::Found(volume) => Some(("pv", &volume.metadata)),
            VolumeFact::NotBound | VolumeFact::Gone(_) | VolumeFact::Unknown(_) => None,
        };
        claim
            .metadata
            .as_ref()
            .map(|metadata| ("pvc", metadata))
            .into_iter()
            .chain(volume)
    });
    let kept = observed
        .kept_volumes
        .known()
        .into_iter()
        .flatten()
        .map(|kept| ("pv", &kept.volume.metadata));
    let mut going = of_claims.chain(kept).filter(|(_, metadata)| {
        guard::marked_owner(metadata) == Some(owner.as_str())
            && metadata.deletion_timestamp.is_some()
            && !guard::deletion_confirmed(metadata, observed.server_time())
    });
    let (word, metadata) = going.next()?;
    Some(format!(
        "{word} {} is being deleted, which nobody has confirmed; without the finalizer it would \
         be gone. If it may be deleted: {}",
        metadata.name.as_deref().unwrap_or_default(),
        guard::confirm_command(word, metadata, ConfirmedVerb::Delete)
    ))
}

/// Plans to remove all marks except the database's own. Says whether everything that carries one
/// was read.
pub fn release_guard(observed: &Observed, permit: &Permit, plan: &mut Plan) -> bool {
    let owner = observed.owner();
    let release = |metadata: &ObjectMeta| Release {
        metadata: Box::new(metadata.clone()),
        permit: permit.clone(),
    };
    // Another owner's ledger is left as it is.
    let ledger = match observed.other_namespace {
        Some(_) => Some(&None),
        None => observed.ledger.known(),
    };
    let (
        Some(claims),
        Some(kept_volumes),
        Some(_),
        Some(former),
        Some(namespace),
        Some(neighbours),
        Some(ledger),
    ) = (
        observed.claims.known(),
        observed.kept_volumes.known(),
        observed.workload.known(),
        observed.former_workload.known(),
        observed.namespace.known(),
        observed.neighbours.known(),
        ledger,
    )
    else {
        return false;
    };
    if unconfirmed(observed).is_some() {
        return false;
    }
    let is_ours = |metadata: &ObjectMeta| {
        guard::marked_owner(metadata) == Some(owner.as_str())
            && !observed.is_of_other_namespace(metadata)
    };
    let mut complete = true;
    let before = plan.steps.len();
    for claim in claims {
        let marked = claim.metadata.as_ref().filter(|metadata| is_ours(metadata));
        match &claim.volume {
            VolumeFact::Found(volume) if marked.is_some() || is_ours(&volume.metadata) => {
                if volume.reclaim_policy != guard::RETAIN {
                    let metadata = Box::new(volume.metadata.clone());
                    plan.steps.push(Step::RetainVolume(VolumeStep {
                        metadata,
                        reclaim_policy: volume.reclaim_policy.clone(),
                        namespace_uid: None,
                    }));
                    complete = false;
                    continue;
                }
                plan.steps.push(if is_ours(&volume.metadata) {
                    Step::ReleaseVolume(release(&volume.metadata))
                } else {
                    Step::AssertVolume(Box::new(volume.metadata.clone()))
                });
            }
            VolumeFact::Unknown(_) => {
                complete = false;
                continue;
            }
            VolumeFact::Found(_) | VolumeFact::NotBound | VolumeFact::Gone(_) => {}
        }
        plan.steps
            .extend(marked.map(|metadata| Step::ReleaseClaim(release(metadata))));
    }
    for volume in kept_volumes
        .iter()
        .map(|kept| &kept.volume)
        .filter(|volume| is_ours(&volume.metadata))
    {
        if volume.reclaim_policy == guard::RETAIN {
            plan.steps
                .push(Step::ReleaseVolume(release(&volume.metadata)));
        } else {
            let metadata = Box::new(volume.metadata.clone());
            plan.steps.push(Step::RetainVolume(VolumeStep {
                metadata,
                reclaim_policy: volume.reclaim_policy.clone(),
                namespace_uid: None,
            }));
            complete = false;
        }
    }
    if let Some(ledger) = ledger
        .as_ref()
        .map(|fact| &fact.ledger.metadata)
        .filter(|metadata| is_ours(metadata))
    {
        plan.steps.push(Step::ReleaseLedger(release(ledger)));
    }
    let workload = observed.workload_found().filter(|workload| {
        guard::is_marked_workload(&workload.metadata)
            && !observed.is_named_by_another(workload.kind, workload.name())
    });
    let present = workload.map(|workload| (workload.kind, &workload.metadata));
    let former = former.as_ref().filter(|former| is_to_go(observed, former));
    let former = former.map(|former| (former.kind, &former.metadata));
    for (kind, metadata) in present.into_iter().chain(former) {
        plan.steps
            .push(Step::ReleaseWorkload(kind, release(metadata)));
    }
    // The mark of a namespace is shared: the last of its databases removes it.
    let last = neighbours.iter().all(|neighbour| !neighbour.guards);
    if let Some(namespace) = namespace
        && last
        && guard::mark_state(namespace, &owner, Marks::Shared) == MarkState::Ours
    {
        plan.steps.push(Step::ReleaseNamespace(release(namespace)));
    }
    if plan.steps.len() > before {
        plan.steps.insert(
            before,
            Step::AssertDatabase(Box::new(observed.database.metadata.clone())),
        );
    }
    complete
}
