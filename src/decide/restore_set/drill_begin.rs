//! How a drill begins: a set is chosen and written down, and the Job with its throwaway server is created a
//! pass after the status has announced it. Nothing of the running database is needed for it. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::super::agent_settings::of_cron_job;
use super::super::judge::Judged;
use super::super::last_backups::backup_of_name;
use super::begin::{chosen_set, plan};
use super::blockers::refuse_beside_restores;
use super::said;
use super::set_decision::SetDecision;
use crate::api::{
    DatabaseRestore, DatabaseRestoreSpec, DatabaseRestoreStatus, RestoreSource, RestoreState,
    RestoreTarget, RestoredSet,
};
use crate::plan::Step;
use crate::resources::{ValidBackup, ValidDrill, build_drill_job, describe_errors, drill_request};
use crate::world::Observed;

/// Decides about a drill without a Job.
pub fn decide(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
) -> Result<SetDecision, String> {
    let before = restore.status.clone().unwrap_or_default();
    let (backup, drill) = match settings(judged) {
        Ok(settings) => settings,
        Err(why) => return Ok(SetDecision::blocked(&before, why)),
    };
    let set = match chosen_set(restore, observed, judged, backup)? {
        Ok(set) => set,
        Err(decision) => return Ok(*decision),
    };
    let chosen = DatabaseRestoreStatus {
        set: Some(set.clone()),
        ..before.clone()
    };
    if let Some(why) = refuse_beside_restores(restore, observed)? {
        return Ok(SetDecision::blocked(&chosen, why));
    }
    let wanted = observed.database.spec.workload.container.as_deref();
    let Some(container) = observed.database_container(wanted) else {
        let why = format!(
            "a drill runs in the image of the database, and {} was not found, or not which of its \
             containers runs Postgres",
            observed.database.spec.workload.called()
        );
        return Ok(SetDecision::blocked(&chosen, why));
    };
    let mut decision = SetDecision::says(
        &chosen,
        RestoreState::Running,
        said::next(restore, observed, &set, ""),
    );
    let status = &mut decision.status;
    status.start_time = status
        .start_time
        .take()
        .or_else(|| Some(observed.now.clone()));
    // Which set it is is in the status by a pass before the Job.
    let is_announced =
        before.state == Some(RestoreState::Running) && before.set == Some(set.clone());
    if is_announced {
        let job = build_job(restore, observed, &set, &container.image, (backup, drill));
        decision.plan = plan(observed, Step::CreateJob(Box::new(job)))?;
    }
    Ok(decision)
}

fn build_job(
    restore: &DatabaseRestore,
    observed: &Observed,
    set: &RestoredSet,
    image: &str,
    (backup, drill): (&ValidBackup, Option<&ValidDrill>),
) -> Job {
    let request = drill_request(&observed.database, backup, drill, (restore, set));
    let of_set = backup_of_name(observed, &set.backup);
    let raw_bytes = of_set.and_then(|backup| backup.status.as_ref()?.raw_bytes);
    let settings = of_cron_job(observed, image);
    build_drill_job(&observed.database, restore, &request, raw_bytes, &settings)
}

/// A Job as that of a drill, for whoever wants to know whether its pod would be admitted. None where no drills
/// are asked for.
pub fn sample_drill_job(observed: &Observed, judged: &Judged<'_>) -> Option<Box<Job>> {
    let (backup, drill) = settings(judged).ok()?;
    let wanted = observed.database.spec.workload.container.as_deref();
    let image = &observed.database_container(wanted)?.image;
    let spec = DatabaseRestoreSpec {
        database: observed.name().to_owned(),
        from: RestoreSource {
            latest_good: Some(true),
            ..RestoreSource::default()
        },
        into: RestoreTarget::Scratch,
        dry_run: None,
        confirm: None,
        accept_suspect: None,
        tables: Vec::new(),
        files: None,
    };
    let mut restore = DatabaseRestore::new("holdfast-try", spec);
    restore.metadata.uid = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let settings = (backup, Some(drill?));
    let set = RestoredSet::default();
    Some(Box::new(build_job(
        &restore, observed, &set, image, settings,
    )))
}

/// The parts of the spec that a drill needs, or what is missing.
fn settings<'a>(
    judged: &'a Judged<'_>,
) -> Result<(&'a ValidBackup, Option<&'a ValidDrill>), String> {
    let backup = match &judged.spec.backup {
        Ok(Some(backup)) => backup,
        Ok(None) => {
            return Err(
                "spec.backup is not set, so it is not known which bucket the backups are in, nor how to \
                 read it. Set it to where they are"
                    .to_owned(),
            );
        }
        Err(errors) => return Err(describe_errors(errors)),
    };
    match &judged.spec.drill {
        Ok(drill) => Ok((backup, drill.as_ref())),
        Err(errors) => Err(describe_errors(errors)),
    }
}
