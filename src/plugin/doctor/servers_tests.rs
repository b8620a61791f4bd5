//! What doctor says of a Postgres that runs twice, from workload objects to words.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::{Value, json};

use super::*;
use crate::api::{ProtectedDatabase, ProtectedDatabaseSpec};
use crate::plugin::doctor::{ClaimFound, build_cover, read_deployment, read_stateful_set};

fn template(name: &str, claim: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {
            "containers": [{
                "name": "db", "image": "postgres:17", "env": [{"name": "POSTGRES_DB", "value": "shop"}],
                "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
    })
}

fn object(kind: &str, name: &str, claim: &str, change: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "atra"},
        "spec": {
            "replicas": 1, "serviceName": name, "selector": {"matchLabels": {"app": name}},
            "template": template(name, claim),
        },
    });
    json_patch::merge(&mut object, &json!({"spec": change}));
    object
}

fn deployment(name: &str, claim: &str, change: &Value) -> WorkloadSeen {
    let object = object("Deployment", name, claim, change);
    read_deployment(&serde_json::from_value(object).unwrap()).unwrap()
}

fn stateful_set(name: &str, claim: &str, change: &Value) -> WorkloadSeen {
    let object = object("StatefulSet", name, claim, change);
    read_stateful_set(&serde_json::from_value(object).unwrap()).unwrap()
}

fn workload(seen: &WorkloadSeen, mode: &str) -> PostgresWorkload {
    let claims = seen.claim_names.iter().map(|name| ClaimFound {
        name: name.clone(),
        volume: None,
        reclaim_policy: None,
        unknown: None,
        access_modes: vec![mode.to_owned()],
        storage: crate::api::VolumeStorage::default(),
    });
    PostgresWorkload {
        claims: claims.collect(),
        servers: seen.servers(),
        kind: seen.kind,
        namespace: seen.namespace.clone(),
        name: seen.name.clone(),
        template: seen.template.clone(),
        claims_deleted_when: Vec::new(),
    }
}

#[test]
fn two_servers_on_one_claim_are_found_and_nothing_else() {
    let recreate = json!({"strategy": {"type": "Recreate"}});
    let scaled = |replicas: i32| json!({"replicas": replicas});
    let own = json!({"replicas": 3, "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "template": {"spec": {"volumes": null}}});
    let of_pod = json!({"replicas": 3, "template": {"spec": {"containers": [{
        "name": "db", "image": "postgres:17",
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data", "subPathExpr": "$(POD)"}],
    }]}}});
    for (seen, mode, words) in vec![
        (
            deployment("db", "data", &json!({})),
            "ReadWriteOnce",
            "patch deployment db --type=merge -p '{\"spec\":{\"strategy\":{\"type\":\"Recreate\"",
        ),
        (
            deployment(
                "db",
                "data",
                &json!({"replicas": 2, "strategy": {"type": "RollingUpdate"}}),
            ),
            "ReadWriteMany",
            "{\"spec\":{\"replicas\":1,\"strategy\"",
        ),
        (
            deployment(
                "db",
                "data",
                &json!({"replicas": 2, "strategy": {"type": "Recreate"}}),
            ),
            "ReadWriteOnce",
            "scale deployment db --replicas=1",
        ),
        (
            stateful_set("db", "data", &scaled(2)),
            "ReadWriteOnce",
            "scale statefulset db --replicas=1",
        ),
        (
            deployment("db", "data", &recreate),
            "ReadWriteOnce",
            "a pod that is deleted or evicted may start while that one still runs",
        ),
        (deployment("db", "data", &recreate), "ReadWriteOncePod", ""),
        (deployment("db", "data", &json!({})), "ReadWriteOncePod", ""),
        (stateful_set("db", "data", &scaled(1)), "ReadWriteOnce", ""),
        (stateful_set("db", "data", &own), "ReadWriteOnce", ""),
        (stateful_set("db", "data", &of_pod), "ReadWriteMany", ""),
    ] {
        let said = judge_servers(&workload(&seen, mode)).unwrap_or_default();
        let is_as_meant = if words.is_empty() {
            said.is_empty()
        } else {
            said.contains(words) && said.contains("ReadWriteOncePod")
        };
        assert!(is_as_meant, "{:?} {mode}: {said}", seen.servers());
    }
}

fn cover(name: &str) -> Cover {
    let spec: ProtectedDatabaseSpec = serde_json::from_value(json!({
        "workload": {"name": name},
        "connection": {"database": "shop", "credentialsSecret": {"name": "auth"}},
    }))
    .unwrap();
    let mut database = ProtectedDatabase::new("shop", spec);
    database.metadata.namespace = Some("atra".to_owned());
    build_cover(&database)
}

fn said(all: &[WorkloadSeen], covers: &[Cover], around: &Neighbourhood) -> String {
    judge_neighbours(&all[0], all, covers, around).join("\n")
}

#[test]
fn a_second_postgres_is_found_by_its_labels_its_database_or_its_service() {
    let none = Neighbourhood::default();
    let mut split = Neighbourhood::default();
    let service = |port: &str| {
        serde_json::from_value(json!({
            "metadata": {"name": "db", "namespace": "atra"},
            "spec": {"selector": {"tier": "data"}, "ports": [{"port": 80, "targetPort": port}]},
        }))
        .unwrap()
    };
    split.keep_service(&service("postgres"));
    let tier =
        |app: &str| json!({"template": {"metadata": {"labels": {"app": app, "tier": "data"}}}});
    let old = || stateful_set("old", "old-data", &tier("old"));
    let new = || stateful_set("new", "new-data", &tier("new"));
    assert_eq!(
        said(&[old(), new()], &[], &none),
        "",
        "two databases, for all that is known"
    );
    let same = stateful_set("new", "new-data", &tier("old"));
    let said_of_same = said(&[old(), same], &[], &none);
    assert!(
        said_of_same.contains("StatefulSet new has the same labels"),
        "{said_of_same}"
    );
    let by_database = said(&[old(), new()], &[cover("old")], &none);
    assert!(
        by_database.contains("StatefulSet new has the same database"),
        "{by_database}"
    );
    assert_eq!(
        said(&[old(), new()], &[cover("old"), cover("new")], &none),
        ""
    );
    let by_service = said(&[old(), new()], &[], &split);
    assert!(
        by_service.contains("Service db leads to it and to StatefulSet new"),
        "{by_service}"
    );
    let stopped = stateful_set("new", "new-data", &json!({"replicas": 0}));
    assert_eq!(said(&[old(), stopped], &[cover("old")], &split), "");
    let on_one = said(
        &[old(), stateful_set("new", "old-data", &tier("new"))],
        &[],
        &none,
    );
    assert!(
        on_one.contains("has its data on claim old-data too"),
        "{on_one}"
    );
}

/// Neither is selected: the addresses of one or both stand in a slice that somebody has written.
#[test]
fn a_service_that_leads_to_two_servers_by_addresses_is_found() {
    let all = [
        stateful_set("old", "old-data", &json!({})),
        stateful_set("new", "new-data", &json!({})),
    ];
    let service = |selector: &Value| {
        json!({
            "metadata": {"name": "db", "namespace": "atra"},
            "spec": {"selector": selector, "ports": [{"port": 5432}]},
        })
    };
    let slice = |namespace: &str, keeper: &str, addresses: &[&str]| {
        json!({
            "metadata": {"name": "db-1", "namespace": namespace, "labels": {
                "kubernetes.io/service-name": "db", "endpointslice.kubernetes.io/managed-by": keeper,
            }},
            "addressType": "IPv4", "endpoints": [{"addresses": addresses}],
        })
    };
    let pod = |workload: &str, address: &str, phase: &str| {
        let mut pod = json!({
            "metadata": {"name": format!("{workload}-0"), "namespace": "atra", "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "StatefulSet", "name": workload, "uid": "u-1",
                "controller": true,
            }]},
            "spec": {"nodeName": "node", "containers": [{"name": "db"}]},
            "status": {"phase": phase, "podIP": address, "podIPs": [{"ip": address}]},
        });
        pod["metadata"]["labels"] = json!({"app": workload});
        serde_json::from_value::<Pod>(pod).unwrap()
    };
    let selecting = "endpointslice-controller.k8s.io";
    for (what, selector, slices, phase, is_found) in [
        (
            "by hand",
            json!(null),
            vec![slice("atra", "me", &["10.0.0.7", "10.0.0.8"])],
            "Running",
            true,
        ),
        (
            "two slices",
            json!(null),
            vec![
                slice("atra", "me", &["10.0.0.7"]),
                slice("atra", "me", &["10.0.0.8"]),
            ],
            "Running",
            true,
        ),
        (
            "beside a selector",
            json!({"app": "old"}),
            vec![slice("atra", "me", &["10.0.0.8"])],
            "Running",
            true,
        ),
        (
            "one of them",
            json!(null),
            vec![slice("atra", "me", &["10.0.0.7"])],
            "Running",
            false,
        ),
        (
            "left by the controller",
            json!({"app": "old"}),
            vec![slice("atra", selecting, &["10.0.0.8"])],
            "Running",
            false,
        ),
        (
            "another namespace",
            json!(null),
            vec![slice("shop", "me", &["10.0.0.7", "10.0.0.8"])],
            "Running",
            false,
        ),
        (
            "a pod that has ended",
            json!(null),
            vec![slice("atra", "me", &["10.0.0.7", "10.0.0.8"])],
            "Failed",
            false,
        ),
    ] {
        let mut around = Neighbourhood::default();
        around.keep_service(&serde_json::from_value(service(&selector)).unwrap());
        for slice in slices {
            around.keep_slice(&serde_json::from_value(slice).unwrap());
        }
        around.keep_pod(&pod("old", "10.0.0.7", "Running"), &all);
        around.keep_pod(&pod("new", "10.0.0.8", phase), &all);
        let said = said(&all, &[], &around);
        let words = "Service db leads to it and to StatefulSet new";
        assert_eq!(said.contains(words), is_found, "{what}: {said}");
    }
}

#[test]
fn two_pods_on_the_claim_of_a_postgres_are_found() {
    let pod = |name: &str, change: &Value| {
        let mut pod = json!({
            "metadata": {"name": name, "namespace": "atra"},
            "spec": template("db", "data")["spec"].clone(), "status": {"phase": "Running"},
        });
        pod["spec"]["nodeName"] = "node".into();
        json_patch::merge(&mut pod, change);
        serde_json::from_value::<Pod>(pod).unwrap()
    };
    let read_only = json!({"spec": {"volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": true}},
    ]}});
    let db = [stateful_set("db", "data", &json!({}))];
    for (second, words) in [
        (
            pod("debug", &json!({})),
            "pods db-0 and debug have claim data at once",
        ),
        (pod("debug", &json!({"status": {"phase": "Succeeded"}})), ""),
        (pod("debug", &json!({"spec": {"nodeName": null}})), ""),
        (
            pod("debug", &json!({"metadata": {"namespace": "other"}})),
            "",
        ),
        (pod("debug", &read_only), ""),
    ] {
        let mut around = Neighbourhood::default();
        around.keep_pod(&pod("db-0", &json!({})), &db);
        around.keep_pod(&second, &db);
        let said = said(&db, &[], &around);
        assert!(
            if words.is_empty() {
                said.is_empty()
            } else {
                said.contains(words)
            },
            "{second:?}: {said}"
        );
    }
}
