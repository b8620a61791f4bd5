//! Which ProtectedDatabase covers which workload. Keeps a few words of each, whatever its size.
//! Pure.

use std::collections::BTreeMap;

use kube::ResourceExt as _;

use crate::api::{
    ConditionStatus, ConditionType, DeletionGuard, PodLabels, ProtectedDatabase, WorkloadKind,
    find_condition, reasons,
};

/// A ProtectedDatabase, down to what says which workload it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    pub namespace: String,
    pub name: String,
    kind: Option<WorkloadKind>,
    workload: String,
    selector: Option<PodLabels>,
    /// Whether it says that it is Ready.
    pub ready: bool,
    /// What it says of what no template shows, if it has seen that.
    pub guard_says: Option<String>,
    /// What it says of backups.
    pub backup: BackupCover,
    /// Why a restore of its newest good backup is refused.
    pub restore_obstacles: Vec<String>,
    /// Whether drills are scheduled.
    pub drills: bool,
    /// Whether it refuses deletions at all.
    pub denies_deletion: bool,
}

/// Whether a ProtectedDatabase has a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupCover {
    /// Nobody asks for one.
    NotAskedFor,
    /// It asks for one, and none has succeeded.
    None,
    /// There is one.
    Taken,
}

/// Reasons of `Guarded` that the operator sees and no template shows.
const SEEN: &[&str] = &[
    reasons::DATA_IN_IMAGE_VOLUME,
    reasons::CLAIM_MOUNTED_TWICE,
    reasons::OTHER_SERVER_SELECTED,
    reasons::SECOND_SERVER,
];

/// Keeps what matters.
pub fn build_cover(database: &ProtectedDatabase) -> Cover {
    let conditions = database
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let ready = find_condition(conditions, ConditionType::Ready);
    let guard_says = find_condition(conditions, ConditionType::Guarded)
        .filter(|guarded| SEEN.contains(&guarded.reason.as_str()))
        .map(|guarded| guarded.message.clone());
    let status = database.status.as_ref();
    let is_taken = status.is_some_and(|status| status.last_good_backup.is_some());
    let backup = match database.spec.backup {
        None => BackupCover::NotAskedFor,
        Some(_) if is_taken => BackupCover::Taken,
        Some(_) => BackupCover::None,
    };
    Cover {
        namespace: database.namespace().unwrap_or_default(),
        name: database.name_any(),
        kind: database.spec.workload.kind,
        workload: database.spec.workload.name.clone(),
        selector: database.spec.workload.selector.clone(),
        ready: ready.is_some_and(|ready| ready.status == ConditionStatus::True.as_str()),
        guard_says,
        backup,
        restore_obstacles: status
            .and_then(|status| status.last_good_backup.as_ref())
            .map(|good| good.restore_obstacles.clone())
            .unwrap_or_default(),
        drills: database.spec.drill.is_some(),
        denies_deletion: database.spec.guard.deletion == DeletionGuard::Deny,
    }
}

/// The ProtectedDatabase that covers a workload.
pub fn find_cover<'a>(
    covers: &'a [Cover],
    namespace: &str,
    kind: WorkloadKind,
    name: &str,
) -> Option<&'a Cover> {
    covers.iter().find(|cover| {
        cover.namespace == namespace
            && cover.workload == name
            && cover.kind.is_none_or(|other| other == kind)
    })
}

/// The ProtectedDatabase that selects pods with these labels.
pub fn find_cover_of_pods<'a>(
    covers: &'a [Cover],
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Option<&'a Cover> {
    let mut covers = covers.iter().filter(|cover| cover.namespace == namespace);
    covers.find(|cover| {
        let selector = cover.selector.as_ref();
        selector.is_some_and(|selector| selector.select(labels))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_covered_by_kind_name_and_namespace() {
        let cover = |kind| Cover {
            namespace: "atra".to_owned(),
            name: "knowledge".to_owned(),
            kind,
            workload: "pg".to_owned(),
            selector: None,
            ready: true,
            guard_says: None,
            backup: BackupCover::Taken,
            restore_obstacles: Vec::new(),
            drills: true,
            denies_deletion: true,
        };
        let any = [cover(None)];
        let set = [cover(Some(WorkloadKind::StatefulSet))];
        assert!(find_cover(&any, "atra", WorkloadKind::Deployment, "pg").is_some());
        assert!(find_cover(&set, "atra", WorkloadKind::StatefulSet, "pg").is_some());
        assert!(find_cover(&set, "atra", WorkloadKind::Deployment, "pg").is_none());
        assert!(find_cover(&set, "other", WorkloadKind::StatefulSet, "pg").is_none());
        assert!(find_cover(&set, "atra", WorkloadKind::StatefulSet, "pg-2").is_none());
    }
}
