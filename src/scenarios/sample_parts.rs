//! What samples are made of: the facts and the metadata of single objects.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::{Value, json};

use crate::api::{ConfirmedVerb, ProtectedDatabase, VolumeStorage, WorkloadKind};
use crate::world::{
    ContainerFact, ControllerFact, Fact, MountFact, NeighbourFact, PodFact, RunningContainer,
    ServerFact, TemplateDirectory, VolumeFound, WorkloadFound,
};

pub fn known<T: std::fmt::Debug>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Known(value) => value,
        Fact::Unknown(why) => panic!("the sample does not know: {why}"),
    }
}

/// The metadata of an object that nobody has marked.
pub fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some("atra".to_owned()),
        uid: Some(format!("uid-of-{name}")),
        resource_version: Some("100".to_owned()),
        creation_timestamp: Some(time("2026-01-19T12:34:50Z")),
        ..ObjectMeta::default()
    }
}

/// Deletes an object that a finalizer holds.
pub fn delete(metadata: &mut ObjectMeta) {
    metadata.deletion_timestamp = Some(time("2026-02-01T09:29:00Z"));
}

/// When the samples are confirmed: a moment before they are deleted.
pub const CONFIRMED_AT: &str = "2026-02-01T09:28:00Z";

/// Confirms the deletion of an object.
pub fn confirm(metadata: &mut ObjectMeta) {
    confirm_at(metadata, ConfirmedVerb::Delete, CONFIRMED_AT);
}

/// Confirms the deletion, or a change, of an object at that time.
pub fn confirm_at(metadata: &mut ObjectMeta, verb: ConfirmedVerb, time: &str) {
    let confirmation = format!("{}/{time}", metadata.uid.as_deref().unwrap());
    metadata
        .annotations
        .get_or_insert_default()
        .insert(verb.annotation().to_owned(), confirmation);
}

pub fn volume(name: &str, reclaim_policy: &str) -> VolumeFound {
    VolumeFound {
        metadata: ObjectMeta {
            namespace: None,
            ..metadata(name)
        },
        reclaim_policy: reclaim_policy.to_owned(),
        storage: VolumeStorage::of(&from(
            json!({"hostPath": {"path": format!("/volumes/{name}")}}),
        )),
        claim: None,
        phase: "Bound".to_owned(),
        phase_since: None,
        manifest: Value::Null,
    }
}

pub fn pod(name: &str, uid: &str, container_id: &str) -> PodFact {
    PodFact {
        name: name.to_owned(),
        uid: uid.to_owned(),
        address: Some("10.0.0.7".to_owned()),
        own_addresses: vec!["10.0.0.7".to_owned()],
        node: None,
        ended: false,
        terminating: false,
        claims: vec![format!("data-{name}")],
        running: vec![RunningContainer {
            name: "postgres".to_owned(),
            id: container_id.to_owned(),
            image: "postgres:15".to_owned(),
            started_at: Some(time("2026-02-01T08:59:00Z")),
            configured_directory: String::new(),
        }],
        mounts: vec![MountFact {
            claim: format!("data-{name}"),
            container: "postgres".to_owned(),
            path: "/var/lib/postgresql/data".to_owned(),
            sub_path: String::new(),
            read_only: false,
        }],
        other_mounts: Vec::new(),
        created_at: Some(time("2026-02-01T08:59:00Z")),
        gate: None,
        labels: labels("knowledge"),
        controller: Some(ControllerFact {
            kind: "statefulset".to_owned(),
            name: "knowledge-postgres".to_owned(),
        }),
        server: Some(ServerFact {
            database: Some("knowledge_os".to_owned()),
            is_replica: false,
            may_be_proxy: false,
            ports: Vec::new(),
        }),
        placement: crate::resources::Placement::default(),
        ended_containers: Vec::new(),
    }
}

fn labels(app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("app".to_owned(), app.to_owned())])
}

pub fn time(text: &str) -> Time {
    Time(text.parse::<jiff::Timestamp>().unwrap())
}

pub fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub fn workload() -> WorkloadFound {
    WorkloadFound {
        kind: WorkloadKind::StatefulSet,
        metadata: metadata("knowledge-postgres"),
        selector: "app=knowledge".to_owned(),
        replicas: 1,
        containers: vec![ContainerFact {
            name: "postgres".to_owned(),
            image: "postgres:15".to_owned(),
            mounts: from(json!([{"name": "data", "mountPath": "/var/lib/postgresql/data"}])),
            image_pull_policy: None,
            directory: TemplateDirectory::OfImage,
            mounts_of_pod: Vec::new(),
        }],
        volumes: Vec::new(),
        claim_templates: vec!["data".to_owned()],
        deletes_claims_when_scaled: false,
        placement: crate::resources::Placement::default(),
        overlaps: false,
        match_labels: labels("knowledge"),
        template_labels: labels("knowledge"),
    }
}

pub fn database() -> ProtectedDatabase {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {
            "name": "knowledge", "namespace": "atra", "uid": "uid-of-knowledge", "resourceVersion": "100", "generation": 1,
            "creationTimestamp": "2026-02-01T08:58:00Z",
        },
        "spec": {
            "workload": { "kind": "StatefulSet", "name": "knowledge-postgres" },
            "connection": { "database": "knowledge_os", "credentialsSecret": { "name": "pg-auth" } },
            "verification": { "tables": [
                { "name": "public.experts", "minRows": 80 }, { "name": "public.knowledge_nodes", "minRows": 10000 },
            ] },
            "backup": {
                "schedule": "0 3 * * *",
                "storage": { "s3": { "bucket": "backups", "credentialsSecret": { "name": "s3-auth" } } },
            },
        },
    }))
}

/// Another ProtectedDatabase that names the same workload.
pub fn rival(older: bool) -> NeighbourFact {
    NeighbourFact {
        name: "other".to_owned(),
        workload: "knowledge-postgres".to_owned(),
        workload_kind: None,
        selector: None,
        system_identifier: None,
        same_workload: true,
        older,
        guards: true,
    }
}
