//! The `CustomResourceDefinition`s of all kinds.

use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use super::InstallError;
use crate::api::{DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseRestore, ProtectedDatabase};

/// All of them, the one that people write first.
pub fn build_definitions() -> Result<Vec<Value>, InstallError> {
    [ProtectedDatabase::crd(), DatabaseCheck::crd(), DatabaseBackup::crd(), DatabaseRestore::crd(), DatabaseLedger::crd()]
        .iter()
        .map(|definition| {
            let mut object = serde_json::to_value(definition)?;
            object["metadata"]["labels"] = json!({"app.kubernetes.io/name": "holdfast"});
            Ok(object)
        })
        .collect()
}
