//! A volume as a container mounts it, for checks, findings and the ledger.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A claim that is mounted, and the volume behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MountedVolume {
    /// Name of the claim.
    pub claim: String,
    /// UID of the claim.
    pub claim_uid: String,
    /// Name of the `PersistentVolume`.
    pub volume: String,
    /// The storage's name for the volume: the CSI handle, or the path of a local volume.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub volume_handle: String,
    /// The node that the volume is on: set for `hostPath` and `local` volumes, which are other files
    /// on another node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// When the volume was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// Where the container mounts it.
    pub mount_path: String,
    /// The directory of the volume that is mounted, if it is not all of it: `subPath`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sub_path: String,
}
