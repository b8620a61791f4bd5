//! Pods without a StatefulSet, as CloudNativePG runs them: two instances that a Cluster owns, each with
//! a claim of its own, and a label that says which one is the primary. The definition of Cluster is made
//! here; its operator is not there.

use holdfast::api::{
    ConditionStatus, ConditionType, DatabaseCheck, ProtectedDatabase, ProtectedDatabaseSpec,
    reasons,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::support::{
    NAME, Scene, Server, assert_kept, assert_tells, beside_others, build_claim,
    build_plain_database, holdfast, volume_of,
};

const ROLE: &str = "cnpg.io/instanceRole";
const FIRST: &str = "knowledge-1";
const SECOND: &str = "knowledge-2";

#[test]
fn bare_pods_are_guarded_through_failover_and_the_end_of_their_owner() {
    beside_others("bare-pods", async |scene| {
        let server = Server::new(scene).as_superuser();
        let owners = make_owner(scene);
        start_two(scene, &server, &owners).await;

        let doctor = holdfast(scene, &format!("doctor -n {}", scene.namespace()));
        assert_eq!(doctor.code, Some(3), "{}", doctor.printed);
        let selected = [
            "Cluster knowledge",
            "UNPROTECTED",
            "matchLabels",
            "cnpg.io/cluster: knowledge",
        ];
        assert_tells(&doctor.printed, &selected);

        scene.protect(&database(scene, &server)).await;
        scene.wait_green().await;
        for claim in [FIRST, SECOND] {
            let volume = volume_of(scene, claim).await.name_any();
            assert_kept(scene, &volume).await;
            let refusal = scene.refused(&format!("delete pvc {claim} --wait=false"));
            assert_tells(
                &refusal,
                &["Holdfast refuses to delete PersistentVolumeClaim"],
            );
        }

        // The primary is lost, and the replica is promoted: another claim, another volume, no alarm.
        scene.kubectl(&format!("delete pod {FIRST} --force --grace-period=0"));
        scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::PRIMARY_NOT_KNOWN,
            )
            .await;
        query(scene, SECOND, "SELECT pg_promote()");
        scene.kubectl(&format!("label pod {SECOND} --overwrite {ROLE}=primary"));
        scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::True,
                reasons::VERIFIED,
            )
            .await;
        let reset = scene.condition(ConditionType::DataReset).await;
        assert_eq!(reset.status, "False", "{reset:?}");

        // Its owner goes, and the garbage collector takes what it may.
        scene.kubectl("delete clusters.postgresql.cnpg.io knowledge --wait=false");
        scene
            .wait("the pods to be collected", async || {
                let pods = scene.list::<Pod>().await;
                let mut left = pods.iter().filter(|pod| pod.name_any() == SECOND);
                left.next().map_or(Ok(()), |pod| Err(pod.name_any()))
            })
            .await;
        let told = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::True,
                reasons::OWNER_GONE,
            )
            .await;
        assert_tells(
            &told.message,
            &[FIRST, SECOND, "Cluster knowledge, is gone"],
        );
        for claim in [FIRST, SECOND] {
            let found = scene.get::<PersistentVolumeClaim>(claim).await;
            assert_eq!(found.metadata.deletion_timestamp, None, "{claim}");
            let volume = volume_of(scene, claim).await.name_any();
            assert_kept(scene, &volume).await;
        }
        let data = scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::NO_RUNNING_POD,
            )
            .await;
        assert_tells(&data.message, &["refused, however long it tries"]);

        // A Cluster of the same name is another one, until it is given the claims.
        let owners = apply_owner(scene);
        let told = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::True,
                reasons::OWNER_REPLACED,
            )
            .await;
        let uid = owners[0]["uid"].as_str().unwrap_or_default();
        assert_tells(
            &told.message,
            &[
                "another one of that name was created since",
                "\"op\":\"replace\",\"path\":\"/metadata/ownerReferences/0/uid\"",
                uid,
            ],
        );
        let patch =
            json!([{"op": "replace", "path": "/metadata/ownerReferences/0/uid", "value": uid}]);
        for claim in [FIRST, SECOND] {
            scene.kubectl(&format!("patch pvc {claim} --type=json -p {patch}"));
        }
        scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::True,
                reasons::GUARDED,
            )
            .await;
    });
}

/// After a failover the Service of the host still leads to the old primary: what that one has says
/// nothing of the new one.
#[test]
fn a_host_that_leads_to_another_instance_verifies_nothing_of_this_one() {
    beside_others("bare-host", async |scene| {
        let server = Server::new(scene).as_superuser();
        let owners = make_owner(scene);
        start_two(scene, &server, &owners).await;
        scene.kubectl(&format!("label pod {FIRST} answers=yes"));
        scene.apply(&[json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "knowledge-rw", "namespace": scene.namespace()},
            "spec": {"selector": {"answers": "yes"}, "ports": [{"port": 5432}]},
        })]);
        let mut behind_host = database(scene, &server);
        behind_host.spec.connection.host = Some("knowledge-rw".to_owned());
        scene.protect(&behind_host).await;
        scene.wait_green().await;
        assert_of_second(scene, |outcome| outcome != "Verified").await;

        // The label moves first. The host would verify it.
        scene.kubectl(&format!("label pod {FIRST} --overwrite {ROLE}=replica"));
        scene.kubectl(&format!("label pod {SECOND} --overwrite {ROLE}=primary"));
        scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::IN_RECOVERY,
            )
            .await;
        assert_of_second(scene, |outcome| outcome != "Verified").await;
    });
}

/// Makes sure that each check of the second instance has such an outcome.
async fn assert_of_second(scene: &Scene, is_right: impl Fn(&str) -> bool) {
    let checks = scene.list::<DatabaseCheck>().await;
    for check in checks {
        let target = check.spec.target.clone().unwrap_or_default();
        let verdict = check
            .status
            .as_ref()
            .and_then(|status| status.verdict.as_ref());
        let Some(verdict) = verdict.filter(|_| target.pod == SECOND) else {
            continue;
        };
        let outcome = format!("{:?}", verdict.outcome);
        assert!(is_right(&outcome), "{check:?}");
    }
}

#[test]
fn a_workload_is_a_name_or_labels_and_never_both() {
    beside_others("bare-spec", async |scene| {
        let server = Server::new(scene);
        let cluster = json!({"matchLabels": {"cnpg.io/cluster": "knowledge"}});
        for (workload, said) in [
            (json!({"name": "pg", "selector": cluster}), "either name"),
            (json!({}), "either name"),
            (
                json!({"kind": "StatefulSet", "selector": cluster}),
                "kind belongs to name",
            ),
            (
                json!({"name": "pg", "primary": cluster}),
                "primary to selector",
            ),
            (
                json!({
                    "selector": cluster,
                    "primary": {"matchLabels": {"cnpg.io/cluster": "shop"}},
                }),
                "spec.workload.primary.matchLabels has a label of spec.workload.selector",
            ),
            (json!({"selector": {"matchLabels": {}}}), "at least 1"),
            (json!({"selector": {}}), "matchLabels"),
            (
                json!({"selector": {"matchLabels": {"app": "a b"}}}),
                "matchLabels",
            ),
        ] {
            let mut manifest = json!(build_plain_database(scene, &server));
            manifest["spec"]["workload"] = workload.clone();
            let file = crate::support::write_file(&manifest.to_string());
            let path = file.path().display();
            let refusal = scene.refused(&format!("create --dry-run=server -f {path}"));
            assert!(refusal.contains(said), "{workload}: {refusal}");
        }
    });
}

fn database(scene: &Scene, server: &Server) -> ProtectedDatabase {
    let mut spec = json!(build_plain_database(scene, server).spec);
    spec["workload"] = json!({
        "selector": {"matchLabels": {"cnpg.io/cluster": "knowledge"}},
        "primary": {"matchLabels": {ROLE: "primary"}}, "container": "postgres",
    });
    let spec: ProtectedDatabaseSpec = serde_json::from_value(spec).expect("a spec");
    let mut database = ProtectedDatabase::new(NAME, spec);
    database.metadata.namespace = Some(scene.namespace().to_owned());
    database
}

/// The Cluster, and the reference to it that its pods and claims have.
fn make_owner(scene: &Scene) -> Value {
    scene.apply(&[json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "clusters.postgresql.cnpg.io"},
        "spec": {
            "group": "postgresql.cnpg.io", "scope": "Namespaced",
            "names": {"kind": "Cluster", "plural": "clusters", "singular": "cluster"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })]);
    scene.kubectl("wait crd/clusters.postgresql.cnpg.io --for=condition=Established --timeout=60s");
    apply_owner(scene)
}

/// Creates the Cluster.
fn apply_owner(scene: &Scene) -> Value {
    scene.apply(&[json!({
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster",
        "metadata": {"name": "knowledge", "namespace": scene.namespace()},
    })]);
    let uid =
        scene.kubectl("get clusters.postgresql.cnpg.io knowledge -o jsonpath={.metadata.uid}");
    json!([{
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "knowledge", "uid": uid.trim(),
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// Starts the primary with data, and a replica that follows it.
async fn start_two(scene: &Scene, server: &Server, owners: &Value) {
    let mut manifests = server.build_manifests();
    let set = manifests.pop().expect("the StatefulSet");
    // Of the sample only its Secrets and its seed are of use.
    manifests.retain(|manifest| {
        manifest["kind"] != "PersistentVolumeClaim" && manifest["kind"] != "Service"
    });
    for name in [FIRST, SECOND] {
        let mut claim = build_claim(scene.namespace(), name);
        claim["metadata"]["ownerReferences"] = owners.clone();
        manifests.push(claim);
    }
    manifests.push(instance(scene, &set, owners, (FIRST, "primary"), None));
    scene.apply(&manifests);
    scene
        .wait_kubectl(&format!(
            "wait pod/{FIRST} --for=condition=Ready --timeout=1s"
        ))
        .await;
    scene
        .wait("an answer of the primary", async || {
            let testbed = scene.testbed;
            testbed
                .sql(
                    scene.namespace(),
                    FIRST,
                    "knowledge_os",
                    "SELECT count(*) FROM experts",
                )
                .map_err(|error| format!("{error:#}"))
        })
        .await;
    query(
        scene,
        FIRST,
        "INSERT INTO experts SELECT n, 'expert ' || n FROM generate_series(2, 85) n",
    );
    let allow = "echo 'host replication all all scram-sha-256' >> $PGDATA/pg_hba.conf; \
        psql -X -U $POSTGRES_USER -d postgres -c 'SELECT pg_reload_conf()'";
    scene
        .testbed
        .exec(scene.namespace(), FIRST, "postgres", &["bash", "-c", allow])
        .unwrap_or_else(|error| panic!("{error:#}"));
    let address = scene.kubectl(&format!("get pod {FIRST} -o jsonpath={{.status.podIP}}"));
    let follower = instance(
        scene,
        &set,
        owners,
        (SECOND, "replica"),
        Some(address.trim()),
    );
    scene.apply(&[follower]);
    scene
        .wait("the replica to follow", async || {
            let recovery = "SELECT pg_is_in_recovery()";
            let testbed = scene.testbed;
            match testbed.sql(scene.namespace(), SECOND, "knowledge_os", recovery) {
                Ok(answer) if answer.trim() == "t" => Ok(()),
                Ok(answer) => Err(answer),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await;
}

/// A pod of the sample's template on its own claim; with an address, a replica of the server there.
fn instance(
    scene: &Scene,
    set: &Value,
    owners: &Value,
    (name, role): (&str, &str),
    primary: Option<&str>,
) -> Value {
    let mut spec = set["spec"]["template"]["spec"].clone();
    spec["volumes"] = json!([
        spec["volumes"][0],
        {"name": "data", "persistentVolumeClaim": {"claimName": name}},
    ]);
    if let Some(primary) = primary {
        let follow = format!(
            "[ -s \"$PGDATA/PG_VERSION\" ] || PGPASSWORD=\"$POSTGRES_PASSWORD\" pg_basebackup -h {primary} \
             -U \"$POSTGRES_USER\" -D \"$PGDATA\" -R -c fast --no-sync && exec postgres -c fsync=off"
        );
        spec["containers"][0]["command"] = json!(["bash", "-c", follow]);
        spec["containers"][0]["args"] = json!([]);
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": scene.namespace(), "ownerReferences": owners,
            "labels": {"cnpg.io/cluster": "knowledge", ROLE: role},
        },
        "spec": spec,
    })
}

fn query(scene: &Scene, pod: &str, statement: &str) -> String {
    let testbed = scene.testbed;
    testbed
        .sql(scene.namespace(), pod, "knowledge_os", statement)
        .unwrap_or_else(|error| panic!("{error:#}"))
}
