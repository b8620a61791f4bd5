//! Storage by its name as text, in the one form in which two names are compared. A CSI handle is a name
//! that only its driver understands; some drivers let the same storage have any number of them. Of those
//! that are known here the parts that name the storage are compared, of all others the handle as it is.
//! Pure.

/// Disks of Azure. The handles of this driver are names without regard to case.
const AZURE_DISKS: &str = "disk.csi.azure.com";
/// File systems of Amazon, `ID:PATH:ACCESS POINT`.
const ELASTIC_FILES: &str = "efs.csi.aws.com";
/// File systems of Oracle, `ID:MOUNT TARGET:EXPORT`: each mount target and export leads to all of it.
const ORACLE_FILES: &str = "fss.csi.oraclecloud.com";
/// Disks of Linode, `NUMBER-LABEL`: the driver reads the number alone.
const LINODE_DISKS: &str = "linodebs.csi.linode.com";

/// A driver that takes several handles for the same storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Nfs,
    /// Directories of an NFS server, as clouds name them.
    Nas,
    Smb,
    AzureFile,
    AzureBlob,
    CephFileSystem,
    CephBlock,
    Iscsi,
}

impl Driver {
    /// By the name that it registers, which may have one of its operator in front.
    pub fn of(name: &str) -> Option<Self> {
        let is = |driver: &str| {
            let rest = name.strip_suffix(driver);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        match name {
            "nfs.csi.k8s.io" => Some(Self::Nfs),
            "nasplugin.csi.alibabacloud.com" | "com.tencent.cloud.csi.cfs" => Some(Self::Nas),
            "smb.csi.k8s.io" => Some(Self::Smb),
            "file.csi.azure.com" => Some(Self::AzureFile),
            "blob.csi.azure.com" => Some(Self::AzureBlob),
            "iscsi.csi.k8s.io" => Some(Self::Iscsi),
            _ if is("cephfs.csi.ceph.com") => Some(Self::CephFileSystem),
            _ if is("rbd.csi.ceph.com") => Some(Self::CephBlock),
            _ => None,
        }
    }

    /// The driver whose handle a text is, without what names the storage to it.
    pub fn of_text(text: &str) -> Option<Self> {
        let (driver, _) = text.split_once('/')?;
        Self::of(driver)
    }

    /// Whether a text names storage as this driver's volumes do, where more than the handle is known.
    pub fn names(self, text: &str) -> bool {
        match self {
            Self::Nfs | Self::Nas => text.split_once('/').is_some_and(|(server, _)| {
                server
                    .strip_suffix(':')
                    .is_some_and(|server| !["cephfs", "smb"].contains(&server))
            }),
            Self::Smb => text.starts_with("smb:"),
            Self::AzureFile => text.starts_with("azureFile:"),
            Self::AzureBlob => text.starts_with("azureBlob:"),
            Self::CephFileSystem => text.starts_with("cephfs.csi:"),
            Self::CephBlock => text.starts_with("rbd.csi:"),
            Self::Iscsi => text.starts_with("iscsi:"),
        }
    }
}

/// A directory of an NFS server, whichever way it is mounted.
pub(super) fn nfs_directory(server: &str, share: &str, below: &str) -> String {
    format!("{server}:{}", one_path(&format!("{share}/{below}")))
}

/// A directory of a share of Windows, `//SERVER/SHARE`, whose names have no case.
pub(super) fn smb_directory(source: &str, below: &str) -> String {
    let path = format!("{source}/{below}").replace('\\', "/");
    format!("smb:{}", one_path(&path.to_lowercase()))
}

/// A share of an account of Azure, or a directory of one. It is deleted as a whole.
pub(super) fn azure_share(account: &str, share: &str, directory: &str) -> String {
    let (account, share) = (account.to_lowercase(), share.to_lowercase());
    format!(
        "azureFile:{account}.file/{share}{}",
        azure_directory(directory)
    )
}

/// A container of blobs of an account of Azure. It is deleted as a whole.
pub(super) fn azure_container(account: &str, container: &str) -> String {
    let (account, container) = (account.to_lowercase(), container.to_lowercase());
    format!("azureBlob:{account}/{container}")
}

/// The directory after the name of its share; the root is all of it.
pub(super) fn azure_directory(directory: &str) -> String {
    match one_path(directory).as_str() {
        "/" => String::new(),
        path => format!("#{}", path.trim_start_matches('/')),
    }
}

/// The one form of the texts that name the same storage.
pub(super) fn one_form(name: &str) -> String {
    if let Some((driver, handle)) = name.split_once('/') {
        if let Some(known) = of_handle(driver, handle) {
            return one_form(&known);
        }
        match driver {
            AZURE_DISKS => return format!("{AZURE_DISKS}/{}", handle.to_lowercase()),
            ELASTIC_FILES => return format!("{ELASTIC_FILES}/{}", elastic_files(handle)),
            ORACLE_FILES => return format!("{ORACLE_FILES}/{}", before(handle, ':')),
            LINODE_DISKS => return format!("{LINODE_DISKS}/{}", before(handle, '-')),
            _ => {}
        }
    }
    // A path, after the server or kind that it belongs to. A CSI driver has no colon in its name.
    match name.find('/') {
        Some(0) => one_path(name),
        Some(start) if name[..start].ends_with(':') => {
            let server = name[..start].trim_end_matches(':').trim_end_matches('.');
            format!("{}:{}", server.to_lowercase(), one_path(&name[start..]))
        }
        _ => name.to_owned(),
    }
}

/// What the parts of a handle name, of those that a driver has made up itself. They may end with more,
/// which only sets volumes apart.
pub(super) fn of_handle(driver: &str, handle: &str) -> Option<String> {
    let parts: Vec<&str> = handle.split('#').collect();
    let part = |place: usize| parts.get(place).copied().unwrap_or_default();
    let has = |places: &[usize]| places.iter().all(|place| !part(*place).is_empty());
    match Driver::of(driver)? {
        // SERVER#SHARE#BELOW#…
        Driver::Nfs if has(&[0, 1]) && parts.len() > 2 => {
            Some(nfs_directory(part(0), part(1), part(2)))
        }
        // SERVER/SHARE#BELOW#…
        Driver::Smb if parts.len() > 1 && part(0).contains('/') => {
            Some(smb_directory(part(0), part(1)))
        }
        // GROUP#ACCOUNT#SHARE#…
        Driver::AzureFile if has(&[1, 2]) => Some(azure_share(part(1), part(2), "")),
        // GROUP#ACCOUNT#CONTAINER#…
        Driver::AzureBlob if has(&[1, 2]) => Some(azure_container(part(1), part(2))),
        _ => None,
    }
}

/// The first part of a handle: all that names the storage.
fn before(handle: &str, end: char) -> &str {
    handle.split(end).next().unwrap_or_default()
}

/// `ID`, `ID:PATH` and `ID:PATH:ACCESS POINT`: without a path it is the root.
fn elastic_files(handle: &str) -> String {
    let mut parts = handle.split(':');
    let id = parts.next().unwrap_or_default();
    let path = one_path(parts.next().unwrap_or_default());
    let access = parts.next().unwrap_or_default();
    match (path.as_str(), access) {
        ("/", "") => id.to_owned(),
        (path, "") => format!("{id}:{path}"),
        (path, access) => format!("{id}:{}:{access}", path.trim_start_matches('/')),
    }
}

/// A path without what changes nothing: repeated slashes, the one at the end, `.`, and `..` with what
/// is before it.
pub(super) fn one_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
