//! Pods that neither a StatefulSet nor a Deployment controls, found by their labels: which they are,
//! what they have in common, and what controls them instead.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use kube::api::ListParams;

use super::read_workload::container_facts;
use super::server::{candidates, keeps_data};
use super::{ContainerFact, Fact, OwnerName, PodFact, PodsFound, Reader, WorkloadFact, World};
use crate::api::{PodLabels, Workload};
use crate::resources::{self, ImageKind, Placement, image_kind};

impl PodsFound {
    /// Reads what the selected pods have in common.
    #[must_use]
    pub fn new(workload: &Workload, selector: &PodLabels, pods: &[Pod]) -> Self {
        let mut found = Self {
            selector: selector.clone(),
            primary: workload.primary.clone(),
            container: workload.container.clone(),
            containers: Vec::new(),
            server_containers: Vec::new(),
            other_containers: Vec::new(),
            placement: Placement::default(),
            owner: None,
        };
        let (candidates, others): (Vec<&Pod>, Vec<&Pod>) = pods
            .iter()
            .filter(|pod| selector.select(pod.labels()) && !has_ended(pod) && !is_of_job(pod))
            .partition(|pod| found.has_server(pod) || may_have_server(pod));
        let servers = candidates
            .iter()
            .filter_map(|pod| found.server_container(pod));
        found.server_containers = sorted(servers);
        let others = others.into_iter().flat_map(containers);
        found.other_containers = sorted(others.map(|container| container.name.clone()));
        let selected = candidates.into_iter();
        let order = |pod: &&Pod| {
            let is_primary = found.primary.as_ref();
            let is_primary = is_primary.is_some_and(|primary| primary.select(pod.labels()));
            let created = pod.creation_timestamp().map(|time| time.0);
            (
                found.has_server(pod),
                is_primary,
                created,
                Reverse(pod.name_any()),
            )
        };
        if let Some(pod) = selected.max_by_key(order) {
            let spec = pod.spec.clone().unwrap_or_default();
            found.owner = OwnerName::controlling(&pod.metadata);
            found.placement = Placement::of(&spec);
            found.containers = container_facts(&spec);
        }
        found
    }

    /// Whether a pod is one of them: by its labels, and it has the container that runs Postgres. An
    /// operator gives the same labels to the pods of its Jobs and poolers.
    #[must_use]
    pub fn has(&self, pod: &Pod) -> bool {
        self.selector.select(pod.labels()) && self.has_server(pod)
    }

    fn has_server(&self, pod: &Pod) -> bool {
        self.server_container(pod).is_some()
    }

    /// The container of a pod that runs Postgres. Where the spec does not name it, the only one of a
    /// pooler or an exporter does not count.
    fn server_container(&self, pod: &Pod) -> Option<String> {
        let wanted = self.container.as_deref();
        let all = containers(pod);
        let found =
            resources::database_container(&all, |container| container.name.as_str(), wanted);
        let is_server = |container: &&&Container| wanted.is_some() || !is_something_else(container);
        let found = found.filter(is_server).filter(|_| !is_of_job(pod));
        found.map(|container| container.name.clone())
    }

    /// Parts pods into those that are selected, and the others.
    pub(super) fn part(&self, pods: &[Pod]) -> (Vec<PodFact>, Vec<PodFact>) {
        let (ours, others): (Vec<&Pod>, Vec<&Pod>) = pods.iter().partition(|pod| self.has(pod));
        let facts = |pods: Vec<&Pod>| pods.into_iter().map(PodFact::from).collect();
        (facts(ours), facts(others))
    }

    /// The selector of the pod that is backed up, as a query: of the primary, if the spec says which
    /// that is. Nothing where it can select no pod: a label can't have two values.
    #[must_use]
    pub fn primary_query(&self) -> Option<String> {
        let mut all = self.selector.clone();
        let primary = self
            .primary
            .iter()
            .flat_map(|primary| &primary.match_labels);
        for (key, value) in primary {
            let before = all.match_labels.insert(key.clone(), value.clone());
            if before.is_some_and(|before| before != *value) {
                return None;
            }
        }
        all.query()
    }
}

fn containers(pod: &Pod) -> Vec<&Container> {
    pod.spec.as_ref().map(candidates).unwrap_or_default()
}

/// Whether a pod may be one of the database although it has no container of the name: it has a claim,
/// and something runs that may be a server.
fn may_have_server(pod: &Pod) -> bool {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let mut claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
    claims.next().is_some() && !containers(pod).into_iter().all(is_something_else)
}

/// Whether the image says that it is something around Postgres, and nothing says more.
fn is_something_else(container: &Container) -> bool {
    let kind = image_kind(container.image.as_deref().unwrap_or_default());
    kind == ImageKind::Other && !keeps_data(container)
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// A Job's pod ends, so it is no server.
fn is_of_job(pod: &Pod) -> bool {
    let mut owners = pod.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.controller == Some(true) && owner.kind == "Job")
}

impl Reader {
    /// Reads the pods that a selector leads to, as a workload.
    pub(super) async fn selected_workload(
        &self,
        workload: &Workload,
        selector: &PodLabels,
    ) -> Fact<WorkloadFact> {
        let pods = self.pods_with(selector).await;
        pods.map(|pods| WorkloadFact::Pods(Box::new(PodsFound::new(workload, selector, &pods))))
    }

    /// Reads the selected pods.
    pub async fn selected_pods(&self, found: &PodsFound) -> Fact<Vec<PodFact>> {
        let pods = self.pods_with(&found.selector).await;
        pods.map(|pods| found.part(&pods).0)
    }

    /// Text that can't be a label is on no pod, and the API server would refuse the question.
    async fn pods_with(&self, selector: &PodLabels) -> Fact<Vec<Pod>> {
        match selector.query() {
            Some(query) => {
                let selected = ListParams::default().labels(&query);
                self.list::<Pod>(&selected).await
            }
            None => Fact::Known(Vec::new()),
        }
    }
}

impl World {
    /// The pods that the selector of the spec leads to, if it has one.
    #[must_use]
    pub fn pods_found(&self) -> Option<&PodsFound> {
        match self.workload.known()? {
            WorkloadFact::Pods(found) => Some(found),
            WorkloadFact::Found(_) | WorkloadFact::NotFound | WorkloadFact::Ambiguous => None,
        }
    }

    /// The containers of the workload's pods. None where it is not known which workload it is.
    #[must_use]
    pub fn containers(&self) -> &[ContainerFact] {
        match self.workload.known() {
            Some(WorkloadFact::Found(found)) => &found.containers,
            Some(WorkloadFact::Pods(found)) => &found.containers,
            Some(WorkloadFact::NotFound | WorkloadFact::Ambiguous) | None => &[],
        }
    }

    /// The container that runs Postgres, in whatever the workload is.
    #[must_use]
    pub fn database_container(&self, wanted: Option<&str>) -> Option<&ContainerFact> {
        resources::database_container(self.containers(), |container| &container.name, wanted)
    }

    /// Where and as what the workload's pods are to run.
    #[must_use]
    pub fn placement(&self) -> Placement {
        match self.workload.known() {
            Some(WorkloadFact::Found(found)) => found.placement.clone(),
            Some(WorkloadFact::Pods(found)) => found.placement.clone(),
            Some(WorkloadFact::NotFound | WorkloadFact::Ambiguous) | None => Placement::default(),
        }
    }

    /// Whether it is known what runs the database.
    #[must_use]
    pub fn has_workload(&self) -> bool {
        self.workload_found().is_some() || self.pods_found().is_some()
    }
}

#[cfg(test)]
#[path = "bare_pods_tests.rs"]
mod tests;
