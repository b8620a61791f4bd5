//! What of a namespace and of a database agents depend on: its Pod Security level, the workload. Pure.

use k8s_openapi::api::core::v1::Namespace;

use crate::world::{Fact, Observed, WorkloadFact};

const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// Whether a namespace exists, and which pods it admits. Agents' pods keep to the strictest level.
pub fn judge_namespace(name: &str, present: Option<&Namespace>) -> Result<String, String> {
    let Some(present) = present else {
        return Err(format!(
            "Namespace {name} does not exist; create it: `kubectl create namespace {name}`"
        ));
    };
    if present.metadata.deletion_timestamp.is_some() {
        return Err(format!(
            "Namespace {name} is being deleted; see `kubectl get namespace {name} -o yaml`"
        ));
    }
    let labels = present.metadata.labels.as_ref();
    let level = labels.and_then(|labels| labels.get(POD_SECURITY));
    let level = match level.map(String::as_str) {
        Some(level @ ("restricted" | "baseline" | "privileged")) => level,
        Some(_) => "not a known one",
        None => "none",
    };
    Ok(format!(
        "Namespace {name} exists; Pod Security level: {level}; agents' pods keep to restricted"
    ))
}

/// Whether the workload of a database is found.
pub fn judge_workload(observed: &Observed) -> Option<Result<String, String>> {
    let workload = &observed.database.spec.workload;
    let (name, namespace) = (&workload.name, observed.namespace_name());
    let see = format!("see `kubectl -n {namespace} get statefulsets,deployments`");
    match &observed.workload {
        // What could not be read is among what is not known.
        Fact::Unknown(_) => None,
        Fact::Known(WorkloadFact::NotFound) => Some(Err(format!(
            "spec.workload: there is no StatefulSet or Deployment {name}; {see}"
        ))),
        Fact::Known(WorkloadFact::Ambiguous) => Some(Err(format!(
            "spec.workload: there is both a StatefulSet and a Deployment {name}; set \
             spec.workload.kind; {see}"
        ))),
        Fact::Known(WorkloadFact::Pods(_)) => {
            let container = observed.database_container(workload.container.as_deref());
            Some(container.map_or_else(
                || {
                    Err(format!(
                        "spec.workload.selector: no pod with these labels has the container that \
                         runs Postgres; see `kubectl -n {namespace} get pods --show-labels`"
                    ))
                },
                |container| {
                    Ok(format!(
                        "pods are found by their labels, container {}",
                        container.name
                    ))
                },
            ))
        }
        Fact::Known(WorkloadFact::Found(found)) => {
            let kind = found.kind;
            let container = found.database_container(workload.container.as_deref());
            Some(container.map_or_else(
                || {
                    Err(format!(
                        "spec.workload.container: {kind} {name} has no such container, or several; \
                         {see} -o wide"
                    ))
                },
                |container| {
                    Ok(format!(
                        "{kind} {name} runs Postgres in container {}",
                        container.name
                    ))
                },
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_is_there_and_says_its_level() {
        let namespace = |metadata| serde_json::from_value(json!({"metadata": metadata})).unwrap();
        assert!(judge_namespace("atra", None).is_err());
        let strict = namespace(json!({"labels": {POD_SECURITY: "restricted"}}));
        let said = judge_namespace("atra", Some(&strict)).unwrap();
        assert!(said.contains("level: restricted"), "{said}");
        let gone = namespace(json!({"deletionTimestamp": "2026-02-01T09:00:00Z"}));
        assert!(judge_namespace("atra", Some(&gone)).is_err());
    }
}
