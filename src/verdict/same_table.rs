//! Whether a table is one of the last good check under another name: the same object id, in the same
//! database.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Evidence, TableEvidence};

/// The table of the last good check under another name. A schema that is renamed as a whole leaves
/// nothing where the application looks for it, and is no rename of a table: also if the application
/// has begun to create its tables again.
pub(super) fn renamed<'a>(
    known: &Evidence,
    evidence: &'a Evidence,
    before: &TableEvidence,
) -> Option<&'a TableEvidence> {
    let now = under_another_name(known, evidence, before)?;
    let schema = schema_of(&before.name);
    if schema == schema_of(&now.name) {
        return Some(now);
    }
    let is_schema_left = evidence
        .tables
        .iter()
        .any(|table| table.database == before.database && schema_of(&table.name) == schema);
    (is_schema_left && !has_schema_moved(known, evidence, before, now)).then_some(now)
}

/// Whether a table was put away together with most of the others: its schema was renamed, or new
/// tables have taken most names of the database. Then its rows are not where the application looks.
pub(super) fn is_put_away(known: &Evidence, evidence: &Evidence, before: &TableEvidence) -> bool {
    under_another_name(known, evidence, before).is_some_and(|now| {
        has_schema_moved(known, evidence, before, now)
            || are_names_taken(known, evidence, &before.database)
    })
}

/// Whether most tables of the schema went to the same other schema.
fn has_schema_moved(
    known: &Evidence,
    evidence: &Evidence,
    before: &TableEvidence,
    now: &TableEvidence,
) -> bool {
    let (from, to) = (schema_of(&before.name), schema_of(&now.name));
    from != to
        && are_most_away(
            known,
            evidence,
            &before.database,
            |one| schema_of(&one.name) == from,
            |_, now| schema_of(&now.name) == to,
        )
}

/// Whether most tables of the database have another name, and new ones have theirs.
fn are_names_taken(known: &Evidence, evidence: &Evidence, database: &str) -> bool {
    let names: BTreeSet<&str> = evidence
        .tables
        .iter()
        .filter(|table| table.database == database)
        .map(|table| table.name.as_str())
        .collect();
    are_most_away(
        known,
        evidence,
        database,
        |_| true,
        |one, _| names.contains(one.name.as_str()),
    )
}

/// Whether more than half of some tables, and more than one, are under another name in that way. Of
/// tables that exist neither by their name nor by their object id nothing is known.
fn are_most_away(
    known: &Evidence,
    evidence: &Evidence,
    database: &str,
    is_asked_for: impl Fn(&TableEvidence) -> bool,
    is_away: impl Fn(&TableEvidence, &TableEvidence) -> bool,
) -> bool {
    let by_oid: BTreeMap<i64, &TableEvidence> = evidence
        .tables
        .iter()
        .filter(|table| table.database == database && table.oid != 0)
        .map(|table| (table.oid, table))
        .collect();
    let (mut exist, mut away) = (0_usize, 0_usize);
    for one in known
        .tables
        .iter()
        .filter(|one| one.database == database && is_asked_for(one))
    {
        let now = by_oid.get(&one.oid);
        exist += usize::from(now.is_some() || evidence.table(database, &one.name).is_some());
        away += usize::from(now.is_some_and(|now| now.name != one.name && is_away(one, now)));
    }
    away > 1 && away * 2 > exist
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
