//! The fourth stage: writes only, one call a step, each with a time limit and a precondition.
//! Nothing is decided here.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Namespace, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount,
};
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Resource};
use serde_json::json;

use super::Context;
use crate::api::{
    BackupState, DatabaseBackup, DatabaseCheck, DatabaseLedger, ProtectedDatabase, WorkloadKind,
    names, reasons,
};
use crate::guard::{self, Marks};
use crate::plan::{GateStep, Release, Step};
use crate::resources;

/// How long one write may take. The client itself would try for minutes.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A step that was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The API server refused, or a precondition did not hold: the object is not the one that was
    /// read.
    #[error("could not {step}: {source}")]
    Refused {
        /// The step.
        step: String,
        /// The API server's answer.
        source: Box<kube::Error>,
    },
    /// No answer in time. The write may have happened; the next pass reads what is there.
    #[error("could not {step}: no answer from the API server in {} s", WRITE_TIMEOUT.as_secs())]
    TimedOut {
        /// The step.
        step: String,
    },
}

/// Carries out one step.
///
/// # Errors
/// The write was refused or not answered in time.
pub async fn act(
    context: &Context,
    namespace: &str,
    database: &str,
    step: &Step,
) -> Result<(), ActError> {
    let write = Box::pin(write(context, namespace, database, step));
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(ActError::Refused {
            step: step.describe(),
            source: Box::new(source),
        }),
        Err(_) => Err(ActError::TimedOut {
            step: step.describe(),
        }),
    }
}

async fn write(
    context: &Context,
    namespace: &str,
    database: &str,
    step: &Step,
) -> Result<(), kube::Error> {
    let client = context.client.clone();
    let owner = names::protected_by(namespace, database);
    let databases: Api<ProtectedDatabase> = Api::namespaced(client.clone(), namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ledgers: Api<DatabaseLedger> = Api::all(client.clone());
    let checks: Api<DatabaseCheck> = Api::namespaced(client.clone(), namespace);
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let cron_jobs: Api<CronJob> = Api::namespaced(client.clone(), namespace);
    let mark = |metadata: &ObjectMeta, marks| guard::build_mark_patch(metadata, &owner, marks);
    match step {
        Step::MarkDatabase(metadata) => {
            patch(&databases, metadata, mark(metadata, Marks::Held)).await
        }
        Step::MarkClaim(metadata) => patch(&claims, metadata, mark(metadata, Marks::Held)).await,
        Step::MarkLedger(ledger) => apply(&ledgers, ledger.as_ref()).await,
        Step::WriteLedger { name, status } => {
            let body = json!({
                "apiVersion": DatabaseLedger::api_version(&()), "kind": DatabaseLedger::kind(&()),
                "metadata": { "name": name }, "status": status,
            });
            ledgers
                .patch_status(
                    name,
                    &PatchParams::apply(names::OPERATOR_MANAGER).force(),
                    &Patch::Apply(body),
                )
                .await
                .map(drop)
        }
        Step::ReleaseLedger(release) => {
            patch_released(&ledgers, release, &owner, Marks::Named).await
        }
        Step::NoteStake { metadata, stake } => {
            patch(
                &claims,
                metadata,
                guard::build_loss_summary_patch(metadata, stake),
            )
            .await
        }
        Step::MarkNamespace(metadata) => {
            patch(&namespaces, metadata, mark(metadata, Marks::Shared)).await
        }
        Step::MarkWorkload(kind, metadata) => {
            patch_workload(
                context,
                namespace,
                *kind,
                metadata,
                mark(metadata, Marks::Named),
            )
            .await
        }
        Step::RetainVolume(volume) => {
            patch(
                &volumes,
                &volume.metadata,
                guard::build_retain_patch(&volume.metadata, Some(&volume.reclaim_policy)),
            )
            .await
        }
        Step::MarkVolume(volume) => {
            patch(
                &volumes,
                &volume.metadata,
                guard::build_volume_patch(&volume.metadata, Some(&volume.reclaim_policy), &owner),
            )
            .await
        }
        Step::SetGate(step) => set_gate(&Api::namespaced(client, namespace), step).await,
        Step::EnsureAgentIdentity => {
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
            let bindings: Api<RoleBinding> = Api::namespaced(client, namespace);
            apply(
                &accounts,
                &resources::build_agent_service_account(namespace),
            )
            .await?;
            apply(&bindings, &resources::build_agent_role_binding(namespace)).await
        }
        Step::CreateCheck(check) => create(&checks, check.as_ref()).await,
        Step::CreateJob(job) => create(&jobs, job.as_ref()).await,
        Step::AimCheck { name, target } => {
            let body = json!({ "spec": { "target": target } });
            checks
                .patch(name, &plain_patch(), &Patch::Merge(body))
                .await
                .map(drop)
        }
        Step::JudgeCheck { name, verdict } => {
            let body = json!({
                "apiVersion": DatabaseCheck::api_version(&()), "kind": DatabaseCheck::kind(&()),
                "metadata": { "name": name }, "status": { "verdict": verdict },
            });
            checks
                .patch_status(
                    name,
                    &PatchParams::apply(names::OPERATOR_MANAGER).force(),
                    &Patch::Apply(body),
                )
                .await
                .map(drop)
        }
        Step::FailFiles { check, files } => {
            // In the place of the agent that did not report: as its own manager the operator would
            // take back the verdict.
            let manager = names::files_manager(usize::try_from(files.rule).unwrap_or_default());
            let body = json!({
                "apiVersion": DatabaseCheck::api_version(&()), "kind": DatabaseCheck::kind(&()),
                "metadata": { "name": check }, "status": { "files": [files] },
            });
            checks
                .patch_status(
                    check,
                    &PatchParams::apply(&manager).force(),
                    &Patch::Apply(body),
                )
                .await
                .map(drop)
        }
        Step::ApplyCronJob(cron_job) => apply(&cron_jobs, cron_job.as_ref()).await,
        Step::DeleteCronJob(metadata) => delete(&cron_jobs, metadata).await,
        Step::PruneCheck(metadata) => delete(&checks, metadata).await,
        Step::FailBackup { name, message } => fail_backup(context, namespace, name, message).await,
        Step::AssertDatabase(metadata) => {
            patch(
                &databases,
                metadata,
                Some(guard::build_unchanged_patch(metadata)),
            )
            .await
        }
        Step::AssertVolume(metadata) => {
            patch(
                &volumes,
                metadata,
                Some(guard::build_unchanged_patch(metadata)),
            )
            .await
        }
        Step::ReleaseClaim(release) => patch_released(&claims, release, &owner, Marks::Held).await,
        Step::ReleaseVolume(release) => {
            patch_released(&volumes, release, &owner, Marks::Held).await
        }
        Step::ReleaseNamespace(release) => {
            patch_released(&namespaces, release, &owner, Marks::Shared).await
        }
        Step::ReleaseDatabase(release) => {
            patch_released(&databases, release, &owner, Marks::Held).await
        }
        Step::ReleaseWorkload(kind, release) => {
            let body = guard::build_release_patch(&release.metadata, &owner, Marks::Named);
            patch_workload(context, namespace, *kind, &release.metadata, body).await
        }
    }
}

/// The parameters of a patch in the operator's name.
fn plain_patch() -> PatchParams {
    PatchParams {
        field_manager: Some(names::OPERATOR_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// Sends a JSON patch, whose tests of UID and resource version are its preconditions. Nothing to
/// patch is done already.
async fn patch<K>(
    api: &Api<K>,
    metadata: &ObjectMeta,
    body: Option<json_patch::Patch>,
) -> Result<(), kube::Error>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let Some(body) = body else { return Ok(()) };
    let name = metadata.name.as_deref().unwrap_or_default();
    let parameters = plain_patch();
    api.patch_metadata(name, &parameters, &Patch::Json::<()>(body))
        .await
        .map(drop)
}

async fn patch_released<K>(
    api: &Api<K>,
    release: &Release,
    owner: &str,
    marks: Marks,
) -> Result<(), kube::Error>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    patch(
        api,
        &release.metadata,
        guard::build_release_patch(&release.metadata, owner, marks),
    )
    .await
}

async fn patch_workload(
    context: &Context,
    namespace: &str,
    kind: WorkloadKind,
    metadata: &ObjectMeta,
    body: Option<json_patch::Patch>,
) -> Result<(), kube::Error> {
    match kind {
        WorkloadKind::StatefulSet => {
            patch(
                &Api::<StatefulSet>::namespaced(context.client.clone(), namespace),
                metadata,
                body,
            )
            .await
        }
        WorkloadKind::Deployment => {
            patch(
                &Api::<Deployment>::namespaced(context.client.clone(), namespace),
                metadata,
                body,
            )
            .await
        }
    }
}

/// Sets one condition of a pod and leaves the others to their owners. The UID pins the pod: a new
/// one of the same name is not meant.
async fn set_gate(pods: &Api<Pod>, step: &GateStep) -> Result<(), kube::Error> {
    let status = if step.gate.is_open { "True" } else { "False" };
    let condition = json!({
        "type": names::DATA_VERIFIED_GATE, "status": status, "reason": step.gate.reason, "message": step.gate.message, "lastTransitionTime": step.at,
    });
    let body = json!({"metadata": {"uid": step.pod_uid}, "status": {"conditions": [condition]}});
    pods.patch_status(&step.pod, &plain_patch(), &Patch::Strategic(body))
        .await
        .map(drop)
}

/// Creates an object with a deterministic name: one that is there already came from an earlier try.
async fn create<K>(api: &Api<K>, object: &K) -> Result<(), kube::Error>
where
    K: Resource + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    match api
        .create(
            &PostParams {
                field_manager: Some(names::OPERATOR_MANAGER.to_owned()),
                ..PostParams::default()
            },
            object,
        )
        .await
    {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
        other => other.map(drop),
    }
}

/// Applies an object that is all ours.
async fn apply<K>(api: &Api<K>, object: &K) -> Result<(), kube::Error>
where
    K: Resource + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let name = object.meta().name.clone().unwrap_or_default();
    api.patch(
        &name,
        &PatchParams::apply(names::OPERATOR_MANAGER).force(),
        &Patch::Apply(object),
    )
    .await
    .map(drop)
}

/// Deletes exactly the object that was read; one that is gone already is what was wanted.
async fn delete<K>(api: &Api<K>, metadata: &ObjectMeta) -> Result<(), kube::Error>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let preconditions = Preconditions {
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
    };
    let parameters = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::background()
    };
    match api
        .delete(metadata.name.as_deref().unwrap_or_default(), &parameters)
        .await
    {
        Err(kube::Error::Api(status)) if status.reason == "NotFound" => Ok(()),
        other => other.map(drop),
    }
}

/// Marks a backup as failed, but only while it still says Running: its agent may have reported
/// since.
async fn fail_backup(
    context: &Context,
    namespace: &str,
    name: &str,
    message: &str,
) -> Result<(), kube::Error> {
    let api: Api<DatabaseBackup> = Api::namespaced(context.client.clone(), namespace);
    let Some(backup) = api.get_opt(name).await? else {
        return Ok(());
    };
    if backup.status.as_ref().and_then(|status| status.state) != Some(BackupState::Running) {
        return Ok(());
    }
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::now());
    let body = json!({
        "metadata": { "resourceVersion": backup.metadata.resource_version },
        "status": { "state": BackupState::Failed, "reason": reasons::JOB_FAILED, "message": message, "completionTime": now },
    });
    let parameters = plain_patch();
    api.patch_status(name, &parameters, &Patch::Merge(body))
        .await
        .map(drop)
}
