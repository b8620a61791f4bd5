//! Whether what looks reset is what a `DatabaseRestore` has restored: then the new object ids, and another
//! database cluster, are what its user confirmed. Never more than that: every table must have at least the
//! rows of the backup, and what is not known holds. Pure.

use super::known_good::KnownGood;
use super::ready::list;
use crate::api::{
    CheckOutcome, CheckTrigger, CountKind, DatabaseCheck, DatabaseRestore, Evidence, Finding,
    RestorePhase, RestoreReport, RestoreState, RestoreTarget, RowCount, RowLimit, TableChange,
    TableRule, reasons,
};
use crate::verdict::Verdict;
use crate::wording::{count, list as listed, number};
use crate::world::Observed;

/// How many tables a message names.
const NAMED: usize = 5;
/// How many tables a finding names.
const FOUND: usize = 100;

/// Judges what a check suspects. What no restore explains stays as it is.
pub fn judge(
    observed: &Observed,
    check: &DatabaseCheck,
    known_good: Option<&KnownGood<'_>>,
    suspected: Verdict,
) -> Verdict {
    let Some(evidence) = check.evidence() else {
        return suspected;
    };
    if let (Some(why), CheckTrigger::Restore) = (observed.restores.unknown(), check.spec.trigger) {
        return Verdict {
            outcome: CheckOutcome::Unverifiable,
            reason: reasons::READ_FAILED,
            message: format!(
                "it is not known yet which restore this check is about, because {why}; it is checked again"
            ),
            findings: Vec::new(),
        };
    }
    let restores = list(&observed.restores).iter();
    let found = restores
        .filter(|restore| may_explain(observed, check, restore))
        .find_map(|restore| {
            let report = restore.status.as_ref()?.report.as_ref()?;
            is_what_was_restored(report, evidence).then_some((restore, report))
        });
    let Some((restore, report)) = found else {
        return suspected;
    };
    // Once that is what checks are compared with, a loss is a loss again.
    if known_good.is_some_and(|known| {
        let (before, now) = (&known.evidence.identity, &evidence.identity);
        before.system_identifier == now.system_identifier
            && is_what_was_restored(report, &known.evidence)
    }) {
        return suspected;
    }
    let name = restore.metadata.name.as_deref().unwrap_or_default();
    let unexplained = suspected.findings.iter().find(|finding| {
        finding.outcome() == CheckOutcome::Suspected && !explains(observed, report, finding)
    });
    if let Some(finding) = unexplained {
        return Verdict {
            message: format!(
                "DatabaseRestore {name} has restored the data, and that does not explain all of it \
                 ({}), so it is not accepted. {}",
                finding.reason(),
                suspected.message
            ),
            ..suspected
        };
    }
    accept(observed, name, report, evidence, suspected)
}

/// Whether a restore took the place of the database, by its user's confirmation, and its check is still
/// awaited.
fn may_explain(observed: &Observed, check: &DatabaseCheck, restore: &DatabaseRestore) -> bool {
    let Some(status) = &restore.status else {
        return false;
    };
    let is_confirmed =
        restore.spec.confirm.is_some() && restore.spec.confirm == observed.database.metadata.uid;
    let is_done = status.report.as_ref().is_some_and(|report| {
        report.phase == Some(RestorePhase::Done)
            && report.completion_time.is_some()
            && report.failure.is_none()
    });
    let made = check.metadata.creation_timestamp.as_ref();
    let asked = restore.metadata.creation_timestamp.as_ref();
    let is_after = made
        .zip(asked)
        .is_some_and(|(made, asked)| made.0 >= asked.0);
    restore.spec.into == RestoreTarget::Replace
        && restore.changes_something()
        && status.set.is_some()
        && !status.state.is_some_and(RestoreState::is_final)
        && is_confirmed
        && is_done
        && is_after
}

/// Whether evidence is of the very databases that were restored, by their object ids.
pub fn is_what_was_restored(report: &RestoreReport, evidence: &Evidence) -> bool {
    !report.databases.is_empty()
        && report.databases.iter().all(|restored| {
            restored.oid.is_some()
                && evidence.databases.iter().any(|database| {
                    database.name == restored.name && Some(database.oid) == restored.oid
                })
        })
}

/// Raises how far tables are counted to the rows that the restores under way have put there.
pub fn raise_minimums(observed: &Observed, rules: &mut [TableRule]) {
    let main = &observed.database.spec.connection.database;
    let reports = list(&observed.restores).iter().filter_map(|restore| {
        let status = restore.status.as_ref()?;
        let is_final = status.state.is_some_and(RestoreState::is_final);
        // A drill and a dry run put nothing there.
        let is_there = restore.changes_something() && !is_final;
        status.report.as_ref().filter(|_| is_there)
    });
    let tables: Vec<_> = reports.flat_map(|report| &report.tables).collect();
    for rule in rules {
        let database = rule.database.as_ref().unwrap_or(main);
        let of_rule = tables
            .iter()
            .filter(|table| table.name == rule.name && table.database == *database);
        if let (Some(least), Some(rows)) = (rule.min_rows, of_rule.map(|table| table.rows).max()) {
            rule.min_rows = Some(least.max(rows));
        }
    }
}

/// Whether a restore of these databases explains a finding.
fn explains(observed: &Observed, report: &RestoreReport, finding: &Finding) -> bool {
    let is_restored = |name: &str| {
        let mut restored = report.databases.iter();
        restored.any(|database| database.name == name)
    };
    let mut of_spec = observed.database.spec.connection.databases();
    let is_all = of_spec.all(is_restored);
    let are_restored = |tables: &[TableChange], left_out: i64| {
        is_all || (left_out == 0 && tables.iter().all(|table| is_restored(&table.database)))
    };
    match finding {
        Finding::ClusterReinitialized { .. }
        | Finding::VolumeReplaced { .. }
        | Finding::RolledBack { .. }
        | Finding::SeedRowsOnly { .. } => is_all,
        Finding::DatabaseRecreated {
            databases,
            left_out,
        } => {
            let mut names = databases.iter().map(|database| database.name.as_str());
            *left_out == 0 && names.all(is_restored)
        }
        Finding::OlderData {
            tables, left_out, ..
        }
        | Finding::TablesMissing { tables, left_out }
        | Finding::TablesEmptied { tables, left_out }
        | Finding::RowsDropped { tables, left_out }
        | Finding::RowsDwindled { tables, left_out } => are_restored(tables, *left_out),
        Finding::TableCountDropped { database, .. } => is_restored(database),
        // A place that is lost with the pod, a database that is not there, what nobody could read, and
        // what the spec itself demands: no restore explains these.
        Finding::DatabaseMissing { .. }
        | Finding::DataOffVolume { .. }
        | Finding::OtherDataDirectory { .. }
        | Finding::OtherVolumeUnread { .. }
        | Finding::RoleChanged { .. }
        | Finding::RowsBelowMinimum { .. } => false,
        _ => finding.outcome() != CheckOutcome::Suspected,
    }
}

/// How the tables compare with the backup.
#[derive(Default)]
struct Compared {
    fewer: Vec<TableChange>,
    unknown: Vec<TableChange>,
    /// Why a whole database is not known to be complete.
    why_unknown: Option<String>,
}

fn accept(
    observed: &Observed,
    name: &str,
    report: &RestoreReport,
    evidence: &Evidence,
    suspected: Verdict,
) -> Verdict {
    let compared = compare(observed, report, evidence);
    if !compared.fewer.is_empty() {
        let message = format!(
            "DatabaseRestore {name} has restored the data, and by now {} has fewer rows than the backup: {}. \
             {}",
            count(length(&compared.fewer), "table"),
            say_tables(&compared.fewer),
            suspected.message
        );
        return Verdict {
            message,
            ..suspected
        };
    }
    let is_unknown = evidence.partial || !compared.unknown.is_empty();
    if is_unknown || compared.why_unknown.is_some() {
        let what = compared.why_unknown.unwrap_or_else(|| {
            format!(
                "{} was not counted completely: {}",
                count(length(&compared.unknown), "table"),
                say_tables(&compared.unknown)
            )
        });
        let mut tables = compared.unknown;
        let left_out = tables.len().saturating_sub(FOUND);
        tables.truncate(FOUND);
        return Verdict {
            outcome: CheckOutcome::Unverifiable,
            reason: reasons::NOT_COUNTED,
            message: format!(
                "DatabaseRestore {name} has restored the data, and it is not known yet whether every table \
                 has the rows of the backup: {what}. It is checked again; if that takes longer than a check \
                 may, raise spec.verification.timeout"
            ),
            findings: vec![Finding::NotCounted {
                tables,
                left_out: i64::try_from(left_out).unwrap_or(i64::MAX),
            }],
        };
    }
    let rows: i64 = report
        .databases
        .iter()
        .filter_map(|database| database.expected_rows)
        .fold(0, i64::saturating_add);
    Verdict {
        outcome: CheckOutcome::Verified,
        reason: reasons::VERIFIED,
        message: format!(
            "DatabaseRestore {name} has restored the data, as its user confirmed, and every table has at \
             least the rows of the backup ({} in all). Later checks are compared with this one",
            count(rows, "row")
        ),
        findings: suspected.findings,
    }
}

fn length(tables: &[TableChange]) -> i64 {
    i64::try_from(tables.len()).unwrap_or(i64::MAX)
}

fn compare(observed: &Observed, report: &RestoreReport, evidence: &Evidence) -> Compared {
    let mut compared = Compared::default();
    let main = &observed.database.spec.connection.database;
    let is_volatile = |database: &str, table: &str| {
        let mut rules = observed.database.spec.verification.tables.iter();
        rules.any(|rule| {
            rule.volatile
                && rule.name == table
                && rule.database.as_ref().unwrap_or(main) == database
        })
    };
    let lists_all =
        i64::try_from(evidence.tables.len()).unwrap_or(i64::MAX) >= evidence.table_count;
    for expected in &report.tables {
        if is_volatile(&expected.database, &expected.name) {
            continue;
        }
        let found = evidence.table(&expected.database, &expected.name);
        let change = || TableChange {
            database: expected.database.clone(),
            name: expected.name.clone(),
            before: Some(RowCount {
                rows: expected.rows,
                count: CountKind::Exact,
            }),
            now: found.map(RowCount::from),
            limit: None::<RowLimit>,
        };
        match found {
            Some(found) if found.least_rows() >= expected.rows => {}
            Some(found) if found.count == CountKind::Exact => compared.fewer.push(change()),
            None if lists_all => compared.fewer.push(change()),
            Some(_) | None => compared.unknown.push(change()),
        }
    }
    let whole = report
        .databases
        .iter()
        .find_map(|database| not_complete(report, evidence, &database.name));
    compared.why_unknown = whole;
    compared
}

/// Why it is not known of a database that all of it was restored and is there.
fn not_complete(report: &RestoreReport, evidence: &Evidence, name: &str) -> Option<String> {
    let database = report
        .databases
        .iter()
        .find(|database| database.name == name)?;
    let (Some(expected), Some(restored)) = (database.expected_rows, database.rows) else {
        return Some(format!(
            "the agent did not say how many rows database {name} has in the backup and in the server"
        ));
    };
    if restored < expected {
        return Some(format!(
            "the agent found {} of {} in database {name}",
            number(restored),
            count(expected, "row")
        ));
    }
    let of_database = report.tables.iter().filter(|table| table.database == name);
    let said: i64 = of_database.clone().map(|table| table.rows).sum();
    if said >= expected {
        return None;
    }
    // More tables than a report can list: then all of them together must be there.
    let coverage = evidence
        .coverage
        .iter()
        .find(|found| found.database == name);
    let counted = coverage.map_or_else(
        || {
            let tables = evidence
                .tables
                .iter()
                .filter(|table| table.database == name);
            tables.map(crate::api::TableEvidence::least_rows).sum()
        },
        |coverage| coverage.counted_rows,
    );
    (counted < expected).then(|| {
        format!(
            "{} of {} were counted in database {name}",
            number(counted),
            count(expected, "row")
        )
    })
}

fn say_tables(tables: &[TableChange]) -> String {
    let mut said: Vec<String> = tables
        .iter()
        .take(NAMED)
        .map(|table| {
            let before = table.before.map_or(0, |before| before.rows);
            match table.now {
                Some(now) => format!("{} {} of {}", table.name, number(now.rows), number(before)),
                None => format!("{} is missing", table.name),
            }
        })
        .collect();
    let more = tables.len().saturating_sub(NAMED);
    if more > 0 {
        said.push(format!("{more} more"));
    }
    listed(&said)
}
