//! The ways in which Kubernetes and its tools take data away, tried one after the other on one
//! guarded database: none loses a byte. `whole_cluster::operator_down` tries them again while no
//! operator runs.

use std::fs;

use holdfast::api::names;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::chart::helm;
use crate::deletion_refused::assert_everything_is_refused;
use crate::support::{
    ALL_ROWS, Scene, Server, Start, assert_tells, beside_others, build_claim, confirmation,
    write_file,
};

/// How every refusal of a deletion begins.
const REFUSED: &str = "Holdfast refuses to delete";

#[test]
fn no_way_loses_a_byte() {
    beside_others("ways", async |scene| {
        let server = Server::seventeen(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        Box::pin(try_every_way(scene, &server, &start)).await;
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// Tries them all; `server` has its claim from a template.
pub async fn try_every_way(scene: &Scene, server: &Server, start: &Start) {
    let before = scene.get::<PersistentVolumeClaim>(&server.claim()).await;
    assert_everything_is_refused(scene, server).await;
    for cascade in ["foreground", "background"] {
        let words = format!(
            "delete statefulset {} --cascade={cascade} --wait=false",
            server.name
        );
        assert_tells(&scene.refused(&words), &[REFUSED]);
    }
    assert_tells(
        &scene.refused(&format!(
            "delete pvc {} --force --grace-period=0 --wait=false",
            server.claim()
        )),
        &[REFUSED],
    );
    assert_tells(
        &scene.refused("delete statefulsets,deployments --all --wait=false"),
        &[REFUSED],
    );
    replace_by_force(scene, server);
    delete_a_deployment(scene);
    prune(scene);
    helm_drops_the_claim(scene);
    replay_a_confirmation(scene);
    forge_a_confirmation(scene, server);
    collect_the_owner(scene, server).await;
    assert_eq!(
        server.wait_ready(scene, None).await,
        *start,
        "the pod was not touched so far"
    );
    scale_down_with_deletion(scene, server, start).await;

    let after = scene.get::<PersistentVolumeClaim>(&server.claim()).await;
    assert_eq!(after.uid(), before.uid());
    assert!(after.metadata.deletion_timestamp.is_none());
    assert_eq!(server.count(scene), ALL_ROWS);
}

fn replace_by_force(scene: &Scene, server: &Server) {
    for target in [
        format!("pvc {}", server.claim()),
        format!("statefulset {}", server.name),
    ] {
        let (_file, words) = build_replacement(scene, &target);
        assert_tells(&scene.refused(&words), &[REFUSED]);
    }
}

/// `replace --force` is a deletion and a creation.
pub fn build_replacement(scene: &Scene, target: &str) -> (tempfile::NamedTempFile, String) {
    let file = write_file(&scene.kubectl(&format!("get {target} -o json")));
    let words = format!(
        "replace --force --grace-period=0 -f {}",
        file.path().display()
    );
    (file, words)
}

fn delete_a_deployment(scene: &Scene) {
    create_a_deployment(scene);
    assert_tells(
        &scene.refused("delete deployment guarded --wait=false"),
        &[REFUSED, "Deployment guarded"],
    );
}

/// A Deployment without pods that carries the label.
pub fn create_a_deployment(scene: &Scene) {
    let namespace = scene.namespace();
    scene.apply(&[json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "guarded", "namespace": namespace, "labels": {names::PROTECTED_LABEL: "true"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "guarded"}}, "template": {
            "metadata": {"labels": {"app": "guarded"}},
            "spec": {"containers": [{"name": "postgres", "image": testbed::POSTGRES_15_IMAGE}]}}}})]);
}

fn prune(scene: &Scene) {
    let (_file, words) = build_pruning(scene);
    assert_tells(&scene.refused(&words), &[REFUSED, "pruned"]);
}

/// `apply --prune` deletes what is labelled and no longer in the files: here the claim `pruned`.
pub fn build_pruning(scene: &Scene) -> (tempfile::NamedTempFile, String) {
    let labelled = |mut object: Value| {
        object["metadata"]["labels"] = json!({"from": "git"});
        object
    };
    let config = labelled(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": scene.namespace()}}),
    );
    let both = json!({"apiVersion": "v1", "kind": "List", "items": [config, labelled(build_claim(scene.namespace(), "pruned"))]});
    let everything = write_file(&both.to_string());
    scene.kubectl(&format!("apply -f {}", everything.path().display()));
    scene.kubectl(&format!("label pvc pruned {}=true", names::PROTECTED_LABEL));
    let rest = write_file(&config.to_string());
    let words = format!(
        "apply --prune -l from=git --prune-allowlist=core/v1/PersistentVolumeClaim -f {}",
        rest.path().display()
    );
    (rest, words)
}

/// A release `shop` with the guarded claim `released`, and its chart, in which `claim=false` leaves
/// the claim out.
pub fn install_release(scene: &Scene) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let templates = folder.path().join("templates");
    fs::create_dir(&templates).expect("a folder");
    fs::write(
        folder.path().join("Chart.yaml"),
        "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    )
    .expect("a file");
    fs::write(folder.path().join("values.yaml"), "claim: true\n").expect("a file");
    let claim = build_claim("{{ .Release.Namespace }}", "released");
    fs::write(
        templates.join("claim.yaml"),
        format!("{{{{ if .Values.claim }}}}\n{claim}\n{{{{ end }}}}\n"),
    )
    .expect("a file");
    let (chart, namespace) = (folder.path().display(), scene.namespace());
    helm(
        scene,
        &format!("install shop {chart} --namespace {namespace}"),
    );
    scene.kubectl(&format!(
        "label pvc released {}=true",
        names::PROTECTED_LABEL
    ));
    folder
}

/// A release whose next version has no claim any more, rolled back, and uninstalled.
fn helm_drops_the_claim(scene: &Scene) {
    let folder = install_release(scene);
    let (chart, namespace) = (folder.path().display(), scene.namespace());
    let refused = |words: String, tells: &[&str]| {
        let mut command = scene.testbed.command("helm").expect("helm");
        let output = command.args(words.split(' ')).output().expect("helm");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_tells(&said, tells);
        let going = scene.kubectl("get pvc released -o jsonpath={.metadata.deletionTimestamp}");
        assert_eq!(going, "", "helm {words}");
    };
    refused(
        format!("upgrade shop {chart} --namespace {namespace} --set claim=false"),
        &[REFUSED, "released"],
    );
    helm(scene, &format!("rollback shop 1 --namespace {namespace}"));
    // Helm says no more than that here; the refusal itself is in its debug log only.
    refused(
        format!("uninstall shop --namespace {namespace} --timeout 20s"),
        &["failed to delete release: shop"],
    );
}

/// A confirmation names one object: the next one of the same name is not confirmed by it.
fn replay_a_confirmation(scene: &Scene) {
    let claim = || build_claim(scene.namespace(), "replayed");
    let label = || {
        scene.kubectl(&format!(
            "label pvc replayed {}=true",
            names::PROTECTED_LABEL
        ))
    };
    let uid = || scene.kubectl("get pvc replayed -o jsonpath={.metadata.uid}");
    scene.apply(&[claim()]);
    label();
    let first = confirmation(&uid());
    let confirm = format!(
        "annotate pvc replayed {}={first}",
        names::CONFIRM_DELETION_ANNOTATION
    );
    scene.kubectl(&confirm);
    scene.kubectl("delete pvc replayed --timeout=60s");
    // Also with the confirmation on it before it is guarded.
    scene.apply(&[claim()]);
    scene.kubectl(&confirm);
    label();
    assert!(!first.starts_with(&uid()));
    assert_tells(
        &scene.refused("delete pvc replayed --wait=false"),
        &[REFUSED],
    );
}

/// Who may do anything in another namespace may confirm nothing in this one.
fn forge_a_confirmation(scene: &Scene, server: &Server) {
    let tenant = scene.another("tenant");
    tenant.kubectl("create rolebinding all --clusterrole=admin --serviceaccount=default:tenant");
    let uid = scene.kubectl(&format!(
        "get pvc {} -o jsonpath={{.metadata.uid}}",
        server.claim()
    ));
    let words = format!(
        "annotate pvc {} {}={}",
        server.claim(),
        names::CONFIRM_DELETION_ANNOTATION,
        confirmation(&uid)
    );
    let as_tenant = format!("{words} --dry-run=server --as=system:serviceaccount:default:tenant");
    assert_tells(&scene.refused(&as_tenant), &["cannot get resource"]);
    // It is the rights that it lacks, and nothing else.
    scene.kubectl("create rolebinding tenant --clusterrole=admin --serviceaccount=default:tenant");
    scene.kubectl(&as_tenant);
    scene.kubectl("delete rolebinding tenant");
}

/// An owner reference put on the claim by hand, and the owner deleted: the garbage collector is
/// refused too.
async fn collect_the_owner(scene: &Scene, server: &Server) {
    scene.apply(&[build_claim(scene.namespace(), "owned")]);
    delete_an_owner(scene, &["owned", &server.claim()]);
    // The unguarded sibling goes: the collector has been here.
    wait_gone(scene, "owned").await;
    assert_held(scene, &server.claim()).await;
    scene.kubectl(&format!(
        "patch pvc {} --type=merge -p {{\"metadata\":{{\"ownerReferences\":null}}}}",
        server.claim()
    ));
}

/// Makes an owner for claims, and deletes it.
pub fn delete_an_owner(scene: &Scene, claims: &[&str]) {
    scene.apply(&[json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": scene.namespace()}})]);
    let uid = scene.kubectl("get configmap owner -o jsonpath={.metadata.uid}");
    let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]}});
    for claim in claims {
        scene.kubectl(&format!("patch pvc {claim} --type=merge -p {owner}"));
    }
    scene.kubectl("delete configmap owner");
}

/// `whenScaled: Delete`, and the StatefulSet scaled to 0: its claim is to go with its pod.
async fn scale_down_with_deletion(scene: &Scene, server: &Server, start: &Start) {
    set_retention(scene, server, "Delete");
    server.scale(scene, 0);
    scene.kubectl(&format!(
        "wait --for=delete pod/{} --timeout=120s",
        server.pod()
    ));
    let owners = format!(
        "get pvc {} -o jsonpath={{.metadata.ownerReferences[*].kind}}",
        server.claim()
    );
    scene
        .wait(
            "the StatefulSet to give its claim to the pod that is gone",
            async || match scene.try_kubectl(&owners) {
                Ok(kinds) if kinds.contains("Pod") => Ok(()),
                Ok(other) | Err(other) => Err(other),
            },
        )
        .await;
    assert_held(scene, &server.claim()).await;
    set_retention(scene, server, "Retain");
    server.scale(scene, 1);
    server.wait_ready(scene, Some(start)).await;
}

/// Says what becomes of a StatefulSet's claims when it is scaled down or deleted.
pub fn set_retention(scene: &Scene, server: &Server, policy: &str) {
    let patch = json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": policy, "whenScaled": policy}}});
    scene.kubectl(&format!(
        "patch statefulset {} --type=merge -p {patch}",
        server.name
    ));
}

/// Waits until a claim is gone.
pub async fn wait_gone(scene: &Scene, claim: &str) {
    scene
        .wait(&format!("claim {claim} to go"), async || {
            match scene.api::<PersistentVolumeClaim>().get_opt(claim).await {
                Ok(None) => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await;
}

/// Sees that the garbage collector spares a claim: another claim with the same owners, created
/// later, is collected, and this one is not even being deleted.
async fn assert_held(scene: &Scene, claim: &str) {
    let owners = scene
        .get::<PersistentVolumeClaim>(claim)
        .await
        .metadata
        .owner_references;
    let mut witness = build_claim(scene.namespace(), "witness");
    witness["metadata"]["ownerReferences"] = json!(owners.expect("an owner"));
    scene.apply(&[witness]);
    wait_gone(scene, "witness").await;
    let held = scene.get::<PersistentVolumeClaim>(claim).await;
    assert_eq!(held.metadata.deletion_timestamp, None);
}
