//! The tables whose rows a backup leaves out. Pure.

use std::collections::BTreeSet;

use crate::postgres::TableList;

/// Of so many at most the object ids are listed: for an estimate that is enough.
const LISTED: usize = 500;

/// The tables whose rows are left out, by schema and name: of a partitioned one all that belong to it.
#[must_use]
pub fn excluded(list: &TableList, wanted: &[String]) -> Vec<(String, String)> {
    let members = list.members();
    let mut excluded = BTreeSet::new();
    for table in &list.tables {
        if wanted.contains(&table.qualified_name()) {
            let parts = members.get(&table.oid).filter(|_| table.partitioned);
            let parts = parts.into_iter().flatten();
            // A name that is no text can't be given to pg_dump: those rows are in the dump.
            let named = parts
                .copied()
                .chain([table])
                .filter(|part| part.can_be_named);
            excluded.extend(named.map(|part| (part.schema.clone(), part.name.clone())));
        }
    }
    excluded.into_iter().collect()
}

/// The object ids of these tables.
#[must_use]
pub fn oids_of(list: &TableList, names: &[(String, String)]) -> Vec<i64> {
    let names: BTreeSet<(&str, &str)> = names
        .iter()
        .map(|(schema, name)| (schema.as_str(), name.as_str()))
        .collect();
    let found = list.tables.iter().filter(|table| {
        !names.is_empty() && names.contains(&(table.schema.as_str(), table.name.as_str()))
    });
    found.map(|table| table.oid).take(LISTED).collect()
}
