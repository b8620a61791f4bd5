//! Carries out steps: those of the operator's pass, of a `DatabaseRestore` and of `kubectl holdfast
//! recover`.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Namespace, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount,
};
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{Patch, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use super::writer::{WriteError, Writer, within_time};
use crate::api::{
    BackupState, DatabaseBackup, DatabaseCheck, DatabaseLedger, ProtectedDatabase, WorkloadKind,
    names, reasons,
};
use crate::guard::{self, Marks};
use crate::plan::patches::{
    build_mount, build_reservation, build_scale_down, build_scale_up, build_touch, claim_reference,
};
use crate::plan::{GateStep, MountRepairStep, Release, Step};
use crate::resources;

/// Carries out steps for one database.
pub struct Executor {
    writer: Writer,
    /// Namespace of the database.
    namespace: String,
    /// `NAMESPACE/NAME` of the database.
    owner: String,
    /// `NAMESPACE/NAME` of the `DatabaseRestore` whose confirmation is passed on; none for a user,
    /// who confirms when asked.
    restore: Option<String>,
}

impl Executor {
    /// Writes with the permissions of `client`, in the name of `manager`, for the database `name`.
    #[must_use]
    pub fn new(client: Client, manager: &'static str, namespace: &str, name: &str) -> Self {
        Self {
            writer: Writer { client, manager },
            namespace: namespace.to_owned(),
            owner: names::protected_by(namespace, name),
            restore: None,
        }
    }

    /// Passes on the confirmation of a `DatabaseRestore` of the namespace.
    #[must_use]
    pub fn for_restore(self, restore: &str) -> Self {
        Self {
            restore: Some(format!("{}/{restore}", self.namespace)),
            ..self
        }
    }

    /// Carries out one step.
    ///
    /// # Errors
    /// The write was refused or not answered in time, or the volume of a claim that would
    /// be deleted is not kept.
    pub async fn execute(&self, step: &Step) -> Result<(), WriteError> {
        let doing = step.describe();
        match step {
            Step::ConfirmClaimDeletion(metadata) => {
                self.fetch_kept(&doing, metadata).await?;
                within_time(&doing, self.write(step)).await
            }
            Step::DeleteClaim(metadata) => {
                let read = self.fetch_kept(&doing, metadata).await?;
                let claims = self.namespaced::<PersistentVolumeClaim>();
                within_time(&doing, self.writer.delete(&claims, &read)).await
            }
            Step::FinishClaimDeletion(metadata) => {
                let read = self.fetch_kept(&doing, metadata).await?;
                let claims = self.namespaced::<PersistentVolumeClaim>();
                let patch = guard::build_finalizer_removal(&read);
                within_time(&doing, self.writer.patch(&claims, &read, patch)).await
            }
            _ => within_time(&doing, self.write(step)).await,
        }
    }

    async fn write(&self, step: &Step) -> Result<(), kube::Error> {
        let writer = &self.writer;
        let databases = self.namespaced::<ProtectedDatabase>();
        let claims = self.namespaced::<PersistentVolumeClaim>();
        let checks = self.namespaced::<DatabaseCheck>();
        let cron_jobs = self.namespaced::<CronJob>();
        let volumes = self.cluster::<PersistentVolume>();
        let namespaces = self.cluster::<Namespace>();
        let ledgers = self.cluster::<DatabaseLedger>();
        let mark =
            |metadata: &ObjectMeta, marks| guard::build_mark_patch(metadata, &self.owner, marks);
        let unmark = |release: &Release, marks| {
            guard::build_release_patch(&release.metadata, &self.owner, marks)
        };
        let confirm = |metadata: &ObjectMeta| Some(guard::build_confirmation(metadata));
        let unchanged = |metadata: &ObjectMeta| Some(guard::build_unchanged_patch(metadata));
        match step {
            Step::MarkDatabase(read) => {
                writer
                    .patch(&databases, read, mark(read, Marks::Held))
                    .await
            }
            Step::MarkClaim(read) => writer.patch(&claims, read, mark(read, Marks::Held)).await,
            Step::MarkNamespace(read) => {
                writer
                    .patch(&namespaces, read, mark(read, Marks::Shared))
                    .await
            }
            Step::MarkWorkload(kind, read) => {
                self.patch_workload(*kind, read, mark(read, Marks::Named))
                    .await
            }
            Step::NoteMountRepair(step) => self.note_mount_repair(step).await,
            Step::RetainVolume(volume) => {
                let policy = Some(volume.reclaim_policy.as_str());
                let patch = guard::build_retain_patch(&volume.metadata, policy);
                writer.patch(&volumes, &volume.metadata, patch).await
            }
            Step::MarkVolume(volume) => {
                let policy = Some(volume.reclaim_policy.as_str());
                let marked = guard::build_volume_patch(&volume.metadata, policy, &self.owner);
                let patch = marked.or_else(|| guard::build_retain_patch(&volume.metadata, policy));
                writer.patch(&volumes, &volume.metadata, patch).await
            }
            Step::NoteLoss { metadata, loss } => {
                let patch = guard::build_loss_summary_patch(metadata, loss);
                writer.patch(&claims, metadata, patch).await
            }
            Step::MarkLedger(ledger) => writer.apply(&ledgers, ledger.as_ref()).await,
            Step::WriteLedger { name, status } => {
                writer.apply_status(&ledgers, (name, None), status).await
            }
            Step::SetGate(gate) => self.set_gate(gate).await,
            Step::EnsureAgentIdentity => self.apply_agent_identity().await,
            Step::CreateCheck(check) => writer.create(&checks, check.as_ref()).await,
            Step::CreateJob(job) => writer.create(&self.namespaced::<Job>(), job.as_ref()).await,
            Step::SetCheckTarget { name, target } => {
                let body = json!({"spec": {"target": target}});
                writer.merge(&checks, name, body).await
            }
            Step::WriteVerdict { name, verdict } => {
                let status = json!({"verdict": verdict});
                writer.apply_status(&checks, (name, None), &status).await
            }
            Step::FailFiles { check, files } => {
                // Instead of the agent that did not report: under the operator's own manager the
                // verdict would be removed.
                let rule = usize::try_from(files.rule).unwrap_or_default();
                let body = json!({
                    "apiVersion": DatabaseCheck::api_version(&()),
                    "kind": DatabaseCheck::kind(&()),
                    "metadata": {"name": check}, "status": {"files": [files]},
                });
                let manager = names::files_manager(rule);
                let parameters = kube::api::PatchParams::apply(&manager).force();
                checks
                    .patch_status(check, &parameters, &Patch::Apply(body))
                    .await
                    .map(drop)
            }
            Step::ApplyCronJob(cron_job) => writer.apply(&cron_jobs, cron_job.as_ref()).await,
            Step::DeleteCronJob(read) => writer.delete(&cron_jobs, read).await,
            Step::DeleteCheck(read) => writer.delete(&checks, read).await,
            Step::FailBackup { name, message } => self.fail_backup(name, message).await,
            Step::AssertDatabase(read) => writer.patch(&databases, read, unchanged(read)).await,
            Step::AssertVolume(read) => writer.patch(&volumes, read, unchanged(read)).await,
            Step::ReleaseLedger(release) => {
                let patch = unmark(release, Marks::Named);
                writer.patch(&ledgers, &release.metadata, patch).await
            }
            Step::ReleaseClaim(release) => {
                let patch = unmark(release, Marks::Held);
                writer.patch(&claims, &release.metadata, patch).await
            }
            Step::ReleaseVolume(release) => {
                let patch = unmark(release, Marks::Held);
                writer.patch(&volumes, &release.metadata, patch).await
            }
            Step::ReleaseNamespace(release) => {
                let patch = unmark(release, Marks::Shared);
                writer.patch(&namespaces, &release.metadata, patch).await
            }
            Step::ReleaseDatabase(release) => {
                let patch = unmark(release, Marks::Held);
                writer.patch(&databases, &release.metadata, patch).await
            }
            Step::ReleaseWorkload(kind, release) => {
                let patch = unmark(release, Marks::Named);
                self.patch_workload(*kind, &release.metadata, patch).await
            }
            Step::ConfirmNamespaceDeletion(read) => {
                writer.patch(&namespaces, read, confirm(read)).await
            }
            Step::ConfirmDatabaseDeletion(read) => {
                writer.patch(&databases, read, confirm(read)).await
            }
            Step::ConfirmVolumeChange(read) => writer.patch(&volumes, read, confirm(read)).await,
            Step::ConfirmClaimDeletion(read) => {
                let patch = match &self.restore {
                    Some(restore) => guard::build_confirmation_for(read, restore),
                    None => guard::build_confirmation(read),
                };
                writer.patch(&claims, read, Some(patch)).await
            }
            Step::RevokeVolumeChange(read) => self.revoke(&volumes, read.name.as_deref()).await,
            Step::FinalizeNamespace(read) => finalize(&namespaces, read).await,
            Step::FinishDatabaseDeletion(read) => {
                writer
                    .patch(&databases, read, guard::build_finalizer_removal(read))
                    .await
            }
            Step::CreateNamespace(manifest) => writer.create_manifest(&namespaces, manifest).await,
            Step::CreateVolume(manifest) => writer.create_manifest(&volumes, manifest).await,
            Step::CreateClaim(manifest) => writer.create_manifest(&claims, manifest).await,
            Step::CreateDatabase(manifest) => writer.create_manifest(&databases, manifest).await,
            Step::ScaleDown(scale) => {
                let patch = build_scale_down(&scale.metadata, scale.replicas);
                self.patch_workload(scale.kind, &scale.metadata, Some(patch))
                    .await
            }
            Step::ScaleUp(scale) => {
                let patch = build_scale_up(&scale.metadata, scale.replicas, scale.scaled_up_to);
                self.patch_workload(scale.kind, &scale.metadata, Some(patch))
                    .await
            }
            Step::MountClaim {
                kind,
                metadata,
                index,
                volume,
                claim,
            } => {
                let patch = build_mount(metadata, *index, volume, claim);
                self.patch_workload(*kind, metadata, Some(patch)).await
            }
            Step::ReserveVolume {
                metadata,
                claim_uid,
                namespace,
                claim,
                for_uid,
            } => {
                let reference = claim_reference(namespace, claim, for_uid.as_deref());
                let patch = build_reservation(metadata, claim_uid.as_deref(), reference);
                writer.patch(&volumes, metadata, Some(patch)).await
            }
            Step::TouchClaim {
                metadata,
                volume_version,
            } => {
                let patch = build_touch(metadata, volume_version);
                writer.patch(&claims, metadata, Some(patch)).await
            }
            // Carried out above, after one more read.
            Step::DeleteClaim(_) | Step::FinishClaimDeletion(_) | Step::Await(_) => Ok(()),
        }
    }

    /// Reads claim and volume once more: what is to be deleted must be the claim that was read, and
    /// its volume must be on Retain. Returns the claim as it was read now.
    async fn fetch_kept(
        &self,
        doing: &str,
        metadata: &ObjectMeta,
    ) -> Result<ObjectMeta, WriteError> {
        let not_kept = |why: String| WriteError::NotKept {
            doing: doing.to_owned(),
            why,
        };
        let claims = self.namespaced::<PersistentVolumeClaim>();
        let name = metadata.name.as_deref().unwrap_or_default();
        let claim = within_time(doing, claims.get(name)).await?;
        if claim.uid() != metadata.uid {
            return Err(not_kept("another claim has its name by now".to_owned()));
        }
        let volume = claim.spec.and_then(|spec| spec.volume_name);
        let Some(volume) = volume.filter(|volume| !volume.is_empty()) else {
            return Ok(claim.metadata);
        };
        let volumes = self.cluster::<PersistentVolume>();
        let Some(found) = within_time(doing, volumes.get_opt(&volume)).await? else {
            return Ok(claim.metadata);
        };
        let policy = found
            .spec
            .and_then(|spec| spec.persistent_volume_reclaim_policy);
        if policy.as_deref() == Some(guard::RETAIN) {
            return Ok(claim.metadata);
        }
        let policy = policy.unwrap_or_else(|| "unknown".to_owned());
        Err(not_kept(format!(
            "PersistentVolume {volume} has the reclaim policy {policy}, and its files would be \
             deleted with the claim"
        )))
    }

    fn namespaced<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.writer.client.clone(), &self.namespace)
    }

    fn cluster<K>(&self) -> Api<K>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        Api::all(self.writer.client.clone())
    }

    async fn note_mount_repair(&self, step: &MountRepairStep) -> Result<(), kube::Error> {
        let metadata = &step.metadata;
        let patch = guard::build_mount_repair_patch(metadata, step.repair.as_deref());
        self.patch_workload(step.kind, metadata, patch).await
    }

    async fn patch_workload(
        &self,
        kind: WorkloadKind,
        metadata: &ObjectMeta,
        body: Option<json_patch::Patch>,
    ) -> Result<(), kube::Error> {
        match kind {
            WorkloadKind::StatefulSet => {
                let sets = self.namespaced::<StatefulSet>();
                self.writer.patch(&sets, metadata, body).await
            }
            WorkloadKind::Deployment => {
                let deployments = self.namespaced::<Deployment>();
                self.writer.patch(&deployments, metadata, body).await
            }
        }
    }

    /// Sets one condition of a pod and leaves the others to their owners. The UID pins the pod: a
    /// new one of the same name is not meant.
    async fn set_gate(&self, step: &GateStep) -> Result<(), kube::Error> {
        let status = if step.gate.is_open { "True" } else { "False" };
        let condition = json!({
            "type": names::DATA_VERIFIED_GATE, "status": status, "reason": step.gate.reason,
            "message": step.gate.message, "lastTransitionTime": step.at,
        });
        let body = json!({
            "metadata": {"uid": step.pod_uid}, "status": {"conditions": [condition]},
        });
        let pods = self.namespaced::<Pod>();
        self.writer
            .patch_status(&pods, &step.pod, &Patch::Strategic(body))
            .await
    }

    async fn apply_agent_identity(&self) -> Result<(), kube::Error> {
        let account = resources::build_agent_service_account(&self.namespace);
        let binding = resources::build_agent_role_binding(&self.namespace);
        self.writer
            .apply(&self.namespaced::<ServiceAccount>(), &account)
            .await?;
        self.writer
            .apply(&self.namespaced::<RoleBinding>(), &binding)
            .await
    }

    /// Marks a backup as failed, but only while it still says Running: its agent may have reported
    /// since.
    async fn fail_backup(&self, name: &str, message: &str) -> Result<(), kube::Error> {
        let backups = self.namespaced::<DatabaseBackup>();
        let Some(backup) = backups.get_opt(name).await? else {
            return Ok(());
        };
        let state = backup.status.as_ref().and_then(|status| status.state);
        if state != Some(BackupState::Running) {
            return Ok(());
        }
        let body = json!({
            "metadata": {"resourceVersion": backup.metadata.resource_version},
            "status": {
                "state": BackupState::Failed, "reason": reasons::JOB_FAILED, "message": message,
                "completionTime": Time(Timestamp::now()),
            },
        });
        self.writer
            .patch_status(&backups, name, &Patch::Merge(body))
            .await
    }

    /// Removes a confirmation, as it is now.
    async fn revoke(
        &self,
        volumes: &Api<PersistentVolume>,
        name: Option<&str>,
    ) -> Result<(), kube::Error> {
        let Some(volume) = volumes.get_metadata_opt(name.unwrap_or_default()).await? else {
            return Ok(());
        };
        let patch = guard::build_revocation(&volume.metadata);
        self.writer.patch(volumes, &volume.metadata, patch).await
    }
}

/// Ends the deletion of a namespace that is Terminating: its own finalizers are removed, and what
/// is held in it stays.
async fn finalize(namespaces: &Api<Namespace>, metadata: &ObjectMeta) -> Result<(), kube::Error> {
    let name = metadata.name.as_deref().unwrap_or_default();
    let Some(mut namespace) = namespaces.get_opt(name).await? else {
        return Ok(());
    };
    if namespace.metadata.uid != metadata.uid {
        return Ok(());
    }
    namespace.spec.get_or_insert_default().finalizers = Some(Vec::new());
    let parameters = PostParams::default();
    namespaces
        .replace_subresource("finalize", name, &parameters, &namespace)
        .await
        .map(drop)
}
