//! Reading workloads and pods down to what matters. Nothing is judged here.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::core::Selector;
use kube::{Api, Client, ResourceExt};

use crate::api::{Workload, WorkloadKind, names};
use crate::world::Fact;
use crate::world::{
    ContainerFact, GateFact, MountFact, PodFact, RunningContainer, WorkloadFact, WorkloadFound,
};

/// Reads the workload that the spec names.
pub async fn fetch_workload(
    client: &Client,
    namespace: &str,
    workload: &Workload,
) -> Fact<WorkloadFact> {
    let stateful_sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let name = &workload.name;
    let stateful_set = async {
        match workload.kind {
            Some(WorkloadKind::Deployment) => Ok(None),
            _ => stateful_sets.get_opt(name).await,
        }
    };
    let deployment = async {
        match workload.kind {
            Some(WorkloadKind::StatefulSet) => Ok(None),
            _ => deployments.get_opt(name).await,
        }
    };
    let (stateful_set, deployment) = tokio::join!(stateful_set, deployment);
    let both = stateful_set
        .and_then(|stateful_set| deployment.map(|deployment| (stateful_set, deployment)));
    Fact::from_read("the workload", both).map(|both| match both {
        (Some(_), Some(_)) => WorkloadFact::Ambiguous,
        (Some(stateful_set), None) => {
            WorkloadFact::Found(Box::new(stateful_set_found(&stateful_set)))
        }
        (None, Some(deployment)) => WorkloadFact::Found(Box::new(deployment_found(&deployment))),
        (None, None) => WorkloadFact::NotFound,
    })
}

fn stateful_set_found(object: &StatefulSet) -> WorkloadFound {
    let spec = object.spec.clone().unwrap_or_default();
    let claim_templates = spec
        .volume_claim_templates
        .unwrap_or_default()
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    let mut found = found(
        WorkloadKind::StatefulSet,
        &spec.selector,
        spec.replicas,
        &spec.template,
    );
    found.metadata = object.metadata.clone();
    found.claim_templates = claim_templates;
    found
}

fn deployment_found(object: &Deployment) -> WorkloadFound {
    let spec = object.spec.clone().unwrap_or_default();
    let mut found = found(
        WorkloadKind::Deployment,
        &spec.selector,
        spec.replicas,
        &spec.template,
    );
    found.metadata = object.metadata.clone();
    found
}

fn found(
    kind: WorkloadKind,
    selector: &LabelSelector,
    replicas: Option<i32>,
    template: &PodTemplateSpec,
) -> WorkloadFound {
    let pod = template.spec.clone().unwrap_or_default();
    WorkloadFound {
        kind,
        metadata: ObjectMeta::default(),
        selector: Selector::try_from(selector.clone())
            .map(|selector| selector.to_string())
            .unwrap_or_default(),
        replicas: replicas.unwrap_or(1),
        containers: pod
            .containers
            .iter()
            .map(|container| ContainerFact {
                name: container.name.clone(),
                image: container.image.clone().unwrap_or_default(),
                image_pull_policy: container.image_pull_policy.clone(),
            })
            .collect(),
        template_claims: pod_claims(&pod)
            .into_iter()
            .map(|(_, claim)| claim)
            .collect(),
        claim_templates: Vec::new(),
        image_pull_secrets: pod
            .image_pull_secrets
            .unwrap_or_default()
            .into_iter()
            .map(|reference| reference.name)
            .filter(|name| !name.is_empty())
            .collect(),
    }
}

/// The claims among a pod's volumes: the volume's name in the pod and the claim's.
pub fn pod_claims(pod: &PodSpec) -> Vec<(String, String)> {
    pod.volumes
        .iter()
        .flatten()
        .filter_map(|volume| {
            let claim = volume.persistent_volume_claim.as_ref()?;
            Some((volume.name.clone(), claim.claim_name.clone()))
        })
        .collect()
}

/// A pod down to what matters.
pub fn pod_fact(pod: &Pod) -> PodFact {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let claims = pod_claims(&spec);
    let mounts = spec
        .containers
        .iter()
        .flat_map(|container| {
            container
                .volume_mounts
                .iter()
                .flatten()
                .filter_map(|mount| {
                    let (_, claim) = claims.iter().find(|(volume, _)| *volume == mount.name)?;
                    Some(MountFact {
                        claim: claim.clone(),
                        container: container.name.clone(),
                        path: mount.mount_path.clone(),
                    })
                })
        })
        .collect();
    let running = status
        .container_statuses
        .iter()
        .flatten()
        .filter(|container| {
            container
                .state
                .as_ref()
                .is_some_and(|state| state.running.is_some())
        })
        .filter_map(|container| {
            Some(RunningContainer {
                started_at: container
                    .state
                    .as_ref()
                    .and_then(|state| state.running.as_ref()?.started_at.clone()),
                name: container.name.clone(),
                id: container.container_id.clone()?,
                image: spec
                    .containers
                    .iter()
                    .find(|candidate| candidate.name == container.name)
                    .and_then(|candidate| candidate.image.clone())
                    .unwrap_or_default(),
            })
        })
        .collect();
    PodFact {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        address: status.pod_ip.filter(|address| !address.is_empty()),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        running,
        mounts,
        created_at: pod.creation_timestamp(),
        gate: gate_fact(pod),
    }
}

/// The readiness gate that the pod asks for, as its status has it.
fn gate_fact(pod: &Pod) -> Option<GateFact> {
    let spec = pod.spec.as_ref()?;
    spec.readiness_gates
        .iter()
        .flatten()
        .find(|gate| gate.condition_type == names::DATA_VERIFIED_GATE)?;
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let found = conditions
        .into_iter()
        .find(|condition| condition.type_ == names::DATA_VERIFIED_GATE);
    Some(found.map_or_else(GateFact::default, |found| GateFact {
        is_open: found.status == "True",
        reason: found.reason.clone().unwrap_or_default(),
        message: found.message.clone().unwrap_or_default(),
    }))
}
