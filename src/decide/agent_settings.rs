//! How the pod of any agent must be: with the database's own image, pulled and placed as the database's
//! own pod, and as the user and the installation want it. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::CronJob;

use crate::api::Agents;
use crate::resources::{AgentPodSettings, Placement, with_defaults};
use crate::world::{Observed, PodFact};

/// Annotation on the CronJob: what it takes over from the database's pod. It stays while no pod is
/// there, so that a restart of the database does not change the CronJob twice.
const PLACEMENT_ANNOTATION: &str = "holdfast.dev/placement";

/// How the pod of an agent must be that checks this pod, or looks for files beside it.
pub(super) fn beside_pod(observed: &Observed, pod: &PodFact, image: &str) -> AgentPodSettings {
    let placement = pod.placement.of_pod(&observed.placement());
    settings(observed, image, placement)
}

/// How the pods of the CronJob must be. It is made also where no pod of the database is there, and
/// then goes by the last one that was, else by the template.
pub(super) fn of_cron_job(observed: &Observed, image: &str) -> AgentPodSettings {
    let pods = observed.pods.known().into_iter().flatten();
    let newest = pods
        .filter(|pod| !pod.ended)
        .max_by_key(|pod| (pod.created_at.as_ref().map(|time| time.0), &pod.name));
    let placement = match newest {
        Some(pod) => pod.placement.of_pod(&observed.placement()),
        None => remembered(observed).unwrap_or_else(|| observed.placement()),
    };
    settings(observed, image, placement)
}

/// What our CronJob notes of the last pod that was there.
fn remembered(observed: &Observed) -> Option<Placement> {
    let cron_job = observed.cron_job.known()?.as_ref()?;
    let noted = cron_job.metadata.annotations.as_ref()?;
    serde_json::from_str(noted.get(PLACEMENT_ANNOTATION)?).ok()
}

/// Notes on the CronJob what it takes over from the database's pod.
pub(super) fn remember(cron_job: &mut CronJob, placement: &Placement) {
    let text = serde_json::to_string(placement).unwrap_or_default();
    let annotations = cron_job.metadata.annotations.get_or_insert_default();
    annotations.insert(PLACEMENT_ANNOTATION.to_owned(), text);
}

/// The labels of what agents need in the namespace.
#[must_use]
pub fn agent_labels(observed: &Observed) -> BTreeMap<String, String> {
    agents(observed).labels.unwrap_or_default()
}

fn agents(observed: &Observed) -> Agents {
    let own = observed.database.spec.agents.clone().unwrap_or_default();
    with_defaults(&own, &observed.agent_defaults)
}

fn settings(observed: &Observed, image: &str, placement: Placement) -> AgentPodSettings {
    let spec = &observed.database.spec;
    let container = observed.database_container(spec.workload.container.as_deref());
    AgentPodSettings {
        agent_image: observed.agent_image.clone(),
        database_image: image.to_owned(),
        image_pull_policy: container.and_then(|container| container.image_pull_policy.clone()),
        placement,
        agents: agents(observed),
    }
}
