//! Check of the names of tables.

use crate::api::{Finding, RenamedTable, TableEvidence};

use super::input::Input;
use super::same_table::under_another_name;

/// Make sure that every table has the name that it had.
pub(super) fn tables_renamed(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (known, evidence) = (input.baseline?.evidence, input.evidence?);
    let is_asked_for = |table: &&TableEvidence| input.is_connected(&table.database);
    let renamed: Vec<RenamedTable> = known
        .tables
        .iter()
        .filter(is_asked_for)
        .filter_map(|before| Some((before, under_another_name(known, evidence, before)?)))
        .map(|(before, now)| RenamedTable {
            database: before.database.clone(),
            name_before: before.name.clone(),
            name_now: now.name.clone(),
        })
        .collect();
    (!renamed.is_empty()).then_some(Finding::TablesRenamed {
        renamed,
        left_out: 0,
    })
}
