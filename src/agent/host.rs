//! Finding the server to back up: a running pod of the workload, the primary if there are several.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use crate::api::{AgentFailure, BackupRequest, PodSelection, reasons};
use crate::postgres::{Login, connect, fetch_identity};

use super::{MountedFiles, kubernetes};

/// How long a pod that restarts is waited for.
const POD_LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(3);
/// How long one of several pods may take to say whether it is the primary.
const ROLE_LIMIT: Duration = Duration::from_secs(10);

/// The address of the server.
pub async fn find_host(
    client: &Client,
    request: &BackupRequest,
    files: &MountedFiles,
) -> Result<String, AgentFailure> {
    if let Some(host) = &request.server.host {
        return Ok(host.clone());
    }
    let failure = |message: String| AgentFailure {
        reason: reasons::NO_RUNNING_POD.to_owned(),
        message,
    };
    let selection = request.server.pods.as_ref().ok_or_else(|| {
        failure(
            "the request names neither a host nor pods, which is a fault of the operator; see its \
                log"
            .to_owned(),
        )
    })?;
    let api: Api<Pod> = Api::namespaced(client.clone(), &request.namespace);
    let parameters = ListParams::default().labels(&selection.selector);
    let end = Instant::now() + POD_LIMIT;
    loop {
        let pods = kubernetes::persist("list the workload's pods", || api.list(&parameters))
            .await
            .map_err(|error| {
                failure(format!(
                    "the pods of the workload can't be listed: {error:#}"
                ))
            })?;
        let mut addresses: Vec<String> = pods
            .items
            .iter()
            .filter_map(|pod| running_address(pod, selection))
            .collect();
        addresses.sort();
        match addresses.as_slice() {
            [] if Instant::now() < end => tokio::time::sleep(PAUSE).await,
            [] => {
                return Err(failure(format!(
                    "no pod of {} {} has a running container `{}`, so there is no server to back \
                     up. See `kubectl get pods --namespace={} --selector={}`",
                    selection.controller_kind,
                    selection.controller_name,
                    selection.container,
                    request.namespace,
                    selection.selector
                )));
            }
            [only] => return Ok(only.clone()),
            several => return Ok(prefer_primary(several, request, files).await),
        }
    }
}

/// The address of a pod that the workload controls and whose container runs.
fn running_address(pod: &Pod, selection: &PodSelection) -> Option<String> {
    let owner = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true))?;
    let name = selection.controller_name.as_str();
    let is_controlled = if selection.controller_kind == "StatefulSet" {
        owner.kind == "StatefulSet" && owner.name == name
    } else {
        // A Deployment's ReplicaSets are called after it, with a hash that holds no hyphen.
        let hash = owner
            .name
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'));
        owner.kind == "ReplicaSet"
            && hash.is_some_and(|hash| !hash.is_empty() && !hash.contains('-'))
    };
    let status = pod.status.as_ref()?;
    let containers = status
        .container_statuses
        .iter()
        .flatten()
        .chain(status.init_container_statuses.iter().flatten());
    let is_running = containers
        .filter(|container| container.name == selection.container)
        .any(|container| {
            container
                .state
                .as_ref()
                .is_some_and(|state| state.running.is_some())
        });
    let is_terminating = pod.metadata.deletion_timestamp.is_some();
    (is_controlled && is_running && !is_terminating).then(|| status.pod_ip.clone())?
}

/// The first that answers and is not a replica, or else the first: its own error then says what is
/// wrong.
async fn prefer_primary(
    addresses: &[String],
    request: &BackupRequest,
    files: &MountedFiles,
) -> String {
    let database = request
        .server
        .databases
        .first()
        .map_or("postgres", String::as_str);
    for address in addresses {
        let login = Login::read(
            &request.server,
            &request.namespace,
            address,
            &files.postgres_credentials,
            &files.postgres_ca,
        );
        let Ok(login) = login else { continue };
        let Ok(session) = connect(&login, database, Instant::now() + ROLE_LIMIT).await else {
            continue;
        };
        if fetch_identity(&session)
            .await
            .is_ok_and(|observed| !observed.identity.in_recovery)
        {
            return address.clone();
        }
    }
    addresses.first().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use super::*;

    fn pod(owner_kind: &str, owner: &str) -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": owner_kind, "name": owner, "uid": "u", "controller": true}]},
            "status": {"podIP": "10.0.0.7", "containerStatuses": [
                {"name": "postgres", "ready": true, "restartCount": 0, "image": "i", "imageID": "i", "state": {"running": {}}}]},
        }))
        .unwrap()
    }

    fn selection(kind: &str) -> PodSelection {
        PodSelection {
            selector: "app=db".to_owned(),
            controller_kind: kind.to_owned(),
            controller_name: "db".to_owned(),
            container: "postgres".to_owned(),
        }
    }

    #[test]
    fn only_pods_that_the_workload_controls_are_taken() {
        let cases = [
            ("StatefulSet", "StatefulSet", "db", true),
            ("StatefulSet", "StatefulSet", "db-other", false),
            ("StatefulSet", "ReplicaSet", "db", false),
            ("Deployment", "ReplicaSet", "db-6c9f7d", true),
            ("Deployment", "ReplicaSet", "db-other-6c9f7d", false),
            ("Deployment", "ReplicaSet", "db-", false),
            ("Deployment", "Job", "db-6c9f7d", false),
        ];
        for (kind, owner_kind, owner, taken) in cases {
            assert_eq!(
                running_address(&pod(owner_kind, owner), &selection(kind)).is_some(),
                taken,
                "{kind} {owner_kind} {owner}"
            );
        }
    }

    #[test]
    fn a_pod_that_terminates_or_whose_container_waits_is_not_taken() {
        let mut terminating = pod("StatefulSet", "db");
        terminating.metadata.deletion_timestamp = Some(
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH),
        );
        assert_eq!(
            running_address(&terminating, &selection("StatefulSet")),
            None
        );
        let mut waiting = pod("StatefulSet", "db");
        waiting
            .status
            .as_mut()
            .unwrap()
            .container_statuses
            .as_mut()
            .unwrap()[0]
            .state = None;
        assert_eq!(running_address(&waiting, &selection("StatefulSet")), None);
    }
}
