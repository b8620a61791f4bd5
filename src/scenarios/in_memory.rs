//! Passes over facts in memory: what the API server would do with a plan, through the guard's own patches.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a write that can't be done is a fault of the plan or of the test"
)]

use std::sync::Arc;

use json_patch::{Patch, PatchError};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::sample_parts::known;
use crate::api::{BackupState, BackupVerdict, CheckedFiles, set_condition};
use crate::decide::decide;
use crate::guard::{self, Marks};
use crate::plan::{ConfirmedKind, Plan, Step, check_plan};
use crate::world::Fact;
use crate::world::{
    AgentFact, AgentIdentity, ClaimFact, LedgerFact, Observed, VolumeFact, VolumeFound,
    WorkloadFact,
};

/// What the operator sees, and what its writes make of it.
#[derive(Clone, Debug)]
pub struct Passes {
    pub observed: Observed,
    /// What was done, in order.
    pub done: Vec<String>,
    /// The ProtectedDatabase lost its last finalizer while it was being deleted.
    pub database_gone: bool,
}

impl Passes {
    pub fn new(observed: Observed) -> Self {
        Self {
            observed,
            done: Vec::new(),
            database_gone: false,
        }
    }

    /// One pass: everything that the plan asks for, then the report. Says whether anything was
    /// asked.
    pub fn pass(&mut self) -> Plan {
        let plan = decide(&self.observed);
        check_plan(&self.observed, &plan).expect("a plan that breaks no rule");
        for step in &plan.steps {
            self.apply(step);
        }
        self.report(&plan);
        plan
    }

    /// Passes until one asks for nothing. That must come soon: a step that is asked for again and
    /// again is done without pause.
    pub fn settle(&mut self, at_most: usize) -> Plan {
        for _ in 0..at_most {
            let plan = self.pass();
            if plan.steps.is_empty() || self.database_gone {
                return plan;
            }
        }
        panic!(
            "not settled after {at_most} passes: {:#?}",
            &self.done[self.done.len().saturating_sub(10)..]
        );
    }

    /// Passes until none of the chosen steps is asked for.
    pub fn act_on(&mut self, chosen: impl Fn(&Step) -> bool) {
        loop {
            let steps: Vec<Step> = decide(&self.observed)
                .steps
                .into_iter()
                .filter(&chosen)
                .collect();
            if steps.is_empty() {
                return;
            }
            for step in &steps {
                self.apply(step);
            }
        }
    }

    /// Sets the status as the last stage does.
    pub fn report(&mut self, plan: &Plan) {
        let database = Arc::make_mut(&mut self.observed.database);
        let mut status = plan.status.clone();
        status.conditions = database.status.clone().unwrap_or_default().conditions;
        for desired in plan.conditions.clone() {
            let _ = set_condition(
                &mut status.conditions,
                desired,
                database.metadata.generation,
                &self.observed.world.now,
            );
        }
        status.conditions.retain(|condition| {
            plan.withdrawn
                .iter()
                .all(|withdrawn| withdrawn.as_str() != condition.type_)
        });
        database.status = Some(status);
    }

    fn apply(&mut self, step: &Step) {
        self.done.push(step.describe());
        let owner = self.observed.owner();
        match step {
            Step::MarkDatabase(read) => {
                patch_object(
                    &mut Arc::make_mut(&mut self.observed.database).metadata,
                    guard::build_mark_patch(read, &owner, Marks::Itself),
                );
            }
            Step::MarkClaim(read) => {
                let claim = self.claim(read.name.as_deref());
                patch_object(
                    claim.metadata.as_mut().expect("a claim"),
                    guard::build_mark_patch(read, &owner, Marks::Held),
                );
                claim.origin.marked = true;
            }
            Step::MarkLedger(ledger) => {
                let present = known(&mut self.observed.ledger).take();
                let status = present.and_then(|fact| fact.ledger.status);
                let mut ledger = ledger.as_ref().clone();
                ledger.status = status;
                ledger.metadata.uid = Some("uid-of-the-ledger".to_owned());
                ledger.metadata.resource_version = Some("1".to_owned());
                *known(&mut self.observed.ledger) = Some(LedgerFact::new(ledger));
            }
            Step::WriteLedger { status, .. } => {
                let mut ledger = known(&mut self.observed.ledger)
                    .take()
                    .expect("a ledger")
                    .ledger;
                ledger.status = Some(status.as_ref().clone());
                *known(&mut self.observed.ledger) = Some(LedgerFact::new(ledger));
            }
            Step::ReleaseLedger(release) => {
                let mut ledger = known(&mut self.observed.ledger)
                    .take()
                    .expect("a ledger")
                    .ledger;
                patch_object(
                    &mut ledger.metadata,
                    guard::build_release_patch(&release.metadata, &owner, Marks::Named),
                );
                *known(&mut self.observed.ledger) = Some(LedgerFact::new(ledger));
            }
            Step::NoteLoss {
                metadata: read,
                loss,
            } => {
                let claim = self.claim(read.name.as_deref());
                patch_object(
                    claim.metadata.as_mut().expect("a claim"),
                    guard::build_loss_summary_patch(read, loss),
                );
            }
            Step::MarkNamespace(read) => {
                patch_object(
                    known(&mut self.observed.namespace)
                        .as_mut()
                        .expect("a namespace"),
                    guard::build_mark_patch(read, &owner, Marks::Shared),
                );
            }
            Step::MarkWorkload(step) => patch_object(
                self.workload(),
                guard::build_workload_patch(&step.metadata, step.claims_guarded),
            ),
            Step::NoteMountRepair(step) => patch_object(
                self.workload(),
                guard::build_mount_repair_patch(&step.metadata, step.repair.as_deref()),
            ),
            Step::RetainVolume(read) => {
                patch_volume(
                    self.volume(&read.metadata),
                    guard::build_retain_patch(&read.metadata, Some(&read.reclaim_policy)),
                );
            }
            Step::RetainTwin(read) => {
                let twins = &mut known(&mut self.observed.world.twins).found;
                let mut twins = twins.iter_mut().map(|twin| &mut twin.volume);
                let twin = twins.find(|twin| twin.metadata.uid == read.metadata.uid);
                patch_volume(
                    twin.expect("the twin"),
                    guard::build_twin_patch(&read.metadata, Some(&read.reclaim_policy)),
                );
            }
            Step::MarkVolume(read) => {
                patch_volume(
                    self.volume(&read.metadata),
                    guard::build_volume_patch(
                        &read.metadata,
                        Some(&read.reclaim_policy),
                        &owner,
                        read.namespace_uid.as_deref(),
                    ),
                );
            }
            Step::AssertDatabase(read) => {
                patch_object(
                    &mut Arc::make_mut(&mut self.observed.database).metadata,
                    Some(guard::build_unchanged_patch(read)),
                );
            }
            Step::AssertVolume(read) => {
                patch_volume(self.volume(read), Some(guard::build_unchanged_patch(read)));
            }
            Step::ReleaseVolume(release) => {
                patch_volume(
                    self.volume(&release.metadata),
                    guard::build_release_patch(&release.metadata, &owner, Marks::Held),
                );
                if let Fact::Known(kept) = &mut self.observed.kept_volumes {
                    kept.retain(|kept| !is_gone(&kept.volume.metadata));
                }
            }
            Step::ReleaseClaim(release) => self.release_claim(&release.metadata, &owner),
            Step::ReleaseNamespace(release) => {
                patch_object(
                    known(&mut self.observed.namespace)
                        .as_mut()
                        .expect("a namespace"),
                    guard::build_release_patch(&release.metadata, &owner, Marks::Shared),
                );
            }
            Step::ReleaseWorkload(_, release) => {
                let uid = release.metadata.uid.clone();
                let patch = guard::build_workload_release(&release.metadata);
                match known(&mut self.observed.former_workload) {
                    Some(former) if former.metadata.uid == uid => {
                        patch_object(&mut former.metadata, patch);
                    }
                    _ => patch_object(self.workload(), patch),
                }
            }
            Step::ReleaseDatabase(release) => {
                let database = Arc::make_mut(&mut self.observed.database);
                patch_object(
                    &mut database.metadata,
                    guard::build_release_patch(&release.metadata, &owner, Marks::Itself),
                );
                self.database_gone = is_gone(&database.metadata);
                if self.database_gone {
                    self.collect_garbage();
                }
            }
            Step::RevokeConfirmation(step) => {
                let patch = guard::build_revocation(&step.metadata, &[step.verb]);
                self.patch_carrier(step.kind, &step.metadata, patch);
            }
            other => self.apply_to_ours(other),
        }
    }

    /// Patches the metadata of an object that can carry a confirmation.
    fn patch_carrier(&mut self, kind: ConfirmedKind, read: &ObjectMeta, body: Option<Patch>) {
        match kind {
            ConfirmedKind::Claim => {
                let claim = self.claim(read.name.as_deref());
                patch_object(claim.metadata.as_mut().expect("a claim"), body);
            }
            ConfirmedKind::Volume => patch_volume(self.volume(read), body),
            ConfirmedKind::Workload(_) => patch_object(self.workload(), body),
            ConfirmedKind::Namespace => {
                let namespace = known(&mut self.observed.namespace);
                patch_object(namespace.as_mut().expect("a namespace"), body);
            }
            ConfirmedKind::Database => {
                let database = Arc::make_mut(&mut self.observed.database);
                patch_object(&mut database.metadata, body);
            }
            ConfirmedKind::Ledger => {
                let ledger = known(&mut self.observed.ledger).take();
                let mut ledger = ledger.expect("a ledger").ledger;
                patch_object(&mut ledger.metadata, body);
                *known(&mut self.observed.ledger) = Some(LedgerFact::new(ledger));
            }
        }
    }

    /// Steps about objects that are the operator's own.
    fn apply_to_ours(&mut self, step: &Step) {
        let now = self.observed.now.clone();
        let created = |metadata: &mut ObjectMeta| {
            metadata.uid = Some(format!(
                "uid-of-{}",
                metadata.name.as_deref().unwrap_or_default()
            ));
            metadata.resource_version = Some("1".to_owned());
            metadata.creation_timestamp = Some(now.clone());
        };
        match step {
            Step::SetGate(step) => {
                let pods = known(&mut self.observed.pods);
                let pod = pods
                    .iter_mut()
                    .find(|pod| pod.uid == step.pod_uid)
                    .expect("the pod");
                pod.gate = Some(step.gate.clone());
            }
            Step::EnsureAgentIdentity => {
                self.observed.agent_identity = Fact::Known(AgentIdentity::AsItShouldBe);
            }
            Step::DeleteRoleBinding(_) => {
                self.observed.agent_identity = Fact::Known(AgentIdentity::Missing);
            }
            Step::CreateCheck(check) => {
                let checks = known(&mut self.observed.checks);
                // The writer takes it for done, and the next pass would ask for it again at once.
                assert!(
                    checks
                        .iter()
                        .all(|present| present.metadata.name != check.metadata.name),
                    "a check of that name exists: {}",
                    step.describe()
                );
                let mut check = check.as_ref().clone();
                created(&mut check.metadata);
                checks.push(check);
            }
            Step::CreateJob(job) => {
                let jobs = known(&mut self.observed.jobs);
                if jobs
                    .iter()
                    .all(|present| present.metadata.name != job.metadata.name)
                {
                    let mut job = job.as_ref().clone();
                    created(&mut job.metadata);
                    // Its pod starts at once.
                    let begun = AgentFact::begun(&job);
                    jobs.push(job);
                    if let Fact::Known(agents) = &mut self.observed.agents {
                        agents.extend(begun);
                    }
                }
            }
            Step::SetCheckTarget { name, target } => {
                let spec = &mut self.check(name).spec;
                assert_eq!(
                    spec.target, None,
                    "the API server refuses to change a target"
                );
                spec.target = Some(target.as_ref().clone());
            }
            Step::WriteVerdict { name, verdict } => {
                self.check(name).status.get_or_insert_default().verdict = Some(verdict.clone());
            }
            Step::FailFiles { check, files } => self.report_files(check, files.as_ref().clone()),
            Step::ApplyCronJob(cron_job) => {
                let mut cron_job = cron_job.as_ref().clone();
                created(&mut cron_job.metadata);
                self.observed.cron_job = Fact::Known(Some(cron_job));
            }
            Step::DeleteCronJob(_) => {
                self.observed.cron_job = Fact::Known(None);
                self.delete_owned_by("CronJob");
            }
            Step::LeaveBackup(_) => {
                self.observed.cron_job = Fact::Known(None);
                for job in known(&mut self.observed.jobs) {
                    let owners = job.metadata.owner_references.iter_mut();
                    owners.for_each(|owners| owners.retain(|owner| owner.kind != "CronJob"));
                }
            }
            Step::EndJob(metadata) => {
                known(&mut self.observed.jobs).retain(|job| job.metadata.uid != metadata.uid);
                known(&mut self.observed.agents)
                    .retain(|agent| Some(&agent.job_uid) != metadata.uid.as_ref());
            }
            Step::CreateBackup(backup) => {
                let mut backup = backup.as_ref().clone();
                created(&mut backup.metadata);
                known(&mut self.observed.backups).push(backup);
            }
            Step::JudgeBackup { name, verdict } => {
                let backups = known(&mut self.observed.backups);
                let backup = backups
                    .iter_mut()
                    .find(|backup| backup.metadata.name.as_ref() == Some(name))
                    .expect("the backup");
                let status = backup.status.get_or_insert_default();
                match verdict.clone() {
                    BackupVerdict::Confirmed(by) => status.confirmed = Some(by),
                    BackupVerdict::Demoted(by) => status.demoted = Some(by),
                }
            }
            Step::NoteRead { name, read } => {
                let backups = known(&mut self.observed.backups);
                let backup = backups
                    .iter_mut()
                    .find(|backup| backup.metadata.name.as_ref() == Some(name))
                    .expect("the backup");
                backup.status.get_or_insert_default().last_read = Some(read.clone());
            }
            Step::FailBackup {
                name,
                reason,
                message,
            } => {
                let backups = known(&mut self.observed.backups);
                let backup = backups
                    .iter_mut()
                    .find(|backup| backup.metadata.name.as_ref() == Some(name))
                    .expect("the backup");
                let status = backup.status.get_or_insert_default();
                status.state = Some(BackupState::Failed);
                status.reason = Some((*reason).to_owned());
                status.message = Some(message.clone());
                status.completion_time = Some(now);
            }
            Step::NoteDrill { name, drill } => {
                let backups = known(&mut self.observed.backups);
                let backup = backups
                    .iter_mut()
                    .find(|backup| backup.metadata.name.as_ref() == Some(name))
                    .expect("the backup");
                backup.status.get_or_insert_default().drill = Some(drill.clone());
            }
            Step::CreateDrill(drill) => {
                let mut drill = drill.as_ref().clone();
                created(&mut drill.metadata);
                known(&mut self.observed.restores).push(drill);
            }
            Step::DeleteDrill(metadata) => {
                known(&mut self.observed.restores)
                    .retain(|restore| restore.metadata.uid != metadata.uid);
            }
            Step::DeleteBackup(metadata) | Step::DeleteFailedBackup(metadata) => {
                known(&mut self.observed.backups)
                    .retain(|backup| backup.metadata.uid != metadata.uid);
            }
            Step::DeleteCheck(metadata) => {
                known(&mut self.observed.checks).retain(|check| check.metadata.uid != metadata.uid);
            }
            other => panic!("no way to {}", other.describe()),
        }
    }

    /// What the ProtectedDatabase owns goes with it, and what that owns.
    fn collect_garbage(&mut self) {
        let cron_job = &mut self.observed.cron_job;
        if matches!(cron_job, Fact::Known(Some(_))) {
            *cron_job = Fact::Known(None);
            self.delete_owned_by("CronJob");
        }
        self.delete_owned_by("ProtectedDatabase");
    }

    fn delete_owned_by(&mut self, kind: &str) {
        if let Fact::Known(jobs) = &mut self.observed.jobs {
            jobs.retain(|job| {
                let mut owners = job.metadata.owner_references.iter().flatten();
                !owners.any(|owner| owner.kind == kind)
            });
        }
    }

    fn release_claim(&mut self, read: &ObjectMeta, owner: &str) {
        let claims = known(&mut self.observed.claims);
        let position = claims
            .iter()
            .position(|claim| claim.name == read.name.as_deref().unwrap_or_default())
            .expect("the claim");
        let claim = &mut claims[position];
        let metadata = claim.metadata.as_mut().expect("a claim");
        patch_object(
            metadata,
            guard::build_release_patch(read, owner, Marks::Held),
        );
        claim.origin.marked = false;
        if is_gone(metadata) {
            claims.remove(position);
        }
    }

    fn claim(&mut self, name: Option<&str>) -> &mut ClaimFact {
        known(&mut self.observed.world.claims)
            .iter_mut()
            .find(|claim| Some(claim.name.as_str()) == name)
            .expect("the claim")
    }

    fn volume(&mut self, read: &ObjectMeta) -> &mut VolumeFound {
        let bound = known(&mut self.observed.world.claims)
            .iter_mut()
            .filter_map(|claim| match &mut claim.volume {
                VolumeFact::Found(volume) => Some(volume.as_mut()),
                _ => None,
            });
        let kept = match &mut self.observed.world.kept_volumes {
            Fact::Known(kept) => kept.as_mut_slice(),
            Fact::Unknown(_) => &mut [],
        };
        let kept = kept.iter_mut().map(|kept| &mut kept.volume);
        bound
            .chain(kept)
            .find(|volume| volume.metadata.uid == read.uid)
            .expect("the volume")
    }

    fn workload(&mut self) -> &mut ObjectMeta {
        match known(&mut self.observed.workload) {
            WorkloadFact::Found(found) => &mut found.metadata,
            other => panic!("no workload but {other:?}"),
        }
    }

    /// A report about files, from an agent or in its place.
    pub fn report_files(&mut self, check: &str, files: CheckedFiles) {
        let all = &mut self.check(check).status.get_or_insert_default().files;
        all.retain(|present| present.rule != files.rule);
        all.push(files);
    }

    pub fn check(&mut self, name: &str) -> &mut crate::api::DatabaseCheck {
        let checks = known(&mut self.observed.checks);
        checks
            .iter_mut()
            .find(|check| check.metadata.name.as_deref() == Some(name))
            .expect("the check")
    }
}

/// An object that is being deleted goes with its last finalizer.
fn is_gone(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_some() && metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
}

fn patch_object(metadata: &mut ObjectMeta, body: Option<Patch>) {
    if let Some(body) = body {
        patch(metadata, &mut String::new(), &body).expect("a patch whose tests hold");
    }
}

fn patch_volume(volume: &mut VolumeFound, body: Option<Patch>) {
    if let Some(body) = body {
        patch(&mut volume.metadata, &mut volume.reclaim_policy, &body)
            .expect("a patch whose tests hold");
    }
}

/// Applies a patch as the API server does: all of it or nothing, and an object that was changed has
/// a new version.
pub fn patch(
    metadata: &mut ObjectMeta,
    reclaim_policy: &mut String,
    body: &Patch,
) -> Result<(), PatchError> {
    let mut object = json!({ "metadata": metadata, "spec": { "persistentVolumeReclaimPolicy": reclaim_policy } });
    let before = object.clone();
    json_patch::patch(&mut object, body)?;
    if object == before {
        return Ok(());
    }
    *metadata = serde_json::from_value(object["metadata"].take()).expect("metadata");
    object["spec"]["persistentVolumeReclaimPolicy"]
        .as_str()
        .expect("a policy")
        .clone_into(reclaim_policy);
    let version: u64 = metadata
        .resource_version
        .as_deref()
        .unwrap_or("0")
        .parse()
        .expect("a version of the tests");
    metadata.resource_version = Some((version + 1).to_string());
    Ok(())
}
