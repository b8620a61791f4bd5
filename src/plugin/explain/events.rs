//! Reads Kubernetes' events about a database and all that belongs to it. Nothing is judged here.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Event, ObjectReference};
use kube::Api;
use kube::api::ListParams;

use super::objects::fetch_picked;
use crate::api::Workload;
use crate::incident::Facts;
use crate::plugin::connect::Cluster;
use crate::plugin::error::ClusterRequest;
use crate::world::Fact;

/// The namespace in which Kubernetes writes events about objects that are in none.
const CLUSTER_EVENTS_NAMESPACE: &str = "default";
/// The most events about one volume or node that are read.
const PER_OBJECT: u32 = 100;

/// What events of the namespace are about this database.
struct Concern {
    database: String,
    workload: Option<String>,
    claims: BTreeSet<String>,
    pods: BTreeSet<String>,
}

impl Concern {
    fn includes(&self, object: &ObjectReference) -> bool {
        let name = object.name.as_deref().unwrap_or_default();
        match object.kind.as_deref().unwrap_or_default() {
            "ProtectedDatabase" => name == self.database,
            "PersistentVolumeClaim" => self.claims.contains(name),
            "StatefulSet" | "Deployment" => self.workload.as_deref() == Some(name),
            "Pod" => self.pods.contains(name) || self.is_of_workload(name, 2),
            "ReplicaSet" => self.is_of_workload(name, 1),
            _ => false,
        }
    }

    /// Whether the name is the workload's with as many words after it as controllers add, or fewer.
    fn is_of_workload(&self, name: &str, words: usize) -> bool {
        let rest = self
            .workload
            .as_deref()
            .and_then(|workload| name.strip_prefix(workload)?.strip_prefix('-'));
        rest.is_some_and(|rest| !rest.is_empty() && rest.split('-').count() <= words)
    }
}

/// Reads the events of the namespace that are about the database, its workload, pods and claims.
pub async fn fetch_events(
    cluster: &Cluster,
    facts: &Facts,
    workload: Option<&Workload>,
) -> Fact<Vec<Event>> {
    let seen = facts
        .checks
        .known()
        .into_iter()
        .flatten()
        .filter_map(|check| check.spec.target.as_ref())
        .map(|target| target.pod.clone());
    let now = facts
        .pods
        .known()
        .into_iter()
        .flatten()
        .filter_map(|pod| pod.metadata.name.clone());
    let concern = Concern {
        database: facts.name.clone(),
        workload: workload.map(|workload| workload.name.clone()),
        claims: facts
            .claims
            .iter()
            .map(|claim| claim.name.clone())
            .collect(),
        pods: seen.chain(now).collect(),
    };
    fetch_picked(cluster, "events", |event: Event| {
        concern.includes(&event.involved_object).then_some(event)
    })
    .await
}

/// Reads the events about the volumes and nodes.
pub async fn fetch_cluster_events(cluster: &Cluster, facts: &Facts) -> Fact<Vec<Event>> {
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), CLUSTER_EVENTS_NAMESPACE);
    let volumes = facts
        .volumes
        .iter()
        .map(|volume| ("PersistentVolume", &volume.name));
    let nodes = facts.nodes.iter().map(|node| ("Node", &node.name));
    let mut events = Vec::new();
    for (kind, name) in volumes.chain(nodes) {
        let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
        match api
            .list(&ListParams::default().fields(&selector).limit(PER_OBJECT))
            .await
        {
            Ok(list) => events.extend(list.items),
            Err(error) => {
                let question = ClusterRequest::list(
                    "events",
                    Some(CLUSTER_EVENTS_NAMESPACE),
                    cluster.context.as_deref(),
                );
                return Fact::Unknown(question.failed(error).to_string());
            }
        }
    }
    Fact::Known(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_others_are_left_out() {
        let concern = Concern {
            database: "knowledge".to_owned(),
            workload: Some("pg".to_owned()),
            claims: BTreeSet::from(["data".to_owned()]),
            pods: BTreeSet::from(["old-0".to_owned()]),
        };
        let includes = |kind: &str, name: &str| {
            concern.includes(&ObjectReference {
                kind: Some(kind.to_owned()),
                name: Some(name.to_owned()),
                ..ObjectReference::default()
            })
        };
        for (kind, name) in [
            ("ProtectedDatabase", "knowledge"),
            ("StatefulSet", "pg"),
            ("Pod", "pg-0"),
            ("Pod", "pg-7d4b-x2"),
            ("Pod", "old-0"),
        ] {
            assert!(includes(kind, name), "{kind} {name}");
        }
        assert!(includes("ReplicaSet", "pg-7d4b") && includes("PersistentVolumeClaim", "data"));
        for (kind, name) in [
            ("ProtectedDatabase", "other"),
            ("Pod", "pgadmin-0"),
            ("Pod", "pg-backup-29384-abcde"),
            ("Pod", "pg-"),
            ("Secret", "data"),
        ] {
            assert!(!includes(kind, name), "{kind} {name}");
        }
    }
}
