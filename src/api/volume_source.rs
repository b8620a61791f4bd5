//! From the source of a `PersistentVolume` to the storage that it is for. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, PersistentVolumeSpec};

use super::csi_source::{csi_storage, share_by_secret};
use super::storage::{Place, VolumeStorage};
use super::storage_name::{nfs_directory, one_path};
use super::volume_hosts::{hosts, sorted};

impl VolumeStorage {
    /// The storage of a volume, by whatever names it to the storage system: not the object's name, and
    /// no credentials.
    #[must_use]
    pub fn of(spec: &PersistentVolumeSpec) -> Self {
        if let Some(path) = local_path(spec) {
            return Self {
                handle: one_path(path),
                places: places(spec),
                is_directory: true,
                is_of_node: true,
            };
        }
        if let Some(csi) = &spec.csi {
            let claim = spec.claim_ref.as_ref();
            return csi_storage(csi, claim.and_then(|claim| claim.namespace.as_deref()));
        }
        if let Some(handle) = directory(spec) {
            return Self {
                handle,
                is_directory: true,
                ..Self::default()
            };
        }
        if let Some(disk) = &spec.gce_persistent_disk {
            // A name is another disk in another zone.
            return Self {
                handle: format!("gce:{}{}", disk.pd_name, partition(disk.partition)),
                places: places(spec),
                ..Self::default()
            };
        }
        Self {
            handle: disk(spec)
                .or_else(|| shared(spec))
                .or_else(|| other(spec))
                .unwrap_or_default(),
            ..Self::default()
        }
    }
}

fn local_path(spec: &PersistentVolumeSpec) -> Option<&str> {
    let local = spec.local.as_ref().map(|local| &local.path);
    let path = local.or_else(|| spec.host_path.as_ref().map(|path| &path.path));
    path.map(String::as_str)
}

/// Directories of a server.
fn directory(spec: &PersistentVolumeSpec) -> Option<String> {
    if let Some(nfs) = &spec.nfs {
        return Some(nfs_directory(&nfs.server, &nfs.path, ""));
    }
    let cephfs = spec.cephfs.as_ref()?;
    let path = one_path(cephfs.path.as_deref().unwrap_or("/"));
    Some(format!("cephfs:{path}@{}", hosts(&cephfs.monitors)))
}

/// Disks, each under its name with the CSI driver where that has taken over from the older kind.
fn disk(spec: &PersistentVolumeSpec) -> Option<String> {
    if let Some(disk) = &spec.aws_elastic_block_store {
        // `aws://ZONE/vol-1` is `vol-1`.
        let name = disk.volume_id.rsplit('/').next().unwrap_or_default();
        return Some(format!(
            "ebs.csi.aws.com/{name}{}",
            partition(disk.partition)
        ));
    }
    if let Some(disk) = &spec.azure_disk {
        return Some(format!("disk.csi.azure.com/{}", disk.disk_uri));
    }
    if let Some(disk) = &spec.cinder {
        return Some(format!("cinder.csi.openstack.org/{}", disk.volume_id));
    }
    if let Some(disk) = &spec.portworx_volume {
        return Some(format!("pxd.portworx.com/{}", disk.volume_id));
    }
    if let Some(disk) = &spec.vsphere_volume {
        return Some(format!("vsphere:{}", disk.volume_path));
    }
    let disk = spec.photon_persistent_disk.as_ref()?;
    Some(format!("photon:{}", disk.pd_id))
}

/// Storage that several hosts or targets lead to.
fn shared(spec: &PersistentVolumeSpec) -> Option<String> {
    if let Some(iscsi) = &spec.iscsi {
        let mut portals = iscsi.portals.clone().unwrap_or_default();
        portals.push(iscsi.target_portal.clone());
        return Some(format!(
            "iscsi:{}/lun-{}@{}",
            iscsi.iqn,
            iscsi.lun,
            hosts(&portals)
        ));
    }
    if let Some(rbd) = &spec.rbd {
        let pool = rbd.pool.as_deref().unwrap_or("rbd");
        return Some(format!("rbd:{pool}/{}@{}", rbd.image, hosts(&rbd.monitors)));
    }
    if let Some(fc) = &spec.fc {
        let wwids = fc.wwids.clone().unwrap_or_default();
        if !wwids.is_empty() {
            return Some(format!("fc:wwid@{}", sorted(wwids)));
        }
        let targets = sorted(fc.target_wwns.clone().unwrap_or_default());
        return Some(format!("fc:lun-{}@{targets}", fc.lun.unwrap_or_default()));
    }
    let quobyte = spec.quobyte.as_ref()?;
    let registries: Vec<String> = quobyte.registry.split(',').map(ToOwned::to_owned).collect();
    let (tenant, volume) = (
        quobyte.tenant.as_deref().unwrap_or_default(),
        &quobyte.volume,
    );
    Some(format!("quobyte:{tenant}/{volume}@{}", hosts(&registries)))
}

/// Kinds whose names are in a namespace, or in a storage system of their own.
fn other(spec: &PersistentVolumeSpec) -> Option<String> {
    let claim = spec.claim_ref.as_ref();
    let home = claim.and_then(|claim| claim.namespace.as_deref());
    let namespace = |said: Option<&String>| {
        said.map(String::as_str)
            .or(home)
            .unwrap_or_default()
            .to_owned()
    };
    if let Some(file) = &spec.azure_file {
        // The Secret says which storage account it is.
        let namespace = namespace(file.secret_namespace.as_ref());
        let (secret, share) = (&file.secret_name, &file.share_name);
        return Some(share_by_secret(&namespace, secret, share));
    }
    if let Some(gluster) = &spec.glusterfs {
        let namespace = namespace(gluster.endpoints_namespace.as_ref());
        let (endpoints, path) = (&gluster.endpoints, one_path(&gluster.path));
        return Some(format!("glusterfs:{namespace}/{endpoints}{path}"));
    }
    if let Some(scale_io) = &spec.scale_io {
        let volume = scale_io.volume_name.as_deref().unwrap_or_default();
        let (gateway, system) = (&scale_io.gateway, &scale_io.system);
        return Some(format!("scaleIO:{gateway} {system} {volume}"));
    }
    if let Some(storage_os) = &spec.storageos {
        let namespace = namespace(storage_os.volume_namespace.as_ref());
        let volume = storage_os.volume_name.as_deref().unwrap_or_default();
        return Some(format!("storageos:{namespace}/{volume}"));
    }
    let flex = spec.flex_volume.as_ref()?;
    let options = flex.options.iter().flatten();
    let options: Vec<String> = options
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    Some(format!("flexVolume:{} {}", flex.driver, options.join(" ")))
}

/// The partition after the name of its disk; 0 is all of it.
fn partition(number: Option<i32>) -> String {
    match number {
        None | Some(0) => String::new(),
        Some(number) => format!("#{number}"),
    }
}

/// Where the required `nodeAffinity` lets a volume be used. A term that pins no value is everywhere,
/// and so is the volume.
fn places(spec: &PersistentVolumeSpec) -> Vec<Place> {
    let affinity = spec.node_affinity.as_ref();
    let required = affinity.and_then(|affinity| affinity.required.as_ref());
    let terms = required
        .into_iter()
        .flat_map(|required| &required.node_selector_terms);
    let places = terms.map(|term| {
        let labels = term.match_expressions.iter().flatten();
        let pinned = labels
            .chain(term.match_fields.iter().flatten())
            .filter_map(pinned);
        let mut place = Place::new();
        for (label, values) in pinned {
            let values = values.iter().cloned();
            place.entry(label.clone()).or_default().extend(values);
        }
        place
    });
    let places: Vec<Place> = places.collect();
    if places.iter().any(BTreeMap::is_empty) {
        return Vec::new();
    }
    places
}

fn pinned(requirement: &NodeSelectorRequirement) -> Option<(&String, &Vec<String>)> {
    let values = requirement.values.as_ref()?;
    (requirement.operator == "In" && !values.is_empty()).then_some((&requirement.key, values))
}
