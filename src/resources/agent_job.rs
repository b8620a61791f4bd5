//! What the Jobs of all agents carry: name, owner, labels and annotations. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::ObjectMeta;

use super::agent_home::{annotations, with_labels};
use super::agent_pod::labels;
use super::agent_settings::AgentPodSettings;
use crate::api::ProtectedDatabase;

/// The metadata of an agent's Job or `CronJob`. It goes with its owner, whose deletion does not wait for it.
pub(super) fn build_metadata(
    database: &ProtectedDatabase,
    owner: &impl Resource<DynamicType = ()>,
    name: Option<String>,
    task: &str,
    settings: &AgentPodSettings,
) -> ObjectMeta {
    let owner = owner.controller_owner_ref(&()).map(|owner| OwnerReference {
        block_owner_deletion: Some(false),
        ..owner
    });
    ObjectMeta {
        name,
        namespace: database.metadata.namespace.clone(),
        annotations: annotations(&settings.agents),
        labels: Some(with_labels(labels(database, task), &settings.agents)),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}
