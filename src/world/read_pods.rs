//! Reads pods down to what matters.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Resource, ResourceExt};

use super::data_directory::{configured_directory, mounted_sub_path};
use super::server::server_fact;
use super::{
    ControllerFact, Fact, GateFact, MountFact, OtherMountFact, PodFact, Reader, RunningContainer,
    WorkloadFound,
};
use crate::api::{WorkloadKind, names};
use crate::resources;

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

    /// Parts pods into those that a workload controls, by the UID of what controls each, and the
    /// others.
    pub(super) async fn part_pods(
        &self,
        workload: &WorkloadFound,
        pods: &Fact<Vec<Pod>>,
    ) -> Fact<(Vec<PodFact>, Vec<PodFact>)> {
        let selected = ListParams::default().labels(&workload.selector);
        let (controllers, pods) = match (self.pod_controllers(workload, &selected).await, pods) {
            (Fact::Unknown(why), _) => return Fact::Unknown(why),
            (_, Fact::Unknown(why)) => return Fact::Unknown(why.clone()),
            (Fact::Known(controllers), Fact::Known(pods)) => (controllers, pods),
        };
        let is_controlled = |pod: &&Pod| {
            let controller = controller_uid(pod.meta());
            controller.is_some_and(|uid| controllers.iter().any(|controller| controller == uid))
        };
        let (ours, others): (Vec<&Pod>, Vec<&Pod>) = pods.iter().partition(is_controlled);
        let facts = |pods: Vec<&Pod>| pods.into_iter().map(PodFact::from).collect();
        Fact::Known((facts(ours), facts(others)))
    }

    /// The UIDs of what controls the pods of a workload: a `StatefulSet` itself, the `ReplicaSet`s
    /// of a Deployment.
    async fn pod_controllers(
        &self,
        workload: &WorkloadFound,
        selected: &ListParams,
    ) -> Fact<Vec<String>> {
        let uid = workload.metadata.uid.as_deref();
        if workload.kind == WorkloadKind::StatefulSet {
            return Fact::Known(uid.map(ToOwned::to_owned).into_iter().collect());
        }
        let sets = self
            .namespaced::<ReplicaSet>()
            .list_metadata(selected)
            .await;
        Fact::from_read("the Deployment's ReplicaSets", sets).map(|list| {
            let sets = list.items.iter();
            sets.filter(|set| controller_uid(set.meta()) == uid)
                .filter_map(ResourceExt::uid)
                .collect()
        })
    }
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
        let claims = pod_claims(&spec);
        Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            node: spec.node_name.clone(),
            ended: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            running: running_containers(&spec, &status),
            mounts: claim_mounts(pod, &spec, &claims),
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
        }
    }
}

fn claim_mounts(pod: &Pod, spec: &PodSpec, claims: &[(&str, &str)]) -> Vec<MountFact> {
    let mut mounts = Vec::new();
    for container in &spec.containers {
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
    for container in &spec.containers {
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
    let container_of = |name: &str| {
        let mut containers = spec.containers.iter();
        containers.find(|container| container.name == name)
    };
    let containers = status.container_statuses.iter().flatten();
    containers
        .filter_map(|container| {
            let running = container.state.as_ref()?.running.as_ref()?;
            Some(RunningContainer {
                name: container.name.clone(),
                id: container.container_id.clone()?,
                image: container_of(&container.name)
                    .and_then(|container| container.image.clone())
                    .unwrap_or_default(),
                started_at: running.started_at.clone(),
                configured_directory: container_of(&container.name)
                    .map(configured_directory)
                    .unwrap_or_default(),
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
