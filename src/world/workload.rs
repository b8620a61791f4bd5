//! The workload that runs Postgres, as it was read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::TemplateDirectory;
use crate::api::{WorkloadKind, names};
use crate::resources;

/// What `spec.workload` led to.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadFact {
    /// One workload.
    Found(Box<WorkloadFound>),
    /// None of that name.
    NotFound,
    /// A StatefulSet and a Deployment of that name, and the spec does not say which.
    Ambiguous,
}

/// The workload, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadFound {
    pub kind: WorkloadKind,
    pub metadata: ObjectMeta,
    /// Its label selector as a query.
    pub selector: String,
    /// Desired replicas.
    pub replicas: i32,
    /// The containers of its template: name and image.
    pub containers: Vec<ContainerFact>,
    /// The volumes of its pod template.
    pub volumes: Vec<Volume>,
    /// Names of claim templates (StatefulSet only).
    pub claim_templates: Vec<String>,
    /// Whether its claims are deleted when it is scaled down.
    pub deletes_claims_when_scaled: bool,
    /// Names of the template's image pull secrets.
    pub image_pull_secrets: Vec<String>,
    /// Whether a pod may start before the one in whose place it comes has stopped, as with every
    /// strategy of a Deployment but Recreate.
    pub overlaps: bool,
    /// The labels of its selector, as far as it compares them with one value.
    pub match_labels: BTreeMap<String, String>,
    /// The labels of its pod template.
    pub template_labels: BTreeMap<String, String>,
}

/// A container of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerFact {
    pub name: String,
    pub image: String,
    /// Where it mounts which volumes of the template.
    pub mounts: Vec<VolumeMount>,
    /// Its pull policy, if set.
    pub image_pull_policy: Option<String>,
    /// What it says of the data directory.
    pub directory: TemplateDirectory,
    /// Where it mounts another directory of a volume in every pod.
    pub mounts_of_pod: Vec<String>,
}

impl WorkloadFound {
    /// The container that runs Postgres.
    #[must_use]
    pub fn database_container(&self, wanted: Option<&str>) -> Option<&ContainerFact> {
        resources::database_container(&self.containers, |container| &container.name, wanted)
    }

    /// Whether a claim is one of its claim templates'.
    #[must_use]
    pub fn makes_claim(&self, claim: &str) -> bool {
        resources::is_from_claim_template(
            claim,
            self.metadata.name.as_deref().unwrap_or_default(),
            &self.claim_templates,
        )
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Names of the claims in its pod template.
    pub fn template_claims(&self) -> impl Iterator<Item = &str> {
        let sources = self.volumes.iter();
        sources
            .filter_map(|volume| volume.persistent_volume_claim.as_ref())
            .map(|source| source.claim_name.as_str())
    }

    /// Whether its pods mount a claim, by their template or by a claim template.
    #[must_use]
    pub fn mounts_claim(&self, claim: &str) -> bool {
        self.template_claims().any(|mounted| mounted == claim) || self.makes_claim(claim)
    }

    /// How many pods it had before a recovery scaled it to 0.
    #[must_use]
    pub fn replicas_before(&self) -> Option<i32> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations
            .get(names::REPLICAS_BEFORE_ANNOTATION)?
            .parse()
            .ok()
    }
}
