//! The rules are broken on purpose: each ends in an error. That closes for guarded objects only;
//! everything else comes, changes and goes as if there were no Holdfast.

use holdfast::guard::{
    ADOPTION_POLICY, CLAIM_FENCE_POLICY, CONFIRMATION_END_POLICY, DEFINITION_POLICY,
    DELETION_POLICY, FENCE_POLICY, GUARD_POLICIES, MARKS_POLICY, OPERATOR_FENCE_POLICY,
    TEMPLATE_POLICY, VOLUME_POLICY,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use super::operator_down::OperatorDown;
use crate::change_refused::attempts;
use crate::support::{
    NAME, Scene, Server, alone, assert_tells, build_claim, build_plain_database, volume_of,
};

/// An expression that the API server takes and that fails when it is evaluated.
const BROKEN: &str = "dyn({})['missing'] == 'x'";
/// What the API server says then.
const FAILED: &str = "no such key: missing";

#[test]
fn an_error_in_a_rule_closes_for_guarded_objects_only() {
    alone("rules-broken", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        // With the operator up they would be put back.
        let down = OperatorDown::begin(scene).await;
        let probes = probes(scene, &server).await;
        let uncovered = GUARD_POLICIES
            .iter()
            .filter(|policy| probes.iter().all(|(probed, _)| probed != *policy));
        assert_eq!(
            uncovered.collect::<Vec<_>>(),
            [
                &CONFIRMATION_END_POLICY,
                &FENCE_POLICY,
                &OPERATOR_FENCE_POLICY,
                &CLAIM_FENCE_POLICY,
                &ADOPTION_POLICY
            ],
            "of which only what is confirmed, the tokens of an agent and of the operator, and who restores a set \
             by its place, would see anything"
        );
        let broken =
            json!([{"op": "replace", "path": "/spec/validations/0/expression", "value": BROKEN}]);
        change_policy(scene, FENCE_POLICY, &broken);
        change_policy(scene, CLAIM_FENCE_POLICY, &broken);
        change_policy(scene, CONFIRMATION_END_POLICY, &broken);
        // One after the other: of several policies that refuse, the API server names one.
        for (policy, words) in &probes {
            change_policy(scene, policy, &broken);
            scene
                .wait(&format!("{policy} to be broken"), async || {
                    match scene.try_kubectl(words) {
                        Err(complaint)
                            if complaint.contains(FAILED) && complaint.contains(policy) =>
                        {
                            Ok(())
                        }
                        Ok(other) | Err(other) => Err(other),
                    }
                })
                .await;
        }
        for target in [
            "pvc knowledge-data",
            &format!("statefulset {}", server.name),
            &format!("namespace {}", scene.namespace()),
            "protdb knowledge",
        ] {
            assert_tells(
                &scene.refused(&format!("delete {target} --wait=false")),
                &[FAILED],
            );
        }
        for attempt in attempts(scene, &server).await {
            assert_tells(
                &scene.refused(&format!("{} --dry-run=server", attempt.words)),
                &["denied request"],
            );
        }
        try_everything_else(scene, &server).await;

        // Rules that open instead of closing when they are broken refuse nothing: what was asserted
        // can fail.
        for policy in GUARD_POLICIES {
            change_policy(
                scene,
                policy,
                &json!([{"op": "replace", "path": "/spec/failurePolicy", "value": "Ignore"}]),
            );
        }
        scene
            .wait_kubectl("delete pvc knowledge-data --wait=false --dry-run=server")
            .await;
        down.end().await;
        scene
            .wait("deletions to be refused again", async || {
                match scene.try_kubectl(&format!(
                    "delete protdb {NAME} --wait=false --dry-run=server"
                )) {
                    Err(complaint) if complaint.contains("Holdfast refuses to delete") => Ok(()),
                    Ok(other) | Err(other) => Err(other),
                }
            })
            .await;
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// For each policy a request that it evaluates, on trial; that of the marks last, because it
/// evaluates what volume and template are probed with too.
async fn probes(scene: &Scene, server: &Server) -> Vec<(&'static str, String)> {
    let volume = volume_of(scene, &server.claim()).await.name_any();
    vec![
        (
            DELETION_POLICY,
            "delete pvc knowledge-data --wait=false --dry-run=server".to_owned(),
        ),
        (
            DEFINITION_POLICY,
            "delete crd databaserestores.holdfast.dev --wait=false --dry-run=server".to_owned(),
        ),
        (
            VOLUME_POLICY,
            format!(
                "patch pv {volume} --type=merge -p \
                 {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Delete\"}}}} --dry-run=server"
            ),
        ),
        (
            TEMPLATE_POLICY,
            format!(
                "set env statefulset/{} NOTE=1 --dry-run=server",
                server.name
            ),
        ),
        (
            MARKS_POLICY,
            "annotate pvc knowledge-data note=1 --dry-run=server".to_owned(),
        ),
    ]
}

/// Objects of every kind that a rule is about, but unguarded, and others: created, changed and
/// deleted.
async fn try_everything_else(scene: &Scene, server: &Server) {
    let namespace = scene.namespace();
    let other = format!("{namespace}-other");
    let pods = json!({"metadata": {"labels": {"app": "other"}}, "spec": {"containers": [{"name": "postgres", "image": testbed::POSTGRES_15_IMAGE}]}});
    let workload = |kind: &str| {
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "other", "namespace": namespace},
            "spec": {"replicas": 0, "serviceName": "other", "selector": {"matchLabels": {"app": "other"}}, "template": pods}})
    };
    let deployment = {
        let mut deployment = workload("Deployment");
        deployment["spec"]
            .as_object_mut()
            .expect("a spec")
            .remove("serviceName");
        deployment
    };
    let mut unguarded = serde_json::to_value(build_plain_database(scene, server)).expect("JSON");
    unguarded["metadata"]["name"] = json!("other");
    unguarded["spec"]["guard"] = json!({"deletion": "Off"});
    let all: Vec<(String, Value)> = vec![
        ("pvc other".to_owned(), build_claim(namespace, "other")),
        ("statefulset other".to_owned(), workload("StatefulSet")),
        ("deployment other".to_owned(), deployment),
        ("protdb other".to_owned(), unguarded),
        (
            "dbcheck other".to_owned(),
            json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck",
            "metadata": {"name": "other", "namespace": namespace}, "spec": {"database": "nobody", "trigger": "Manual"}}),
        ),
        (
            "configmap other".to_owned(),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": namespace}}),
        ),
        (
            format!("namespace {other}"),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}),
        ),
        (
            format!("pv {other}"),
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": other}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "", "hostPath": {"path": format!("/var/empty/{other}")},
            "persistentVolumeReclaimPolicy": "Retain"}}),
        ),
        (
            "crd others.example.org".to_owned(),
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "others.example.org"}, "spec": {"group": "example.org", "scope": "Namespaced",
                "names": {"kind": "Other", "plural": "others"}, "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}]}}),
        ),
    ];
    for (target, object) in &all {
        scene.apply(std::slice::from_ref(object));
        scene.kubectl(&format!("annotate {target} note=1"));
        scene.kubectl(&format!("label {target} note=1"));
    }
    scene.kubectl(&format!(
        "patch pv {other} --type=merge -p \
        {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Delete\"}}}}"
    ));
    scene.kubectl("set env statefulset/other NOTE=1");
    scene.kubectl("scale statefulset/other --replicas=0");
    for (target, _) in &all {
        scene.kubectl(&format!("delete {target} --timeout=60s"));
    }
    scene.apply(&[
        build_claim(namespace, "one-more"),
        build_claim(namespace, "and-another"),
    ]);
    let unguarded = ListParams::default().labels("!holdfast.dev/protected");
    let claims = scene.api::<PersistentVolumeClaim>();
    claims
        .delete_collection(&DeleteParams::default(), &unguarded)
        .await
        .expect("unguarded claims to go");
}

fn change_policy(scene: &Scene, policy: &str, patch: &Value) {
    scene
        .testbed
        .kubectl(&[
            "patch",
            "validatingadmissionpolicy",
            policy,
            "--type=json",
            "-p",
            &patch.to_string(),
        ])
        .expect("a policy that anybody with rights may change");
}
