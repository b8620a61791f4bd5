//! Looking at volumes, and losing claims on purpose.

use holdfast::api::names;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{Api, ResourceExt};

use super::{Scene, Server};

/// The volume behind a claim.
pub async fn volume_of(scene: &Scene, claim: &str) -> PersistentVolume {
    let claim = scene.get::<PersistentVolumeClaim>(claim).await;
    let name = claim
        .spec
        .and_then(|spec| spec.volume_name)
        .expect("a bound claim");
    Api::all(scene.client.clone())
        .get(&name)
        .await
        .expect("the volume")
}

/// What becomes of a volume without its claim.
pub fn reclaim_policy(volume: &PersistentVolume) -> String {
    volume
        .spec
        .clone()
        .and_then(|spec| spec.persistent_volume_reclaim_policy)
        .unwrap_or_default()
}

/// The folder of a volume on this machine, which is the testbed's node.
pub fn volume_handle(volume: &PersistentVolume) -> String {
    let spec = volume.spec.clone().unwrap_or_default();
    let host_path = spec.host_path.map(|source| source.path);
    host_path
        .or(spec.local.map(|source| source.path))
        .expect("a folder")
}

/// Confirms the deletion of an object, by its UID.
pub fn confirm_deletion(scene: &Scene, kind: &str, name: &str) {
    let uid = scene.kubectl(&format!("get {kind} {name} -o jsonpath={{.metadata.uid}}"));
    scene.kubectl(&format!(
        "annotate {kind} {name} {}={uid}",
        names::CONFIRM_DELETION_ANNOTATION
    ));
}

/// Stops a server and deletes its claim, confirmed.
pub fn lose_claim(scene: &Scene, server: &Server) {
    let claim = server.claim();
    server.scale(scene, 0);
    confirm_deletion(scene, "pvc", &claim);
    scene.kubectl(&format!("delete pvc {claim} --timeout=300s"));
}

/// The volume is there, on Retain, nobody is deleting it, and nothing is left that would let it go.
pub async fn assert_kept(scene: &Scene, name: &str) {
    let volumes: Api<PersistentVolume> = Api::all(scene.client.clone());
    let volume = volumes.get(name).await.expect("the volume");
    assert_eq!(reclaim_policy(&volume), "Retain");
    assert!(volume.metadata.deletion_timestamp.is_none(), "{volume:?}");
    assert!(
        !volume
            .annotations()
            .contains_key(names::CONFIRM_DELETION_ANNOTATION),
        "{volume:?}"
    );
}
