//! `RestoreProven`: whether a drill has brought a backup back, not long ago. It is not shown before anybody has
//! asked for a drill. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::judge::Judged;
use super::super::last_backups::{backup_of_name, identifier};
use super::super::ready::list;
use super::select::{counting, counts_now};
use crate::api::{
    BackupDrill, ConditionStatus, ConditionType, DatabaseRestore, DesiredCondition, DrillSummary,
    RestoreState, RestoreTarget, names, reasons,
};
use crate::plan::{Plan, Step};
use crate::resources::{ValidDrill, describe_errors};
use crate::wording::say_length;
use crate::world::Observed;

/// After how many days a proof is too old where no schedule of drills says it.
const UNSCHEDULED_DAYS: i64 = 90;

/// Says whether the backups are proven.
pub fn prove(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    if !is_asked_for(observed, plan) {
        plan.withdrawn.push(ConditionType::RestoreProven);
        return;
    }
    let (status, reason, message) = judge(observed, judged, plan);
    plan.conditions.push(DesiredCondition {
        condition: ConditionType::RestoreProven,
        status,
        reason,
        message,
    });
}

/// Whether anybody has asked for a drill: a schedule, or a drill of their own.
fn is_asked_for(observed: &Observed, plan: &Plan) -> bool {
    let mut restores = list(&observed.restores).iter();
    observed.database.spec.drill.is_some()
        || plan.status.last_drill.is_some()
        || plan.status.last_proven.is_some()
        || restores.any(|restore| restore.spec.into == RestoreTarget::Scratch)
}

type Said = (ConditionStatus, &'static str, String);

fn judge(observed: &Observed, judged: &Judged<'_>, plan: &Plan) -> Said {
    let unread = [observed.restores.unknown(), observed.backups.unknown()];
    if let Some(why) = unread.into_iter().flatten().next() {
        return (
            ConditionStatus::Unknown,
            reasons::READ_FAILED,
            why.to_owned(),
        );
    }
    if let Err(errors) = &judged.spec.drill {
        let why = describe_errors(errors);
        return (ConditionStatus::Unknown, reasons::INVALID_SPEC, why);
    }
    let Some(last) = &plan.status.last_drill else {
        return with_now(observed, plan, never_ran(observed, judged, plan));
    };
    if last.state == RestoreState::Failed {
        return with_now(observed, plan, failed(observed, plan, last));
    }
    with_now(observed, plan, proven(observed, judged, plan, last))
}

/// A drill that is being noted on its backup counts as soon as that is read back.
fn is_being_noted(plan: &Plan) -> bool {
    let mut steps = plan.steps.iter();
    steps.any(|step| matches!(step, Step::NoteDrill { .. }))
}

fn proven(observed: &Observed, judged: &Judged<'_>, plan: &Plan, last: &DrillSummary) -> Said {
    let Some(proven) = &plan.status.last_proven else {
        let message = if is_being_noted(plan) {
            format!(
                "drill {} has ended; what it has shown is being noted",
                last.restore
            )
        } else {
            let of = last.backup.as_deref().unwrap_or_default();
            format!(
                "no backup that counts is proven: {}. Run another drill: {}",
                why_gone(observed, judged, of),
                command(observed)
            )
        };
        let status = if is_being_noted(plan) {
            ConditionStatus::Unknown
        } else {
            ConditionStatus::False
        };
        return (status, reasons::NOT_PROVEN, message);
    };
    let at = proof_time(observed, judged, last).unwrap_or(proven.time.0);
    let took = proven.times.total().map_or_else(String::new, |seconds| {
        format!(
            ", and took {}",
            say_length(SignedDuration::from_secs(seconds))
        )
    });
    let unchecked = match proven.unchecked.as_slice() {
        [] => String::new(),
        unchecked => format!("; not compared: {}", unchecked.join(", ")),
    };
    let not_restored = match proven.not_restored.as_slice() {
        [] => String::new(),
        missing => format!(
            "; NOT RESTORED, which concerns no rows: {}",
            missing.join("; ")
        ),
    };
    let said = format!(
        "backup {} of {} is the newest that is proven: drill {} has restored its databases at \
         {}{took}{unchecked}{not_restored}",
        proven.backup, proven.backup_time.0, proven.restore, proven.time.0
    );
    // An older one that is restored says nothing of what a newer one has shown.
    if let Some((backup, drill)) = newer_disproved(observed, judged, &proven.backup_time) {
        let message = format!(
            "backup {backup}, which is newer, could not be restored: DatabaseRestore {} failed at {}. {said}. \
             Once the cause is repaired: {}",
            drill.restore,
            drill.time.0,
            command(observed)
        );
        return (ConditionStatus::False, reasons::DRILL_FAILED, message);
    }
    let drill = judged.spec.drill.as_ref().ok().and_then(Option::as_ref);
    match too_old_at(drill, &Time(at)) {
        Some(limit) if limit.0 <= observed.now.0 => (
            ConditionStatus::False,
            reasons::DRILL_TOO_OLD,
            format!(
                "the newest drill that has proven a backup ended at {at}, which is older than two intervals \
                 of spec.drill.schedule and spec.drill.deadline, or without a schedule than {UNSCHEDULED_DAYS} \
                 days; {said}. See kubectl -n {} get dbrestore",
                observed.namespace_name()
            ),
        ),
        _ => (ConditionStatus::True, reasons::PROVEN, said),
    }
}

/// The newest backup that counts, is newer than that, and whose newest drill could not restore it.
fn newer_disproved<'a>(
    observed: &'a Observed,
    judged: &Judged<'_>,
    proven: &Time,
) -> Option<(&'a str, &'a BackupDrill)> {
    let newest_first = counting(observed, judged).into_iter().rev();
    let newer = newest_first.filter(|backup| backup.made().is_some_and(|made| made > proven.0));
    let mut disproved = newer.filter_map(|backup| {
        let name = backup.metadata.name.as_deref()?;
        Some((name, backup.disproved_by()?))
    });
    disproved.next()
}

/// When a proof is too old: two intervals of the schedule later, and what a drill may take.
fn too_old_at(drill: Option<&ValidDrill>, proof: &Time) -> Option<Time> {
    let Some(drill) = drill else {
        let limit = SignedDuration::from_hours(24 * UNSCHEDULED_DAYS);
        return proof.0.checked_add(limit).ok().map(Time);
    };
    let overdue = drill.schedule.overdue_at(proof)?;
    let deadline = SignedDuration::try_from(drill.deadline).ok()?;
    overdue.0.checked_add(deadline).ok().map(Time)
}

/// When a drill has last proven a backup that counts, or counted until retention has removed it.
fn proof_time(observed: &Observed, judged: &Judged<'_>, last: &DrillSummary) -> Option<Timestamp> {
    let noted = counting(observed, judged).into_iter().filter_map(|backup| {
        let drill = backup.status.as_ref()?.drill.as_ref()?;
        drill.passed.then_some(drill.time.0)
    });
    let of_last = last
        .backup
        .as_deref()
        .map(|name| backup_of_name(observed, name));
    let stands = of_last.is_some_and(|found| {
        found.is_none_or(|found| counts_now(observed, judged, found) && found.is_proven())
    });
    noted.chain(stands.then_some(last.time.0)).max()
}

/// Why the backup of a drill that has ended well is not proven now.
fn why_gone(observed: &Observed, judged: &Judged<'_>, name: &str) -> String {
    let Some(backup) = backup_of_name(observed, name) else {
        return format!("DatabaseBackup {name}, which was, does not exist any more");
    };
    let status = backup.status.clone().unwrap_or_default();
    if let Some(demoted) = status.demoted {
        return format!(
            "{name}, which was, is demoted, because check {} found a reset ({})",
            demoted.check, demoted.reason
        );
    }
    if counts_now(observed, judged, backup) {
        return format!("the newest drill of {name}, which was, has not ended well");
    }
    format!(
        "{name}, which was, is of the database cluster with system identifier {} in bucket {}, and that is \
         not where the data and spec.backup.storage are now",
        identifier(backup).unwrap_or("unknown"),
        status.bucket.unwrap_or_default()
    )
}

fn failed(observed: &Observed, plan: &Plan, last: &DrillSummary) -> Said {
    let older = plan.status.last_proven.as_ref().map_or_else(
        || "No backup is proven".to_owned(),
        |proven| {
            format!(
                "The newest proven backup is {} of {}, which retention keeps",
                proven.backup, proven.backup_time.0
            )
        },
    );
    let message = format!(
        "drill {} failed at {}: {}. {older}. Once the cause is repaired: {}",
        last.restore,
        last.time.0,
        last.message.trim_end_matches('.'),
        command(observed)
    );
    (ConditionStatus::False, reasons::DRILL_FAILED, message)
}

fn never_ran(observed: &Observed, judged: &Judged<'_>, plan: &Plan) -> Said {
    let unknown = |message: String| (ConditionStatus::Unknown, reasons::DRILL_NEVER_RAN, message);
    let drill = judged.spec.drill.as_ref().ok().and_then(Option::as_ref);
    if drill.is_none() {
        return unknown("no drill of a backup that counts has run completely yet".to_owned());
    }
    let due = plan.status.next_drill.as_ref();
    let is_late = due.is_some_and(|due| due.0 <= observed.now.0);
    let mut open = list(&observed.restores).iter();
    let runs = open.any(|one| one.spec.into == RestoreTarget::Scratch && one.is_open());
    let has_passed = is_late || has_ended_unseen(observed);
    if runs || !has_passed {
        let when = due.map_or_else(String::new, |due| format!("; the next is due at {}", due.0));
        return unknown(format!("no drill has ended yet{when}"));
    }
    let why = if counting(observed, judged).is_empty() {
        "no backup counts, so there is nothing to restore"
    } else {
        "it waits for another restore, or could not be created"
    };
    let message = format!(
        "a drill was due, and none has ended: {why}. Run one: {}",
        command(observed)
    );
    (ConditionStatus::False, reasons::DRILL_NEVER_RAN, message)
}

/// Whether a drill was created, by the schedule or by the command, and has ended without having run.
fn has_ended_unseen(observed: &Observed) -> bool {
    let prefix = names::drill_prefix(observed.name());
    let mut restores = list(&observed.restores).iter();
    restores.any(|one| {
        let name = one.metadata.name.as_deref().unwrap_or_default();
        one.spec.into == RestoreTarget::Scratch && !one.is_open() && name.starts_with(&prefix)
    })
}

fn command(observed: &Observed) -> String {
    format!(
        "kubectl holdfast drill {} -n {}",
        observed.name(),
        observed.namespace_name()
    )
}

/// Adds what a drill that has not ended does or waits for.
fn with_now(observed: &Observed, plan: &Plan, (status, reason, message): Said) -> Said {
    let mut restores = list(&observed.restores).iter();
    let open = restores.find(|one| one.spec.into == RestoreTarget::Scratch && one.is_open());
    let said = open.map(say).unwrap_or_default();
    let suspended = if observed.database.spec.suspend && plan.status.next_drill.is_none() {
        "; spec.suspend is true: no drill is begun"
    } else {
        ""
    };
    let message = format!("{}{said}{suspended}", message.trim_end_matches('.'));
    (status, reason, message)
}

fn say(open: &DatabaseRestore) -> String {
    let name = open.metadata.name.as_deref().unwrap_or_default();
    let status = open.status.clone().unwrap_or_default();
    match (status.state, status.message) {
        (Some(RestoreState::Blocked), Some(why)) => {
            format!("; DatabaseRestore {name} waits: {why}")
        }
        // How far it is is in its own status, and changes all the time.
        _ => format!("; DatabaseRestore {name} is under way"),
    }
}
