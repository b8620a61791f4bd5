//! The same by one object, a DatabaseRestore: the operator puts the volume back, keeps the one that
//! was in its place, and says what it does before it does it.

use holdfast::api::{DatabaseRestore, RestoreState, names, reasons};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::support::{
    ALL_ROWS, NAME, Scene, Server, assert_kept, assert_tells, beside_others, confirm_change,
    confirm_deletion, lose_claim, volume_of,
};

#[test]
fn a_volume_takes_its_place_again_and_the_fresh_one_is_kept_until_asked_for() {
    beside_others("restore-place", async |scene| {
        let server = Server::seventeen(scene);
        let start = scene.protect_filled(&server).await;
        scene.settle().await;
        let claim = server.claim();
        let right = volume_of(scene, &claim).await.name_any();
        lose_claim(scene, &server);
        server.scale(scene, 1);
        let fresh = server.wait_ready(scene, Some(&start)).await;
        scene.wait_reset(reasons::VOLUME_REPLACED).await;
        let wrong = volume_of(scene, &claim).await.name_any();

        scene.apply(&[restore(scene, "back", &right)]);
        let done = wait_state(scene, "back", RestoreState::Complete).await;
        assert_tells(
            &done,
            &[
                &format!("claim {claim} is Bound to volume {right}"),
                "the data was unavailable for",
                "has verified the data",
            ],
        );
        let back = server.wait_ready(scene, Some(&fresh)).await;
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.wait_green().await;
        assert_kept(scene, &wrong).await;
        let events = scene.kubectl(
            "get events --field-selector involvedObject.kind=DatabaseRestore -o \
            jsonpath={.items[*].reason}",
        );
        assert_tells(
            &events,
            &["RestoreRunning", "RestoreVerifying", "RestoreComplete"],
        );

        // The other one can be looked at too: it is not the data, which is said, and the data is
        // kept.
        scene.apply(&[restore(scene, "look", &wrong)]);
        let failed = wait_state(scene, "look", RestoreState::Failed).await;
        assert_tells(&failed, &["is not the data that was last known good"]);
        server.wait_ready(scene, Some(&back)).await;
        assert_eq!(server.count(scene), (1, 27));
        assert_kept(scene, &right).await;
        scene.apply(&[restore(scene, "back-again", &right)]);
        wait_state(scene, "back-again", RestoreState::Complete).await;
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.wait_green().await;

        // A tool makes both again, which were carried out: nothing stops for them, and each says
        // whether its volume is what is mounted.
        let start = server.wait_ready(scene, None).await;
        scene.kubectl("delete dbrestore look back-again");
        let both = [("look", &wrong), ("back-again", &right)];
        scene.apply(&both.map(|(name, volume)| restore(scene, name, volume)));
        let again = wait_state(scene, "look", RestoreState::Failed).await;
        assert_tells(
            &again,
            &["was carried out before", "is not what is mounted now"],
        );
        let again = wait_state(scene, "back-again", RestoreState::Complete).await;
        assert_tells(&again, &["was carried out before", "is what is mounted."]);
        assert_eq!(server.wait_ready(scene, None).await, start);
        assert_eq!(volume_of(scene, &claim).await.name_any(), right);
    });
}

#[test]
fn a_claim_and_a_volume_object_that_are_gone_are_made_again() {
    beside_others("restore-gone", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let volume = volume_of(scene, &server.claim()).await.name_any();
        lose_claim(scene, &server);
        confirm_deletion(scene, "pv", &volume);
        scene.kubectl(&format!("delete pv {volume} --timeout=300s"));

        scene.apply(&[restore(scene, "back", &volume)]);
        let verifying = wait_state(scene, "back", RestoreState::Verifying).await;
        assert_tells(
            &verifying,
            &[
                &format!("claim {} is Bound to volume {volume}", server.claim()),
                "no pod mounts it yet",
            ],
        );
        server.scale(scene, 1);
        server.wait_ready(scene, Some(&start)).await;
        assert_eq!(server.count(scene), ALL_ROWS);
        wait_state(scene, "back", RestoreState::Complete).await;
        scene.wait_green().await;
        assert_kept(scene, &volume).await;
    });
}

/// Wherever it is when it is deleted: the server runs again, and both volumes are kept.
#[test]
fn a_restore_that_is_deleted_on_its_way_gives_the_server_back() {
    beside_others("restore-given-up", async |scene| {
        let server = Server::seventeen(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let claim = server.claim();
        let right = volume_of(scene, &claim).await.name_any();
        lose_claim(scene, &server);
        server.scale(scene, 1);
        server.wait_ready(scene, Some(&start)).await;
        scene.wait_reset(reasons::VOLUME_REPLACED).await;
        let wrong = volume_of(scene, &claim).await.name_any();

        scene.apply(&[restore(scene, "back", &right)]);
        let restores = scene.api::<DatabaseRestore>();
        scene
            .wait("the restore to stop the server", async || {
                let found = restores.get("back").await;
                let found = found.map_err(|error| error.to_string())?;
                if found.finalizers().is_empty() {
                    Err(format!("{:?}", found.status))
                } else {
                    Ok(())
                }
            })
            .await;
        scene.kubectl("delete dbrestore back --timeout=120s");
        let replicas = format!(
            "get statefulset {} -o jsonpath={{.spec.replicas}}",
            server.name
        );
        assert_eq!(scene.kubectl(&replicas), "1");
        server.wait_ready(scene, None).await;
        let mounted = volume_of(scene, &claim).await.name_any();
        assert!([&right, &wrong].contains(&&mounted), "{mounted}");
        assert_kept(scene, if mounted == right { &wrong } else { &right }).await;
    });
}

#[test]
fn what_cannot_be_restored_is_said_and_nothing_is_touched() {
    beside_others("restore-bad", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let volume = volume_of(scene, &server.claim()).await.name_any();
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut manifest = restore(scene, "bad", &volume);
            change(&mut manifest["spec"]);
            scene
                .testbed
                .apply(&manifest.to_string())
                .expect_err("it should be refused")
                .to_string()
        };
        assert_tells(
            &refused(&|spec| spec["into"] = "Beside".into()),
            &["spec.into must be Replace for a volume"],
        );
        assert_tells(
            &refused(&|spec| spec["confirm"] = NAME.into()),
            &[
                "spec.confirm: Replace needs the UID of the ProtectedDatabase",
                "kubectl get protdb knowledge -o jsonpath={.metadata.uid}",
            ],
        );
        assert_tells(
            &refused(&|spec| spec["from"] = json!({})),
            &["exactly one of backup, latestGood, set and volume"],
        );

        let elsewhere = scene.another("restore-else");
        elsewhere.apply(&Server::new(&elsewhere).build_manifests());
        Server::new(&elsewhere).wait_ready(&elsewhere, None).await;
        let used = volume_of(&elsewhere, "knowledge-data").await.name_any();
        let mut unknown = restore(scene, "unknown", &volume);
        (unknown["spec"]["database"], unknown["spec"]["confirm"]) =
            ("no-such".into(), "u-no-such".into());
        scene.apply(&[restore(scene, "elsewhere", &used), unknown]);
        assert_tells(
            &wait_state(scene, "elsewhere", RestoreState::Blocked).await,
            &["did not belong to a claim of namespace"],
        );
        assert_tells(
            &wait_state(scene, "unknown", RestoreState::Blocked).await,
            &["spec.database", "ProtectedDatabase no-such does not exist"],
        );
        // Written for another database of the name: it is not begun, and blocks no other.
        let mut before = restore(scene, "before", &volume);
        before["spec"]["confirm"] = "00000000-0000-0000-0000-000000000000".into();
        scene.apply(&[before]);
        assert_tells(
            &wait_state(scene, "before", RestoreState::Failed).await,
            &[
                "spec.confirm is 0000",
                "Nothing was changed",
                "jsonpath={.metadata.uid}",
            ],
        );
        // The next one of the same database waits for the one that can't go on.
        scene.apply(&[restore(scene, "next", &volume)]);
        assert_tells(
            &wait_state(scene, "next", RestoreState::Blocked).await,
            &["DatabaseRestore elsewhere", "waits for it"],
        );
        scene.kubectl("delete dbrestore elsewhere");
        wait_state(scene, "next", RestoreState::Complete).await;
        assert_eq!(
            volume_of(&elsewhere, "knowledge-data").await.name_any(),
            used
        );
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

/// Who forgets which restores were carried out lets a tool carry one out again.
#[test]
fn nobody_but_the_operator_writes_which_restores_were_carried_out() {
    beside_others("restore-noted", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let note = names::CARRIED_OUT_ANNOTATION;
        for words in [
            format!("annotate protdb {NAME} {note}=back/pv-1/u-1"),
            format!("annotate protdb {NAME} {note}=back/pv-1/u-1 --dry-run=server"),
        ] {
            assert_tells(
                &scene.refused(&words),
                &["refuses to change which DatabaseRestores were carried out"],
            );
        }
        confirm_change(scene, "protdb", NAME);
        assert_tells(
            &scene.refused(&format!("annotate protdb {NAME} {note}=back/pv-1/u-1")),
            &["refuses to change which DatabaseRestores were carried out"],
        );
    });
}

fn restore(scene: &Scene, name: &str, volume: &str) -> Value {
    let uid = scene.kubectl(&format!("get protdb {NAME} -o jsonpath={{.metadata.uid}}"));
    json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": name, "namespace": scene.namespace()},
        "spec": {"database": NAME, "from": {"volume": volume}, "into": "Replace", "confirm": uid},
    })
}

/// Waits for a state and returns the message.
async fn wait_state(scene: &Scene, name: &str, state: RestoreState) -> String {
    let restores = scene.api::<DatabaseRestore>();
    let what = format!("DatabaseRestore {name} to be {state:?}");
    scene
        .wait(&what, async || {
            let status = restores
                .get(name)
                .await
                .map_err(|error| error.to_string())?
                .status
                .unwrap_or_default();
            if status.state == Some(state) {
                Ok(status.message.unwrap_or_default())
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await
}
