//! Whether a table is one of the last good check under another name: the same object id, in the same
//! database.

use crate::api::{Evidence, TableEvidence};

/// The table of the last good check under another name. A schema that is renamed as a whole leaves
/// nothing where the application looks for it, and is no rename of a table.
pub(super) fn renamed<'a>(
    known: &Evidence,
    evidence: &'a Evidence,
    before: &TableEvidence,
) -> Option<&'a TableEvidence> {
    let now = under_another_name(known, evidence, before)?;
    let schema = schema_of(&before.name);
    let is_schema_left = schema == schema_of(&now.name)
        || evidence
            .tables
            .iter()
            .any(|table| table.database == before.database && schema_of(&table.name) == schema);
    is_schema_left.then_some(now)
}

/// The table with the object id of one of the last good check, and another name.
pub(super) fn under_another_name<'a>(
    known: &Evidence,
    evidence: &'a Evidence,
    before: &TableEvidence,
) -> Option<&'a TableEvidence> {
    let is_same_cluster = known.identity.system_identifier == evidence.identity.system_identifier;
    let oid = |evidence: &Evidence| {
        evidence
            .databases
            .iter()
            .find(|database| database.name == before.database)
            .map(|database| database.oid)
    };
    let is_same_database = oid(known).is_some() && oid(known) == oid(evidence);
    // What a backup remembers has no object ids.
    if !is_same_cluster || !is_same_database || before.oid == 0 {
        return None;
    }
    evidence.tables.iter().find(|table| {
        table.oid == before.oid && table.database == before.database && table.name != before.name
    })
}

/// The schema in `schema.table`.
fn schema_of(name: &str) -> &str {
    name.split_once('.').map_or("", |(schema, _)| schema)
}
