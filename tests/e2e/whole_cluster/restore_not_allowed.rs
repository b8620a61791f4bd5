//! An installation without the role for restores: a DatabaseRestore says what it is not allowed to,
//! and goes on when it is.

use holdfast::api::{DatabaseRestore, RestoreState};
use kube::ResourceExt;
use serde_json::json;

use super::role_removed::RoleRemoved;
use crate::support::{NAME, Scene, Server, alone, lose_claim, volume_of};

#[test]
fn a_restore_without_its_role_says_so_and_ends_when_the_role_is_there() {
    alone("restore-role", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let volume = volume_of(scene, &server.claim()).await.name_any();
        lose_claim(scene, &server);
        let role = RoleRemoved::begin(scene, "holdfast-restore");

        let uid = scene.kubectl(&format!("get protdb {NAME} -o jsonpath={{.metadata.uid}}"));
        scene.apply(&[json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": "back", "namespace": scene.namespace()},
            "spec": {"database": NAME, "from": {"volume": volume}, "into": "Replace", "confirm": uid},
        })]);
        wait(scene, RestoreState::Running, "is forbidden").await;
        drop(role);
        server.scale(scene, 1);
        wait(scene, RestoreState::Complete, "has verified the data").await;
        server.wait_ready(scene, Some(&start)).await;
        scene.wait_green().await;
    });
}

async fn wait(scene: &Scene, state: RestoreState, told: &str) {
    let restores = scene.api::<DatabaseRestore>();
    scene
        .wait(
            &format!("the restore to be {state:?} and to say: {told}"),
            async || {
                let status = restores
                    .get("back")
                    .await
                    .map_err(|error| error.to_string())?
                    .status
                    .unwrap_or_default();
                let says = status
                    .message
                    .as_deref()
                    .is_some_and(|message| message.contains(told));
                if status.state == Some(state) && says {
                    Ok(())
                } else {
                    Err(format!("{status:?}"))
                }
            },
        )
        .await;
}
