//! Reads a StatefulSet or Deployment down to what matters, if it runs a Postgres. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use kube::ResourceExt;

use super::{PostgresTemplate, ServersFound, recognise_postgres};
use crate::api::WorkloadKind;
use crate::world::{PodFact, WorkloadFound};

/// The claims of more replicas than this are not read.
const REPLICAS_LOOKED_AT: i32 = 32;

/// A workload that runs a Postgres, as its own object describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadSeen {
    /// StatefulSet or Deployment.
    pub kind: WorkloadKind,
    pub namespace: String,
    pub name: String,
    /// What its pod template says.
    pub template: PostgresTemplate,
    /// The moments at which its claims are deleted automatically.
    pub claims_deleted_when: Vec<&'static str>,
    /// The names that its claims have.
    pub claim_names: Vec<String>,
    /// The workload itself, without what could change.
    pub found: WorkloadFound,
    /// A pod as its template describes it.
    pub pod: PodFact,
    /// The claims with its data directory, and the directory of each that is mounted.
    pub data_claims: Vec<(String, String)>,
    /// Why variables of its template are not known.
    pub unread: Vec<String>,
}

impl WorkloadSeen {
    /// Whether it is not the same workload.
    pub fn is_another(&self, other: &Self) -> bool {
        (self.kind, &self.name) != (other.kind, &other.name)
    }

    /// How many servers it runs at a time, and on which claims.
    pub fn servers(&self) -> ServersFound {
        let container = Some(self.template.container.as_str());
        let shared = self.found.shared_data_claims(container, None);
        ServersFound {
            replicas: self.found.replicas,
            overlaps: self.found.overlaps,
            shared_claims: shared.into_iter().map(ToOwned::to_owned).collect(),
        }
    }
}

/// Reads a StatefulSet. `None` if it does not look like a Postgres.
pub fn read_stateful_set(object: &StatefulSet) -> Option<WorkloadSeen> {
    let spec = object.spec.as_ref()?;
    let pod = spec.template.spec.as_ref()?;
    let templates: Vec<String> = spec
        .volume_claim_templates
        .iter()
        .flatten()
        .map(ResourceExt::name_any)
        .collect();
    let template = recognise_postgres(pod, &templates)?;
    let retention = spec
        .persistent_volume_claim_retention_policy
        .clone()
        .unwrap_or_default();
    let moments = [
        ("whenDeleted", retention.when_deleted),
        ("whenScaled", retention.when_scaled),
    ];
    let mut claim_names = named_claims(pod);
    let of_templates = template_claims(&object.name_any(), spec, &templates);
    claim_names.extend(of_templates.iter().map(|(_, claim)| claim.clone()));
    let found = without_managed_fields(WorkloadFound::from(object.clone()));
    let data_claims = data_claims(&found, &template.container, &of_templates);
    Some(WorkloadSeen {
        found,
        data_claims,
        pod: template_pod(&spec.template),
        kind: WorkloadKind::StatefulSet,
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        template,
        claims_deleted_when: moments
            .into_iter()
            .filter(|(_, policy)| policy.as_deref() == Some("Delete"))
            .map(|(when, _)| when)
            .collect(),
        claim_names: claim_names.into_iter().collect(),
        unread: Vec::new(),
    })
}

/// Reads a Deployment. `None` if it does not look like a Postgres.
pub fn read_deployment(object: &Deployment) -> Option<WorkloadSeen> {
    let spec = object.spec.as_ref()?;
    let pod = spec.template.spec.as_ref()?;
    let template = recognise_postgres(pod, &[])?;
    let found = without_managed_fields(WorkloadFound::from(object.clone()));
    Some(WorkloadSeen {
        data_claims: data_claims(&found, &template.container, &[]),
        found,
        pod: template_pod(&spec.template),
        kind: WorkloadKind::Deployment,
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        template,
        claims_deleted_when: Vec::new(),
        claim_names: named_claims(pod).into_iter().collect(),
        unread: Vec::new(),
    })
}

/// Of the metadata only the name matters, and managed fields are most of it.
fn without_managed_fields(mut found: WorkloadFound) -> WorkloadFound {
    found.metadata.managed_fields = None;
    found
}

/// A pod as a template describes it.
fn template_pod(template: &PodTemplateSpec) -> PodFact {
    PodFact::from(&Pod {
        metadata: template.metadata.clone().unwrap_or_default(),
        spec: template.spec.clone(),
        status: None,
    })
}

/// The claims with the data directory, and the directory of each that is mounted. A directory that
/// differs from pod to pod is not listed: no two pods have it.
fn data_claims(
    found: &WorkloadFound,
    container: &str,
    of_templates: &[(String, String)],
) -> Vec<(String, String)> {
    let shared = found.shared_data_claims(Some(container), None);
    let mounts = found.data_mounts(Some(container), None);
    let claims = mounts.into_iter().flat_map(|mount| {
        let directory = mount.sub_path.clone().unwrap_or_default();
        let mut volumes = found.volumes.iter();
        let source = volumes
            .find(|volume| volume.name == mount.name)
            .and_then(|volume| volume.persistent_volume_claim.as_ref());
        let named = source.map(|source| source.claim_name.clone());
        let named = named.filter(|claim| shared.contains(&claim.as_str()));
        let made = of_templates
            .iter()
            .filter(|(template, _)| *template == mount.name)
            .map(|(_, claim)| claim.clone());
        let all: Vec<String> = named.into_iter().chain(made).collect();
        all.into_iter()
            .map(move |claim| (claim, directory.trim_matches('/').to_owned()))
    });
    claims.collect()
}

fn named_claims(pod: &PodSpec) -> BTreeSet<String> {
    pod.volumes
        .iter()
        .flatten()
        .filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone()))
        .collect()
}

/// The claims that the StatefulSet creates from its templates, each after its template. One scaled to
/// zero has kept that of its first pod.
fn template_claims(
    name: &str,
    spec: &StatefulSetSpec,
    templates: &[String],
) -> Vec<(String, String)> {
    let first = spec
        .ordinals
        .as_ref()
        .and_then(|ordinals| ordinals.start)
        .unwrap_or(0);
    let replicas = spec.replicas.unwrap_or(1).clamp(1, REPLICAS_LOOKED_AT);
    let ordinals = first..first.saturating_add(replicas);
    ordinals
        .flat_map(|ordinal| {
            templates
                .iter()
                .map(move |template| (template.clone(), format!("{template}-{name}-{ordinal}")))
        })
        .collect()
}
