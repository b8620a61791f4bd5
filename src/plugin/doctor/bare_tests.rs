//! Golden tests of what doctor says of pods that no StatefulSet or Deployment runs.
#![allow(
    clippy::unwrap_used,
    clippy::large_stack_arrays,
    reason = "a sample that can't be built is a fault of the test"
)]

use super::*;
use crate::plugin::doctor::{build_cover, describe_reports};

fn pod(name: &str, owner: Option<(&str, &str)>, labels: &Value, container: &Value) -> Pod {
    let owners: Vec<Value> = owner
        .iter()
        .map(|(kind, name)| {
            json!({"apiVersion": "example.com/v1", "kind": kind, "name": name, "uid": "u", "controller": true})
        })
        .collect();
    let mut full = json!({
        "name": "postgres", "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
    });
    json_patch::merge(&mut full, container);
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "atra", "labels": labels, "ownerReferences": owners},
        "spec": {
            "containers": [full],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}],
        },
    }))
    .unwrap()
}

fn reports(pods: &[Pod], workloads: &[&str], covers: &[Cover]) -> (Vec<PostgresReport>, NotJudged) {
    let mut seen = PodsSeen::default();
    for name in workloads {
        seen.keep_workload(Some("atra".to_owned()), (*name).to_owned());
    }
    for pod in pods {
        seen.keep_pod(pod);
    }
    let (mut groups, mut not_judged) = (Vec::new(), NotJudged::default());
    for pod in &seen.pods {
        let spec = pod.spec.clone().unwrap();
        add_pod(&mut groups, pod, &spec, Vec::new(), &mut not_judged);
    }
    let claims = |group: &Group| {
        let names = group.claims.iter();
        let found = names.map(|name| ClaimFound {
            name: name.clone(),
            volume: Some(format!("pv-of-{name}")),
            reclaim_policy: Some("Delete".to_owned()),
            unknown: None,
            access_modes: vec!["ReadWriteOnce".to_owned()],
            storage: crate::api::VolumeStorage::default(),
        });
        found.collect()
    };
    let reports = groups.into_iter().map(|group| {
        let claims = claims(&group);
        judge(group, claims, covers)
    });
    (reports.collect(), not_judged)
}

fn cloud_native() -> Vec<Pod> {
    let instance = |name: &str, role: &str| {
        let labels = json!({
            "cnpg.io/cluster": "knowledge", "cnpg.io/instanceName": name, "cnpg.io/podRole": "instance",
            "cnpg.io/instanceRole": role, "role": role,
        });
        let container = json!({
            "image": "ghcr.io/cloudnative-pg/postgresql:17",
            "env": [{"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"}],
        });
        pod(name, Some(("Cluster", "knowledge")), &labels, &container)
    };
    vec![
        instance("knowledge-1", "replica"),
        instance("knowledge-2", "primary"),
    ]
}

#[test]
fn pods_of_any_owner_are_found() {
    let none = json!({});
    let image = |image: &str| json!({"image": image});
    let app = |name: &str| json!({"app": name});
    let mut pods = cloud_native();
    pods.extend([
        pod("plain", None, &none, &image("postgres:17")),
        pod(
            "node-a",
            Some(("DaemonSet", "edge")),
            &app("edge"),
            &image("postgis/postgis:17-3.5"),
        ),
        pod(
            "lone-x1",
            Some(("ReplicaSet", "lone-7d4b")),
            &app("lone"),
            &image("supabase/postgres:15.8.1.060"),
        ),
        pod(
            "custom-0",
            Some(("Database", "custom")),
            &app("custom"),
            &json!({"image": "shop/db:3", "command": ["/usr/bin/patroni"]}),
        ),
        pod(
            "shop-0",
            Some(("StatefulSet", "shop")),
            &app("shop"),
            &image("postgres:17"),
        ),
        pod("nothing", None, &none, &image("shop/other:3")),
        pod("copy", Some(("Job", "copy")), &none, &image("postgres:17")),
    ]);
    let (reports, not_judged) = reports(&pods, &["shop"], &[]);
    let text = describe_reports(&reports, &not_judged, "in namespace atra", " -n atra");
    insta::assert_snapshot!(text);
}

#[test]
fn a_selector_covers_its_pods() {
    let database = json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra"},
        "spec": {
            "workload": {"selector": {"matchLabels": {"cnpg.io/cluster": "knowledge"}}},
            "connection": {"database": "app", "credentialsSecret": {"name": "auth"}},
        },
    });
    let cover = build_cover(&serde_json::from_value(database).unwrap());
    let (reports, _) = reports(&cloud_native(), &[], &[cover]);
    let said: Vec<_> = reports
        .iter()
        .map(|report| (report.protected_by.as_deref(), report.manifest.is_none()))
        .collect();
    assert_eq!(said, [(Some("atra/knowledge"), true)]);
}

/// After the next rollout its name and its hash are others, and nothing would be selected.
#[test]
fn a_selector_outlives_the_rollout() {
    let image = json!({"image": "postgres:16"});
    let labels_of = |owner: (&str, &str), labels: &Value| {
        let pods = [pod("db-x1", Some(owner), labels, &image)];
        let (mut groups, mut not_judged) = (Vec::new(), NotJudged::default());
        let spec = pods[0].spec.clone().unwrap();
        add_pod(&mut groups, &pods[0], &spec, Vec::new(), &mut not_judged);
        select(&groups[0]).0["selector"]["matchLabels"].clone()
    };
    let of_config = json!({
        "deployment": "postgresql-2", "deploymentconfig": "postgresql", "name": "postgresql",
    });
    assert_eq!(
        labels_of(("ReplicationController", "postgresql-2"), &of_config),
        json!({"deploymentconfig": "postgresql", "name": "postgresql"})
    );
    let renamed = json!({"app": "db", "release": "db-7"});
    assert_eq!(
        labels_of(("ReplicationController", "db-7"), &renamed),
        json!({"app": "db"})
    );
    let of_rollout = json!({"app": "db", "rollouts-pod-template-hash": "7d4b", "set": "db-7d4b"});
    assert_eq!(
        labels_of(("ReplicaSet", "db-7d4b"), &of_rollout),
        json!({"app": "db"})
    );
    // Names that stay: of other owners, and without a revision.
    let named = json!({"app": "shop", "db": "shop-db"});
    for owner in [("Database", "shop-db"), ("ReplicaSet", "shop-db")] {
        assert_eq!(labels_of(owner, &named), named);
    }
    let alone = json!({"deployment": "production"});
    assert_eq!(labels_of(("Pod", "db"), &alone), alone);
}

#[test]
fn nothing_found_is_no_answer_while_something_could_not_be_judged() {
    let pods = [pod(
        "nothing",
        None,
        &json!({}),
        &json!({"image": "shop/other:3"}),
    )];
    let (reports, not_judged) = reports(&pods, &[], &[]);
    let text = describe_reports(&reports, &not_judged, "in this cluster", "");
    assert!(
        text.starts_with("Nothing in this cluster is known to be a Postgres.\n"),
        "{text}"
    );
    assert!(
        text.contains("It could not be told whether these are a Postgres:"),
        "{text}"
    );
    assert!(text.contains("? nothing in namespace atra"), "{text}");
}
