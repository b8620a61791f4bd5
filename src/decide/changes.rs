//! `DataChanged`: what checks saw that no rule covers and that by itself is no reset. It stays for a
//! day, because the next check is already compared with what is there now. Pure.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::judge::{Judged, JudgedCheck, order};
use crate::api::{
    CheckOutcome, ConditionStatus, ConditionType, DesiredCondition, Finding, ProtectedDatabaseSpec,
    TableChange, reasons,
};
use crate::verdict::{print_rule, say_finding};
use crate::world::Observed;

/// How long a change is shown after the check that saw it was created.
const SHOWN: SignedDuration = SignedDuration::from_hours(24);
/// How many rules a message prints.
const NAMED_RULES: usize = 3;

/// Whether a good check of the last day saw tables without a rule lose rows, or another database of
/// the server disappear.
pub fn data_changed(observed: &Observed, judged: &Judged<'_>) -> DesiredCondition {
    let condition = |status, reason, message| DesiredCondition {
        condition: ConditionType::DataChanged,
        status,
        reason,
        message,
    };
    let mut good: Vec<&JudgedCheck<'_>> = judged
        .verdicts
        .values()
        .filter(|judged| judged.verdict.outcome == CheckOutcome::Verified)
        .collect();
    good.sort_by_key(|judged| std::cmp::Reverse(order(judged.check)));
    let is_shown = |judged: &&&JudgedCheck<'_>| {
        let created = judged.check.metadata.creation_timestamp.as_ref();
        created.is_some_and(|created| observed.now.0.duration_since(created.0) < SHOWN)
    };
    let spec = &observed.database.spec;
    for judged in good.iter().filter(is_shown) {
        let changes = changes(&judged.verdict.findings, spec);
        if let Some(first) = changes.first() {
            let name = judged.check.metadata.name.as_deref().unwrap_or_default();
            return condition(
                ConditionStatus::True,
                first.reason(),
                describe(observed, name, &changes),
            );
        }
    }
    if good.is_empty() {
        return match observed.checks.unknown() {
            Some(why) => condition(
                ConditionStatus::Unknown,
                reasons::READ_FAILED,
                why.to_owned(),
            ),
            None => condition(
                ConditionStatus::Unknown,
                reasons::NEVER_CHECKED,
                "no good check has said anything about the data yet".to_owned(),
            ),
        };
    }
    condition(
        ConditionStatus::False,
        reasons::UNCHANGED,
        "no table without a rule has lost its rows in the last 24 hours".to_owned(),
    )
}

/// What is still worth showing: a table that has a rule meanwhile is judged by that.
fn changes(findings: &[Finding], spec: &ProtectedDatabaseSpec) -> Vec<Finding> {
    let has_rule = |table: &TableChange| {
        spec.verification.tables.iter().any(|rule| {
            let database = rule.database.as_ref().unwrap_or(&spec.connection.database);
            rule.name == table.name && *database == table.database
        })
    };
    let is_off = spec.verification.baseline.max_drop_percent().is_none();
    findings
        .iter()
        .filter_map(|finding| match finding {
            Finding::TablesChanged { tables, left_out } => {
                let tables: Vec<TableChange> = tables
                    .iter()
                    .filter(|table| !has_rule(table) && !is_off)
                    .cloned()
                    .collect();
                (!tables.is_empty()).then_some(Finding::TablesChanged {
                    tables,
                    left_out: *left_out,
                })
            }
            Finding::OtherDatabasesMissing { .. } => Some(finding.clone()),
            _ => None,
        })
        .collect()
}

fn describe(observed: &Observed, check: &str, changes: &[Finding]) -> String {
    let main = observed.database.spec.connection.database.as_str();
    let said: Vec<String> = changes
        .iter()
        .map(|change| say_finding(change, changes, Some(main)))
        .collect();
    let tables: Vec<&TableChange> = changes.iter().flat_map(Finding::tables).collect();
    let mut message = format!("DatabaseCheck {check}: {}", said.join("; "));
    if let [first, ..] = tables.as_slice() {
        let rules: Vec<String> = tables
            .iter()
            .take(NAMED_RULES)
            .map(|table| print_rule(table, main))
            .collect();
        let listed = print_rule(first, main).replace(", volatile: true", "");
        let _ = write!(
            message,
            ". If that is usual, add to spec.verification.tables: {}. If such a loss is to be a \
             reset, add {listed}. Edit: kubectl -n {} edit protdb {}",
            rules.join(", "),
            observed.namespace_name(),
            observed.name()
        );
    }
    message
}
