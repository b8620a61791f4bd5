//! What is shown of one ProtectedDatabase, taken out of the object. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use serde::Serialize;

use crate::api::{
    ConditionStatus, ConditionType, ProtectedDatabase, ProtectedDatabaseSpec,
    ProtectedDatabaseStatus, find_condition,
};

/// What is shown of one ProtectedDatabase.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that don't depend on each other, each a field of the JSON"
)]
pub struct DatabaseOverview {
    pub namespace: String,
    pub name: String,
    /// The database that must exist.
    pub database: String,
    /// The workload, `StatefulSet knowledge-postgres`.
    pub workload: String,
    /// Whether the Ready condition is True and is about what is wanted now.
    pub ready: bool,
    /// What to do, most urgent first; empty when it is ready.
    pub what_to_do: Vec<String>,
    /// Whether somebody asked for its deletion.
    pub being_deleted: bool,
    /// Whether checks and backups are stopped.
    pub suspended: bool,
    /// Whether a backup is asked for at all.
    pub backup_wanted: bool,
    /// What the operator says.
    pub status: ProtectedDatabaseStatus,
}

/// Keeps what is shown.
#[must_use]
pub fn build_overview(object: ProtectedDatabase) -> DatabaseOverview {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let (generation, being_deleted) = (
        object.metadata.generation,
        object.metadata.deletion_timestamp.is_some(),
    );
    let spec = object.spec;
    let status = object.status.unwrap_or_default();
    let kind = match (&spec.workload.selector, spec.workload.kind) {
        (Some(_), _) => "pods".to_owned(),
        (None, kind) => kind.map_or_else(|| "workload".to_owned(), |kind| kind.to_string()),
    };
    let is_current = status.observed_generation == generation;
    let ready = is_current
        && is(
            &status.conditions,
            ConditionType::Ready,
            ConditionStatus::True,
        );
    let what_to_do = if ready {
        Vec::new()
    } else {
        what_to_do(&status, is_current, &spec)
    };
    DatabaseOverview {
        workload: format!("{kind} {}", spec.workload.called()),
        database: spec.connection.database,
        suspended: spec.suspend,
        backup_wanted: spec.backup.is_some(),
        namespace,
        name,
        ready,
        what_to_do,
        being_deleted,
        status,
    }
}

fn is(conditions: &[Condition], condition: ConditionType, wanted: ConditionStatus) -> bool {
    find_condition(conditions, condition).is_some_and(|found| found.status == wanted.as_str())
}

/// The messages of the conditions that are not as they should be, each once.
fn what_to_do(
    status: &ProtectedDatabaseStatus,
    is_current: bool,
    spec: &ProtectedDatabaseSpec,
) -> Vec<String> {
    let operator =
        "see that the operator runs: kubectl get deployment -A -l app.kubernetes.io/name=holdfast";
    if status.conditions.is_empty() {
        return vec![format!("the operator has not looked at it yet; {operator}")];
    }
    let mut said: Vec<String> = Vec::new();
    if !is_current {
        said.push(format!(
            "the operator has not looked at the last change yet; what follows is about the spec \
            before it; {operator}"
        ));
    }
    let asked_for = ConditionType::ALL
        .iter()
        .filter(|type_| type_.row().calls_for_action && type_.is_asked_for(spec));
    for type_ in asked_for {
        let found = find_condition(&status.conditions, *type_);
        if let Some(found) = found.filter(|found| !type_.is_normal(&found.status))
            && !said.contains(&found.message)
        {
            said.push(found.message.clone());
        }
    }
    if said.is_empty() {
        said.extend(
            find_condition(&status.conditions, ConditionType::Ready)
                .map(|ready| ready.message.clone()),
        );
    }
    said
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::json;

    use super::*;

    /// What calls for action is listed in the order of the table, and nothing else.
    #[test]
    fn what_to_do_follows_the_table_of_conditions() {
        let abnormal: Vec<_> = ConditionType::ALL
            .iter()
            .rev()
            .map(|type_| json!({"type": type_.as_str(), "status": "Unknown", "reason": "X", "message": type_.as_str(), "lastTransitionTime": "2026-02-01T09:00:00Z"}))
            .collect();
        let object = |spec: serde_json::Value| -> ProtectedDatabase {
            serde_json::from_value(json!({
                "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase", "metadata": {"name": "knowledge", "namespace": "atra"},
                "spec": spec, "status": {"conditions": abnormal},
            }))
            .unwrap()
        };
        let spec = json!({"workload": {"name": "pg"}, "connection": {"database": "app", "credentialsSecret": {"name": "pg"}}});
        assert_eq!(
            build_overview(object(spec.clone())).what_to_do,
            [
                "Stalled",
                "DataReset",
                "Guarded",
                "DataVerified",
                "DataChanged"
            ],
            "no files and no backup are asked for"
        );
        let mut with_both = spec;
        with_both["verification"] = json!({"files": [{"claim": "uploads", "query": "select 1"}]});
        with_both["backup"] = json!({"schedule": "@daily", "storage": {"s3": {"bucket": "backups", "credentialsSecret": {"name": "s3"}}}});
        assert_eq!(
            build_overview(object(with_both)).what_to_do,
            [
                "Stalled",
                "DataReset",
                "Guarded",
                "DataVerified",
                "DataChanged",
                "FilesMatch",
                "BackupFresh"
            ]
        );
    }
}
