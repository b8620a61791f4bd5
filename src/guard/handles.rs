//! The storage's name for a volume, which stays when the object is recreated. Pure.

use k8s_openapi::api::core::v1::PersistentVolumeSpec;

/// The storage's name for a volume: the CSI driver and handle, or the path of a local volume. Empty
/// for a kind of storage that is not known here.
#[must_use]
pub fn volume_handle(spec: &PersistentVolumeSpec) -> String {
    if let Some(csi) = &spec.csi {
        return format!("{}/{}", csi.driver, csi.volume_handle);
    }
    if let Some(path) = &spec.host_path {
        return path.path.clone();
    }
    if let Some(local) = &spec.local {
        return local.path.clone();
    }
    if let Some(nfs) = &spec.nfs {
        return format!("{}:{}", nfs.server, nfs.path);
    }
    String::new()
}
