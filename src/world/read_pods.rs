//! Reads pods down to what matters.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Resource, ResourceExt};

use super::data_directory::{configured_directory, mounted_sub_path};
use super::server::server_fact;
use super::{
    ControllerFact, EndedContainer, Fact, GateFact, MountFact, OtherMountFact, PodFact, Reader,
    RunningContainer, WorkloadFound,
};
use crate::api::{WorkloadKind, names};
use crate::resources::{self, Placement, long_running};

impl Reader {
    /// Reads the pods of the namespace that have not ended.
    pub async fn namespace_pods(&self) -> Fact<Vec<PodFact>> {
        let pods = self.list::<Pod>(&ListParams::default()).await;
        pods.map(|pods| {
            let facts = pods.iter().map(PodFact::from);
            facts.filter(|pod| !pod.ended).collect()
        })
    }

    /// Reads the pods that a workload controls, by the UID of what controls each.
    pub async fn workload_pods(&self, workload: &WorkloadFound) -> Fact<Vec<PodFact>> {
        let selected = ListParams::default().labels(&workload.selector);
        let pods = self.list::<Pod>(&selected).await;
        self.part_pods(workload, &pods).await.map(|parted| parted.0)
    }

    /// Reads the pods that a workload controls as they are, for those who say in words of their own which
    /// kind could not be read, as kubectl calls it, and why.
    pub async fn find_pods(
        &self,
        workload: &WorkloadFound,
    ) -> Result<Vec<Pod>, (&'static str, kube::Error)> {
        let selected = ListParams::default().labels(&workload.selector);
        let controllers = self.find_controllers(workload, &selected).await;
        let controllers = controllers.map_err(|error| ("replicasets.apps", error))?;
        let pods = self.namespaced::<Pod>().list(&selected).await;
        let mut pods = pods.map_err(|error| ("pods", error))?.items;
        pods.retain(|pod| is_controlled(pod, &controllers));
        Ok(pods)
    }

    /// Parts pods into those that a workload controls, by the UID of what controls each, and the
    /// others.
    pub(super) async fn part_pods(
        &self,
        workload: &WorkloadFound,
        pods: &Fact<Vec<Pod>>,
    ) -> Fact<(Vec<PodFact>, Vec<PodFact>)> {
        let selected = ListParams::default().labels(&workload.selector);
        let controllers = self.find_controllers(workload, &selected).await;
        let controllers = Fact::from_read("the Deployment's ReplicaSets", controllers);
        let (controllers, pods) = match (controllers, pods) {
            (Fact::Unknown(why), _) => return Fact::Unknown(why),
            (_, Fact::Unknown(why)) => return Fact::Unknown(why.clone()),
            (Fact::Known(controllers), Fact::Known(pods)) => (controllers, pods),
        };
        let (ours, others): (Vec<&Pod>, Vec<&Pod>) = pods
            .iter()
            .partition(|pod| is_controlled(pod, &controllers));
        let facts = |pods: Vec<&Pod>| pods.into_iter().map(PodFact::from).collect();
        Fact::Known((facts(ours), facts(others)))
    }

    /// The UIDs of what controls the pods of a workload: a `StatefulSet` itself, the `ReplicaSet`s
    /// of a Deployment.
    async fn find_controllers(
        &self,
        workload: &WorkloadFound,
        selected: &ListParams,
    ) -> Result<Vec<String>, kube::Error> {
        let uid = workload.metadata.uid.as_deref();
        if workload.kind == WorkloadKind::StatefulSet {
            return Ok(uid.map(ToOwned::to_owned).into_iter().collect());
        }
        let sets = self
            .namespaced::<ReplicaSet>()
            .list_metadata(selected)
            .await?;
        let sets = sets.items.iter();
        Ok(sets
            .filter(|set| controller_uid(set.meta()) == uid)
            .filter_map(ResourceExt::uid)
            .collect())
    }
}

fn is_controlled(pod: &Pod, controllers: &[String]) -> bool {
    let controller = controller_uid(pod.meta());
    controller.is_some_and(|uid| controllers.iter().any(|controller| controller == uid))
}

fn controller_uid(metadata: &ObjectMeta) -> Option<&str> {
    let mut owners = metadata.owner_references.as_ref()?.iter();
    owners
        .find(|reference| reference.controller == Some(true))
        .map(|reference| reference.uid.as_str())
}

/// What controls a pod; a Deployment rather than its `ReplicaSet`. Whoever creates a pod may write any
/// text there, and it reaches commands that users copy: only names count.
fn controller_fact(metadata: &ObjectMeta) -> Option<ControllerFact> {
    let mut owners = metadata.owner_references.as_ref()?.iter();
    let controller = owners.find(|reference| reference.controller == Some(true))?;
    let (kind, name) = match (controller.kind.as_str(), resources::workload_of(metadata)) {
        ("ReplicaSet", Some(deployment)) => ("deployment".to_owned(), deployment),
        (kind, _) => (kind.to_lowercase(), controller.name.as_str()),
    };
    let is_word = |text: &str, others: &[char]| {
        let is_of_word = |character: char| {
            character.is_ascii_lowercase()
                || character.is_ascii_digit()
                || others.contains(&character)
        };
        text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.chars().all(is_of_word)
    };
    (is_word(&kind, &[]) && is_word(name, &['-', '.'])).then(|| ControllerFact {
        kind,
        name: name.to_owned(),
    })
}

/// The claims among a pod's volumes: the volume's name in the pod and the claim's.
fn pod_claims(pod: &PodSpec) -> Vec<(&str, &str)> {
    let volumes = pod.volumes.iter().flatten();
    volumes
        .filter_map(|volume| {
            let claim = volume.persistent_volume_claim.as_ref()?;
            Some((volume.name.as_str(), claim.claim_name.as_str()))
        })
        .collect()
}

impl From<&Pod> for PodFact {
    fn from(pod: &Pod) -> Self {
        let (spec, status) = (
            pod.spec.clone().unwrap_or_default(),
            pod.status.clone().unwrap_or_default(),
        );
        let own_addresses = own_addresses(&spec, &status);
        let claims = pod_claims(&spec);
        let ended_containers = ended_containers(&spec, &status);
        Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            own_addresses,
            node: spec.node_name.clone(),
            ended: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            running: running_containers(&spec, &status),
            mounts: claim_mounts(pod, &spec, &status, &claims),
            other_mounts: other_mounts(&spec, &claims),
            claims: claims
                .iter()
                .map(|(_, claim)| (*claim).to_owned())
                .collect(),
            address: status.pod_ip.filter(|address| !address.is_empty()),
            created_at: pod.creation_timestamp(),
            gate: gate_fact(pod),
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            controller: controller_fact(&pod.metadata),
            server: server_fact(&pod.metadata, &spec),
            placement: Placement::of(&spec),
            ended_containers,
        }
    }
}

/// An IPv6 address beside an IPv4 one is the pod's, too.
fn own_addresses(spec: &PodSpec, status: &PodStatus) -> Vec<String> {
    if spec.host_network == Some(true) {
        return Vec::new();
    }
    let further = status.pod_ips.iter().flatten().map(|address| &address.ip);
    let mut all: Vec<String> = status.pod_ip.iter().chain(further).cloned().collect();
    all.retain(|address| !address.is_empty());
    all.sort();
    all.dedup();
    all
}

/// The mounts of what runs as long as the pod does, and of init containers that may still run.
fn claim_mounts(
    pod: &Pod,
    spec: &PodSpec,
    status: &PodStatus,
    claims: &[(&str, &str)],
) -> Vec<MountFact> {
    let has_ended = |container: &&Container| {
        let mut statuses = status.init_container_statuses.iter().flatten();
        let found = statuses.find(|found| found.name == container.name);
        let state = found.and_then(|found| found.state.as_ref());
        state.is_some_and(|state| state.terminated.is_some())
    };
    let before = spec.init_containers.iter().flatten();
    let before = before.filter(|container| {
        container.restart_policy.as_deref() != Some("Always") && !has_ended(container)
    });
    let mut mounts = Vec::new();
    for container in long_running(spec).chain(before) {
        for mount in container.volume_mounts.iter().flatten() {
            if let Some((_, claim)) = claims.iter().find(|(volume, _)| *volume == mount.name) {
                mounts.push(MountFact {
                    claim: (*claim).to_owned(),
                    container: container.name.clone(),
                    path: mount.mount_path.clone(),
                    sub_path: mounted_sub_path(&pod.metadata, container, mount),
                    read_only: mount.read_only == Some(true) || is_read_only(spec, &mount.name),
                });
            }
        }
    }
    mounts
}

fn is_read_only(spec: &PodSpec, volume: &str) -> bool {
    let mut volumes = spec.volumes.iter().flatten();
    let found = volumes.find(|candidate| candidate.name == volume);
    let claim = found.and_then(|volume| volume.persistent_volume_claim.as_ref());
    claim.is_some_and(|claim| claim.read_only == Some(true))
}

fn other_mounts(spec: &PodSpec, claims: &[(&str, &str)]) -> Vec<OtherMountFact> {
    let is_claim = |volume: &str| claims.iter().any(|(name, _)| *name == volume);
    let mut mounts = Vec::new();
    for container in long_running(spec) {
        let others = container.volume_mounts.iter().flatten();
        mounts.extend(
            others
                .filter(|mount| !is_claim(&mount.name))
                .map(|mount| OtherMountFact {
                    container: container.name.clone(),
                    path: mount.mount_path.clone(),
                }),
        );
    }
    mounts
}

fn running_containers(spec: &PodSpec, status: &PodStatus) -> Vec<RunningContainer> {
    let statuses = || {
        let sidecars = status.init_container_statuses.iter().flatten();
        status.container_statuses.iter().flatten().chain(sidecars)
    };
    long_running(spec)
        .filter_map(|container| {
            let found = statuses().find(|found| found.name == container.name)?;
            let running = found.state.as_ref()?.running.as_ref()?;
            Some(RunningContainer {
                name: container.name.clone(),
                id: found.container_id.clone()?,
                image: container.image.clone().unwrap_or_default(),
                started_at: running.started_at.clone(),
                configured_directory: configured_directory(container),
            })
        })
        .collect()
}

/// The containers that have ended for good: the kubelet starts none again.
fn ended_containers(spec: &PodSpec, status: &PodStatus) -> Vec<EndedContainer> {
    if spec.restart_policy.as_deref() != Some("Never") {
        return Vec::new();
    }
    let containers = status.container_statuses.iter().flatten();
    containers
        .filter_map(|container| {
            let ended = container.state.as_ref()?.terminated.as_ref()?;
            Some(EndedContainer {
                name: container.name.clone(),
                exit_code: ended.exit_code,
                at: ended.finished_at.clone(),
            })
        })
        .collect()
}

/// The readiness gate that the pod asks for, as its status has it.
fn gate_fact(pod: &Pod) -> Option<GateFact> {
    let mut gates = pod.spec.as_ref()?.readiness_gates.iter().flatten();
    gates.find(|gate| gate.condition_type == names::DATA_VERIFIED_GATE)?;
    let mut conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let found = conditions.find(|condition| condition.type_ == names::DATA_VERIFIED_GATE);
    Some(found.map_or_else(GateFact::default, |found| GateFact {
        is_open: found.status == "True",
        reason: found.reason.clone().unwrap_or_default(),
        message: found.message.clone().unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::json;

    use super::*;

    /// A pod whose only container reads the claim, and whose init containers write to it.
    fn with_init(init: &serde_json::Value, states: &serde_json::Value) -> PodFact {
        let mounts =
            |read_only: bool| json!([{"name": "d", "mountPath": "/d", "readOnly": read_only}]);
        let mut init = init.clone();
        for container in init.as_array_mut().unwrap() {
            container["volumeMounts"] = mounts(false);
        }
        let pod = json!({
            "metadata": {"name": "app-0", "deletionTimestamp": "2026-02-01T08:00:00Z"},
            "spec": {
                "nodeName": "node", "initContainers": init,
                "containers": [{"name": "app", "image": "shop/app:1", "volumeMounts": mounts(true)}],
                "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}],
            },
            "status": {"phase": "Running", "initContainerStatuses": states},
        });
        PodFact::from(&serde_json::from_value::<Pod>(pod).unwrap())
    }

    #[test]
    fn sidecars_run_and_write_like_containers_and_init_containers_until_they_have_ended() {
        let status = |state: serde_json::Value| {
            json!([{
                "name": "db", "containerID": "containerd://1", "image": "i", "imageID": "",
                "ready": true, "restartCount": 0, "state": state,
            }])
        };
        let running = || status(json!({"running": {"startedAt": "2026-02-01T08:00:00Z"}}));
        let sidecar = json!([{"name": "db", "image": "postgres:17", "restartPolicy": "Always"}]);
        let pod = with_init(&sidecar, &running());
        assert!(pod.server.is_some());
        // It is the last that stops.
        assert!(pod.is_on_node() && pod.may_write_to("data", ""));
        let init = json!([{"name": "db", "image": "postgres:17"}]);
        let pod = with_init(&init, &running());
        assert!(pod.server.is_none() && pod.may_write_to("data", ""));
        let ended = status(json!({"terminated": {"exitCode": 0}}));
        assert!(!with_init(&init, &ended).may_write_to("data", ""));
    }

    #[test]
    fn a_controller_is_a_kind_and_a_name_and_no_other_text() {
        let controller = |kind: &str, name: &str| {
            let owner = json!({
                "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true,
            });
            let metadata = json!({"name": "pod", "ownerReferences": [owner]});
            let found = controller_fact(&serde_json::from_value(metadata).unwrap())?;
            Some(format!("{} {}", found.kind, found.name))
        };
        let said = |kind, name| controller(kind, name).unwrap_or_default();
        assert_eq!(said("StatefulSet", "pg"), "statefulset pg");
        assert_eq!(said("ReplicaSet", "pg-main-7d4b"), "deployment pg-main");
        assert_eq!(said("Job", "copy.1"), "job copy.1");
        for (kind, name) in [
            ("StatefulSet", "pg; kubectl delete pvc --all"),
            ("StatefulSet", "--all"),
            ("Stateful Set", "pg"),
            ("ReplicaSet", "-7d4b"),
        ] {
            assert_eq!(controller(kind, name), None, "{kind} {name}");
        }
    }
}
