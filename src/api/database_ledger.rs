//! `DatabaseLedger`: the memory that survives the namespace and the `ProtectedDatabase` itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Evidence, MountedVolume, VolumeStorage, WithoutLogin, is_same_handle};

/// The most volumes that a ledger remembers; those of the last good check come first, then those in use.
pub const LEDGER_VOLUME_LIMIT: usize = 128;

/// The most namespaces of the name that a ledger remembers.
pub const LEDGER_NAMESPACE_LIMIT: usize = 8;

/// What is remembered of a protected database outside its namespace. The operator writes it; its
/// name is `NAMESPACE.NAME`.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "holdfast.dev",
    version = "v1alpha1",
    kind = "DatabaseLedger",
    plural = "databaseledgers",
    shortname = "dbledger",
    category = "holdfast",
    derive = "PartialEq",
    status = "DatabaseLedgerStatus",
    doc = "What is remembered of a protected database outside its namespace: what was last known \
        good, its claims and volumes, where its backups are.",
    printcolumn(
        name = "Namespace",
        type_ = "string",
        json_path = ".spec.namespace",
        description = "Where the database is"
    ),
    printcolumn(
        name = "Database",
        type_ = "string",
        json_path = ".spec.database",
        description = "The ProtectedDatabase"
    ),
    printcolumn(
        name = "Rows",
        type_ = "integer",
        json_path = ".status.baseline.evidence.totalRows",
        description = "Rows at the last good check"
    ),
    printcolumn(
        name = "Last Good",
        type_ = "date",
        json_path = ".status.baseline.time",
        description = "When the last good check ended"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("spec of a DatabaseLedger can't be \
    changed"))]
pub struct DatabaseLedgerSpec {
    /// Namespace of the `ProtectedDatabase`.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Name of the `ProtectedDatabase`.
    #[schemars(length(min = 1, max = 40))]
    pub database: String,
}

/// The memory itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseLedgerStatus {
    /// UID of the `ProtectedDatabase` that this was last written for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database_uid: String,
    /// UID of the namespace that all of this is remembered of. Where the namespace of that name has
    /// another one, nothing of it is used until the annotation `holdfast.dev/accept-namespace`
    /// names that UID.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace_uid: String,
    /// UIDs of namespaces of that name that were accepted in place of each other, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub earlier_namespace_uids: Vec<String>,
    /// What is needed to recreate the namespace: its name, labels and annotations.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "any_object")]
    pub namespace_manifest: Value,
    /// The manifest of the `ProtectedDatabase`, without marks and without fields that the API
    /// server sets.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "any_object")]
    pub database_manifest: Value,
    /// What was last known good. A `ProtectedDatabase` that is created again with this name is
    /// compared with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<LedgerBaseline>,
    /// The claims and volumes that hold the database, or once held it, at most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<RememberedVolume>,
    /// The newest good backup and where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good_backup: Option<RememberedBackup>,
}

/// What was last known good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerBaseline {
    /// Name of the `DatabaseCheck` whose evidence it is.
    pub check: String,
    /// When that check ended, by the agent's clock.
    pub time: Time,
    /// When that check was created, by the API server's clock. Older versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// The volumes that the database ran on.
    #[serde(default)]
    pub volumes: Vec<MountedVolume>,
    /// Tables that had more rows within the last 7 days, at most 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub best: Vec<BestCount>,
    /// What was found.
    pub evidence: Evidence,
    /// What the server said before a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_login: Option<WithoutLogin>,
}

/// The most rows that a table had within the last 7 days, where that is more than at the last good
/// check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BestCount {
    /// The database that it is in.
    pub database: String,
    /// `schema.table`.
    pub name: String,
    /// Rows that were surely there.
    pub rows: i64,
    /// When the check that counted them was created.
    pub time: Time,
}

/// A claim and its volume, with what is needed to recreate them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RememberedVolume {
    /// Name of the claim.
    pub claim: String,
    /// UID of the claim.
    pub claim_uid: String,
    /// Name of the `PersistentVolume`.
    pub volume: String,
    /// The storage's name for the volume: the CSI handle, or the path of a local volume.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub volume_handle: String,
    /// The manifest of the claim, without marks and without fields that the API server sets.
    #[schemars(schema_with = "any_object")]
    pub claim_manifest: Value,
    /// The manifest of the volume, without marks and without fields that the API server sets.
    #[schemars(schema_with = "any_object")]
    pub volume_manifest: Value,
}

/// A backup and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RememberedBackup {
    /// Name of the `DatabaseBackup`.
    pub name: String,
    /// When it ended.
    pub time: Time,
    /// The bucket.
    pub bucket: String,
    /// The endpoint of the object store; empty means Amazon's endpoint for the region.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// Its path in the bucket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

impl DatabaseLedgerStatus {
    /// Whether the last good check saw this volume: without it that data can't be brought back.
    #[must_use]
    pub fn needs(&self, remembered: &RememberedVolume) -> bool {
        let baseline = self.baseline.iter();
        let mut good = baseline.flat_map(|baseline| &baseline.volumes);
        good.any(|good| {
            good.claim == remembered.claim
                && good.volume == remembered.volume
                && is_same_handle(&good.volume_handle, &remembered.handle()) != Some(false)
        })
    }
}

impl RememberedVolume {
    /// Whether both are of one claim, one volume object, and the same storage.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let is_elsewhere = || {
            let both = self.storage().zip(other.storage());
            both.and_then(|(one, other)| one.is_same(&other)) == Some(false)
        };
        self.claim == other.claim
            && self.volume == other.volume
            && is_same_handle(&self.handle(), &other.handle()) != Some(false)
            && !is_elsewhere()
    }

    /// The storage, with the nodes that it is on, as the manifest says it.
    #[must_use]
    pub fn storage(&self) -> Option<VolumeStorage> {
        let spec = self.volume_manifest.get("spec").cloned()?;
        let spec = serde_json::from_value(spec).ok()?;
        Some(VolumeStorage::of(&spec))
    }

    /// The storage's name for the volume. An older version did not note it for every kind, but noted
    /// the manifest.
    #[must_use]
    pub fn handle(&self) -> String {
        if !self.volume_handle.is_empty() {
            return self.volume_handle.clone();
        }
        let storage = self.storage();
        storage.map_or_else(String::new, |storage| storage.handle().to_owned())
    }
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    fn remembered(handle: &str, node: &str) -> RememberedVolume {
        serde_json::from_value(json!({
            "claim": "data", "claimUid": "u-1", "volume": "pv-1", "volumeHandle": handle,
            "claimManifest": {},
            "volumeManifest": {"spec": {"local": {"path": "/disks/1"}, "nodeAffinity": {"required": {
                "nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
                ]}],
            }}}},
        }))
        .unwrap()
    }

    /// The text of a local volume is its path, which is another disk on another node.
    #[test]
    fn the_same_path_on_another_node_is_another_volume() {
        let same = |one: (&str, &str), other: (&str, &str)| {
            remembered(one.0, one.1).is_same(&remembered(other.0, other.1))
        };
        assert!(same(("/disks/1", "one"), ("/disks/1/", "one")));
        assert!(
            same(("/disks/1", "one"), ("", "one")),
            "it was not noted then"
        );
        assert!(!same(("/disks/1", "one"), ("/disks/1", "two")));
        assert!(!same(("", "one"), ("", "two")));
        assert!(!same(("/disks/1", "one"), ("/disks/2", "one")));
    }
}
