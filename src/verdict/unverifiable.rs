//! Checks of whether anything can be said at all. None of them ever raises a reset.

use crate::api::{
    AgentFailure, CountKind, Finding, RowCount, RowLimit, TableChange, TableEvidence, TableRule,
    reasons,
};

use super::answered::other_server;
use super::input::{Input, has_database};

/// Make sure that the agent has reported evidence.
pub(super) fn nothing_found(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    match (input.evidence, input.failure) {
        (Some(_), _) => None,
        (None, Some(failure)) => Some(Finding::AgentFailed {
            failure: failure.clone(),
        }),
        (None, None) => Some(no_report(input)),
    }
}

/// What is found when there is neither evidence nor a failure.
pub(super) fn no_report(input: &Input<'_>) -> Finding {
    Finding::AgentFailed {
        failure: AgentFailure {
            reason: reasons::JOB_FAILED.to_owned(),
            message: format!(
                "the agent reported nothing, so nothing can be said about the data; see kubectl \
                 -n {} describe job {}",
                input.namespace, input.check
            ),
        },
    }
}

/// Make sure that the server is a primary: a replica of the same database cluster proves nothing about
/// it, and is never compared with it. That another pod's server is a replica says nothing of this one.
pub(super) fn in_recovery(input: &Input<'_>, found: &[Finding]) -> Option<Finding> {
    let is_replica = input.evidence?.identity.in_recovery;
    is_replica.then(|| other_server(input, found).unwrap_or(Finding::InRecovery {}))
}

/// Make sure that the agent could look everywhere.
pub(super) fn incomplete(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    input.evidence?;
    input.failure.map(|failure| Finding::AgentFailed {
        failure: failure.clone(),
    })
}

/// Make sure that every database of the spec exists that no good check has seen.
pub(super) fn database_not_found(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    let (position, name) = input
        .spec
        .connection
        .databases()
        .enumerate()
        .find(|(_, name)| !has_database(evidence, name))?;
    let field = match position {
        0 => "spec.connection.database".to_owned(),
        further => format!("spec.connection.additionalDatabases[{}]", further - 1),
    };
    Some(Finding::DatabaseNotFound {
        database: name.to_owned(),
        field,
    })
}

/// Make sure that every table of the spec exists that no good check has seen.
pub(super) fn table_not_found(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    input.evidence?;
    let (position, rule) = input
        .rules()
        .find(|(_, rule)| !rule.volatile && input.found(rule).is_none())?;
    let database = input.database_of(rule);
    let is_connected = input.is_connected(database);
    let wrong = if is_connected { "name" } else { "database" };
    Some(Finding::TableNotFound {
        database: database.to_owned(),
        field: format!("spec.verification.tables[{position}].{wrong}"),
        table: rule.name.clone(),
        is_connected,
    })
}

/// Make sure that every table with a rule of its own was counted far enough to judge it.
pub(super) fn not_counted(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let unknown = input.rules().filter_map(|(position, rule)| {
        let now = input.found(rule)?;
        let before = input.known_good(rule);
        let (field, value) = unmet_limit(input, rule, before, now)?;
        let of_rule = format!("spec.verification.tables[{position}]");
        Some(TableChange {
            database: now.database.clone(),
            name: now.name.clone(),
            before: before.map(RowCount::from),
            now: Some(RowCount::from(now)),
            limit: Some(RowLimit {
                field: match field {
                    Field::MinRows => format!("{of_rule}.minRows"),
                    Field::MaxDropPercent => format!("{of_rule}.maxDropPercent"),
                    Field::OfAll => "spec.verification.baseline.maxDropPercent".to_owned(),
                },
                value,
            }),
        })
    });
    let tables: Vec<TableChange> = unknown.collect();
    (!tables.is_empty()).then_some(Finding::NotCounted {
        tables,
        left_out: 0,
    })
}

/// The field with a limit.
enum Field {
    MinRows,
    MaxDropPercent,
    OfAll,
}

/// The limit of a rule that a count does not suffice for: rows that are surely there are enough for
/// a minimum or a share that they reach, an estimate for nothing.
fn unmet_limit(
    input: &Input<'_>,
    rule: &TableRule,
    before: Option<&TableEvidence>,
    now: &TableEvidence,
) -> Option<(Field, i64)> {
    if now.count == CountKind::Exact {
        return None;
    }
    let minimum = rule.min_rows.unwrap_or(0);
    if minimum > 0 && now.least_rows() < minimum {
        return Some((Field::MinRows, minimum));
    }
    let of_all = input.spec.verification.baseline.max_drop_percent();
    let (field, percent) = match rule.max_drop_percent {
        Some(percent) => (Field::MaxDropPercent, percent),
        None => (Field::OfAll, of_all?),
    };
    let is_unlogged = before.unwrap_or(now).unlogged && rule.max_drop_percent.is_none();
    if rule.volatile || is_unlogged || percent >= 100 {
        return None;
    }
    // What nobody has counted before can't be missed, and nothing is verified of it.
    let is_proven = before.is_some_and(|before| {
        let had = i128::from(before.least_rows());
        let lost = had - i128::from(now.least_rows());
        before.count != CountKind::Estimated && lost * 100 <= had * i128::from(percent)
    });
    (!is_proven).then_some((field, percent.into()))
}
