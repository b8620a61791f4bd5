//! What was deleted all the same comes back, by the commands that messages and docs give: the
//! volume object, the claim.

use holdfast::api::{ConditionStatus, ConditionType, names, reasons};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{Api, ResourceExt};

use crate::support::{
    ALL_ROWS, NAME, Scene, Server, beside_others, confirm_deletion, shell, type_command, volume_of,
};

#[test]
fn a_volume_object_that_is_gone_is_made_again_from_the_ledger() {
    beside_others("back-volume", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let volume = volume_of(scene, &server.claim()).await;
        let name = volume.name_any();
        confirm_deletion(scene, "pv", &name);
        scene.kubectl(&format!("delete pv {name} --wait=false"));
        // Kubernetes' own finalizer keeps a bound volume; whoever takes it off by force makes the
        // claim Lost.
        scene
            .try_kubectl(&format!(
                "patch pv {name} --type=merge -p {{\"metadata\":{{\"finalizers\":null}}}}"
            ))
            .ok();
        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_LOST,
            )
            .await;

        type_command(scene, &said.message);
        wait_bound(scene, &server.claim()).await;
        let back = volume_of(scene, &server.claim()).await;
        assert_ne!(back.uid(), volume.uid());
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.wait_guarded().await;
    });
}

/// As `docs/guard.md` has it, word by word.
#[test]
fn a_claim_that_is_gone_is_made_again_on_its_volume() {
    beside_others("back-claim", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let (claim, namespace) = (server.claim(), scene.namespace());
        let volume = volume_of(scene, &claim).await.name_any();
        confirm_deletion(scene, "pvc", &claim);
        scene.kubectl(&format!("delete pvc {claim} --wait=false"));
        server.scale(scene, 0);
        scene
            .wait("the claim to go", async || {
                match scene.api::<PersistentVolumeClaim>().get_opt(&claim).await {
                    Ok(None) => Ok(()),
                    seen => Err(format!("{seen:?}")),
                }
            })
            .await;

        let reserve = r#"{"spec":{"claimRef":{"uid":null,"resourceVersion":null}}}"#;
        scene.kubectl(&format!("patch pv {volume} --type=merge -p {reserve}"));
        let ledger = names::ledger(namespace, NAME);
        shell(
            scene,
            &format!(
                "kubectl get dbledger {ledger} -o \
                 jsonpath='{{.status.volumes[?(@.volume==\"{volume}\")].claimManifest}}' | kubectl \
                 create -f -"
            ),
        );
        server.scale(scene, 1);
        wait_bound(scene, &claim).await;
        assert_eq!(volume_of(scene, &claim).await.name_any(), volume);
        let back = server.wait_ready(scene, Some(&start)).await;
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.assert_checked_once(&back).await;
        scene.wait_guarded().await;
        let volumes: Api<PersistentVolume> = Api::all(scene.client.clone());
        let guarded = volumes.get(&volume).await.expect("the volume");
        assert!(
            !guarded
                .annotations()
                .contains_key(names::CONFIRM_DELETION_ANNOTATION),
            "nothing is left that would let it go"
        );
    });
}

/// Waits until a claim has its volume.
pub async fn wait_bound(scene: &Scene, claim: &str) {
    let phase = format!("get pvc {claim} -o jsonpath={{.status.phase}}");
    scene
        .wait("the claim to be Bound", async || {
            match scene.try_kubectl(&phase) {
                Ok(phase) if phase == "Bound" => Ok(()),
                Ok(other) | Err(other) => Err(other),
            }
        })
        .await;
}
