//! Before a backup: tries what it will need of the storage, and aborts the uploads that earlier backups
//! left behind when they were killed.

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::time::timeout;

use crate::api::names::{DATABASE_LABEL, TASK_LABEL};
use crate::api::{AgentFailure, BackupRequest};
use crate::store::{ObjectStore as _, SetPath, StoreLimits, database_folder};

use super::MountedFiles;
use super::kubernetes::REQUEST_LIMIT;

/// What the pods of backups are labelled with.
const TASK: &str = "backup";

/// Fails if the storage would not take the set. What can't be cleaned up is left for the next backup.
pub async fn leave_nothing_behind(
    client: &Client,
    request: &BackupRequest,
    files: &MountedFiles,
    path: &SetPath,
    limits: StoreLimits,
) -> Result<(), AgentFailure> {
    abort_leftovers(request, files, path, limits, is_alone(client, request)).await
}

/// The same without Kubernetes: `is_alone` says whether no other backup of this database runs.
pub async fn abort_leftovers(
    request: &BackupRequest,
    files: &MountedFiles,
    path: &SetPath,
    limits: StoreLimits,
    is_alone: impl Future<Output = bool>,
) -> Result<(), AgentFailure> {
    let (storage, namespace) = (&request.storage, &request.namespace);
    let store = files.open_store(storage, namespace, limits)?;
    store.check_bucket().await?;
    let directory = database_folder(&storage.prefix, namespace, &request.database);
    let rehearsed = store.rehearse(&directory, path).await?;
    if rehearsed.unfinished.is_empty() {
        return Ok(());
    }
    // After the listing: the pod of an upload that was listed and goes on is still there.
    let is_alone = is_alone.await;
    for upload in rehearsed.left_over(&directory, &request.database_uid, is_alone) {
        match store.abort(&upload).await {
            Ok(()) => tracing::info!(
                key = upload.key,
                upload = upload.id,
                "aborted an upload that an earlier backup left behind"
            ),
            Err(error) => tracing::warn!(
                key = upload.key,
                upload = upload.id,
                "an upload that an earlier backup left behind could not be aborted: {error}"
            ),
        }
    }
    Ok(())
}

/// Whether no other backup of this database runs. What can't be known is no.
async fn is_alone(client: &Client, request: &BackupRequest) -> bool {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &request.namespace);
    let labels = format!("{DATABASE_LABEL}={},{TASK_LABEL}={TASK}", request.database);
    let parameters = ListParams::default().labels(&labels);
    let Ok(Ok(found)) = timeout(REQUEST_LIMIT, pods.list(&parameters)).await else {
        tracing::warn!("whether another backup runs is not known, so no upload of it is aborted");
        return false;
    };
    let own = std::env::var("HOSTNAME").unwrap_or_default();
    is_only_one(&found.items, &own)
}

/// Whether all pods but one's own have ended.
fn is_only_one(pods: &[Pod], own: &str) -> bool {
    let has_ended = |pod: &Pod| {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let is_own = |pod: &&Pod| pod.name_any() == own;
    // One that does not see itself does not see the others either.
    pods.iter().any(|pod| is_own(&pod)) && pods.iter().filter(|pod| !is_own(pod)).all(has_ended)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str) -> Pod {
        let pod = json!({"metadata": {"name": name}, "status": {"phase": phase}});
        serde_json::from_value(pod).unwrap_or_default()
    }

    #[test]
    fn a_backup_is_alone_only_if_every_other_pod_has_ended() {
        let own = pod("own", "Running");
        let with = |phase: &str| is_only_one(&[own.clone(), pod("other", phase)], "own");
        assert!(is_only_one(std::slice::from_ref(&own), "own"));
        assert!(with("Succeeded") && with("Failed"));
        for phase in ["Running", "Pending", "Unknown", ""] {
            assert!(!with(phase), "{phase}");
        }
        assert!(!is_only_one(&[], "own"), "it does not even see itself");
    }
}
