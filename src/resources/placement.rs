//! What an agent's pod takes over from the database's own: where it may run, how urgent it is, how its
//! image is pulled. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSpec, Toleration};
use serde::{Deserialize, Serialize};

/// The taints that the node controller sets, which the API server makes most pods tolerate.
const TAINTS_OF_NODES: &str = "node.kubernetes.io/";

/// Where a pod may run, how urgent it is, how its images are pulled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Placement {
    /// The labels that its node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// The taints that it tolerates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Its PriorityClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Its RuntimeClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// The names of its pull secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
}

// All of it is texts and whole numbers; that of Kubernetes just does not say so.
impl Eq for Placement {}

impl Placement {
    /// That of a pod, or of a pod template.
    #[must_use]
    pub fn of(pod: &PodSpec) -> Self {
        let named = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        let secrets = pod.image_pull_secrets.iter().flatten();
        Self {
            node_selector: pod.node_selector.clone().unwrap_or_default(),
            tolerations: pod.tolerations.clone().unwrap_or_default(),
            priority_class_name: named(&pod.priority_class_name),
            runtime_class_name: named(&pod.runtime_class_name),
            image_pull_secrets: secrets
                .map(|reference| reference.name.clone())
                .filter(|name| !name.is_empty())
                .collect(),
        }
    }

    /// That of a pod without what the API server gives to every pod: with it the agents would tolerate
    /// nothing more, and the CronJob would change as soon as no pod is there to be read.
    #[must_use]
    pub fn of_pod(&self, template: &Self) -> Self {
        let is_given = |toleration: &&Toleration| {
            let key = toleration.key.as_deref().unwrap_or_default();
            key.starts_with(TAINTS_OF_NODES) && !template.tolerations.contains(toleration)
        };
        let tolerations = self.tolerations.iter();
        Self {
            tolerations: tolerations
                .filter(|toleration| !is_given(toleration))
                .cloned()
                .collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn of(pod: Value) -> Placement {
        Placement::of(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn what_the_api_server_gives_to_every_pod_is_not_taken_over() {
        let wanted = json!({"key": "dedicated", "operator": "Exists"});
        let own = json!({"key": "node.kubernetes.io/unschedulable", "operator": "Exists"});
        let given = json!({
            "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": 300,
        });
        let template = of(json!({"containers": [], "tolerations": [wanted, own]}));
        let pod = of(json!({"containers": [], "tolerations": [wanted, own, given]}));
        assert_ne!(pod, template);
        assert_eq!(pod.of_pod(&template), template);
    }

    #[test]
    fn an_empty_name_is_none() {
        let pod = json!({
            "containers": [], "priorityClassName": "", "runtimeClassName": "",
            "imagePullSecrets": [{"name": ""}, {}],
        });
        assert_eq!(of(pod), Placement::default());
    }
}
