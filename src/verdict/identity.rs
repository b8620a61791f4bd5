//! Checks of which cluster of data answers: its databases, its identifier, its volume.

use crate::api::{CountKind, reasons};
use crate::wording;

use super::Case;
use super::case::{Finding, has_database};
use super::volumes::{DataVolumes, directory_off_volume};

/// Make sure that every database that the last good check found, and that the spec still asks for,
/// exists.
pub(super) fn database_missing(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let (baseline, evidence) = (case.baseline?, case.evidence?);
    let gone: Vec<String> = case
        .spec
        .connection
        .databases()
        .filter(|name| has_database(baseline.evidence, name) && !has_database(evidence, name))
        .map(|name| {
            let tables = || {
                baseline
                    .evidence
                    .tables
                    .iter()
                    .filter(|table| table.database == name)
            };
            let rows = tables()
                .filter(|table| table.count != CountKind::Estimated)
                .map(|table| table.rows)
                .sum();
            let tables = i64::try_from(tables().count()).unwrap_or(i64::MAX);
            format!(
                "database \"{name}\" does not exist; it had {} in {}",
                wording::count(rows, "row"),
                wording::count(tables, "table")
            )
        })
        .collect();
    if gone.is_empty() {
        None
    } else {
        Some(Finding::suspected(
            reasons::DATABASE_MISSING,
            wording::list(&gone),
        ))
    }
}

/// Make sure that the cluster of data is the one of the last good check: initdb gives each another
/// identifier.
pub(super) fn cluster_changed(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let (baseline, evidence) = (case.baseline?, case.evidence?);
    if baseline.evidence.identity.system_identifier == evidence.identity.system_identifier {
        return None;
    }
    let volumes = DataVolumes::compare(case, &baseline)?;
    let is_off_volume = directory_off_volume(evidence, &case.target.volumes).is_some();
    Some(match volumes {
        DataVolumes { moved: false, .. } if !is_off_volume => {
            let sentence = match &case.spec.connection.host {
                Some(host) => {
                    format!(
                        "another cluster of data answers: initdb has run, or another server \
                         answers at spec.connection.host ({host})"
                    )
                }
                None => {
                    "initdb has run: another cluster of data is where the known one was".to_owned()
                }
            };
            Finding::suspected(reasons::CLUSTER_REINITIALIZED, sentence)
        }
        DataVolumes { now: Some(_), .. } => {
            let sentence = "the pod runs on another volume than the one with the data, and another \
                cluster of data is on it";
            Finding::suspected(reasons::VOLUME_REPLACED, sentence.to_owned())
        }
        DataVolumes { now: None, .. } => {
            let directory = &evidence.identity.data_directory;
            let sentence = format!(
                "the data directory {directory} is on no claim, so that it begins empty with every \
                 pod; another cluster of data is in it"
            );
            Finding::suspected(reasons::DATA_OFF_VOLUME, sentence)
        }
    })
}
