//! Reads the claims of a Postgres and the volumes behind them. What can't be read is reported,
//! and the rest goes on.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};

use super::ClaimFound;
use crate::api::VolumeStorage;
use crate::plugin::connect::Cluster;
use crate::plugin::error::ClusterRequest;
use crate::world::Reader;

/// Reads the claims of these names; one that does not exist, such as that of a replica that never
/// ran, is left out.
pub async fn fetch_claims(cluster: &Cluster, namespace: &str, names: &[String]) -> Vec<ClaimFound> {
    let mut found = Vec::new();
    for name in names {
        found.extend(fetch_claim(cluster, namespace, name).await);
    }
    found
}

async fn fetch_claim(cluster: &Cluster, namespace: &str, name: &str) -> Option<ClaimFound> {
    let reader = Reader::new(cluster.client.clone(), namespace);
    let mut found = ClaimFound {
        name: name.to_owned(),
        volume: None,
        reclaim_policy: None,
        unknown: None,
        access_modes: Vec::new(),
        storage: VolumeStorage::default(),
    };
    match reader.find::<PersistentVolumeClaim>(name).await {
        Ok(Some(claim)) => {
            let spec = claim.spec.unwrap_or_default();
            found.volume = spec.volume_name.filter(|volume| !volume.is_empty());
            found.access_modes = spec.access_modes.unwrap_or_default();
        }
        Ok(None) => return None,
        Err(error) => {
            let question = ClusterRequest::about(
                "get",
                "persistentvolumeclaims",
                name,
                Some(namespace),
                cluster.context.as_deref(),
            );
            found.unknown = Some(question.failed(error).to_string());
        }
    }
    if let Some(volume) = &found.volume {
        let request = ClusterRequest::about(
            "get",
            "persistentvolumes",
            volume,
            None,
            cluster.context.as_deref(),
        );
        match reader.find_cluster::<PersistentVolume>(volume).await {
            Ok(Some(volume)) => {
                let spec = volume.spec.unwrap_or_default();
                found.storage = VolumeStorage::of(&spec);
                found.reclaim_policy = spec.persistent_volume_reclaim_policy;
            }
            Ok(None) => found.unknown = Some(request.absent().to_string()),
            Err(error) => found.unknown = Some(request.failed(error).to_string()),
        }
    }
    Some(found)
}
