//! The operator is gone for good: the user removes the marks, and nothing is lost by that.

use holdfast::api::names;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;
use serde_json::json;

use super::operator_down::OperatorDown;
use crate::support::{
    ALL_ROWS, NAME, Scene, Server, alone, assert_ran, assert_tells, confirm_deletion, holdfast,
    reclaim_policy, volume_of,
};

#[test]
fn without_an_operator_the_marks_are_removed_by_a_command() {
    alone("release-all", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let release = format!("release --all -n {}", scene.namespace());
        assert_ran(
            &holdfast(scene, &release),
            3,
            &["the operator runs", "nothing was changed"],
        );
        let down = OperatorDown::begin(scene).await;
        let (asked, number) = ask(scene, &release);
        assert_tells(&asked, &["PersistentVolumeClaim", "StatefulSet"]);
        let yes = format!("{release} --yes --objects {number}");
        assert_ran(
            &holdfast(scene, &yes),
            0,
            &["released PersistentVolumeClaim"],
        );

        let volume = volume_of(scene, &server.claim()).await;
        assert_eq!(reclaim_policy(&volume), "Retain");
        assert!(!volume.labels().contains_key(names::PROTECTED_LABEL));
        let targets = [
            format!("pvc {}", server.claim()),
            format!("statefulset {}", server.name),
        ];
        for target in targets {
            scene.kubectl(&format!("delete {target} --dry-run=server"));
        }
        assert_eq!(server.wait_ready(scene, None).await, start);
        assert_eq!(server.count(scene), ALL_ROWS);
        down.end().await;
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// What nobody else would remove any more: the finalizer of a claim that was deleted on purpose, and that
/// of a restore. And a claim that garbage collection would delete keeps its marks until its owner is
/// removed.
#[test]
fn without_an_operator_what_is_terminating_goes_and_what_has_no_owner_stays() {
    alone("release-left", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let claim = server.claim();
        let down = OperatorDown::begin(scene).await;
        let orphan = json!({"metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000001",
        }]}});
        scene.kubectl(&format!("patch pvc {claim} --type=merge -p {orphan}"));
        scene.apply(&[json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {
                "name": "back", "namespace": scene.namespace(), "finalizers": [names::RESTORING_FINALIZER],
            },
            "spec": {
                "database": NAME, "from": {"volume": "none"}, "into": "Replace", "confirm": "none",
            },
        })]);
        scene.kubectl("delete dbrestore back --wait=false");
        let release = format!("release --all -n {}", scene.namespace());
        let (asked, objects) = ask(scene, &release);
        assert_tells(
            &asked,
            &[
                "DatabaseRestore",
                "ConfigMap gone does not exist any more",
                "--detach-owners",
            ],
        );
        let yes = format!("{release} --yes --objects {objects}");
        assert_ran(
            &holdfast(scene, &yes),
            3,
            &[
                "released DatabaseRestore",
                "What is left:",
                "--detach-owners",
            ],
        );
        scene
            .get::<PersistentVolumeClaim>(&claim)
            .await
            .metadata
            .deletion_timestamp
            .is_none()
            .then_some(())
            .expect("it is guarded still");
        let detach = format!("{release} --detach-owners");
        let (_, objects) = ask(scene, &detach);
        assert_ran(
            &holdfast(scene, &format!("{detach} --yes --objects {objects}")),
            0,
            &["removed the references to its owners", "Nothing is left"],
        );
        let released = scene.get::<PersistentVolumeClaim>(&claim).await;
        assert_eq!(released.metadata.owner_references, None);
        assert_eq!(released.metadata.deletion_timestamp, None);
        assert_eq!(server.wait_ready(scene, None).await, start);
        assert_eq!(server.count(scene), ALL_ROWS);

        // Guarded again; deleted on purpose, and then the operator is gone for good.
        down.end().await;
        scene.settle().await;
        scene.wait_guarded().await;
        let volume = volume_of(scene, &claim).await.name_any();
        let down = OperatorDown::begin(scene).await;
        confirm_deletion(scene, "pvc", &claim);
        scene.kubectl(&format!("delete pvc {claim} --wait=false"));
        server.scale(scene, 0);
        let (asked, objects) = ask(scene, &release);
        assert_tells(&asked, &["their deletion was confirmed"]);
        assert_ran(
            &holdfast(scene, &format!("{release} --yes --objects {objects}")),
            0,
            &["which was Terminating"],
        );
        scene
            .wait("the claim to be gone", async || {
                let found = scene.api::<PersistentVolumeClaim>().get_opt(&claim).await;
                match found {
                    Ok(None) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
        let kept = scene.kubectl(&format!(
            "get pv {volume} -o jsonpath={{.spec.persistentVolumeReclaimPolicy}}"
        ));
        assert_eq!(kept, "Retain");
        down.end().await;
    });
}

/// What the command shows, and how many objects a script has to name.
fn ask(scene: &Scene, release: &str) -> (String, String) {
    let asked = holdfast(scene, release);
    assert_eq!(asked.code, Some(4), "{}", asked.printed);
    let (_, number) = asked.printed.split_once("--objects ").expect("a number");
    let number = number.split_whitespace().next().expect("a number");
    (asked.printed.clone(), number.to_owned())
}
