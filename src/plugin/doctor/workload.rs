//! Reads a StatefulSet or Deployment down to what matters, if it runs a Postgres. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::PodSpec;
use kube::ResourceExt;

use super::{PostgresTemplate, recognise_postgres};
use crate::api::WorkloadKind;

/// The claims of more replicas than this are not read.
const REPLICAS_LOOKED_AT: i32 = 32;

/// A workload that runs a Postgres, as its own object describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    claim_names.extend(template_claims(&object.name_any(), spec, &templates));
    Some(WorkloadSeen {
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
    })
}

/// Reads a Deployment. `None` if it does not look like a Postgres.
pub fn read_deployment(object: &Deployment) -> Option<WorkloadSeen> {
    let pod = object.spec.as_ref()?.template.spec.as_ref()?;
    Some(WorkloadSeen {
        kind: WorkloadKind::Deployment,
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        template: recognise_postgres(pod, &[])?,
        claims_deleted_when: Vec::new(),
        claim_names: named_claims(pod).into_iter().collect(),
    })
}

fn named_claims(pod: &PodSpec) -> BTreeSet<String> {
    pod.volumes
        .iter()
        .flatten()
        .filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone()))
        .collect()
}

/// The claims that the StatefulSet creates from its templates. One scaled to zero has kept that of
/// its first pod.
fn template_claims(name: &str, spec: &StatefulSetSpec, templates: &[String]) -> Vec<String> {
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
                .map(move |template| format!("{template}-{name}-{ordinal}"))
        })
        .collect()
}
