//! Checks of whether anything can be said at all. None of them ever raises a reset.

use crate::api::{CountKind, TableRule, reasons};

use super::case::{Finding, has_database};
use super::{Case, words};

/// Make sure that the agent has reported evidence.
pub(super) fn nothing_found(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    match (case.evidence, case.failure) {
        (Some(_), _) => None,
        (None, Some(failure)) => Some(Finding::unverifiable(
            reasons::known(&failure.reason),
            failure.message.clone(),
        )),
        (None, None) => Some(no_report(case)),
    }
}

/// What is said when there is neither evidence nor a failure.
pub(super) fn no_report(case: &Case<'_>) -> Finding {
    let sentence = format!(
        "the agent reported nothing, so nothing can be said about the data; see kubectl -n {} \
         describe job {}",
        case.namespace, case.check
    );
    Finding::unverifiable(reasons::JOB_FAILED, sentence)
}

/// Make sure that the server is a primary: a replica proves nothing about it, and is never compared
/// with it.
pub(super) fn in_recovery(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let sentence = "the server is a replica or still recovering, which proves nothing about the \
                    primary; wait for the recovery to end, or set spec.connection.host to the \
                    primary";
    case.evidence?
        .identity
        .in_recovery
        .then(|| Finding::unverifiable(reasons::IN_RECOVERY, sentence.to_owned()))
}

/// Make sure that the agent could look everywhere.
pub(super) fn incomplete(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    case.evidence?;
    case.failure.map(|failure| {
        Finding::unverifiable(reasons::known(&failure.reason), failure.message.clone())
    })
}

/// Make sure that every database of the spec exists that no good check has seen.
pub(super) fn database_not_found(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = case.evidence?;
    let (position, name) = case
        .spec
        .connection
        .databases()
        .enumerate()
        .find(|(_, name)| !has_database(evidence, name))?;
    let field = match position {
        0 => "spec.connection.database".to_owned(),
        further => format!("spec.connection.additionalDatabases[{}]", further - 1),
    };
    let sentence = format!(
        "{field}: database \"{name}\" does not exist, and no good check has ever seen it; create \
         it, or correct the field: {}",
        edit(case)
    );
    Some(Finding::unverifiable(reasons::DATABASE_NOT_FOUND, sentence))
}

/// Make sure that every table of the spec exists that no good check has seen.
pub(super) fn table_not_found(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    case.evidence?;
    let (position, rule) = case
        .rules()
        .find(|(_, rule)| !rule.volatile && case.found(rule).is_none())?;
    let database = case.database_of(rule);
    let field = format!("spec.verification.tables[{position}]");
    let sentence = if case.is_connected(database) {
        format!(
            "{field}.name: table {} does not exist in database \"{database}\", and no good check \
             has ever seen it; create it, or correct the name: {}",
            rule.name,
            edit(case)
        )
    } else {
        format!(
            "{field}.database: database \"{database}\" is not looked at; add it to \
             spec.connection.additionalDatabases, or correct the field: {}",
            edit(case)
        )
    };
    Some(Finding::unverifiable(reasons::TABLE_NOT_FOUND, sentence))
}

/// Make sure that every table with a rule of its own was counted far enough to judge it.
pub(super) fn not_counted(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let unknown = |(_, rule): &(usize, &TableRule)| {
        case.found(rule)
            .is_some_and(|now| !is_enough(rule, now.rows, now.count))
    };
    let (position, rule) = case.rules().find(unknown)?;
    let rows = case.found(rule).map(words::rows).unwrap_or_default();
    let sentence = format!(
        "spec.verification.tables[{position}]: {} has {rows} rows as far as \
         spec.verification.timeout ({}) allowed to count, which is not enough to judge it; raise \
         the timeout, or wait for the next check: {}",
        words::table(case, case.database_of(rule), &rule.name),
        case.spec.verification.timeout,
        edit(case)
    );
    Some(Finding::unverifiable(reasons::NOT_COUNTED, sentence))
}

/// A count that stopped early is enough for a minimum that it reached, an estimate for nothing.
fn is_enough(rule: &TableRule, rows: i64, count: CountKind) -> bool {
    let minimum = rule.min_rows.unwrap_or(0);
    match count {
        CountKind::Exact => true,
        CountKind::LowerBound => rows >= minimum,
        CountKind::Estimated => {
            minimum <= 0
                && (rule.volatile || rule.max_drop_percent.is_none_or(|percent| percent >= 100))
        }
    }
}

fn edit(case: &Case<'_>) -> String {
    format!(
        "kubectl -n {} edit protdb {}",
        case.namespace, case.database
    )
}
