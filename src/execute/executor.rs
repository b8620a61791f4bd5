//! Carries out steps: those of the operator's pass, of a `DatabaseRestore` and of `kubectl holdfast
//! recover`.

use std::collections::BTreeMap;
use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Namespace, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount,
};
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{Patch, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::judge_backup::{judge_backup, note_drill};
use super::reports;
use super::writer::{WriteError, Writer, within_time};
use crate::api::{
    ConfirmedVerb, DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseRestore,
    ProtectedDatabase, WorkloadKind, names,
};
use crate::guard::{self, Marks};
use crate::plan::patches::{
    build_mount, build_reservation, build_scale_down, build_scale_up, build_touch, claim_reference,
};
use crate::plan::{
    ConfirmedKind, GateStep, MountRepairStep, Release, RevocationStep, Step, VolumeStep,
};
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
    /// The labels of the agents' service account and role binding.
    agent_labels: BTreeMap<String, String>,
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
            agent_labels: BTreeMap::new(),
        }
    }

    /// Creates the agents' service account and role binding with these labels.
    #[must_use]
    pub fn labelling_agents(self, agent_labels: BTreeMap<String, String>) -> Self {
        Self {
            agent_labels,
            ..self
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
        let now = Timestamp::now();
        let confirm =
            |metadata: &ObjectMeta, verb| Some(guard::build_confirmation(metadata, verb, now));
        let unchanged = |metadata: &ObjectMeta| Some(guard::build_unchanged_patch(metadata));
        match step {
            Step::MarkDatabase(read) => {
                let patch = mark(read, Marks::Itself);
                writer.patch(&databases, read, patch).await
            }
            Step::MarkClaim(read) => writer.patch(&claims, read, mark(read, Marks::Held)).await,
            Step::MarkNamespace(read) => {
                let patch = mark(read, Marks::Shared);
                writer.patch(&namespaces, read, patch).await
            }
            Step::MarkWorkload(step) => {
                let patch = guard::build_workload_patch(&step.metadata, step.claims_guarded);
                self.patch_workload(step.kind, &step.metadata, patch).await
            }
            Step::NoteMountRepair(step) => self.note_mount_repair(step).await,
            Step::RetainVolume(volume) => self.retain(volume).await,
            Step::RetainTwin(volume) => self.retain_twin(volume).await,
            Step::MarkVolume(volume) => {
                let patch = self.build_volume_mark(volume);
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
            Step::NoteRecreation { ledger, token } => {
                let patch = guard::build_recreation_note(ledger, token);
                writer.patch(&ledgers, ledger, Some(patch)).await
            }
            Step::AcceptNamespace {
                ledger,
                namespace_uid,
            } => {
                let patch = guard::build_acceptance(ledger, namespace_uid);
                writer.patch(&ledgers, ledger, Some(patch)).await
            }
            Step::SetGate(gate) => self.set_gate(gate).await,
            Step::EnsureAgentIdentity => self.apply_agent_identity().await,
            Step::CreateCheck(check) => writer.create(&checks, check.as_ref()).await,
            Step::CreateJob(job) => writer.create(&self.namespaced::<Job>(), job.as_ref()).await,
            Step::EndJob(read) => writer.delete_by_uid(&self.namespaced::<Job>(), read).await,
            Step::CreateBackup(backup) => writer.create(&self.namespaced(), backup.as_ref()).await,
            Step::FailBackup { .. } => reports::fail_backup(writer, &self.namespaced(), step).await,
            Step::NoteDrill { .. } => note_drill(writer, &self.namespaced(), step).await,
            Step::CreateDrill(drill) => writer.create(&self.namespaced(), drill.as_ref()).await,
            Step::DeleteDrill(read) => self.delete::<DatabaseRestore>(read).await,
            Step::JudgeBackup { .. } | Step::NoteRead { .. } => {
                judge_backup(writer, &self.namespaced(), step).await
            }
            Step::SetCheckTarget { name, target } => {
                let body = json!({"spec": {"target": target}});
                writer.merge(&checks, name, body).await
            }
            Step::WriteVerdict { name, verdict } => {
                let status = json!({"verdict": verdict});
                writer.apply_status(&checks, (name, None), &status).await
            }
            Step::FailFiles { check, files } => reports::fail_files(&checks, check, files).await,
            Step::ApplyCronJob(job) => writer.apply(&cron_jobs, job.as_ref()).await,
            Step::DeleteRoleBinding(read) => self.delete::<RoleBinding>(read).await,
            Step::DeleteCronJob(read) => writer.delete(&cron_jobs, read).await,
            Step::LeaveBackup(read) => writer.delete_alone(&cron_jobs, read).await,
            Step::DeleteBackup(read) | Step::DeleteFailedBackup(read) => {
                self.delete::<DatabaseBackup>(read).await
            }
            Step::DeleteCheck(read) => writer.delete(&checks, read).await,
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
                let patch = unmark(release, Marks::Itself);
                writer.patch(&databases, &release.metadata, patch).await
            }
            Step::ReleaseWorkload(kind, release) => {
                let patch = guard::build_workload_release(&release.metadata);
                self.patch_workload(*kind, &release.metadata, patch).await
            }
            Step::ConfirmNamespaceDeletion(read) => {
                let patch = confirm(read, ConfirmedVerb::Delete);
                writer.patch(&namespaces, read, patch).await
            }
            Step::ConfirmDatabaseDeletion(read) => {
                let patch = confirm(read, ConfirmedVerb::Delete);
                writer.patch(&databases, read, patch).await
            }
            Step::ConfirmVolumeChange(read) => {
                let patch = confirm(read, ConfirmedVerb::Change);
                writer.patch(&volumes, read, patch).await
            }
            Step::ConfirmClaimDeletion(read) => {
                let patch = self.build_claim_confirmation(read, now);
                writer.patch(&claims, read, Some(patch)).await
            }
            Step::RevokeConfirmation(step) => self.revoke(step).await,
            Step::FinalizeNamespace(read) => finalize(&namespaces, read).await,
            Step::FinishDatabaseDeletion(read) => {
                let patch = guard::build_finalizer_removal(read);
                writer.patch(&databases, read, patch).await
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
                uses_confirmation,
            } => {
                let reference = claim_reference(namespace, claim, for_uid.as_deref());
                let uid = claim_uid.as_deref();
                let patch = build_reservation(metadata, uid, reference, *uses_confirmation);
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

    /// Confirms the deletion of a claim: for the DatabaseRestore, where one asks.
    fn build_claim_confirmation(&self, claim: &ObjectMeta, now: Timestamp) -> json_patch::Patch {
        self.restore.as_ref().map_or_else(
            || guard::build_confirmation(claim, ConfirmedVerb::Delete, now),
            |restore| guard::build_confirmation_for(claim, restore, &self.owner, now),
        )
    }

    /// Sets a volume to Retain.
    async fn retain(&self, volume: &VolumeStep) -> Result<(), kube::Error> {
        let policy = Some(volume.reclaim_policy.as_str());
        let patch = guard::build_retain_patch(&volume.metadata, policy);
        let volumes = self.cluster::<PersistentVolume>();
        self.writer.patch(&volumes, &volume.metadata, patch).await
    }

    /// Sets a volume of others to Retain, if it is still as it was read.
    async fn retain_twin(&self, volume: &VolumeStep) -> Result<(), kube::Error> {
        let policy = Some(volume.reclaim_policy.as_str());
        let patch = guard::build_twin_patch(&volume.metadata, policy);
        let volumes = self.cluster::<PersistentVolume>();
        self.writer.patch(&volumes, &volume.metadata, patch).await
    }

    /// Marks a volume that is on Retain or is set to it in the same write.
    fn build_volume_mark(&self, volume: &VolumeStep) -> Option<json_patch::Patch> {
        let policy = Some(volume.reclaim_policy.as_str());
        let namespace_uid = volume.namespace_uid.as_deref();
        guard::build_volume_patch(&volume.metadata, policy, &self.owner, namespace_uid)
            .or_else(|| guard::build_retain_patch(&volume.metadata, policy))
    }

    /// Reads claim and volume once more: what is to be deleted must be the claim that was read, no other
    /// database's by now, and its volume must be on Retain. Returns the claim as it was read now.
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
        if guard::marked_owner(&claim.metadata).is_some_and(|owner| owner != self.owner) {
            return Err(not_kept(
                "another ProtectedDatabase guards it by now".to_owned(),
            ));
        }
        let volume = claim.spec.and_then(|spec| spec.volume_name);
        let Some(volume) = volume.filter(|volume| !volume.is_empty()) else {
            return Ok(claim.metadata);
        };
        let volumes = self.cluster::<PersistentVolume>();
        let Some(found) = within_time(doing, volumes.get_opt(&volume)).await? else {
            return Ok(claim.metadata);
        };
        // Anybody may write any volume's name into a claim: one that is for another claim stays.
        let holder = found.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        let is_for_another = holder.is_some_and(|holder| {
            holder.name != metadata.name
                || holder.namespace.as_deref() != Some(self.namespace.as_str())
        });
        if is_for_another {
            return Ok(claim.metadata);
        }
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

    /// Deletes exactly the object of the namespace that was read.
    async fn delete<K>(&self, read: &ObjectMeta) -> Result<(), kube::Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.writer.delete(&self.namespaced::<K>(), read).await
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
        let (account, binding) =
            resources::build_agent_identity(&self.namespace, &self.agent_labels);
        self.writer
            .apply(&self.namespaced::<ServiceAccount>(), &account)
            .await?;
        self.writer
            .apply(&self.namespaced::<RoleBinding>(), &binding)
            .await
    }

    /// Removes a confirmation, as it was read: one that was renewed since stays.
    async fn revoke(&self, step: &RevocationStep) -> Result<(), kube::Error> {
        let (writer, read) = (&self.writer, step.metadata.as_ref());
        let patch = guard::build_revocation(read, &[step.verb]);
        match step.kind {
            ConfirmedKind::Claim => {
                let claims = self.namespaced::<PersistentVolumeClaim>();
                writer.patch(&claims, read, patch).await
            }
            ConfirmedKind::Volume => {
                let volumes = self.cluster::<PersistentVolume>();
                writer.patch(&volumes, read, patch).await
            }
            ConfirmedKind::Workload(kind) => self.patch_workload(kind, read, patch).await,
            ConfirmedKind::Namespace => {
                let namespaces = self.cluster::<Namespace>();
                writer.patch(&namespaces, read, patch).await
            }
            ConfirmedKind::Database => {
                let databases = self.namespaced::<ProtectedDatabase>();
                writer.patch(&databases, read, patch).await
            }
            ConfirmedKind::Ledger => {
                let ledgers = self.cluster::<DatabaseLedger>();
                writer.patch(&ledgers, read, patch).await
            }
        }
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
    namespaces
        .replace_subresource("finalize", name, &PostParams::default(), &namespace)
        .await
        .map(drop)
}
