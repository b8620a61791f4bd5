//! Reads the workload that runs Postgres.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::ResourceExt;
use kube::core::Selector;

use super::data_directory::{mounts_of_pod, template_directory};
use super::server::candidates;
use super::{ContainerFact, Fact, FormerWorkload, Reader, WorkloadFact, WorkloadFound};
use crate::api::{ProtectedDatabase, Workload, WorkloadKind};
use crate::resources::Placement;

impl Reader {
    /// Reads the workload that the spec names.
    pub async fn workload(&self, workload: &Workload) -> Fact<WorkloadFact> {
        if let Some(selector) = &workload.selector {
            return self.selected_workload(workload, selector).await;
        }
        match self.find_workload(workload).await {
            Err((kind, error)) => Fact::from_read(&format!("{kind} {}", workload.name), Err(error)),
            Ok(NamedWorkload::NotFound) => Fact::Known(WorkloadFact::NotFound),
            Ok(NamedWorkload::Ambiguous) => Fact::Known(WorkloadFact::Ambiguous),
            Ok(NamedWorkload::Found(found)) => {
                Fact::Known(WorkloadFact::Found(Box::new(found.into())))
            }
        }
    }

    /// Reads what has the name of the workload, for those who say in words of their own which kind could
    /// not be read, and why.
    pub async fn find_workload(
        &self,
        workload: &Workload,
    ) -> Result<NamedWorkload, (WorkloadKind, kube::Error)> {
        let (sets, deployments) = (WorkloadKind::StatefulSet, WorkloadKind::Deployment);
        let stateful_set = async {
            match workload.kind {
                Some(WorkloadKind::Deployment) => Ok(None),
                _ => self.find::<StatefulSet>(&workload.name).await,
            }
        };
        let deployment = async {
            match workload.kind {
                Some(WorkloadKind::StatefulSet) => Ok(None),
                _ => self.find::<Deployment>(&workload.name).await,
            }
        };
        let (stateful_set, deployment) = tokio::join!(stateful_set, deployment);
        let stateful_set = stateful_set.map_err(|error| (sets, error))?;
        let deployment = deployment.map_err(|error| (deployments, error))?;
        Ok(match (stateful_set, deployment) {
            (Some(_), Some(_)) => NamedWorkload::Ambiguous,
            (Some(found), None) => {
                NamedWorkload::Found(WorkloadObject::StatefulSet(Box::new(found)))
            }
            (None, Some(found)) => {
                NamedWorkload::Found(WorkloadObject::Deployment(Box::new(found)))
            }
            (None, None) => NamedWorkload::NotFound,
        })
    }
}

/// A workload as the API server has it.
#[derive(Clone, Debug)]
pub enum WorkloadObject {
    StatefulSet(Box<StatefulSet>),
    Deployment(Box<Deployment>),
}

/// What has the name of a workload.
#[derive(Clone, Debug)]
pub enum NamedWorkload {
    NotFound,
    /// Both kinds have it.
    Ambiguous,
    Found(WorkloadObject),
}

impl From<WorkloadObject> for WorkloadFound {
    fn from(object: WorkloadObject) -> Self {
        match object {
            WorkloadObject::StatefulSet(set) => (*set).into(),
            WorkloadObject::Deployment(deployment) => (*deployment).into(),
        }
    }
}

impl Reader {
    /// Reads the workload that carries marks by the status, if the spec names another one by now.
    pub async fn former_workload(
        &self,
        database: &ProtectedDatabase,
    ) -> Fact<Option<FormerWorkload>> {
        let marked = database.status.as_ref();
        let Some(marked) = marked.and_then(|status| status.workload.as_ref()) else {
            return Fact::Known(None);
        };
        let wanted = &database.spec.workload;
        let is_same_kind = wanted.kind.is_none_or(|kind| kind == marked.kind);
        if wanted.name == marked.name && is_same_kind {
            return Fact::Known(None);
        }
        let metadata = match marked.kind {
            WorkloadKind::StatefulSet => {
                let found = self.get::<StatefulSet>(&marked.name).await;
                found.map(|found| found.map(|found| found.metadata))
            }
            WorkloadKind::Deployment => {
                let found = self.get::<Deployment>(&marked.name).await;
                found.map(|found| found.map(|found| found.metadata))
            }
        };
        let kind = marked.kind;
        metadata.map(|found| found.map(|metadata| FormerWorkload { kind, metadata }))
    }
}

impl From<StatefulSet> for WorkloadFound {
    fn from(object: StatefulSet) -> Self {
        let spec = object.spec.unwrap_or_default();
        let claim_templates = spec.volume_claim_templates.unwrap_or_default();
        let retention = spec.persistent_volume_claim_retention_policy;
        let when_scaled = retention.and_then(|policy| policy.when_scaled);
        Self {
            metadata: object.metadata,
            claim_templates: claim_templates.iter().map(ResourceExt::name_any).collect(),
            deletes_claims_when_scaled: when_scaled.as_deref() == Some("Delete"),
            ..found(
                WorkloadKind::StatefulSet,
                spec.selector,
                spec.replicas,
                spec.template,
            )
        }
    }
}

impl From<Deployment> for WorkloadFound {
    fn from(object: Deployment) -> Self {
        let spec = object.spec.unwrap_or_default();
        let strategy = spec.strategy.and_then(|strategy| strategy.type_);
        Self {
            metadata: object.metadata,
            overlaps: strategy.as_deref() != Some("Recreate"),
            ..found(
                WorkloadKind::Deployment,
                spec.selector,
                spec.replicas,
                spec.template,
            )
        }
    }
}

fn found(
    kind: WorkloadKind,
    selector: LabelSelector,
    replicas: Option<i32>,
    template: PodTemplateSpec,
) -> WorkloadFound {
    let pod = template.spec.unwrap_or_default();
    let placement = Placement::of(&pod);
    let template_labels = template.metadata.and_then(|metadata| metadata.labels);
    let match_labels = selector.match_labels.clone().unwrap_or_default();
    WorkloadFound {
        kind,
        metadata: ObjectMeta::default(),
        selector: Selector::try_from(selector)
            .map(|selector| selector.to_string())
            .unwrap_or_default(),
        replicas: replicas.unwrap_or(1),
        containers: container_facts(&pod),
        volumes: pod.volumes.unwrap_or_default(),
        claim_templates: Vec::new(),
        deletes_claims_when_scaled: false,
        placement,
        overlaps: false,
        match_labels,
        template_labels: template_labels.unwrap_or_default(),
    }
}

/// The containers of a pod or template, as far as they matter here.
pub(super) fn container_facts(pod: &PodSpec) -> Vec<ContainerFact> {
    let containers = candidates(pod).into_iter();
    let facts = containers.map(|container| ContainerFact {
        directory: template_directory(container),
        mounts_of_pod: mounts_of_pod(container),
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        mounts: container.volume_mounts.clone().unwrap_or_default(),
        image_pull_policy: container.image_pull_policy.clone(),
    });
    facts.collect()
}
