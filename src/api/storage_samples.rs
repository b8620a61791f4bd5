//! Sources of volumes that are the same storage, another, or may be either, for the tests of what names
//! storage.

use serde_json::{Value, json};

/// The required nodeAffinity that pins one label, or field, to values.
fn pinned(mut source: Value, label: &str, values: &[&str]) -> Value {
    let expression = json!({"key": label, "operator": "In", "values": values});
    let term = if label == "metadata.name" {
        json!({"matchFields": [expression]})
    } else {
        json!({"matchExpressions": [expression]})
    };
    source["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [term]}});
    source
}

pub fn local(path: &str, node: &str) -> Value {
    let source = json!({"local": {"path": path}});
    pinned(source, "kubernetes.io/hostname", &[node])
}

pub fn iscsi(portal: &str, iqn: &str, lun: i32) -> Value {
    json!({"iscsi": {"targetPortal": portal, "iqn": iqn, "lun": lun}})
}

fn rbd(monitors: &[&str], image: &str) -> Value {
    json!({"rbd": {"monitors": monitors, "pool": "db", "image": image}})
}

pub fn cephfs(monitors: &[&str], path: &str) -> Value {
    json!({"cephfs": {"monitors": monitors, "path": path}})
}

pub fn nfs(server: &str, path: &str) -> Value {
    json!({"nfs": {"server": server, "path": path}})
}

pub fn csi(driver: &str, handle: &str) -> Value {
    json!({"csi": {"driver": driver, "volumeHandle": handle}})
}

pub fn csi_with(driver: &str, handle: &str, attributes: &Value) -> Value {
    let mut source = csi(driver, handle);
    source["csi"]["volumeAttributes"] = attributes.clone();
    source
}

pub fn csi_nfs(handle: &str, server: &str, share: &str, below: &str) -> Value {
    let attributes = json!({"server": server, "share": share, "subDir": below});
    csi_with("nfs.csi.k8s.io", handle, &attributes)
}

/// An image of Ceph's block storage, by what names it to the driver.
fn csi_image(cluster: &str, namespace: &str, pool: &str) -> Value {
    let attributes = json!({
        "clusterID": cluster, "radosNamespace": namespace, "pool": pool, "staticVolume": "true",
    });
    csi_with("rbd.csi.ceph.com", "pg", &attributes)
}

/// A directory of Ceph's file system, the same way.
fn csi_cephfs(cluster: &str, system: &str, path: &str) -> Value {
    let attributes = json!({"clusterID": cluster, "fsName": system, "rootPath": path});
    csi_with("cephfs.csi.ceph.com", "any", &attributes)
}

fn csi_iscsi(iqn: &str, lun: &str) -> Value {
    let attributes = json!({"targetPortal": "10.0.0.1", "iqn": iqn, "lun": lun});
    csi_with("iscsi.csi.k8s.io", "any", &attributes)
}

pub fn azure_file(namespace: Option<&str>, secret: &str) -> Value {
    json!({
        "azureFile": {"secretName": secret, "secretNamespace": namespace, "shareName": "pg"},
        "claimRef": {"namespace": "atra", "name": "data"},
    })
}

pub fn gce(name: &str, zone: &str, partition: i32) -> Value {
    let disk = json!({"gcePersistentDisk": {"pdName": name, "partition": partition}});
    pinned(disk, "topology.kubernetes.io/zone", &[zone])
}

pub fn google_disk(project: &str, zone: &str, name: &str) -> Value {
    let handle = format!("projects/{project}/zones/{zone}/disks/{name}");
    csi("pd.csi.storage.gke.io", &handle)
}

pub fn aws(id: &str, partition: i32) -> Value {
    json!({"awsElasticBlockStore": {"volumeID": id, "partition": partition}})
}

/// Sources that are the same storage, whatever their objects are called.
pub fn same() -> Vec<(Value, Value)> {
    vec![
        (csi("csi.example", "vol-1"), csi("csi.example", "vol-1")),
        (local("/disks/1", "one"), local("/disks/1/", "one")),
        (local("/disks/1", "one"), local("//disks/./1", "one")),
        (
            local("/disks/1", "one"),
            json!({"hostPath": {"path": "/disks/1"}}),
        ),
        (
            local("/disks/1", "one"),
            pinned(
                json!({"hostPath": {"path": "/disks/1"}}),
                "metadata.name",
                &["one"],
            ),
        ),
        (nfs("files", "/export/pg"), nfs("FILES", "/export//pg/")),
        (
            iscsi("10.0.0.1", "iqn.a", 0),
            iscsi("10.0.0.1:3260", "iqn.a", 0),
        ),
        (
            json!({"iscsi": {"targetPortal": "10.0.0.1", "portals": ["10.0.0.2"], "iqn": "i", "lun": 1}}),
            iscsi("10.0.0.2:3260", "i", 1),
        ),
        (
            rbd(&["[fd00::1]:6789", "b"], "pg"),
            rbd(&["[fd00::1]"], "pg"),
        ),
        (rbd(&["a:6789", "b"], "pg"), rbd(&["c", "A:3300"], "pg")),
        (
            json!({"rbd": {"monitors": ["a"], "image": "pg"}}),
            json!({"rbd": {"monitors": ["a"], "pool": "rbd", "image": "pg"}}),
        ),
        (cephfs(&["a"], "/pg"), cephfs(&["a"], "/pg/")),
        (
            json!({"fc": {"targetWWNs": ["50A", "50B"], "lun": 2}}),
            json!({"fc": {"targetWWNs": ["50b"], "lun": 2}}),
        ),
        (
            json!({"fc": {"wwids": ["w1"]}}),
            json!({"fc": {"wwids": ["w1"], "readOnly": true}}),
        ),
        (azure_file(None, "s"), azure_file(Some("atra"), "s")),
        (
            json!({"azureDisk": {"diskName": "pg", "diskURI": "/subscriptions/S/disks/PG"}}),
            csi("disk.csi.azure.com", "/subscriptions/s/disks/pg"),
        ),
        (gce("pg", "a", 0), gce("pg", "a", 0)),
        (
            aws("aws://eu-west-1a/vol-1", 0),
            csi("ebs.csi.aws.com", "vol-1"),
        ),
        (
            json!({"cinder": {"volumeID": "c-1"}}),
            csi("cinder.csi.openstack.org", "c-1"),
        ),
        (
            json!({"portworxVolume": {"volumeID": "7"}}),
            csi("pxd.portworx.com", "7"),
        ),
        (
            json!({"vsphereVolume": {"volumePath": "[ds] a.vmdk"}}),
            json!({"vsphereVolume": {"volumePath": "[ds] a.vmdk", "fsType": "ext4"}}),
        ),
        (
            json!({"quobyte": {"registry": "a:7861,b:7861", "volume": "pg"}}),
            json!({"quobyte": {"registry": "b:7861", "volume": "pg"}}),
        ),
        (
            json!({"glusterfs": {"endpoints": "g", "path": "/pg", "endpointsNamespace": "x"}}),
            json!({"glusterfs": {"endpoints": "g", "path": "pg/", "endpointsNamespace": "x"}}),
        ),
        (
            json!({"iscsi": {"targetPortal": "10.0.0.1", "portals": ["10.0.0.2:3260"], "iqn": "i", "lun": 1}}),
            json!({"iscsi": {"targetPortal": "10.0.0.2", "portals": ["10.0.0.1"], "iqn": "i", "lun": 1}}),
        ),
        (rbd(&["a", "b"], "pg"), rbd(&["b", "a"], "pg")),
        (cephfs(&["a", "b"], "/pg"), cephfs(&["b", "a"], "/pg")),
        (nfs("files", "/export/pg"), nfs("files.", "/export/x/../pg")),
        (
            json!({"flexVolume": {"driver": "d/e", "options": {"id": "1", "pool": "p"}}}),
            json!({"flexVolume": {"driver": "d/e", "options": {"pool": "p", "id": "1"}, "fsType": "xfs"}}),
        ),
    ]
}

/// The same by CSI: drivers that let one storage have any number of handles.
pub fn same_by_csi() -> Vec<(Value, Value)> {
    vec![
        (
            csi_nfs("files/export##", "files", "/export", "pg"),
            csi_nfs("files#export#pg#u-1#", "FILES", "/export/", "/pg/"),
        ),
        (
            csi_nfs("u-1", "files", "/export/pg", ""),
            nfs("files", "/export/pg"),
        ),
        (
            csi("nfs.csi.k8s.io", "files#export#pg#u-1#"),
            csi("nfs.csi.k8s.io", "files#export#pg#u-2#retain"),
        ),
        (
            csi("nfs.csi.k8s.io", "files#export#pg#u-1#"),
            csi_nfs(
                "files#export#pg#u-1#",
                "files",
                "/export",
                "${pvc.metadata.name}",
            ),
        ),
        (
            csi_with(
                "smb.csi.k8s.io",
                "files/share##",
                &json!({"source": "//files/share"}),
            ),
            csi_with(
                "smb.csi.k8s.io",
                "files/share#u-2#",
                &json!({"source": "//Files/Share/"}),
            ),
        ),
        (
            csi("smb.csi.k8s.io", "files/share#pg#u-1#"),
            csi_with(
                "smb.csi.k8s.io",
                "two",
                &json!({"source": "//files/share", "subDir": "pg"}),
            ),
        ),
        (
            csi("file.csi.azure.com", "group#account#pg##2"),
            csi("file.csi.azure.com", "group#Account#pg#"),
        ),
        (
            csi("file.csi.azure.com", "group#account#pg#disk#u-1#atra"),
            csi_with(
                "file.csi.azure.com",
                "any",
                &json!({"storageaccount": "account", "sharename": "pg"}),
            ),
        ),
        (
            csi_with(
                "file.csi.azure.com",
                "group#account#any#",
                &json!({"shareName": "pg"}),
            ),
            csi("file.csi.azure.com", "group#account#pg#"),
        ),
        (
            csi_with(
                "file.csi.azure.com",
                "any",
                &json!({"server": "account.file.core.windows.net", "shareName": "pg"}),
            ),
            azure_file(None, "azure-storage-account-account-secret"),
        ),
        (
            csi_with(
                "file.csi.azure.com",
                "any",
                &json!({"secretName": "s", "secretNamespace": "atra", "shareName": "pg"}),
            ),
            azure_file(None, "s"),
        ),
        (
            csi_with(
                "blob.csi.azure.com",
                "any",
                &json!({"storageAccount": "Account", "containerName": "pg"}),
            ),
            csi("blob.csi.azure.com", "group#account#pg#u-1#atra#"),
        ),
        (
            csi_with(
                "blob.csi.azure.com",
                "any",
                &json!({"server": "account.blob.core.windows.net", "containerName": "pg"}),
            ),
            csi("blob.csi.azure.com", "group#account#pg"),
        ),
        (
            csi_with(
                "nasplugin.csi.alibabacloud.com",
                "any",
                &json!({"server": "nas.example", "path": "/pg/"}),
            ),
            nfs("NAS.example", "/pg"),
        ),
        (
            csi_with(
                "com.tencent.cloud.csi.cfs",
                "one",
                &json!({"host": "10.0.0.9", "path": "/pg", "vers": "4"}),
            ),
            csi_with(
                "com.tencent.cloud.csi.cfs",
                "two",
                &json!({"host": "10.0.0.9", "path": "//pg"}),
            ),
        ),
        (
            csi(
                "fss.csi.oraclecloud.com",
                "ocid1.filesystem.a:10.0.0.3:/one",
            ),
            csi(
                "fss.csi.oraclecloud.com",
                "ocid1.filesystem.a:10.0.0.4:/two",
            ),
        ),
        (
            csi("linodebs.csi.linode.com", "123-pvc1"),
            csi("linodebs.csi.linode.com", "123-copy"),
        ),
        (
            csi("efs.csi.aws.com", "fs-1"),
            csi("efs.csi.aws.com", "fs-1:/"),
        ),
        (
            csi("efs.csi.aws.com", "fs-1:/pg"),
            csi("efs.csi.aws.com", "fs-1:pg/"),
        ),
        (
            csi("efs.csi.aws.com", "fs-1::fsap-1"),
            csi("efs.csi.aws.com", "fs-1:/:fsap-1"),
        ),
        (
            csi_with(
                "rook-ceph.cephfs.csi.ceph.com",
                "0001-u",
                &json!({"clusterID": "c", "fsName": "f", "subvolumePath": "/volumes/csi/pg"}),
            ),
            csi_with(
                "rook-ceph.cephfs.csi.ceph.com",
                "any",
                &json!({"clusterID": "c", "fsName": "f", "staticVolume": "true", "rootPath": "/volumes/csi/pg/"}),
            ),
        ),
        (
            csi_with(
                "rbd.csi.ceph.com",
                "0001-u",
                &json!({"clusterID": "c", "pool": "p", "imageName": "csi-vol-u"}),
            ),
            csi_with(
                "rbd.csi.ceph.com",
                "csi-vol-u",
                &json!({"clusterID": "c", "pool": "p", "staticVolume": "true"}),
            ),
        ),
        (
            csi_with(
                "iscsi.csi.k8s.io",
                "any",
                &json!({"targetPortal": "10.0.0.1:3260", "portals": "[\"10.0.0.2\"]", "iqn": "i", "lun": "1"}),
            ),
            iscsi("10.0.0.2", "i", 1),
        ),
    ]
}

/// Sources that are not the same storage, though much of them is.
pub fn other() -> Vec<(Value, Value)> {
    vec![
        (csi("csi.example", "vol-1"), csi("csi.example", "vol-2")),
        (csi("csi.example", "vol-1"), csi("csi.other", "vol-1")),
        (csi("csi.example", "a//b"), csi("csi.example", "a/b")),
        (csi("csi.example", "a#b#c#1"), csi("csi.example", "a#b#c#2")),
        (csi("csi.example", "a/b/"), csi("csi.example", "a/b")),
        (
            csi_nfs("same", "files", "/export", "a"),
            csi_nfs("same", "files", "/export", "b"),
        ),
        (
            csi_nfs("u-1", "files", "/pg", ""),
            csi_nfs("u-1", "other", "/pg", ""),
        ),
        (
            csi("nfs.csi.k8s.io", "files#export#a#u-1#"),
            csi("nfs.csi.k8s.io", "files#export#b#u-1#"),
        ),
        (
            csi("smb.csi.k8s.io", "files/share#a#"),
            csi("smb.csi.k8s.io", "files/share#b#"),
        ),
        (
            csi("file.csi.azure.com", "group#account#a#"),
            csi("file.csi.azure.com", "group#account#b#"),
        ),
        (
            csi("file.csi.azure.com", "group#one#pg#"),
            csi("file.csi.azure.com", "group#two#pg#"),
        ),
        (
            csi("blob.csi.azure.com", "group#account#a#"),
            csi("blob.csi.azure.com", "group#account#b#"),
        ),
        (
            csi_with(
                "nasplugin.csi.alibabacloud.com",
                "same",
                &json!({"server": "nas.example", "path": "/a"}),
            ),
            csi_with(
                "nasplugin.csi.alibabacloud.com",
                "same",
                &json!({"server": "nas.example", "path": "/b"}),
            ),
        ),
        (
            csi("fss.csi.oraclecloud.com", "ocid1.filesystem.a:10.0.0.3:/pg"),
            csi("fss.csi.oraclecloud.com", "ocid1.filesystem.b:10.0.0.3:/pg"),
        ),
        (
            csi("linodebs.csi.linode.com", "123-pvc1"),
            csi("linodebs.csi.linode.com", "124-pvc1"),
        ),
        (
            google_disk("shop", "a", "pg"),
            google_disk("shop", "b", "pg"),
        ),
        (
            google_disk("shop", "a", "pg"),
            google_disk("other", "a", "pg"),
        ),
        (google_disk("shop", "a", "pg"), gce("pg2", "a", 0)),
        (
            csi("efs.csi.aws.com", "fs-1::fsap-1"),
            csi("efs.csi.aws.com", "fs-1::fsap-2"),
        ),
        (csi_image("c", "", "one"), csi_image("c", "", "two")),
        (csi_image("c", "", "p"), csi_image("d", "", "p")),
        (csi_image("c", "one", "p"), csi_image("c", "two", "p")),
        (csi_cephfs("c", "f", "/pg"), csi_cephfs("d", "f", "/pg")),
        (csi_cephfs("c", "f", "/pg"), csi_cephfs("c", "g", "/pg")),
        (csi_cephfs("c", "f", "/pg"), csi_cephfs("c", "f", "/other")),
        (csi_iscsi("i", "1"), csi_iscsi("i", "2")),
        (csi_iscsi("i", "1"), csi_iscsi("j", "1")),
        (local("/disks/1", "one"), local("/disks/1", "two")),
        (local("/disks/1", "one"), local("/disks/10", "one")),
        (
            pinned(
                json!({"local": {"path": "/d"}}),
                "topology.kubernetes.io/zone",
                &["a", "b"],
            ),
            pinned(
                json!({"local": {"path": "/d"}}),
                "topology.kubernetes.io/zone",
                &["c"],
            ),
        ),
        (nfs("files", "/export/pg"), nfs("other", "/export/pg")),
        (nfs("files", "/export/pg"), nfs("files", "/export/pg2")),
        (
            nfs("files", "/export/pg"),
            json!({"hostPath": {"path": "/export/pg"}}),
        ),
        (iscsi("10.0.0.1", "iqn.a", 0), iscsi("10.0.0.1", "iqn.a", 1)),
        (rbd(&["a"], "pg"), rbd(&["a"], "pg2")),
        (rbd(&["a"], "pg"), rbd(&["b"], "pg")),
        (cephfs(&["a"], "/pg"), cephfs(&["b"], "/pg")),
        (
            json!({"fc": {"targetWWNs": ["50a"], "lun": 2}}),
            json!({"fc": {"targetWWNs": ["50a"], "lun": 3}}),
        ),
        (azure_file(None, "s"), azure_file(Some("shop"), "s")),
        (azure_file(None, "s"), azure_file(None, "t")),
        (gce("pg", "a", 0), gce("pg", "b", 0)),
        (gce("pg", "a", 1), gce("pg", "a", 2)),
        (aws("vol-1", 1), aws("vol-1", 2)),
    ]
}
