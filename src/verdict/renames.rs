//! Tables that have another name than at the last good check: the same object id, in the same
//! database.

use crate::api::{Finding, RenamedTable, TableEvidence};

use super::identity::find_database;
use super::input::Input;

/// The table of the last good check under another name. A schema that is renamed as a whole leaves
/// nothing where the application looks for it, and is no rename of a table.
pub(super) fn renamed<'a>(input: &Input<'a>, before: &TableEvidence) -> Option<&'a TableEvidence> {
    let evidence = input.evidence?;
    let now = under_another_name(input, before)?;
    let schema = schema_of(&before.name);
    let is_schema_left = schema == schema_of(&now.name)
        || evidence
            .tables
            .iter()
            .any(|table| table.database == before.database && schema_of(&table.name) == schema);
    is_schema_left.then_some(now)
}

/// The table with the object id of one of the last good check, and another name.
fn under_another_name<'a>(input: &Input<'a>, before: &TableEvidence) -> Option<&'a TableEvidence> {
    let (known, evidence) = (input.baseline?.evidence, input.evidence?);
    let is_same_cluster = known.identity.system_identifier == evidence.identity.system_identifier;
    let is_same_database = find_database(known, &before.database)
        .zip(find_database(evidence, &before.database))
        .is_some_and(|(was, is)| was.oid == is.oid);
    // What a backup remembers has no object ids.
    if !is_same_cluster || !is_same_database || before.oid == 0 {
        return None;
    }
    evidence.tables.iter().find(|table| {
        table.oid == before.oid && table.database == before.database && table.name != before.name
    })
}

/// The schema in `schema.table`.
pub(super) fn schema_of(name: &str) -> &str {
    name.split_once('.').map_or("", |(schema, _)| schema)
}

/// Make sure that every table has the name that it had.
pub(super) fn tables_renamed(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let known = input.baseline?.evidence;
    let is_asked_for = |table: &&TableEvidence| input.is_connected(&table.database);
    let renamed: Vec<RenamedTable> = known
        .tables
        .iter()
        .filter(is_asked_for)
        .filter_map(|before| Some((before, under_another_name(input, before)?)))
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
