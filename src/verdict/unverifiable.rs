//! Checks of whether anything can be said at all. None of them ever raises a reset.

use crate::api::{
    AgentFailure, CountKind, Finding, RowCount, RowLimit, TableChange, TableRule, reasons,
};

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

/// Make sure that the server is a primary: a replica proves nothing about it, and is never compared
/// with it.
pub(super) fn in_recovery(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    input
        .evidence?
        .identity
        .in_recovery
        .then_some(Finding::InRecovery {})
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
        let limit = unmet_limit(rule, now.rows, now.count)?;
        Some(TableChange {
            database: now.database.clone(),
            name: now.name.clone(),
            before: input.known_good(rule).map(RowCount::from),
            now: Some(RowCount::from(now)),
            limit: Some(RowLimit {
                field: format!("spec.verification.tables[{position}].{}", limit.0),
                value: limit.1,
            }),
        })
    });
    let tables: Vec<TableChange> = unknown.collect();
    (!tables.is_empty()).then_some(Finding::NotCounted {
        tables,
        left_out: 0,
    })
}

/// The limit of a rule that a count does not suffice for: one that stopped early is enough for a
/// minimum that it reached, an estimate for nothing.
fn unmet_limit(rule: &TableRule, rows: i64, count: CountKind) -> Option<(&'static str, i64)> {
    let minimum = rule.min_rows.unwrap_or(0);
    let too_little_for_minimum = match count {
        CountKind::Exact => false,
        CountKind::LowerBound => rows < minimum,
        CountKind::Estimated => minimum > 0,
    };
    if too_little_for_minimum {
        return Some(("minRows", minimum));
    }
    let percent = rule.max_drop_percent.filter(|percent| *percent < 100)?;
    (count == CountKind::Estimated && !rule.volatile).then(|| ("maxDropPercent", percent.into()))
}
