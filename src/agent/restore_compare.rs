//! Whether a restored database is the one that the manifest describes: rows and bytes of every table.
//! The manifest has digests of the rows in the order of the dump. A restore may put them in another order,
//! so the dump is digested twice while it is restored: as the manifest has it, and in any order.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::postgres::{AnyOrderDigest, LargeObjectsDigest};
use crate::store::{CountedBy, ManifestDatabase, ManifestLargeObjects, ManifestTable};
use crate::wording::quoted;

/// The longest name that is quoted in a message.
const SHOWN: usize = 120;

/// A table as the dump of the set has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpedRows {
    pub bytes: u64,
    /// BLAKE3 of the rows in their order, in hex.
    pub blake3: String,
    pub any_order: Option<AnyOrderDigest>,
}

/// A table as it is in the restored database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoredRows {
    pub rows: u64,
    /// Bytes and digest of the rows; none if they were only counted.
    pub digest: Option<(u64, AnyOrderDigest)>,
    /// The same table in the dump.
    pub dumped: Option<DumpedRows>,
    /// Whether it belongs to an extension, which makes some of its rows itself.
    pub of_extension: bool,
}

/// A restored database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoredContents {
    /// Tables by schema and name.
    pub tables: BTreeMap<(String, String), RestoredRows>,
    /// Those of the dump, and those that are there now; none if they were not read.
    pub large_objects: Option<(LargeObjectsDigest, LargeObjectsDigest)>,
}

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Each difference, in words.
    pub differences: Vec<String>,
    /// Whether every byte was compared, and is the same.
    pub is_exact: bool,
    /// Whether every byte was compared of all that is no extension's.
    pub proves_bytes: bool,
    /// Rows of all tables that are in the manifest.
    pub rows: u64,
}

impl Comparison {
    /// Takes note that bytes could not be compared.
    const fn lacks_bytes(&mut self) {
        self.is_exact = false;
        self.proves_bytes = false;
    }
}

/// Compares.
#[must_use]
pub fn compare(expected: &ManifestDatabase, found: &RestoredContents) -> Comparison {
    let mut outcome = Comparison {
        is_exact: expected.counted_by == CountedBy::Dump,
        proves_bytes: expected.counted_by == CountedBy::Dump,
        ..Comparison::default()
    };
    for table in &expected.tables {
        let key = (table.schema.clone(), table.name.clone());
        let of_it = found.tables.get(&key);
        outcome.rows += of_it.map_or(0, |rows| rows.rows);
        match of_it {
            Some(rows) => compare_table(table, rows, &mut outcome),
            None if table.rows == 0 && table.of_extension => {}
            None => outcome.differences.push(format!(
                "{} with {} rows is not there",
                name_of(&key),
                table.rows
            )),
        }
    }
    let known: BTreeSet<(&str, &str)> = expected
        .tables
        .iter()
        .map(|table| (table.schema.as_str(), table.name.as_str()))
        .collect();
    let is_known = |key: &(String, String)| {
        known.contains(&(key.0.as_str(), key.1.as_str()))
            || expected
                .without_rows
                .contains(&format!("{}.{}", key.0, key.1))
    };
    for (key, rows) in &found.tables {
        if rows.rows > 0 && !rows.of_extension && !is_known(key) {
            outcome.differences.push(format!(
                "{} has {} rows and is not in the manifest",
                name_of(key),
                rows.rows
            ));
        }
    }
    match &found.large_objects {
        Some((dumped, found)) => {
            compare_large_objects(&expected.large_objects, dumped, found, &mut outcome);
        }
        None => outcome.lacks_bytes(),
    }
    outcome
}

fn compare_table(expected: &ManifestTable, found: &RestoredRows, outcome: &mut Comparison) {
    let name = name_of(&(expected.schema.clone(), expected.name.clone()));
    if expected.of_extension || found.of_extension {
        if found.rows < expected.rows {
            outcome.differences.push(format!(
                "{name} has {} rows, and at least {} are expected",
                found.rows, expected.rows
            ));
        }
        outcome.is_exact &= found.rows == expected.rows && is_as_dumped(found);
        return;
    }
    if found.rows != expected.rows {
        outcome.differences.push(format!(
            "{name} has {} rows instead of {}",
            found.rows, expected.rows
        ));
        return;
    }
    let (Some(blake3), true) = (&expected.blake3, found.digest.is_some()) else {
        outcome.lacks_bytes();
        return;
    };
    let is_in_manifest = found
        .dumped
        .as_ref()
        .is_some_and(|dumped| (dumped.bytes, &dumped.blake3) == (expected.bytes, blake3));
    if !is_in_manifest {
        outcome.differences.push(format!(
            "{name} is not the same in the dump of the set and in its manifest"
        ));
    } else if !is_as_dumped(found) {
        outcome.differences.push(format!(
            "{name} has {} rows as expected, with other values",
            found.rows
        ));
    }
}

/// Whether every byte is that of the dump.
fn is_as_dumped(found: &RestoredRows) -> bool {
    match (&found.dumped, &found.digest) {
        (Some(dumped), Some((bytes, digest))) => {
            *bytes == dumped.bytes && dumped.any_order.as_ref() == Some(digest)
        }
        _ => false,
    }
}

fn compare_large_objects(
    expected: &ManifestLargeObjects,
    dumped: &LargeObjectsDigest,
    found: &LargeObjectsDigest,
    outcome: &mut Comparison,
) {
    if (expected.count, expected.bytes) != (found.count, found.bytes) {
        outcome.differences.push(format!(
            "there are {} large objects with {} bytes instead of {} with {}",
            found.count, found.bytes, expected.count, expected.bytes
        ));
        return;
    }
    if expected.count == 0 {
        return;
    }
    if expected.blake3.is_empty() {
        outcome.lacks_bytes();
    } else if expected.blake3 != dumped.blake3 {
        outcome.differences.push(
            "the large objects are not the same in the dump of the set and in its manifest"
                .to_owned(),
        );
        return;
    }
    if found.any_order.is_none() || found.any_order != dumped.any_order {
        outcome.differences.push(format!(
            "the {} large objects have other bytes, or other numbers",
            expected.count
        ));
    }
}

fn name_of((schema, name): &(String, String)) -> String {
    format!("table {}", quoted(&format!("{schema}.{name}"), SHOWN))
}

#[cfg(test)]
#[path = "restore_compare_tests.rs"]
mod tests;
