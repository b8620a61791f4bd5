//! Reads pods down to what matters.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Resource, ResourceExt};

use super::data_directory::{configured_directory, mounted_sub_path};
use super::{
    Fact, GateFact, MountFact, OtherMountFact, PodFact, Reader, RunningContainer, WorkloadFound,
};
use crate::api::{WorkloadKind, names};

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
        let controllers = match self.pod_controllers(workload, &selected).await {
            Fact::Known(controllers) => controllers,
            Fact::Unknown(why) => return Fact::Unknown(why),
        };
        let is_controlled = |pod: &&Pod| {
            let controller = controller_uid(pod.meta());
            controller.is_some_and(|uid| controllers.iter().any(|controller| controller == uid))
        };
        let pods = self.list::<Pod>(&selected).await;
        pods.map(|pods| {
            pods.iter()
                .filter(is_controlled)
                .map(PodFact::from)
                .collect()
        })
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
                });
            }
        }
    }
    mounts
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
