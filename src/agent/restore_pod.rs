//! Which pod a start of a restore goes to: the one that the restore was begun in, wherever that is now, or the
//! one that follows it with the same claims. Whether its database cluster is the same is for the restore to see.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, PodReference, RestoreRequest, reasons};
use crate::wording::list;

use super::host::{Server, running_pod};
use super::kubernetes;
use super::presence::build_presence_in_pod;

const PAUSE: Duration = Duration::from_secs(3);

/// Where a start of a restore goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// There.
    At { address: String, pod: PodReference },
    /// Nowhere yet: the pod starts again, or the one that follows it does not run.
    Waits(String),
    /// Nowhere, whatever comes.
    Never(String),
}

/// Chooses among the pods of the workload. `is_known` says whether an earlier start has noted of which
/// database cluster the server is: else nobody could tell that another pod has the same data.
#[must_use]
pub fn choose(pods: &[Pod], request: &RestoreRequest, is_known: bool) -> Place {
    let Some(begun) = &request.server.pod else {
        return Place::Never(
            "the request names no pod, which is a fault of the operator; see its log".to_owned(),
        );
    };
    let own = pods
        .iter()
        .find(|pod| pod.uid().as_ref() == Some(&begun.uid));
    let is_going = |pod: &&Pod| pod.metadata.deletion_timestamp.is_some();
    if let Some(pod) = own.filter(|pod| !is_going(pod)) {
        return at_own(pod, begun);
    }
    let next = follow(pods, request, begun, is_known);
    match (own, next) {
        (_, Place::At { address, pod }) => Place::At { address, pod },
        // Until it is gone it may still answer.
        (Some(own), _) => at_own(own, begun),
        (None, next) => next,
    }
}

/// The same pod, whose container may have started again, and whose node may have given it another address.
fn at_own(pod: &Pod, begun: &PodReference) -> Place {
    let status = pod.status.as_ref();
    let mut containers = status.into_iter().flat_map(|status| {
        let sidecars = status.init_container_statuses.iter().flatten();
        status.container_statuses.iter().flatten().chain(sidecars)
    });
    let running = containers.find(|container| {
        let state = container.state.as_ref();
        container.name == begun.container && state.is_some_and(|state| state.running.is_some())
    });
    let address = status.and_then(|status| status.pod_ip.clone());
    match (running, address) {
        (Some(running), Some(address)) => Place::At {
            address,
            pod: PodReference {
                container_id: running.container_id.clone().unwrap_or_default(),
                ..begun.clone()
            },
        },
        _ => Place::Waits(format!(
            "container {} of pod {} does not run",
            begun.container, begun.name
        )),
    }
}

/// The pod of the same workload that has the claims now.
fn follow(pods: &[Pod], request: &RestoreRequest, begun: &PodReference, is_known: bool) -> Place {
    let gone = format!(
        "pod {} (UID {}) does not exist any more",
        begun.name, begun.uid
    );
    let Some(selection) = &request.server.pods else {
        return Place::Never(format!("{gone}, and it is not known which pods follow it"));
    };
    if request.claims.is_empty() {
        return Place::Never(format!(
            "{gone}, and it had no PersistentVolumeClaim by which the one that follows it could be known"
        ));
    }
    if !is_known {
        return Place::Never(format!(
            "{gone}, and it was replaced before the restore had begun, so nothing was changed in the server. \
             Create this DatabaseRestore again"
        ));
    }
    let claims: BTreeSet<&str> = request.claims.iter().map(String::as_str).collect();
    let mut found = pods
        .iter()
        .filter(|pod| claims.is_subset(&mounted(pod, &selection.container)))
        .filter_map(|pod| running_pod(pod, selection));
    let Some((address, pod)) = found.next() else {
        return Place::Waits(format!(
            "{gone}, and no pod of the workload runs container {} on {}",
            selection.container,
            describe_claims(&request.claims)
        ));
    };
    if found.next().is_some() {
        return Place::Waits(format!(
            "{gone}, and several pods run container {} on {}",
            selection.container,
            describe_claims(&request.claims)
        ));
    }
    Place::At { address, pod }
}

fn describe_claims(claims: &[String]) -> String {
    format!("PersistentVolumeClaim {}", list(claims))
}

/// The claims that a container of a pod mounts.
fn mounted<'pod>(pod: &'pod Pod, container: &str) -> BTreeSet<&'pod str> {
    let Some(spec) = &pod.spec else {
        return BTreeSet::new();
    };
    let sidecars = spec.init_containers.iter().flatten();
    let of_name = |one: &&Container| one.name == container;
    let mounts = spec.containers.iter().chain(sidecars).filter(of_name);
    let mounts = mounts.flat_map(|one| one.volume_mounts.iter().flatten());
    let names: BTreeSet<&str> = mounts.map(|mount| mount.name.as_str()).collect();
    let volumes = spec.volumes.iter().flatten();
    volumes
        .filter(|volume| names.contains(volume.name.as_str()))
        .filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
        .collect()
}

/// Finds the server of a start. What may come by itself is waited for until `end`.
pub async fn find_server_now(
    client: &Client,
    request: &RestoreRequest,
    is_known: bool,
    end: Instant,
) -> Result<Server, AgentFailure> {
    let namespace = &request.namespace;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = match (&request.server.pods, &request.server.pod) {
        (Some(selection), _) => ListParams::default().labels(&selection.selector),
        (None, Some(pod)) => ListParams::default().fields(&format!("metadata.name={}", pod.name)),
        (None, None) => ListParams::default(),
    };
    let failed = |reason: &str, message: String| AgentFailure {
        reason: reason.to_owned(),
        message,
    };
    let none = |why: &str| {
        failed(
            reasons::NO_RUNNING_POD,
            format!("{why}, so there is no server to restore into"),
        )
    };
    loop {
        let pods = kubernetes::persist("list the workload's pods", || api.list(&parameters)).await;
        let place = match &pods {
            Ok(pods) => choose(&pods.items, request, is_known),
            Err(error) => Place::Waits(format!(
                "the pods of the workload can't be listed: {error:#}"
            )),
        };
        match place {
            Place::At { address, pod } => {
                let presence = build_presence_in_pod(client, namespace, pod, address.clone());
                return Ok(Server {
                    host: address,
                    presence: Some(presence),
                });
            }
            Place::Never(why) => return Err(failed(reasons::SUPERSEDED, why)),
            Place::Waits(why) if Instant::now() + PAUSE >= end => return Err(none(&why)),
            Place::Waits(why) => tracing::info!("not yet: {why}"),
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
#[path = "restore_pod_tests.rs"]
mod tests;
