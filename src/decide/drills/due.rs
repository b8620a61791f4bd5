//! When the next drill is due, and which old ones go. One at a time, and never beside another restore. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::Resource as _;

use super::super::area::Stall;
use super::super::judge::Judged;
use super::super::ready::list;
use super::select::{counting, select};
use crate::api::{DatabaseRestore, DatabaseRestoreSpec, RestoreSource, RestoreTarget, names};
use crate::plan::{Plan, Step};
use crate::resources::Schedule;
use crate::world::Observed;

/// How many drills that have ended are kept for reading.
const KEPT: usize = 5;

/// Creates the drill that is due. The time is noted before it comes, so that a tick that nobody saw is not
/// lost, and ticks that nobody saw get one drill together.
pub fn plan_due(observed: &Observed, judged: &Judged<'_>, stall: Option<&Stall>, plan: &mut Plan) {
    let noted = plan.status.next_drill.take();
    let (Some(asked), Ok(Some(drill))) = (&observed.database.spec.drill, &judged.spec.drill) else {
        return;
    };
    if observed.database.spec.suspend {
        return;
    }
    let next = drill.schedule.next_tick(&observed.now);
    let noted = noted.filter(|noted| is_tick(&drill.schedule, noted));
    let Some(due) = noted.filter(|noted| noted.0 <= observed.now.0) else {
        wait_for(next.as_ref(), observed, plan);
        plan.status.next_drill = next;
        return;
    };
    let Some(restores) = observed.restores.known() else {
        plan.status.next_drill = Some(due);
        return;
    };
    let name = names::drill(observed.name(), due.0);
    if restores
        .iter()
        .any(|one| one.metadata.name.as_ref() == Some(&name))
    {
        wait_for(next.as_ref(), observed, plan);
        plan.status.next_drill = next;
        return;
    }
    let is_known = stall.is_none()
        && observed.backups.known().is_some()
        && observed.owns_workload()
        && observed.other_namespace.is_none();
    if is_known && !restores.iter().any(DatabaseRestore::is_open) {
        let counting = counting(observed, judged);
        let from = select(&counting, asked.of, due.0.as_second());
        plan.steps
            .extend(from.map(|from| Step::CreateDrill(Box::new(build(observed, &name, from)))));
    }
    plan.status.next_drill = Some(due);
}

/// Whether a time is one of a schedule: it may have been changed since the time was noted.
fn is_tick(schedule: &Schedule, time: &Time) -> bool {
    let before = time
        .0
        .checked_sub(jiff::SignedDuration::from_secs(1))
        .map(Time);
    before.is_ok_and(|before| schedule.next_tick(&before).as_ref() == Some(time))
}

fn wait_for(next: Option<&Time>, observed: &Observed, plan: &mut Plan) {
    let Some(next) = next else { return };
    let wait = next.0.as_second() - observed.now.0.as_second();
    plan.read_again_after(Duration::from_secs(u64::try_from(wait).unwrap_or(0).max(1)));
}

/// The drill, which goes with its database.
fn build(observed: &Observed, name: &str, from: RestoreSource) -> DatabaseRestore {
    let spec = DatabaseRestoreSpec {
        database: observed.name().to_owned(),
        from,
        into: RestoreTarget::Scratch,
        dry_run: None,
        confirm: None,
        accept_suspect: None,
        tables: Vec::new(),
        files: None,
    };
    let mut drill = DatabaseRestore::new(name, spec);
    drill.metadata.namespace = Some(observed.namespace_name().to_owned());
    drill.metadata.labels =
        Some([(names::DATABASE_LABEL.to_owned(), observed.name().to_owned())].into());
    let owner = observed.database.controller_owner_ref(&());
    drill.metadata.owner_references = owner.map(|owner| {
        vec![OwnerReference {
            block_owner_deletion: Some(false),
            ..owner
        }]
    });
    drill
}

/// Deletes the drills of this database that have ended, but the last few. Those that a user has written
/// under another name, or without this owner, are theirs.
pub fn plan_history(observed: &Observed, plan: &mut Plan) {
    let uid = observed.database.metadata.uid.as_deref();
    let prefix = names::drill_prefix(observed.name());
    let is_ours = |restore: &&DatabaseRestore| {
        let name = restore.metadata.name.as_deref().unwrap_or_default();
        let mut owners = restore.metadata.owner_references.iter().flatten();
        restore.spec.into == RestoreTarget::Scratch
            && !restore.is_open()
            && restore.metadata.deletion_timestamp.is_none()
            && name.starts_with(&prefix)
            && owners.any(|owner| Some(owner.uid.as_str()) == uid)
    };
    let ended = |restore: &DatabaseRestore| {
        let status = restore.status.as_ref();
        let time = status.and_then(|status| status.completion_time.as_ref());
        time.map(|time| time.0)
    };
    let mut old: Vec<&DatabaseRestore> = list(&observed.restores).iter().filter(is_ours).collect();
    old.sort_by_key(|restore| (ended(restore), restore.metadata.name.clone()));
    old.truncate(old.len().saturating_sub(KEPT));
    let last = plan.status.last_drill.as_ref().map(|last| last.time.0);
    for restore in old {
        // What it has shown must be remembered first.
        let has_run = restore
            .status
            .as_ref()
            .is_some_and(|status| status.job.is_some());
        if !has_run || last >= ended(restore) {
            let metadata = Box::new(restore.metadata.clone());
            plan.steps.push(Step::DeleteDrill(metadata));
        }
    }
}
