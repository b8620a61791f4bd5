//! Operators that own the StatefulSet: one that compares annotations, as Zalando's does, and replaces
//! the set by a delete with orphan propagation. And a workload that is not named any more.

use holdfast::api::{ConditionStatus, ConditionType, names};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::support::{
    ALL_ROWS, Scene, Server, assert_ran, assert_tells, beside_others, holdfast, names_of,
    volume_of, write_file,
};

#[test]
fn a_set_that_its_operator_replaces_is_taken_over_without_a_check() {
    beside_others("neighbour-set", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let compared = json!({"spec-hash": "a1"});
        write(scene, &server, &compared);
        scene.settle().await;
        let set = scene.get::<StatefulSet>(&server.name).await;
        assert_eq!(owners_of(&set), compared, "exactly what its operator wrote");
        assert_eq!(set.labels()[names::CLAIMS_GUARDED_LABEL], "true");
        let checks = names_of(&scene.checks().await);

        // Its operator finds a difference and replaces it: the pods stay.
        for cascade in ["foreground", "background"] {
            let words = format!("delete statefulset {} --cascade={cascade}", server.name);
            assert_tells(
                &scene.refused(&words),
                &["Holdfast refuses to delete StatefulSet"],
            );
        }
        let warned = scene.warned(&format!(
            "delete statefulset {} --cascade=orphan",
            server.name
        ));
        assert_tells(
            &warned,
            &["Holdfast warns", "Create it again under the same name"],
        );
        let other = json!({"spec-hash": "b2"});
        scene.apply(&set_with(&server, &other));
        wait_labelled(scene, &server).await;
        scene.settle().await;
        scene.wait_green().await;
        let set = scene.get::<StatefulSet>(&server.name).await;
        assert_eq!(owners_of(&set), other);
        assert_eq!(server.wait_ready(scene, None).await, start);
        assert_eq!(names_of(&scene.checks().await), checks, "no new check");
        let reset = scene.condition(ConditionType::DataReset).await;
        assert_eq!(reset.status, ConditionStatus::False.as_str());
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

/// What AWX does at an upgrade: it scales the set to 0, deletes it with whatever belongs to it, and creates
/// another.
#[test]
fn a_set_without_pods_goes_and_the_new_one_has_the_data() {
    beside_others("neighbour-none", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let delete = format!("delete statefulset {} --cascade=background", server.name);
        assert_tells(
            &scene.refused(&delete),
            &["Holdfast refuses to delete StatefulSet"],
        );
        server.scale(scene, 0);
        scene
            .wait("the set to have no pods", async || {
                let set = scene.get::<StatefulSet>(&server.name).await;
                match set.status.map(|status| status.replicas) {
                    Some(0) => Ok(()),
                    found => Err(format!("{found:?}")),
                }
            })
            .await;
        let warned = scene.warned(&delete);
        assert_tells(
            &warned,
            &["Holdfast warns", "has no pods", "Its claims stay"],
        );
        assert_claim_stays(scene, &server).await;
        assert_taken_over(scene, &server).await;
    });
}

/// What kubegres does at a failover: it deletes the set of the old primary, does not ask whether that was
/// done, and promotes another. Refused, there would be two primaries.
#[test]
fn a_set_that_its_operator_deletes_goes_with_its_pods_and_its_claims_stay() {
    beside_others("neighbour-failover", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let (namespace, name) = (scene.namespace(), &server.name);
        scene.kubectl("create serviceaccount neighbour");
        scene.kubectl(&format!(
            "create rolebinding neighbour --clusterrole=admin --serviceaccount={namespace}:neighbour"
        ));
        let operator = format!("--as=system:serviceaccount:{namespace}:neighbour");
        let collector = "--as=system:serviceaccount:kube-system:generic-garbage-collector";
        let delete = |who: &str| format!("delete statefulset {name} --cascade=background {who}");
        let trial = |who: &str| format!("{} --dry-run=server", delete(who));
        // Nobody controls it yet.
        let refusal = &["Holdfast refuses to delete StatefulSet"];
        assert_tells(&scene.refused(&trial(&operator)), refusal);

        scene.kubectl("create configmap cluster");
        let uid = scene.kubectl("get configmap cluster -o jsonpath={.metadata.uid}");
        let owner = json!({"metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "cluster", "uid": uid, "controller": true,
        }]}});
        scene.kubectl(&format!("patch statefulset {name} --type=merge -p {owner}"));
        assert_tells(&scene.refused(&trial("")), refusal);
        assert_tells(&scene.refused(&trial(collector)), refusal);
        let warned = scene.warned(&delete(&operator));
        assert_tells(
            &warned,
            &["Holdfast warns", "goes with its pods", "Its claims stay"],
        );
        let gone = format!("wait pod/{} --for=delete --timeout=60s", server.pod());
        scene.kubectl(&gone);
        assert_claim_stays(scene, &server).await;

        // Its operator may not take the claim along either.
        let claim = format!("delete pvc {} --wait=false {operator}", server.claim());
        assert_tells(
            &scene.refused(&claim),
            &["Holdfast refuses to delete PersistentVolumeClaim"],
        );
        assert_taken_over(scene, &server).await;
    });
}

/// Its operator creates the set again, which is guarded and has the data.
async fn assert_taken_over(scene: &Scene, server: &Server) {
    scene.apply(&set_with(server, &json!({"spec-hash": "b2"})));
    wait_labelled(scene, server).await;
    server.wait_ready(scene, None).await;
    scene.settle().await;
    scene.wait_green().await;
    assert_eq!(server.count(scene), ALL_ROWS);
}

/// A set whose claims are to go with it is kept: what Kubernetes makes of their owner references
/// at that moment is not known.
#[test]
fn a_set_whose_claims_go_with_it_is_kept() {
    beside_others("neighbour-own", async |scene| {
        let server = Server::seventeen(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let delete =
            r#"{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Delete"}}}"#;
        scene.kubectl(&format!(
            "patch statefulset {} --type=merge -p {delete}",
            server.name
        ));
        let orphan = format!("delete statefulset {} --cascade=orphan", server.name);
        assert_tells(
            &scene.refused(&orphan),
            &["Holdfast refuses to delete StatefulSet"],
        );
        let volume = volume_of(scene, &server.claim()).await;
        assert!(volume.metadata.deletion_timestamp.is_none());
    });
}

#[test]
fn a_workload_that_is_not_named_any_more_can_be_deleted() {
    beside_others("neighbour-old", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let other = format!("{}-other", server.name);
        let mut sets = server.build_manifests();
        sets.retain(|manifest| manifest["kind"] == "StatefulSet");
        for set in &mut sets {
            set["metadata"]["name"] = other.as_str().into();
            set["spec"]["replicas"] = 0.into();
            set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Delete"});
            for labels in [
                "/spec/selector/matchLabels",
                "/spec/template/metadata/labels",
            ] {
                *set.pointer_mut(labels).expect("labels") = json!({"app": other});
            }
        }
        scene.apply(&sets);
        scene
            .change(json!({"spec": {"workload": {"name": other}}}))
            .await;
        scene
            .wait("the workload of before to have no label", async || {
                let set = scene.get::<StatefulSet>(&server.name).await;
                let labels = set.labels().clone();
                if labels.contains_key(names::PROTECTED_LABEL) {
                    Err(format!("{labels:?}"))
                } else {
                    Ok(())
                }
            })
            .await;
        scene.kubectl(&format!("delete statefulset {} --wait=false", server.name));
        let refused = scene.refused(&format!("delete statefulset {other} --wait=false"));
        assert_tells(&refused, &["Holdfast refuses to delete StatefulSet"]);
    });
}

/// The commands that docs/neighbours.md is about, each as its tool sends it: what is refused says so, and
/// what the page says is not refused is not refused by Holdfast.
#[test]
fn the_page_says_what_each_tool_is_answered() {
    beside_others("neighbour-page", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let set = set_with(&server, &json!({"tool": "x"}));
        let file = write_file(&set[0].to_string());
        let manifest = file.path().display().to_string();
        let name = &server.name;

        // An operator, or Argo CD with Replace=true, writes the whole object without our label.
        assert_tells(
            &scene.refused(&format!("replace -f {manifest}")),
            &["Holdfast refuses to remove"],
        );
        scene.kubectl(&format!(
            "apply --server-side --force-conflicts --dry-run=server -f {manifest}"
        ));
        // Argo CD with Force=true,Replace=true, Flux with force, Terraform: delete and create.
        let forced = [
            format!("replace --force -f {manifest}"),
            format!("delete statefulset {name} --wait=false"),
            format!("delete namespace {} --wait=false", scene.namespace()),
        ];
        for words in &forced {
            assert_tells(&scene.refused(words), &["Holdfast refuses to delete"]);
        }

        // Terraform takes off the label that its configuration does not have, whatever else it
        // changes; while it ignores our marks it changes the rest.
        let page =
            std::fs::read_to_string(scene.testbed.layout().root().join("docs/neighbours.md"))
                .expect("the page");
        assert_tells(
            &page,
            &[
                r#"ignore_labels      = ["^holdfast\\.dev/"]"#,
                &format!(r#"metadata[0].labels["{}"]"#, names::PROTECTED_LABEL),
                &format!(r#"metadata[0].labels["{}"]"#, names::CLAIMS_GUARDED_LABEL),
            ],
        );
        let team = json!({"op": "add", "path": "/metadata/labels/team", "value": "data"});
        let planned =
            |changes: &[Value]| format!("--type=json --dry-run=server -p {}", json!(changes));
        let unmark = json!({"op": "remove", "path": "/metadata/labels/holdfast.dev~1protected"});
        for target in [
            format!("namespace {}", scene.namespace()),
            format!("pvc {}", server.claim()),
            format!("statefulset {name}"),
        ] {
            let both = planned(&[team.clone(), unmark.clone()]);
            assert_tells(
                &scene.refused(&format!("patch {target} {both}")),
                &["refuses to remove the label holdfast.dev/protected from"],
            );
            scene.kubectl(&format!(
                "patch {target} {}",
                planned(std::slice::from_ref(&team))
            ));
        }

        // A mount is removed on purpose, with the command of the page.
        let unmount = r#"[{"op":"remove","path":"/spec/template/spec/containers/0/volumeMounts"}]"#;
        let patch = format!("patch statefulset {name} --type=json --dry-run=server -p {unmount}");
        assert_tells(&scene.refused(&patch), &["Holdfast refuses"]);
        let uid = scene.get::<StatefulSet>(name).await.uid().expect("a UID");
        let unlock = format!("unlock sts/{name} --change -n {}", scene.namespace());
        assert_ran(
            &holdfast(scene, &format!("{unlock} --yes --uid {uid}")),
            0,
            &["Confirmed until"],
        );
        let unlocked = scene.try_kubectl(&patch).err().unwrap_or_default();
        assert!(!unlocked.contains("Holdfast refuses"), "{unlocked}");
        let revoke = format!("unlock sts/{name} --revoke -n {}", scene.namespace());
        assert_ran(&holdfast(scene, &revoke), 0, &[]);

        // What is not about the guard.
        let claim = server.claim();
        let class = scene.kubectl("get storageclass -o jsonpath={.items[0].metadata.name}");
        let node = scene.kubectl("get nodes -o jsonpath={.items[0].metadata.name}");
        let larger = r#"{"spec":{"resources":{"requests":{"storage":"64Gi"}}}}"#;
        for words in [
            format!("patch pvc {claim} --type=merge --dry-run=server -p {larger}"),
            format!("delete storageclass {class} --dry-run=server"),
            format!("delete node {node} --dry-run=server"),
            format!("delete secret {} --dry-run=server", server.secret()),
            format!("cordon {node} --dry-run=server"),
        ] {
            let said = scene.try_kubectl(&words).err().unwrap_or_default();
            assert!(!said.contains("Holdfast"), "{words}: {said}");
        }
    });
}

/// Neither the claim nor its volume is being deleted, nor could be.
async fn assert_claim_stays(scene: &Scene, server: &Server) {
    let claim = scene.get::<PersistentVolumeClaim>(&server.claim()).await;
    assert!(claim.metadata.deletion_timestamp.is_none());
    let volume = volume_of(scene, &server.claim()).await;
    assert!(volume.metadata.deletion_timestamp.is_none());
    let spec = volume.spec.expect("a spec");
    let policy = spec.persistent_volume_reclaim_policy;
    assert_eq!(policy.as_deref(), Some("Retain"));
    assert_tells(
        &scene.refused(&format!("delete pvc {} --wait=false", server.claim())),
        &["Holdfast refuses to delete PersistentVolumeClaim"],
    );
}

/// Writes annotations as the operator that owns the set.
fn write(scene: &Scene, server: &Server, annotations: &Value) {
    let patch = json!({"metadata": {"annotations": annotations}});
    scene.kubectl(&format!(
        "patch statefulset {} --type=merge -p {patch}",
        server.name
    ));
}

/// The annotations of a set, without that of `kubectl apply`.
fn owners_of(set: &StatefulSet) -> Value {
    let mut annotations = set.annotations().clone();
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    json!(annotations)
}

fn set_with(server: &Server, annotations: &Value) -> Vec<Value> {
    let mut sets = server.build_manifests();
    sets.retain(|manifest| manifest["kind"] == "StatefulSet");
    for set in &mut sets {
        set["metadata"]["annotations"] = annotations.clone();
    }
    sets
}

async fn wait_labelled(scene: &Scene, server: &Server) {
    scene
        .wait("the new set to be guarded", async || {
            let set = scene.get::<StatefulSet>(&server.name).await;
            let labels = set.labels().clone();
            if labels.contains_key(names::PROTECTED_LABEL) {
                Ok(())
            } else {
                Err(format!("{labels:?}"))
            }
        })
        .await;
}
