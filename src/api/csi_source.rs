//! From a CSI volume to the storage that it is for: by the attributes that its driver mounts it by, else
//! by the handle. Pure.

use k8s_openapi::api::core::v1::CSIPersistentVolumeSource;

use super::storage::VolumeStorage;
use super::storage_name::{
    Driver, azure_container, azure_directory, azure_share, nfs_directory, of_handle, one_path,
    smb_directory,
};
use super::volume_hosts::hosts;

/// The storage of a CSI volume. `home` is the namespace of its claim.
pub(super) fn csi_storage(csi: &CSIPersistentVolumeSource, home: Option<&str>) -> VolumeStorage {
    let volume = Volume(csi);
    let of_driver = Driver::of(&csi.driver);
    let directory = match of_driver {
        Some(Driver::Nfs) => volume.nfs(),
        Some(Driver::Nas) => volume.nas(),
        Some(Driver::Smb) => volume.smb(),
        Some(Driver::CephFileSystem) => volume.ceph_directory(),
        _ => None,
    };
    let named = match of_driver {
        Some(Driver::AzureFile) => volume.azure_share(home),
        Some(Driver::AzureBlob) => volume.azure_container(),
        Some(Driver::CephBlock) => volume.ceph_image(),
        Some(Driver::Iscsi) => volume.iscsi(),
        _ => None,
    };
    let by_handle = || of_handle(&csi.driver, &csi.volume_handle);
    let is_directory =
        matches!(of_driver, Some(Driver::Nfs | Driver::Smb)) && by_handle().is_some();
    VolumeStorage {
        is_directory: directory.is_some() || is_directory,
        handle: directory
            .or(named)
            .or_else(by_handle)
            .unwrap_or_else(|| format!("{}/{}", csi.driver, csi.volume_handle)),
        ..VolumeStorage::default()
    }
}

/// The secret that in-tree volumes and drivers name after the account of Azure that it is for.
pub(super) fn account_of_secret(secret: &str) -> Option<&str> {
    let account = secret.strip_prefix("azure-storage-account-")?;
    account.strip_suffix("-secret")
}

/// A share of which only the Secret says which account it is in.
pub(super) fn share_by_secret(namespace: &str, secret: &str, share: &str) -> String {
    account_of_secret(secret).map_or_else(
        || format!("azureFile:{namespace}/{secret}/{share}"),
        |account| azure_share(account, share, ""),
    )
}

struct Volume<'a>(&'a CSIPersistentVolumeSource);

impl<'a> Volume<'a> {
    /// An attribute that is not empty; drivers read their names without regard to case.
    fn attribute(&self, name: &str) -> Option<&'a str> {
        let mut attributes = self.0.volume_attributes.iter().flatten();
        let (_, value) = attributes.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// A part of the handle, of those between `#`.
    fn part(&self, place: usize) -> Option<&'a str> {
        let part = self.0.volume_handle.split('#').nth(place)?;
        Some(part).filter(|part| !part.is_empty())
    }

    /// The directory below the share. A pattern that was not filled in says nothing.
    fn below(&self, part: usize) -> Option<&'a str> {
        match self.attribute("subDir") {
            Some(pattern) if pattern.contains("${") => self.part(part),
            below => Some(below.unwrap_or_default()),
        }
    }

    fn nfs(&self) -> Option<String> {
        let (server, share) = (self.attribute("server")?, self.attribute("share")?);
        Some(nfs_directory(server, share, self.below(2)?))
    }

    /// One driver says `server`, the other one `host`.
    fn nas(&self) -> Option<String> {
        let server = self
            .attribute("server")
            .or_else(|| self.attribute("host"))?;
        Some(nfs_directory(server, self.attribute("path")?, ""))
    }

    fn smb(&self) -> Option<String> {
        Some(smb_directory(self.attribute("source")?, self.below(1)?))
    }

    /// The attributes say what is mounted; of a handle in the driver's own form its parts.
    fn azure_share(&self, home: Option<&str>) -> Option<String> {
        let share = self.attribute("shareName").or_else(|| self.part(2))?;
        let directory = self.attribute("folderName").unwrap_or_default();
        let server = self.attribute("server");
        let of_server = server.and_then(|server| server.split_once(".file."));
        let stage = self.0.node_stage_secret_ref.as_ref();
        let of_stage = stage.and_then(|secret| secret.name.as_deref());
        let secret = self.attribute("secretName").or(of_stage);
        let of_handle = self.part(1).filter(|_| self.part(2).is_some());
        let account = self
            .attribute("storageAccount")
            .or_else(|| of_server.map(|(account, _)| account))
            .or(of_handle)
            .or_else(|| secret.and_then(account_of_secret));
        if let Some(account) = account {
            return Some(azure_share(account, share, directory));
        }
        let of_stage = stage.and_then(|secret| secret.namespace.as_deref());
        let namespace = self
            .attribute("secretNamespace")
            .or(of_stage)
            .or(home)
            .unwrap_or_default();
        let share = share_by_secret(namespace, secret?, share);
        Some(format!("{share}{}", azure_directory(directory)))
    }

    fn azure_container(&self) -> Option<String> {
        let container = self.attribute("containerName").or_else(|| self.part(2))?;
        let server = self.attribute("server");
        let of_server = server.and_then(|server| server.split_once(".blob."));
        let account = self
            .attribute("storageAccount")
            .or_else(|| of_server.map(|(account, _)| account))
            .or_else(|| self.part(1))?;
        Some(azure_container(account, container))
    }

    fn ceph_directory(&self) -> Option<String> {
        let path = self
            .attribute("rootPath")
            .or_else(|| self.attribute("subvolumePath"))?;
        let cluster = self.attribute("clusterID")?;
        let system = self.attribute("fsName").unwrap_or_default();
        Some(format!("cephfs.csi:{cluster}.{system}:{}", one_path(path)))
    }

    fn ceph_image(&self) -> Option<String> {
        let is_static = self.attribute("staticVolume") == Some("true");
        let image = if is_static {
            self.0.volume_handle.as_str()
        } else {
            self.attribute("imageName")?
        };
        let (cluster, pool) = (self.attribute("clusterID")?, self.attribute("pool")?);
        let namespace = self.attribute("radosNamespace").unwrap_or_default();
        Some(format!("rbd.csi:{cluster} {pool} {namespace} {image}"))
    }

    fn iscsi(&self) -> Option<String> {
        let (name, lun) = (self.attribute("iqn")?, self.attribute("lun")?);
        let further = self.attribute("portals").unwrap_or("[]");
        let mut portals: Vec<String> = serde_json::from_str(further).unwrap_or_default();
        portals.push(self.attribute("targetPortal")?.to_owned());
        Some(format!("iscsi:{name}/lun-{lun}@{}", hosts(&portals)))
    }
}
