//! Which pods a selector leads to, and what is taken for the name of their owner.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::{Value, json};

use super::*;

fn workload() -> Workload {
    serde_json::from_value(json!({
        "selector": {"matchLabels": {"cnpg.io/cluster": "knowledge"}},
        "primary": {"matchLabels": {"cnpg.io/instanceRole": "primary"}}, "container": "postgres",
    }))
    .unwrap()
}

fn found(pods: &[Pod]) -> PodsFound {
    let workload = workload();
    PodsFound::new(&workload, workload.selector.as_ref().unwrap(), pods)
}

fn pod(name: &str, labels: &Value, container: &str, owner: &str) -> Pod {
    let mut all = json!({"cnpg.io/cluster": "knowledge"});
    json_patch::merge(&mut all, labels);
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "uid": name, "labels": all, "creationTimestamp": "2026-02-01T08:00:00Z",
            "ownerReferences": [{
                "apiVersion": "postgresql.cnpg.io/v1", "kind": owner, "name": "knowledge",
                "uid": "u", "controller": true,
            }],
        },
        "spec": {"containers": [{"name": container, "image": format!("image-of-{name}")}]},
    }))
    .unwrap()
}

#[test]
fn jobs_poolers_and_other_clusters_are_no_servers_of_the_database() {
    let other = json!({"cnpg.io/cluster": "shop"});
    let pods = [
        pod("knowledge-1", &json!({}), "postgres", "Cluster"),
        pod("knowledge-2-join", &json!({}), "join", "Job"),
        pod("knowledge-initdb", &json!({}), "postgres", "Job"),
        pod("knowledge-pooler", &json!({}), "pgbouncer", "ReplicaSet"),
        pod("shop-1", &other, "postgres", "Cluster"),
    ];
    let (ours, others) = found(&pods).part(&pods);
    let names: Vec<&str> = ours.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names, ["knowledge-1"]);
    assert_eq!(others.len(), 4);
}

#[test]
fn what_they_have_in_common_is_read_from_the_primary() {
    let role = |role: &str| json!({"cnpg.io/instanceRole": role});
    let pods = [
        pod("knowledge-1", &role("primary"), "postgres", "Cluster"),
        pod("knowledge-2", &role("replica"), "postgres", "Cluster"),
    ];
    let found = found(&pods);
    assert_eq!(found.containers[0].image, "image-of-knowledge-1");
    assert_eq!(found.owner.unwrap().describe(), "Cluster knowledge");
}

#[test]
fn the_backup_asks_for_the_primary_alone() {
    assert_eq!(
        found(&[]).primary_query().as_deref(),
        Some("cnpg.io/cluster=knowledge,cnpg.io/instanceRole=primary")
    );
}

/// A hibernated cluster leaves its pooler, which has the labels of the cluster and one container.
#[test]
fn what_is_no_server_is_no_pod_of_the_database_even_alone() {
    let mut pooler = pod("knowledge-pooler", &json!({}), "pgbouncer", "ReplicaSet");
    let containers = &mut pooler.spec.as_mut().unwrap().containers;
    containers[0].image = Some("ghcr.io/cloudnative-pg/pgbouncer:1.24".to_owned());
    for container in [Some("postgres".to_owned()), None] {
        let workload = Workload {
            container,
            ..workload()
        };
        let selector = workload.selector.clone().unwrap();
        let found = PodsFound::new(&workload, &selector, &[pooler.clone()]);
        assert!(found.containers.is_empty());
        assert!(!found.has(&pooler));
        assert_eq!(found.other_containers, ["pgbouncer"]);
    }
}

/// A sidecar that is a server may be the one of the database; a mesh's proxy is none, and is no reason
/// to ask which container it is.
#[test]
fn a_server_in_a_sidecar_is_a_container_of_the_database_and_a_proxy_is_not() {
    let mut server = pod("knowledge-1", &json!({}), "app", "Cluster");
    let spec = server.spec.as_mut().unwrap();
    spec.init_containers = serde_json::from_value(json!([
        {"name": "proxy", "image": "mesh/proxy:1", "restartPolicy": "Always"},
        {"name": "postgres", "image": "postgres:17", "restartPolicy": "Always"},
        {"name": "prepare", "image": "postgres:17"},
    ]))
    .unwrap();
    let read = found(&[server.clone()]);
    let names: Vec<&str> = read
        .containers
        .iter()
        .map(|found| found.name.as_str())
        .collect();
    assert_eq!(names, ["app", "postgres"]);
    assert!(read.has(&server));
    server.spec.as_mut().unwrap().init_containers = serde_json::from_value(json!([
        {"name": "proxy", "image": "mesh/proxy:1", "restartPolicy": "Always"},
    ]))
    .unwrap();
    let workload = Workload {
        container: None,
        ..workload()
    };
    let selector = workload.selector.clone().unwrap();
    let read = PodsFound::new(&workload, &selector, &[server.clone()]);
    assert!(read.has(&server), "{:?}", read.containers);
}

/// A container that the spec does not name right is reported, where a pod with claims runs.
#[test]
fn a_pod_with_a_claim_and_another_container_may_be_the_database() {
    let mut server = pod("knowledge-1", &json!({}), "main", "Cluster");
    let spec = server.spec.as_mut().unwrap();
    spec.volumes = serde_json::from_value(json!([
        {"name": "data", "persistentVolumeClaim": {"claimName": "knowledge-1"}},
    ]))
    .unwrap();
    let read = found(&[server.clone()]);
    assert_eq!(read.containers[0].name, "main");
    assert!(!read.has(&server));
    // Without a claim it has no data, and a pooler with a claim is none of its servers.
    let mut without_claim = server.clone();
    without_claim.spec.as_mut().unwrap().volumes = None;
    let mut pooler = server;
    pooler.spec.as_mut().unwrap().containers[0].image = Some("bitnami/pgbouncer:1".to_owned());
    for other in [without_claim, pooler] {
        let read = found(&[other]);
        assert!(read.containers.is_empty(), "{read:?}");
        assert_eq!(read.other_containers, ["main"]);
    }
}

#[test]
fn servers_in_containers_of_different_names_are_all_named() {
    let workload = Workload {
        container: None,
        ..workload()
    };
    let selector = workload.selector.clone().unwrap();
    let pods = [
        pod("knowledge-1", &json!({}), "postgres", "Cluster"),
        pod("knowledge-2", &json!({}), "main", "StatefulSet"),
    ];
    let found = PodsFound::new(&workload, &selector, &pods);
    assert_eq!(found.server_containers, ["main", "postgres"]);
}

/// The other value may be that of another database.
#[test]
fn a_label_of_the_selector_can_not_have_another_value_in_the_primary() {
    let mut found = found(&[]);
    found.primary = Some(PodLabels::of(&[("cnpg.io/cluster", "shop")]));
    assert_eq!(found.primary_query(), None);
    found.primary = Some(PodLabels::of(&[("cnpg.io/cluster", "knowledge")]));
    assert!(found.primary_query().is_some());
}
