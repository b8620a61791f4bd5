//! What is shown of one ProtectedDatabase, taken out of the object. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use serde::Serialize;

use crate::api::{
    ConditionStatus, ConditionType, ProtectedDatabase, ProtectedDatabaseStatus, find_condition,
};

/// What is shown of one ProtectedDatabase.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that don't depend on each other, each a field of the JSON"
)]
pub struct DatabaseOverview {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The database that must exist.
    pub database: String,
    /// The workload, `StatefulSet knowledge-postgres`.
    pub workload: String,
    /// Whether the Ready condition is True and is about what is wanted now.
    pub ready: bool,
    /// What a person should do, most urgent first; empty when it is ready.
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

/// The conditions that must hold, and the value that is well, most urgent first.
const WELL: &[(ConditionType, ConditionStatus)] = &[
    (ConditionType::Stalled, ConditionStatus::False),
    (ConditionType::DataReset, ConditionStatus::False),
    (ConditionType::Guarded, ConditionStatus::True),
    (ConditionType::DataVerified, ConditionStatus::True),
    (ConditionType::FilesMatch, ConditionStatus::True),
    (ConditionType::BackupFresh, ConditionStatus::True),
];

/// Takes out what is shown.
#[must_use]
pub fn build_overview(object: ProtectedDatabase) -> DatabaseOverview {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let (generation, being_deleted) = (
        object.metadata.generation,
        object.metadata.deletion_timestamp.is_some(),
    );
    let spec = object.spec;
    let status = object.status.unwrap_or_default();
    let kind = spec
        .workload
        .kind
        .map_or_else(|| "workload".to_owned(), |kind| kind.to_string());
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
        what_to_do(&status, is_current, spec.backup.is_some())
    };
    DatabaseOverview {
        workload: format!("{kind} {}", spec.workload.name),
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
    backup_wanted: bool,
) -> Vec<String> {
    let operator =
        "see that the operator runs: kubectl get deployment -A -l app.kubernetes.io/name=holdfast";
    if status.conditions.is_empty() {
        return vec![format!("the operator has not looked at it yet; {operator}")];
    }
    let mut said: Vec<String> = Vec::new();
    if !is_current {
        said.push(format!(
            "the operator has not looked at the last change yet, what follows is about the one \
            before; {operator}"
        ));
    }
    for (condition, wanted) in WELL {
        let Some(found) = find_condition(&status.conditions, *condition) else {
            continue;
        };
        let is_asked_for = *condition != ConditionType::BackupFresh || backup_wanted;
        if is_asked_for && found.status != wanted.as_str() && !said.contains(&found.message) {
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
