//! Somebody confirms, and then does nothing, or something else: what is confirmed is said, can be
//! revoked, and ends.

use holdfast::api::{ConditionStatus, ConditionType, ConfirmedVerb, names, reasons};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::support::{
    NAME, Scene, Server, assert_ran, assert_tells, beside_others, confirm_change, confirm_deletion,
    confirmation, holdfast, type_command, volume_of,
};

#[test]
fn guarded_says_what_is_confirmed_and_how_to_revoke_it() {
    beside_others("confirmed", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let volume = volume_of(scene, &server.claim()).await.name_any();
        let ledger = names::ledger(scene.namespace(), NAME);
        let carriers = [
            ("pvc", server.claim()),
            ("pv", volume),
            ("statefulset", server.name.clone()),
            ("namespace", scene.namespace().to_owned()),
            ("protdb", NAME.to_owned()),
            ("dbledger", ledger),
        ];
        for (word, name) in &carriers {
            confirm_deletion(scene, word, name);
            scene.kubectl(&format!(
                "delete {word} {name} --wait=false --dry-run=server"
            ));
            let revoke = wait_confirmed(scene, "deletion", word, name).await;
            assert_ran(
                &holdfast(scene, &revoke),
                0,
                &["the confirmation was removed"],
            );
            scene.wait_guarded().await;
        }
        confirm_change(scene, "pvc", &server.claim());
        wait_confirmed(scene, "change", "pvc", &server.claim()).await;
        assert_tells(
            &scene.refused(&format!("delete pvc {} --wait=false", server.claim())),
            &["Holdfast refuses to delete"],
        );
        // As anybody can, without the plugin.
        scene.kubectl(&format!(
            "annotate pvc {} {}-",
            server.claim(),
            names::CONFIRM_CHANGE_ANNOTATION
        ));
        scene.wait_guarded().await;
    });
}

/// Waits until Guarded says what is confirmed; returns the words that revoke it.
async fn wait_confirmed(scene: &Scene, noun: &str, word: &str, name: &str) -> String {
    let said = scene
        .wait_condition(
            ConditionType::Guarded,
            ConditionStatus::False,
            reasons::CONFIRMED,
        )
        .await;
    let unlock = format!("unlock {word}/{name}");
    assert_tells(
        &said.message,
        &[&format!("the {noun} of "), "is confirmed until 20", &unlock],
    );
    let (_, command) = said
        .message
        .split_once("kubectl holdfast ")
        .expect("a command");
    command.to_owned()
}

/// A change is confirmed by the plugin too, and only for the object that was seen.
#[test]
fn a_change_is_unlocked_and_is_no_deletion() {
    beside_others("confirmed-change", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let volume = volume_of(scene, &server.claim()).await;
        let (name, uid) = (volume.name_any(), volume.uid().expect("a UID"));
        let free = format!(
            "patch pv {name} --type=merge --dry-run=server -p \
             {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Delete\"}}}}"
        );
        assert_tells(
            &scene.refused(&free),
            &[&format!("kubectl holdfast unlock pv/{name} --change")],
        );
        let unlock = format!("unlock pv/{name} --change --yes --uid {uid}");
        assert_ran(
            &holdfast(scene, &unlock),
            0,
            &["If it is changed", "Confirmed until 20", "--revoke"],
        );
        scene.kubectl(&free);
        assert_tells(
            &scene.refused(&format!("delete pv {name} --wait=false")),
            &["Holdfast refuses to delete"],
        );
        assert_ran(
            &holdfast(scene, &format!("unlock pv/{name} --revoke")),
            0,
            &["the confirmation was removed"],
        );
        scene.refused(&free);
    });
}

/// A claim that was annotated before anybody guarded it, with a time of years to come.
#[test]
fn a_confirmation_that_waited_for_the_guard_confirms_nothing() {
    beside_others("confirmed-before", async |scene| {
        let server = Server::new(scene);
        server.start_seeded(scene).await;
        let claim = server.claim();
        let uid = scene
            .get::<PersistentVolumeClaim>(&claim)
            .await
            .uid()
            .expect("a UID");
        for verb in ConfirmedVerb::ALL {
            scene.kubectl(&format!(
                "annotate pvc {claim} {}={uid}/2099-01-01T00:00:00Z",
                verb.annotation()
            ));
        }
        scene.kubectl(&format!(
            "annotate pvc {claim} {}={}/{NAME}",
            names::PROTECTED_BY_ANNOTATION,
            scene.namespace()
        ));
        scene.kubectl(&format!(
            "label pvc {claim} {}=true",
            names::PROTECTED_LABEL
        ));
        let refused = scene.refused(&format!("delete pvc {claim} --wait=false"));
        assert_tells(
            &refused,
            &[
                "Holdfast refuses to delete",
                "has ended, or is not of this object",
            ],
        );
        assert_tells(
            &scene.refused(&format!("label pvc {claim} {}-", names::PROTECTED_LABEL)),
            &["refuses to remove the label"],
        );
        type_command(scene, &refused);
        scene.kubectl(&format!("delete pvc {claim} --wait=false --dry-run=server"));
        assert_ne!(confirmation(&uid), format!("{uid}/2099-01-01T00:00:00Z"));
    });
}

/// A client may write `managedFields` with any time: one of them neither ends a confirmation nor makes
/// one last.
#[test]
fn a_wrong_time_of_one_client_ends_no_confirmation() {
    beside_others("confirmed-clock", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let claim = server.claim();
        scene.kubectl(&format!("label pvc {claim} team=data"));
        for time in [json!("2099-01-01T00:00:00Z"), Value::Null] {
            let mut entry = json!({
                "manager": "wrong-clock", "operation": "Update", "apiVersion": "v1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}},
            });
            if !time.is_null() {
                entry["time"] = time;
            }
            let patch = json!([{"op": "add", "path": "/metadata/managedFields/-", "value": entry}]);
            scene.kubectl(&format!("patch pvc {claim} --type=json -p {patch}"));
            let free = format!(
                "label pvc {claim} {}- --dry-run=server",
                names::PROTECTED_LABEL
            );
            assert_tells(&scene.refused(&free), &["refuses to remove the label"]);
            confirm_change(scene, "pvc", &claim);
            scene.kubectl(&free);
            confirm_deletion(scene, "pvc", &claim);
            scene.kubectl(&format!("delete pvc {claim} --wait=false --dry-run=server"));
            for verb in ConfirmedVerb::ALL {
                scene.kubectl(&format!("annotate pvc {claim} {}-", verb.annotation()));
            }
            assert_tells(&scene.refused(&free), &["refuses to remove the label"]);
        }
        scene.wait_guarded().await;
    });
}

/// Whoever uses a confirmation removes it in the same write. Then the only time of when it was confirmed
/// is that of the object as it was; all others may be long ago.
#[test]
fn a_confirmation_that_is_removed_with_its_use_was_one() {
    beside_others("confirmed-used", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let claim = server.claim();
        confirm_change(scene, "pvc", &claim);
        let fields = scene.get::<PersistentVolumeClaim>(&claim).await;
        let fields = fields.metadata.managed_fields.unwrap_or_default();
        let own = names::CONFIRM_CHANGE_ANNOTATION;
        let old = fields.iter().enumerate().filter(|(_, entry)| {
            let owned = serde_json::to_string(&entry.fields_v1).expect("JSON");
            !owned.contains(own)
        });
        let aged: Vec<Value> = old
            .map(|(place, _)| {
                json!({"op": "replace", "path": format!("/metadata/managedFields/{place}/time"),
                    "value": "2020-01-01T00:00:00Z"})
            })
            .collect();
        assert!(!aged.is_empty() && aged.len() < fields.len(), "{fields:?}");
        let aged = Value::from(aged);
        scene.kubectl(&format!("patch pvc {claim} --type=json -p {aged}"));
        let path = |map: &str, key: &str| format!("/metadata/{map}/{}", key.replace('/', "~1"));
        let used = json!([
            {"op": "remove", "path": path("labels", names::PROTECTED_LABEL)},
            {"op": "remove", "path": path("annotations", own)},
        ]);
        scene.kubectl(&format!("patch pvc {claim} --type=json -p {used}"));
        // The operator marks it again.
        scene.wait_guarded().await;
        let unconfirmed = json!([{"op": "remove", "path": path("labels", names::PROTECTED_LABEL)}]);
        scene
            .wait("the label to be there again and kept", async || {
                let words =
                    format!("patch pvc {claim} --type=json -p {unconfirmed} --dry-run=server");
                match scene.try_kubectl(&words) {
                    Err(complaint) if complaint.contains("refuses to remove the label") => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
    });
}
