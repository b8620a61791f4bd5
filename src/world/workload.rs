//! The workload that runs Postgres, as it was read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{OwnerName, TemplateDirectory};
use crate::api::{PodLabels, WorkloadKind, names};
use crate::resources;

/// What `spec.workload` led to.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadFact {
    /// One workload.
    Found(Box<WorkloadFound>),
    /// Pods by their labels, which may be none at the moment.
    Pods(Box<PodsFound>),
    /// None of that name.
    NotFound,
    /// A StatefulSet and a Deployment of that name, and the spec does not say which.
    Ambiguous,
}

/// A workload that the spec does not name any more.
#[derive(Clone, Debug, PartialEq)]
pub struct FormerWorkload {
    pub kind: WorkloadKind,
    pub metadata: ObjectMeta,
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
    /// Where the template's pods run and how their images are pulled.
    pub placement: resources::Placement,
    /// Whether a pod may start before the one in whose place it comes has stopped, as with every
    /// strategy of a Deployment but Recreate.
    pub overlaps: bool,
    /// The labels of its selector, as far as it compares them with one value.
    pub match_labels: BTreeMap<String, String>,
    /// The labels of its pod template.
    pub template_labels: BTreeMap<String, String>,
}

/// The pods that `spec.workload.selector` leads to, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct PodsFound {
    /// The labels that select them.
    pub selector: PodLabels,
    /// The labels that the primary has in addition, if the spec says.
    pub primary: Option<PodLabels>,
    /// The container that runs Postgres, if the spec names it.
    pub container: Option<String>,
    /// The containers of one of them: of the primary, else of the newest. None while there is no pod.
    pub containers: Vec<ContainerFact>,
    /// The names of their containers that run Postgres: more than one where the spec names none, and they
    /// differ.
    pub server_containers: Vec<String>,
    /// The names of the containers of pods that have the labels and do not count, as poolers.
    pub other_containers: Vec<String>,
    /// Where and as what it runs.
    pub placement: resources::Placement,
    /// What controls it.
    pub owner: Option<OwnerName>,
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

    /// The directories of a claim that its containers have; all of it, the empty one, where its template
    /// does not say that.
    #[must_use]
    pub fn directories_of(&self, claim: &str) -> Vec<&str> {
        let sources = self.volumes.iter().filter(|volume| {
            let source = volume.persistent_volume_claim.as_ref();
            source.is_some_and(|source| source.claim_name == claim)
        });
        let named = sources.map(|volume| volume.name.as_str());
        let is_made = |template: &&String| {
            resources::is_from_claim_template(claim, self.name(), std::slice::from_ref(*template))
        };
        let made = self.claim_templates.iter().filter(is_made);
        let volumes: Vec<&str> = named.chain(made.map(String::as_str)).collect();
        let mounts = self.containers.iter().flat_map(|found| &found.mounts);
        let of_claim = mounts.filter(|mount| volumes.contains(&mount.name.as_str()));
        let directories: Vec<&str> = of_claim
            .map(|mount| match &mount.sub_path_expr {
                Some(_) => "",
                None => mount.sub_path.as_deref().unwrap_or_default(),
            })
            .collect();
        if directories.is_empty() {
            vec![""]
        } else {
            directories
        }
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
