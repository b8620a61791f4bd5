//! Checks for what is worth knowing and is no loss. None of them changes the outcome.

use crate::api::{CountKind, Finding, LostDatabase};

use super::first_look::databases_with_rows;
use super::habits::is_usual;
use super::input::{Input, TablePair, has_database};
use super::volumes::{DataVolumes, cluster_state};

/// After an upgrade a table has at least so much of its rows, in percent.
const KEPT_PERCENT: i128 = 90;

/// Make sure that the known database cluster is on the volume on which it was.
pub(super) fn volume_changed(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (baseline, evidence) = (input.baseline?, input.evidence?);
    let volumes = DataVolumes::compare(input, &baseline)?;
    let is_same_cluster =
        baseline.evidence.identity.system_identifier == evidence.identity.system_identifier;
    (volumes.moved && is_same_cluster).then(|| Finding::VolumeChanged {
        before: cluster_state(baseline.evidence, volumes.before),
        now: cluster_state(evidence, volumes.now),
    })
}

/// Make sure that the role of the checks is not a superuser.
pub(super) fn superuser_role(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    input
        .evidence?
        .superuser
        .then_some(Finding::SuperuserRole {})
}

/// Make sure that the server has no database with rows that no check connects to.
pub(super) fn other_databases(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let others: Vec<_> = databases_with_rows(input.evidence?)
        .into_iter()
        .filter(|other| !input.is_connected(&other.name))
        .collect();
    (!others.is_empty()).then_some(Finding::OtherDatabases { others })
}

/// Make sure that the databases that no check connects to are still there, if the database cluster
/// is the same.
pub(super) fn other_databases_missing(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (known, evidence) = (input.baseline?.evidence, input.evidence?);
    if known.identity.system_identifier != evidence.identity.system_identifier {
        return None;
    }
    // A database that was renamed is there, under its object id.
    let is_gone = |oid: i64, name: &str| {
        !has_database(evidence, name)
            && !evidence
                .databases
                .iter()
                .any(|database| database.oid == oid && oid != 0)
    };
    let databases: Vec<LostDatabase> = known
        .databases
        .iter()
        .filter(|before| !input.is_connected(&before.name) && is_gone(before.oid, &before.name))
        .map(|before| {
            let seen = known
                .other_databases
                .iter()
                .find(|other| other.name == before.name);
            LostDatabase {
                name: before.name.clone(),
                oid_before: before.oid,
                oid_now: None,
                rows: seen.and_then(|seen| seen.estimated_rows).unwrap_or(0),
                table_count: seen.and_then(|seen| seen.table_count).unwrap_or(0),
            }
        })
        .collect();
    (!databases.is_empty()).then_some(Finding::OtherDatabasesMissing {
        databases,
        left_out: 0,
    })
}

/// Make sure that another database cluster is not the same data after a major upgrade, and if it
/// is, say so: every table has the rows that it had, or nearly, as far as they were counted. Queues
/// and logs go on losing theirs meanwhile.
pub(super) fn looks_upgraded(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (known, evidence) = (input.baseline?.evidence, input.evidence?);
    let (before, now) = (&known.identity, &evidence.identity);
    let is_higher = major(&now.server_version)? > major(&before.server_version)?;
    if before.system_identifier == now.system_identifier || !is_higher {
        return None;
    }
    let tables: Vec<TablePair<'_>> = input
        .table_pairs()
        .into_iter()
        .filter(|table| table.rule.is_some() || !is_usual(&table.before.name))
        .collect();
    let has_rows = tables.iter().any(|table| table.before.least_rows() > 0);
    let is_kept = tables.iter().all(|table| match table.now {
        Some(now) => {
            let (had, rows) = (table.before.least_rows(), now.rows);
            now.count == CountKind::Estimated
                || i128::from(rows) * 100 >= i128::from(had) * KEPT_PERCENT
        }
        None => table.before.least_rows() == 0,
    });
    let is_seen = tables
        .iter()
        .any(|table| table.now.is_some_and(|now| now.least_rows() > 0));
    (has_rows && is_kept && is_seen).then(|| Finding::LooksUpgraded {
        version_before: before.server_version.clone(),
        version_now: now.server_version.clone(),
    })
}

/// The major version in `15.18` or `18beta1`.
fn major(version: &str) -> Option<u32> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
