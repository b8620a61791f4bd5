//! Finding the server to back up or to restore into: a running pod of the workload, the primary if there are several.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use crate::api::{AgentFailure, PodReference, PodSelection, ServerRequest, reasons};
use crate::postgres::{Presence, connect, fetch_identity};

use super::presence::ask_for;
use super::{MountedFiles, kubernetes};

/// How long a pod that restarts is waited for.
const POD_LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(3);
/// How long one of several pods may take to say whether it is the primary.
const ROLE_LIMIT: Duration = Duration::from_secs(10);

/// The server to back up.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its address.
    pub host: String,
    /// Whether its pod still has that address; none for a host of the spec.
    pub presence: Option<Presence>,
}

/// Finds the server.
pub async fn find_server(
    client: &Client,
    namespace: &str,
    request: &ServerRequest,
    files: &MountedFiles,
) -> Result<Server, AgentFailure> {
    let end = Instant::now() + POD_LIMIT;
    find_before(end, client, namespace, request, files).await
}

/// Finds the server, and waits no longer than that for a pod to run, or to be the only primary.
async fn find_before(
    end: Instant,
    client: &Client,
    namespace: &str,
    request: &ServerRequest,
    files: &MountedFiles,
) -> Result<Server, AgentFailure> {
    if let Some(host) = &request.host {
        return Ok(Server {
            host: host.clone(),
            presence: None,
        });
    }
    let ask = |(address, pod): &(String, PodReference)| Server {
        host: address.clone(),
        presence: Some(ask_for(client, namespace, pod.clone(), address.clone())),
    };
    let failure = |message: String| AgentFailure {
        reason: reasons::NO_RUNNING_POD.to_owned(),
        message,
    };
    let selection = request.pods.as_ref().ok_or_else(|| {
        failure(
            "the request names neither a host nor pods, which is a fault of the operator; see its \
                log"
            .to_owned(),
        )
    })?;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = ListParams::default().labels(&selection.selector);
    loop {
        let pods = kubernetes::persist("list the workload's pods", || api.list(&parameters))
            .await
            .map_err(|error| {
                failure(format!(
                    "the pods of the workload can't be listed: {error:#}"
                ))
            })?;
        let mut running: Vec<(String, PodReference)> = pods
            .items
            .iter()
            .filter_map(|pod| running_pod(pod, selection))
            .collect();
        running.sort_by(|one, other| one.0.cmp(&other.0));
        let servers: Vec<Server> = running.iter().map(ask).collect();
        match servers.as_slice() {
            [] if Instant::now() < end => tokio::time::sleep(PAUSE).await,
            [] => {
                return Err(failure(format!(
                    "no pod of {} has a running container `{}`, so there is no server to ask. \
                     See `kubectl get pods --namespace={} --selector={}`",
                    describe(selection),
                    selection.container,
                    namespace,
                    selection.selector
                )));
            }
            [only] => return Ok(only.clone()),
            // Which of them has the data that clients see is not for an agent to choose.
            _ if selection.is_primary && Instant::now() < end => tokio::time::sleep(PAUSE).await,
            several if selection.is_primary => {
                return Err(failure(format!(
                    "{} pods have the labels of the primary (spec.workload.primary), so it is not \
                     known which one is meant. See `kubectl get pods --namespace={} --selector={}`",
                    several.len(),
                    namespace,
                    selection.selector
                )));
            }
            several => {
                if let Some(found) = prefer_primary(several, namespace, request, files).await {
                    return Ok(found);
                }
            }
        }
    }
}

/// The workload, in words.
fn describe(selection: &PodSelection) -> String {
    if selection.controller_kind.is_empty() {
        return "spec.workload.selector".to_owned();
    }
    let (kind, name) = (&selection.controller_kind, &selection.controller_name);
    format!("{kind} {name}")
}

/// Whether a pod is one of the workload's. Where nothing that we know controls it, its labels say so.
fn is_of_workload(pod: &Pod, selection: &PodSelection) -> bool {
    let mut owners = pod.owner_references().iter();
    let controller = owners.find(|owner| owner.controller == Some(true));
    let name = selection.controller_name.as_str();
    match (selection.controller_kind.as_str(), controller) {
        ("", controller) => controller.is_none_or(|owner| owner.kind != "Job"),
        (_, None) => false,
        ("StatefulSet", Some(owner)) => owner.kind == "StatefulSet" && owner.name == name,
        (_, Some(owner)) => {
            // A Deployment's ReplicaSets are called after it, with a hash that holds no hyphen.
            let hash = owner.name.strip_prefix(name);
            let hash = hash.and_then(|rest| rest.strip_prefix('-'));
            owner.kind == "ReplicaSet"
                && hash.is_some_and(|hash| !hash.is_empty() && !hash.contains('-'))
        }
    }
}

/// The address of a pod that the workload controls and whose container runs, and that container.
pub(super) fn running_pod(pod: &Pod, selection: &PodSelection) -> Option<(String, PodReference)> {
    let is_controlled = is_of_workload(pod, selection);
    let status = pod.status.as_ref()?;
    let containers = status
        .container_statuses
        .iter()
        .flatten()
        .chain(status.init_container_statuses.iter().flatten());
    let running = containers
        .filter(|container| container.name == selection.container)
        .find(|container| {
            container
                .state
                .as_ref()
                .is_some_and(|state| state.running.is_some())
        })?;
    let is_terminating = pod.metadata.deletion_timestamp.is_some();
    let reference = PodReference {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        container: selection.container.clone(),
        container_id: running.container_id.clone().unwrap_or_default(),
    };
    let address = status.pod_ip.clone()?;
    (is_controlled && !is_terminating).then_some((address, reference))
}

/// The first that answers and is not a replica, or else the first: its own error then says what is
/// wrong.
async fn prefer_primary(
    servers: &[Server],
    namespace: &str,
    request: &ServerRequest,
    files: &MountedFiles,
) -> Option<Server> {
    let database = request.main_database();
    for server in servers {
        let presence = server.presence.clone();
        let login = files.read_login(request, namespace, &server.host, presence);
        let Ok(login) = login else { continue };
        let Ok(session) = connect(&login, database, Instant::now() + ROLE_LIMIT).await else {
            continue;
        };
        if fetch_identity(&session)
            .await
            .is_ok_and(|observed| !observed.identity.in_recovery)
        {
            return Some(server.clone());
        }
    }
    servers.first().cloned()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use serde_json::json;

    use super::*;
    use crate::scenarios::api_server::ApiServer;

    const ROLE: &str = "cnpg.io/instanceRole";

    /// An instance of a cluster that another operator runs.
    fn create_instance(server: &ApiServer, name: &str, address: &str, role: &str) {
        let instance = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": "atra",
                "labels": {"cnpg.io/cluster": "knowledge", ROLE: role},
            },
            "status": {"podIP": address, "containerStatuses": [
                {"name": "postgres", "ready": true, "restartCount": 0, "image": "i", "imageID": "i",
                    "state": {"running": {}}},
            ]},
        });
        let key = ("pods".to_owned(), "atra".to_owned(), name.to_owned());
        server.store().create(key, instance);
    }

    /// What the agent of a backup finds by the labels of the primary, without waiting.
    async fn find_primary(server: &ApiServer) -> Result<String, String> {
        let request: ServerRequest = serde_json::from_value(json!({
            "port": 5432, "databases": ["knowledge_os"], "tlsMode": "Prefer", "tlsCa": false,
            "credentialsSecret": "auth", "usernameKey": "username", "passwordKey": "password",
            "pods": {
                "selector": format!("cnpg.io/cluster=knowledge,{ROLE}=primary"),
                "controllerKind": "", "controllerName": "", "container": "postgres",
                "isPrimary": true,
            },
        }))
        .unwrap();
        let (client, files) = (server.client(None), MountedFiles::default());
        let found = find_before(Instant::now(), &client, "atra", &request, &files).await;
        found
            .map(|found| found.host)
            .map_err(|failure| failure.message)
    }

    #[tokio::test]
    async fn the_pod_with_the_role_of_the_primary_is_taken_and_of_two_none() {
        let server = ApiServer::default();
        create_instance(&server, "knowledge-1", "10.0.0.1", "primary");
        create_instance(&server, "knowledge-2", "10.0.0.2", "replica");
        assert_eq!(find_primary(&server).await.unwrap(), "10.0.0.1");
        create_instance(&server, "knowledge-3", "10.0.0.3", "primary");
        let said = find_primary(&server).await.unwrap_err();
        assert!(
            said.contains("2 pods have the labels of the primary"),
            "{said}"
        );
        let server = ApiServer::default();
        create_instance(&server, "knowledge-2", "10.0.0.2", "replica");
        let said = find_primary(&server).await.unwrap_err();
        assert!(said.contains("there is no server to ask"), "{said}");
    }

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
            is_primary: false,
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
            ("", "Cluster", "knowledge", true),
            ("", "Job", "knowledge-2-join", false),
        ];
        for (kind, owner_kind, owner, taken) in cases {
            assert_eq!(
                running_pod(&pod(owner_kind, owner), &selection(kind)).is_some(),
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
        assert_eq!(running_pod(&terminating, &selection("StatefulSet")), None);
        let mut waiting = pod("StatefulSet", "db");
        waiting
            .status
            .as_mut()
            .unwrap()
            .container_statuses
            .as_mut()
            .unwrap()[0]
            .state = None;
        assert_eq!(running_pod(&waiting, &selection("StatefulSet")), None);
    }
}
