//! Looking at volumes.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Api;

use super::Scene;

/// The volume behind a claim.
pub async fn volume_of(scene: &Scene, claim: &str) -> PersistentVolume {
    let claim = scene.get::<PersistentVolumeClaim>(claim).await;
    let name = claim.spec.and_then(|spec| spec.volume_name).expect("a bound claim");
    Api::all(scene.client.clone()).get(&name).await.expect("the volume")
}

/// What becomes of a volume without its claim.
pub fn reclaim_policy(volume: &PersistentVolume) -> String {
    volume.spec.clone().and_then(|spec| spec.persistent_volume_reclaim_policy).unwrap_or_default()
}

/// The folder of a volume on this machine, which is the testbed's node.
pub fn volume_handle(volume: &PersistentVolume) -> String {
    let spec = volume.spec.clone().unwrap_or_default();
    let host_path = spec.host_path.map(|source| source.path);
    host_path.or(spec.local.map(|source| source.path)).expect("a folder")
}
