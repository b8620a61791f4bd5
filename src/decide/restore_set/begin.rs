//! How a restore from a backup begins: the set is chosen and written down, and its Job is created a pass
//! after the status has announced it. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job;

use super::super::agent_settings::beside_pod;
use super::super::back_up::reference;
use super::super::judge::Judged;
use super::super::running::{Running, running};
use super::blockers::{refuse_beside_restores, refuse_now, settings, target};
use super::choose::{Choice, choose};
use super::disk::data_disk;
use super::said;
use super::set_decision::{SetDecision, known};
use crate::api::{
    DataDisk, DatabaseRestore, DatabaseRestoreSpec, DatabaseRestoreStatus, PodReference,
    RestoreSource, RestoreState, RestoreTarget, RestoredSet,
};
use crate::plan::{Plan, Step};
use crate::resources::{
    RestoreTask, ValidBackup, ValidRestore, build_restore_job, restore_request,
};
use crate::world::{AgentIdentity, Observed};

/// Decides about a restore without a Job.
pub fn decide(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
) -> Result<SetDecision, String> {
    let before = restore.status.clone().unwrap_or_default();
    if let Some(why) = refuse_unconfirmed(restore, observed) {
        return Ok(SetDecision::over(
            observed,
            &before,
            RestoreState::Failed,
            why,
        ));
    }
    let (backup, limits) = match settings(observed, judged) {
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
    let refused = if restore.is_dry_run() {
        refuse_beside_restores(restore, observed)?
    } else {
        refuse_now(restore, observed)?
    };
    if let Some(why) = refused {
        return Ok(SetDecision::blocked(&chosen, why));
    }
    let running = running(observed);
    let start = match target(observed, judged, &running)? {
        Ok(start) => start,
        Err(why) => return Ok(SetDecision::blocked(&chosen, why)),
    };
    let mut decision = SetDecision::says(
        &chosen,
        RestoreState::Running,
        said::next(restore, observed, &set, &start.pod.name),
    );
    let status = &mut decision.status;
    status.start_time = status
        .start_time
        .take()
        .or_else(|| Some(observed.now.clone()));
    // What is to be restored, and where, is in the status by a pass before it begins.
    let is_announced =
        before.state == Some(RestoreState::Running) && before.set == Some(set.clone());
    let disk = data_disk(restore, observed, judged, start);
    if is_announced
        && let Some(job) = build_job(restore, observed, &set, (start, disk), (backup, limits))
    {
        decision.plan = plan(observed, job)?;
        return Ok(decision.held());
    }
    Ok(decision)
}

/// The set that was chosen, or is now, and is where it can be read; or what is reported in its place. The outer
/// error is what could not be read.
pub fn chosen_set(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
    backup: &ValidBackup,
) -> Result<Result<RestoredSet, Box<SetDecision>>, String> {
    let before = restore.status.clone().unwrap_or_default();
    let set = match &before.set {
        Some(set) => set.clone(),
        None => match choose(restore, observed, judged, &backup.storage)? {
            Choice::Set(set) => set,
            Choice::Waits(why) => return Ok(Err(Box::new(SetDecision::blocked(&before, why)))),
            Choice::Refused(why) => {
                let refused = SetDecision::over(observed, &before, RestoreState::Failed, why);
                return Ok(Err(Box::new(refused)));
            }
        },
    };
    if set.bucket == backup.storage.bucket {
        return Ok(Ok(set));
    }
    let why = format!(
        "backup {} is in bucket {}, and spec.backup.storage names {} by now. Set it to that bucket, or \
         create another DatabaseRestore",
        set.backup, set.bucket, backup.storage.bucket
    );
    let chosen = DatabaseRestoreStatus {
        set: Some(set),
        ..before
    };
    Ok(Err(Box::new(SetDecision::blocked(&chosen, why))))
}

/// The rules ask for this too; here it has words.
pub fn refuse_unconfirmed(restore: &DatabaseRestore, observed: &Observed) -> Option<String> {
    let uid = observed.database.metadata.uid.as_deref();
    let is_confirmed = restore.spec.confirm.as_deref() == uid && uid.is_some();
    match restore.spec.into {
        RestoreTarget::Beside | RestoreTarget::Scratch => None,
        RestoreTarget::Replace if restore.is_dry_run() => None,
        RestoreTarget::Replace if is_confirmed => None,
        RestoreTarget::Replace => Some(format!(
            "spec.confirm is not the UID of ProtectedDatabase {}, which was created again since: nothing \
             was changed. Create another DatabaseRestore",
            observed.name()
        )),
    }
}

fn build_job(
    restore: &DatabaseRestore,
    observed: &Observed,
    set: &RestoredSet,
    (start, disk): (&Running<'_>, DataDisk),
    (backup, limits): (&ValidBackup, &ValidRestore),
) -> Option<Step> {
    let task = RestoreTask {
        restore,
        set,
        pod: PodReference {
            name: start.pod.name.clone(),
            uid: start.pod.uid.clone(),
            container: start.container.name.clone(),
            container_id: start.container.id.clone(),
        },
        address: start.pod.address.as_deref()?,
        disk,
        workload: reference(observed, &start.container.name),
        claims: claims_of(start),
    };
    let settings = beside_pod(observed, start.pod, &start.container.image);
    let request = restore_request(&observed.database, backup, limits.deadline, task)?;
    let job = build_restore_job(&observed.database, restore, &request, &settings);
    Some(Step::CreateJob(Box::new(job)))
}

/// The claims that the container mounts.
fn claims_of(start: &Running<'_>) -> Vec<String> {
    let mounts = start.pod.mounts.iter();
    let own = mounts.filter(|mount| mount.container == start.container.name);
    let claims: BTreeSet<&str> = own.map(|mount| mount.claim.as_str()).collect();
    claims.into_iter().map(ToOwned::to_owned).collect()
}

/// A Job as that of a restore, for whoever wants to know whether its pod would be admitted.
pub fn sample_restore_job(
    observed: &Observed,
    start: &Running<'_>,
    settings: (&ValidBackup, &ValidRestore),
) -> Option<Box<Job>> {
    let spec = DatabaseRestoreSpec {
        database: observed.name().to_owned(),
        from: RestoreSource {
            latest_good: Some(true),
            ..RestoreSource::default()
        },
        into: RestoreTarget::Beside,
        dry_run: None,
        confirm: None,
        accept_suspect: None,
        tables: Vec::new(),
        files: None,
    };
    let mut restore = DatabaseRestore::new("holdfast-try", spec);
    restore.metadata.uid = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let start = (start, DataDisk::default());
    match build_job(&restore, observed, &RestoredSet::default(), start, settings)? {
        Step::CreateJob(job) => Some(job),
        _ => None,
    }
}

pub fn plan(observed: &Observed, job: Step) -> Result<Plan, String> {
    let mut plan = Plan::default();
    match known(&observed.agent_identity)? {
        AgentIdentity::AsItShouldBe => {}
        AgentIdentity::Missing => plan.steps.push(Step::EnsureAgentIdentity),
        AgentIdentity::OtherSubjects | AgentIdentity::OtherRole { .. } => {
            return Err(
                "the agents' role binding is not as it should be, and is being repaired".to_owned(),
            );
        }
    }
    plan.steps.push(job);
    Ok(plan)
}
