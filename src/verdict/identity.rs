//! Checks of which database cluster answers: its databases, its identifier, its volume.

use crate::api::{ClusterState, CountKind, DatabaseEvidence, Evidence, Finding, LostDatabase};

use super::input::{Baseline, Input, has_database};
use super::mounts::{DataPlace, Mounts};
use super::volumes::{DataVolumes, Directories, cluster_state};

/// Make sure that every database that the last good check found, and that the spec still asks for,
/// exists.
pub(super) fn database_missing(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (baseline, evidence) = (input.baseline?, input.evidence?);
    // A replica may lag behind.
    if evidence.identity.in_recovery && is_same_cluster(&baseline, evidence) {
        return None;
    }
    let databases: Vec<LostDatabase> = input
        .spec
        .connection
        .databases()
        .filter(|name| !has_database(evidence, name))
        .filter_map(|name| find_database(baseline.evidence, name))
        .map(|before| describe_loss(baseline.evidence, before, None))
        .collect();
    (!databases.is_empty()).then_some(Finding::DatabaseMissing {
        databases,
        left_out: 0,
    })
}

fn is_same_cluster(baseline: &Baseline<'_>, evidence: &Evidence) -> bool {
    baseline.evidence.identity.system_identifier == evidence.identity.system_identifier
}

/// Make sure that the database cluster is the one of the last good check: initdb gives each another
/// identifier. Also of a replica, which has that of its primary.
pub(super) fn cluster_changed(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (baseline, evidence) = (input.baseline?, input.evidence?);
    if is_same_cluster(&baseline, evidence) {
        return None;
    }
    let volumes = DataVolumes::compare(input, &baseline)?;
    let directory = evidence.identity.data_directory.as_str();
    let place = Mounts::of(input.target, input.image).place_of(directory);
    let is_off_volume = !directory.is_empty() && !matches!(place, DataPlace::Claim(_));
    let before = cluster_state(baseline.evidence, volumes.before);
    let now = cluster_state(evidence, volumes.now);
    let directories = Directories {
        before: &before.data_directory,
        now: &now.data_directory,
    };
    let is_elsewhere =
        directories.differ_on(&volumes) && !has_its_rows(baseline.evidence, evidence);
    Some(other_cluster(
        input,
        volumes,
        is_off_volume,
        is_elsewhere,
        before,
        now,
    ))
}

/// Whether most rows are there: what `pg_upgrade` leaves is another database cluster in another
/// directory, too.
fn has_its_rows(before: &Evidence, now: &Evidence) -> bool {
    let rows = |evidence: &Evidence| {
        let rows = evidence.tables.iter().map(|table| table.rows);
        rows.fold(0, i64::saturating_add)
    };
    let had = rows(before);
    had > 0 && rows(now) >= had / 2
}

/// Which finding it is that another database cluster answers: by where it lies.
pub(super) fn other_cluster(
    input: &Input<'_>,
    volumes: DataVolumes<'_>,
    is_off_volume: bool,
    is_elsewhere: bool,
    before: ClusterState,
    now: ClusterState,
) -> Finding {
    match volumes {
        // What runs at a host need not be what the pod has mounted.
        _ if is_elsewhere && input.target.host.is_none() => {
            Finding::OtherDataDirectory { before, now }
        }
        DataVolumes { moved: false, .. } if !is_off_volume => Finding::ClusterReinitialized {
            before,
            now,
            host: input.target.host.clone(),
        },
        DataVolumes { now: Some(_), .. } => Finding::VolumeReplaced { before, now },
        DataVolumes { now: None, .. } => Finding::DataOffVolume { before, now },
    }
}

pub(super) fn find_database<'a>(
    evidence: &'a Evidence,
    name: &str,
) -> Option<&'a DatabaseEvidence> {
    evidence
        .databases
        .iter()
        .find(|database| database.name == name)
}

/// A database with what the last good check counted in it.
pub(super) fn describe_loss(
    baseline: &Evidence,
    before: &DatabaseEvidence,
    oid_now: Option<i64>,
) -> LostDatabase {
    let tables = || {
        baseline
            .tables
            .iter()
            .filter(|table| table.database == before.name)
    };
    LostDatabase {
        name: before.name.clone(),
        oid_before: before.oid,
        oid_now,
        rows: tables()
            .filter(|table| table.count != CountKind::Estimated)
            .map(|table| table.rows)
            .fold(0, i64::saturating_add),
        table_count: i64::try_from(tables().count()).unwrap_or(i64::MAX),
    }
}
