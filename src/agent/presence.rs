//! Asks the API server, right before every connection, whether the container that is meant still runs
//! at the address: another pod may have it by now, and must get no password.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::time::timeout;

use crate::api::{PodReference, ServerRequest};
use crate::postgres::{Absence, Presence};

/// How long to wait for the API server; a connection is tried again.
const LIMIT: Duration = Duration::from_secs(5);

/// The question of whether the start that a request is about still runs; none for a host.
#[must_use]
pub fn build_presence(
    client: &Client,
    namespace: &str,
    server: &ServerRequest,
) -> Option<Presence> {
    let address = server.host.clone()?;
    Some(ask_for(client, namespace, server.pod.clone()?, address))
}

/// The same for a restore, which may outlive the container: Postgres that has started again in the same pod
/// may have to be repaired. That its data is the same is for the restore to look at.
#[must_use]
pub(super) fn build_presence_in_pod(
    client: &Client,
    namespace: &str,
    pod: PodReference,
    address: String,
) -> Presence {
    ask(client, namespace, pod, address, Start::Any)
}

/// Which start of a container is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Only that of the reference.
    This,
    /// Any in the same pod.
    Any,
}

/// The question of whether a container still runs at an address.
pub(super) fn ask_for(
    client: &Client,
    namespace: &str,
    pod: PodReference,
    address: String,
) -> Presence {
    ask(client, namespace, pod, address, Start::This)
}

fn ask(
    client: &Client,
    namespace: &str,
    pod: PodReference,
    address: String,
    start: Start,
) -> Presence {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    Presence::new(move || {
        let (api, pod, address) = (api.clone(), pod.clone(), address.clone());
        async move {
            let found = find_pod(&api, &pod.name).await?;
            judge(found.as_ref(), &pod, &address, start).map_err(|why| {
                let comes_back = comes_back(found.as_ref(), &pod, &address, start);
                explain(&why, &address, start, comes_back)
            })
        }
    })
}

/// Whether the container of the same pod may run again in a moment, at the same address: it is worth waiting
/// for.
fn comes_back(pod: Option<&Pod>, reference: &PodReference, address: &str, start: Start) -> bool {
    let is_same = pod.filter(|pod| pod.uid().as_ref() == Some(&reference.uid));
    let is_there = is_same.is_some_and(|pod| {
        let present = pod
            .status
            .as_ref()
            .and_then(|status| status.pod_ip.as_deref());
        present.is_none_or(|present| present == address)
    });
    start == Start::Any && is_there
}

fn explain(why: &str, address: &str, start: Start, comes_back: bool) -> Absence {
    let next = match (comes_back, start) {
        (true, _) => "It is tried again",
        (false, Start::Any) => "What follows it is looked for",
        (false, Start::This) => "The container that runs now gets its own check",
    };
    Absence {
        is_known: !comes_back,
        message: format!(
            "{why}, so nothing was sent to {address}: another pod may have this address by now. {next}"
        ),
    }
}

/// Agents may list pods, which a backup needs, and nothing more.
async fn find_pod(api: &Api<Pod>, name: &str) -> Result<Option<Pod>, Absence> {
    let parameters = ListParams::default().fields(&format!("metadata.name={name}"));
    let unknown = |why: String| Absence {
        is_known: false,
        message: format!(
            "it is not known whether pod {name} still runs ({why}), so nothing was sent to its \
             address. Check that the API server answers and that the agent may list pods"
        ),
    };
    match timeout(LIMIT, api.list(&parameters)).await {
        Ok(Ok(pods)) => Ok(pods.items.into_iter().next()),
        Ok(Err(error)) => Err(unknown(error.to_string())),
        Err(_) => Err(unknown(format!("no answer within {} s", LIMIT.as_secs()))),
    }
}

/// Why the container does not run at the address any more.
fn judge(
    pod: Option<&Pod>,
    reference: &PodReference,
    address: &str,
    start: Start,
) -> Result<(), String> {
    let PodReference {
        name,
        uid,
        container,
        container_id,
    } = reference;
    let Some(pod) = pod.filter(|pod| pod.uid().as_ref() == Some(uid)) else {
        return Err(format!("pod {name} (UID {uid}) does not exist any more"));
    };
    let status = pod.status.as_ref();
    let mut containers = status.into_iter().flat_map(|status| {
        let sidecars = status.init_container_statuses.iter().flatten();
        status.container_statuses.iter().flatten().chain(sidecars)
    });
    let is_running = containers.any(|found| {
        found.name == *container
            && (start == Start::Any || found.container_id.as_ref() == Some(container_id))
            && found
                .state
                .as_ref()
                .is_some_and(|state| state.running.is_some())
    });
    if !is_running {
        return Err(format!(
            "container {container} of pod {name} has ended or started again"
        ));
    }
    let present = status.and_then(|status| status.pod_ip.as_deref());
    if present != Some(address) {
        return Err(format!("pod {name} has another address"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn told(change: &Value) -> Result<(), String> {
        told_of(change, Start::This)
    }

    fn told_of(change: &Value, start: Start) -> Result<(), String> {
        let mut pod = json!({
            "metadata": {"name": "db-0", "uid": "u-1"},
            "status": {"podIP": "10.0.0.7", "containerStatuses": [
                {"name": "postgres", "ready": true, "restartCount": 0, "image": "i", "imageID": "i",
                 "containerID": "containerd://1", "state": {"running": {}}}]},
        });
        json_patch::merge(&mut pod, change);
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let reference = PodReference {
            name: "db-0".to_owned(),
            uid: "u-1".to_owned(),
            container: "postgres".to_owned(),
            container_id: "containerd://1".to_owned(),
        };
        judge(Some(&pod), &reference, "10.0.0.7", start)
    }

    #[test]
    fn a_restore_finds_the_container_that_has_started_again_in_the_same_pod() {
        let restarted = json!({"status": {"containerStatuses": [
            {"name": "postgres", "ready": true, "restartCount": 1, "image": "i", "imageID": "i",
             "containerID": "containerd://2", "state": {"running": {}}}]}});
        assert_eq!(told_of(&restarted, Start::Any), Ok(()));
        assert!(told_of(&restarted, Start::This).is_err());
        for other in [
            json!({"metadata": {"uid": "u-2"}}),
            json!({"status": {"podIP": "10.0.0.8"}}),
            json!({"status": {"containerStatuses": [{"name": "postgres", "state": {"running": null}}]}}),
        ] {
            assert!(told_of(&other, Start::Any).is_err(), "{other}");
        }
        // A pod that is there gets the time to start its container again.
        let pod = |uid: &str| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": "db-0", "uid": uid}})).unwrap()
        };
        let moved: Pod = serde_json::from_value(json!({
            "metadata": {"name": "db-0", "uid": "u-1"}, "status": {"podIP": "10.0.0.8"}}))
        .unwrap();
        let reference = PodReference {
            name: "db-0".to_owned(),
            uid: "u-1".to_owned(),
            container: "postgres".to_owned(),
            container_id: "containerd://1".to_owned(),
        };
        for (uid, start, comes) in [
            ("u-1", Start::Any, true),
            ("u-2", Start::Any, false),
            ("u-1", Start::This, false),
        ] {
            assert_eq!(
                comes_back(Some(&pod(uid)), &reference, "10.0.0.7", start),
                comes
            );
        }
        for gone in [None, Some(&moved)] {
            assert!(!comes_back(gone, &reference, "10.0.0.7", Start::Any));
        }
    }

    #[test]
    fn only_the_very_container_at_the_very_address_is_asked() {
        assert_eq!(told(&json!({})), Ok(()));
        let container = |change: Value| {
            let mut status = json!({"name": "postgres", "ready": true, "restartCount": 0,
                "image": "i", "imageID": "i", "containerID": "containerd://1",
                "state": {"running": {}}});
            json_patch::merge(&mut status, &change);
            json!({"status": {"containerStatuses": [status]}})
        };
        for (change, why) in [
            (
                json!({"metadata": {"uid": "u-2"}}),
                "does not exist any more",
            ),
            (json!({"status": {"podIP": "10.0.0.8"}}), "another address"),
            (json!({"status": {"podIP": null}}), "another address"),
            (json!({"status": null}), "has ended"),
            (
                container(json!({"containerID": "containerd://2"})),
                "has ended",
            ),
            (container(json!({"state": {"running": null}})), "has ended"),
            (container(json!({"name": "other"})), "has ended"),
        ] {
            let said = told(&change).unwrap_err();
            assert!(said.contains(why), "{change}: {said}");
        }
    }
}
