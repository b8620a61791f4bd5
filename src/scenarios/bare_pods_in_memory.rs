//! Two instances that a Cluster owns, in a cluster in memory: they are guarded, their label moves, the
//! owner is deleted, and garbage collection wants their claims for days.

use serde_json::{Value, json};

use super::cluster::{Cluster, DATA_VOLUME, REPLICA_VOLUME, volume};
use crate::api::names;

const UID: &str = "u-cluster";

async fn operate(cluster: &Cluster) {
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
}

fn owners() -> Value {
    json!([{
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "knowledge", "uid": UID,
        "controller": true, "blockOwnerDeletion": true,
    }])
}

fn address(name: &str) -> String {
    format!("10.0.0.{}", name.rsplit('-').next().unwrap_or_default())
}

fn instance(name: &str, claim: &str, role: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "atra", "ownerReferences": owners(),
            "labels": {"cnpg.io/cluster": "knowledge", "cnpg.io/instanceRole": role},
        },
        "spec": {
            "containers": [{
                "name": "postgres", "image": "ghcr.io/cloudnative-pg/postgresql:17",
                "env": [{"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"}],
                "volumeMounts": [{"name": "pgdata", "mountPath": "/var/lib/postgresql/data"}],
            }],
            "volumes": [{"name": "pgdata", "persistentVolumeClaim": {"claimName": claim}}],
        },
        "status": {
            "phase": "Running", "podIP": address(name), "podIPs": [{"ip": address(name)}],
            "containerStatuses": [{
                "name": "postgres", "containerID": format!("containerd://{name}"), "image": "i",
                "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": jiff::Timestamp::now().to_string()}},
            }],
        },
    })
}

fn claim(name: &str, volume: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "atra", "ownerReferences": owners()},
        "spec": {
            "storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "volumeName": volume,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    })
}

/// In place of the StatefulSet of the sample.
fn bare() -> Cluster {
    let cluster = Cluster::new();
    for (plural, namespace, name) in [
        ("statefulsets", "atra", "pg"),
        ("pods", "atra", "pg-0"),
        ("persistentvolumeclaims", "atra", "data"),
        ("persistentvolumes", "", DATA_VOLUME),
    ] {
        remove(&cluster, plural, namespace, name);
    }
    let owner = json!({"metadata": {"name": "knowledge", "namespace": "atra"}});
    cluster.create("clusters", "atra", owner);
    let uid = json!({"metadata": {"uid": UID}});
    cluster.change("clusters", "atra", "knowledge", &uid);
    for (name, volume_name, role) in [
        ("knowledge-1", DATA_VOLUME, "primary"),
        ("knowledge-2", REPLICA_VOLUME, "replica"),
    ] {
        cluster.create("persistentvolumes", "", volume(volume_name, name));
        cluster.create("persistentvolumeclaims", "atra", claim(name, volume_name));
        cluster.create("pods", "atra", instance(name, name, role));
    }
    let selected = json!({"spec": {"workload": {
        "kind": null, "name": null,
        "selector": {"matchLabels": {"cnpg.io/cluster": "knowledge"}},
        "primary": {"matchLabels": {"cnpg.io/instanceRole": "primary"}}, "container": "postgres",
    }}});
    cluster.change("protecteddatabases", "atra", "knowledge", &selected);
    cluster
}

fn remove(cluster: &Cluster, plural: &str, namespace: &str, name: &str) {
    let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
    cluster.server.store().remove(&key);
}

fn said(cluster: &Cluster, condition: &str) -> (String, String) {
    cluster.condition(condition).unwrap_or_default()
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

/// What the garbage collector asks for when the owner of an object is gone.
async fn collect(cluster: &Cluster) -> Vec<String> {
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    let client = cluster.server.client(None);
    let claims = kube::Api::<PersistentVolumeClaim>::namespaced(client, "atra");
    let mut refusals = Vec::new();
    for name in ["knowledge-1", "knowledge-2"] {
        let answer = claims
            .delete(name, &kube::api::DeleteParams::background())
            .await;
        refusals.extend(answer.err().map(|error| error.to_string()));
    }
    refusals
}

fn move_label(cluster: &Cluster) {
    // The replica was checked an hour ago: a check is not repeated within seconds.
    let earlier = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let earlier = earlier.to_string();
    let mut store = cluster.server.store();
    for (key, check) in store.all("databasechecks") {
        if check["status"]["evidence"]["identity"]["inRecovery"] == true {
            store.update(&key, |check| {
                check["metadata"]["creationTimestamp"] = earlier.clone().into();
                check["status"]["completionTime"] = earlier.clone().into();
            });
        }
    }
    drop(store);
    for (name, role) in [("knowledge-1", "replica"), ("knowledge-2", "primary")] {
        let labelled = json!({"metadata": {"labels": {"cnpg.io/instanceRole": role}}});
        cluster.change("pods", "atra", name, &labelled);
    }
}

/// A sidecar and an init container may be all that mounts a claim.
#[tokio::test]
async fn a_claim_that_only_a_sidecar_or_an_init_container_mounts_is_guarded_too() {
    let cluster = bare();
    let mut pod = cluster.get("pods", "atra", "knowledge-1");
    let mounts = |name: &str| json!([{"name": name, "mountPath": "/wal"}]);
    let volumes = pod["spec"]["volumes"].as_array_mut().expect("volumes");
    for name in ["wal", "seed"] {
        let volume_name = format!("volume-of-{name}");
        cluster.create("persistentvolumes", "", volume(&volume_name, name));
        cluster.create("persistentvolumeclaims", "atra", claim(name, &volume_name));
        volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
    }
    pod["spec"]["initContainers"] = json!([
        {"name": "archiver", "image": "a", "restartPolicy": "Always", "volumeMounts": mounts("wal")},
        {"name": "seed", "image": "s", "volumeMounts": mounts("seed")},
    ]);
    cluster.change("pods", "atra", "knowledge-1", &json!({"spec": pod["spec"]}));
    operate(&cluster).await;
    assert_eq!(said(&cluster, "Guarded"), is("True", "Guarded"));
    for name in ["wal", "seed"] {
        let claim = cluster.get("persistentvolumeclaims", "atra", name);
        assert_eq!(
            claim["metadata"]["labels"][names::PROTECTED_LABEL],
            "true",
            "{claim}"
        );
        let kept = cluster.get("persistentvolumes", "", &format!("volume-of-{name}"));
        assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    }
}

#[tokio::test]
async fn each_instance_is_guarded_and_no_pod_is_written_to() {
    let cluster = bare();
    let pod = cluster.get("pods", "atra", "knowledge-1");
    operate(&cluster).await;
    assert_eq!(said(&cluster, "Guarded"), is("True", "Guarded"));
    assert_eq!(said(&cluster, "DataVerified"), is("True", "Verified"));
    for name in [DATA_VOLUME, REPLICA_VOLUME] {
        let volume = cluster.get("persistentvolumes", "", name);
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    }
    for name in ["knowledge-1", "knowledge-2"] {
        let claim = cluster.get("persistentvolumeclaims", "atra", name);
        assert_eq!(
            claim["metadata"]["labels"]["holdfast.dev/protected"],
            "true"
        );
    }
    assert_eq!(cluster.get("pods", "atra", "knowledge-1"), pod);
}

#[tokio::test]
async fn the_label_moves_to_a_replica_with_another_volume_and_nothing_is_alarmed() {
    let cluster = bare();
    operate(&cluster).await;
    move_label(&cluster);
    operate(&cluster).await;
    assert_eq!(said(&cluster, "DataVerified"), is("True", "Verified"));
    assert_eq!(said(&cluster, "DataReset").0, "False");
}

#[tokio::test]
async fn the_label_moves_to_an_emptied_volume_and_that_is_a_reset() {
    let cluster = bare();
    operate(&cluster).await;
    // The second instance was recreated on an empty volume before.
    for (plural, name) in [
        ("pods", "knowledge-2"),
        ("persistentvolumeclaims", "knowledge-2"),
    ] {
        remove(&cluster, plural, "atra", name);
    }
    cluster.create("persistentvolumes", "", volume("pv-empty", "knowledge-2"));
    let emptied = claim("knowledge-2", "pv-empty");
    cluster.create("persistentvolumeclaims", "atra", emptied);
    let mut pod = instance("knowledge-2", "knowledge-2", "primary");
    pod["status"]["containerStatuses"][0]["containerID"] = "containerd://again".into();
    cluster.create("pods", "atra", pod);
    let labelled = json!({"metadata": {"labels": {"cnpg.io/instanceRole": "replica"}}});
    cluster.change("pods", "atra", "knowledge-1", &labelled);
    operate(&cluster).await;
    assert_eq!(said(&cluster, "DataVerified").0, "False");
    assert_eq!(said(&cluster, "DataReset").0, "True");
    assert!(cluster.keeps_data());
}

#[tokio::test]
async fn the_owner_is_deleted_and_garbage_collection_is_refused_for_days() {
    let cluster = bare();
    operate(&cluster).await;
    remove(&cluster, "clusters", "atra", "knowledge");
    for name in ["knowledge-1", "knowledge-2"] {
        remove(&cluster, "pods", "atra", name);
    }
    for _ in 0..3 {
        let refusals = collect(&cluster).await;
        assert_eq!(refusals.len(), 2, "{refusals:?}");
        operate(&cluster).await;
    }
    assert_eq!(said(&cluster, "Guarded"), is("True", "OwnerGone"));
    assert_eq!(
        said(&cluster, "DataVerified"),
        is("Unknown", "NoRunningPod")
    );
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    let text = database["status"]["conditions"].to_string();
    assert!(text.contains("Cluster knowledge, is gone"), "{text}");
    for name in ["knowledge-1", "knowledge-2"] {
        let claim = cluster.get("persistentvolumeclaims", "atra", name);
        assert!(claim["metadata"]["deletionTimestamp"].is_null(), "{claim}");
    }
    assert!(cluster.keeps_data());

    // An owner of the same name is another one: it owns nothing yet.
    let again = json!({"metadata": {"name": "knowledge", "namespace": "atra"}});
    cluster.create("clusters", "atra", again);
    operate(&cluster).await;
    assert_eq!(said(&cluster, "Guarded"), is("True", "OwnerReplaced"));
    let uid = cluster.get("clusters", "atra", "knowledge")["metadata"]["uid"].clone();
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    let text = database["status"]["conditions"].to_string();
    let command = format!(
        "/metadata/ownerReferences/0/uid\\\\\",\\\\\"value\\\\\":\\\\\"{}",
        uid.as_str().unwrap_or_default()
    );
    let plain = |text: &str| text.replace('\\', "");
    assert!(plain(&text).contains(&plain(&command)), "{text}");
}

/// The host of the connection is a Service that still leads to the old primary.
#[tokio::test]
async fn a_host_that_leads_to_another_pod_verifies_nothing_of_this_one() {
    for is_emptied in [false, true] {
        let cluster = bare();
        let pinned = json!({"metadata": {"labels": {"answers": "yes"}}});
        cluster.change("pods", "atra", "knowledge-1", &pinned);
        let service = json!({
            "metadata": {"name": "knowledge-rw", "namespace": "atra"},
            "spec": {"selector": {"answers": "yes"}, "ports": [{"port": 5432}]},
        });
        cluster.create("services", "atra", service);
        let host = json!({"spec": {"connection": {"host": "knowledge-rw"}}});
        cluster.change("protecteddatabases", "atra", "knowledge", &host);
        operate(&cluster).await;
        assert_eq!(said(&cluster, "DataVerified"), is("True", "Verified"));
        // Nobody asked the replica at the host, which leads to the primary.
        let checks = cluster.server.store().all("databasechecks");
        let of_replica = checks
            .iter()
            .filter(|(_, check)| check["spec"]["target"]["pod"] == "knowledge-2");
        for (_, check) in of_replica {
            assert_ne!(check["status"]["verdict"]["outcome"], "Verified", "{check}");
        }
        if is_emptied {
            empty_second(&cluster);
        }
        move_label(&cluster);
        operate(&cluster).await;
        let (status, reason) = said(&cluster, "DataVerified");
        if is_emptied {
            assert_eq!(status, "False", "{reason}");
            assert_eq!(said(&cluster, "DataReset").0, "True");
        } else {
            assert_eq!((status.as_str(), reason.as_str()), ("True", "Verified"));
            assert_eq!(said(&cluster, "DataReset").0, "False");
        }
    }
}

/// The second instance was recreated on an empty volume.
fn empty_second(cluster: &Cluster) {
    for plural in ["pods", "persistentvolumeclaims"] {
        remove(cluster, plural, "atra", "knowledge-2");
    }
    cluster.create("persistentvolumes", "", volume("pv-empty", "knowledge-2"));
    let emptied = claim("knowledge-2", "pv-empty");
    cluster.create("persistentvolumeclaims", "atra", emptied);
    let mut pod = instance("knowledge-2", "knowledge-2", "replica");
    pod["status"]["containerStatuses"][0]["containerID"] = "containerd://again".into();
    cluster.create("pods", "atra", pod);
}

/// While a Cluster is hibernated its pooler runs on, with the labels of the Cluster.
#[tokio::test]
async fn a_pooler_that_outlives_the_instances_is_no_instance() {
    for named in [json!("postgres"), Value::Null] {
        let cluster = bare();
        let container = json!({"spec": {"workload": {"container": named}}});
        cluster.change("protecteddatabases", "atra", "knowledge", &container);
        let mut pooler = instance("knowledge-pooler-1", "none", "none");
        pooler["metadata"]["labels"] =
            json!({"cnpg.io/cluster": "knowledge", "cnpg.io/podRole": "pooler"});
        pooler["spec"] = json!({"containers": [
            {"name": "pgbouncer", "image": "ghcr.io/cloudnative-pg/pgbouncer:1.24"},
        ]});
        pooler["status"]["containerStatuses"][0]["name"] = "pgbouncer".into();
        cluster.create("pods", "atra", pooler);
        operate(&cluster).await;
        assert_eq!(said(&cluster, "DataVerified"), is("True", "Verified"));
        for name in ["knowledge-1", "knowledge-2"] {
            remove(&cluster, "pods", "atra", name);
        }
        operate(&cluster).await;
        assert_eq!(said(&cluster, "Guarded"), is("True", "Guarded"), "{named}");
        assert_eq!(said(&cluster, "Stalled").0, "False", "{named}");
        assert_eq!(
            said(&cluster, "DataVerified"),
            is("Unknown", "NoRunningPod")
        );
    }
}

/// An older CloudNativePG deletes and recreates the pod of an instance that it can't remove.
#[tokio::test]
async fn an_instance_that_is_recreated_in_a_loop_makes_no_loop_of_checks() {
    let cluster = bare();
    operate(&cluster).await;
    for number in 0..20 {
        remove(&cluster, "pods", "atra", "knowledge-2");
        let mut pod = instance("knowledge-2", "knowledge-2", "replica");
        pod["status"]["containerStatuses"][0]["containerID"] =
            format!("containerd://{number}").into();
        cluster.create("pods", "atra", pod);
        operate(&cluster).await;
        assert_eq!(said(&cluster, "DataVerified"), is("True", "Verified"));
    }
    let checks = cluster.server.store().all("databasechecks");
    let of_instance = checks
        .iter()
        .filter(|(_, check)| check["spec"]["target"]["pod"] == "knowledge-2");
    assert!(of_instance.count() <= 4, "{checks:?}");
    // The primary is checked at once, whatever it did before.
    for number in 20..26 {
        remove(&cluster, "pods", "atra", "knowledge-1");
        let mut pod = instance("knowledge-1", "knowledge-1", "primary");
        let container = format!("containerd://{number}");
        pod["status"]["containerStatuses"][0]["containerID"] = container.clone().into();
        cluster.create("pods", "atra", pod);
        operate(&cluster).await;
        let checks = cluster.server.store().all("databasechecks");
        let mut targets = checks
            .iter()
            .map(|(_, check)| &check["spec"]["target"]["containerId"]);
        assert!(targets.any(|found| *found == container.as_str()));
    }
}

#[tokio::test]
async fn a_restore_waits_until_the_owner_has_stopped_its_pods() {
    let cluster = bare();
    operate(&cluster).await;
    let gone = json!({"metadata": {"deletionTimestamp": jiff::Timestamp::now().to_string()}});
    cluster.change("persistentvolumeclaims", "atra", "knowledge-1", &gone);
    cluster.ask_for(DATA_VOLUME);
    operate(&cluster).await;
    let restore = cluster.get("databaserestores", "atra", "back");
    assert_eq!(restore["status"]["state"], "Blocked", "{restore}");
    let message = restore["status"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("cnpg.io/hibernation=on"), "{message}");
    assert!(cluster.keeps_data());
}
