//! The part of a set that is restored where somebody asks for certain tables, by the tables of contents of its
//! dumps. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{RestoreRequest, RestoreTarget};
use crate::postgres::{ContentsEntry, quote_identifier};
use crate::store::{Manifest, ManifestDatabase, ManifestLargeObjects};
use crate::wording::{list, quoted};

use super::restore_errors::has_odd_names;
use super::restore_tables::{Selection, select};

/// The longest name that is quoted in a message.
const SHOWN: usize = 120;

/// What is restored of a set, and what `pg_restore` gets of it.
#[derive(Debug)]
pub struct ChosenTables {
    /// The manifest of only that.
    pub manifest: Manifest,
    /// For each of its databases the entries of its dump, in their order.
    pub contents: Vec<Vec<ContentsEntry>>,
    /// For each what belongs to its tables and can't be restored without others.
    left_out: Vec<Vec<String>>,
    /// What somebody should know who reads these tables.
    pub warnings: Vec<String>,
}

impl ChosenTables {
    /// What of a database is left out.
    #[must_use]
    pub fn left_out_of(&self, database: &str) -> &[String] {
        let databases = self.manifest.databases.iter();
        let mut pairs = databases.zip(&self.left_out);
        let found = pairs.find(|(of, _)| of.name == database);
        found.map_or(&[], |(_, left_out)| left_out)
    }
}

/// Tables are restored beside only: what refers to them in the present database would be lost.
#[must_use]
pub fn only_beside(request: &RestoreRequest) -> Vec<String> {
    if request.tables.is_empty() || request.into == RestoreTarget::Beside {
        return Vec::new();
    }
    vec!["spec.tables needs `into: Beside`: tables are restored into a new database".to_owned()]
}

/// The same set without its extensions: which of them the tables need is not known yet.
#[must_use]
pub fn without_extensions(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    for database in &mut manifest.databases {
        database.extensions.clear();
    }
    manifest
}

/// Chooses what tables need, or says why that can't be restored.
pub fn choose(
    manifest: &Manifest,
    contents: &[Vec<ContentsEntry>],
    tables: &[String],
) -> Result<ChosenTables, Vec<String>> {
    let mut chosen = ChosenTables {
        manifest: Manifest {
            databases: Vec::new(),
            directories: Vec::new(),
            ..manifest.clone()
        },
        contents: Vec::new(),
        left_out: Vec::new(),
        warnings: Vec::new(),
    };
    let (mut problems, mut found, mut unread) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (database, contents) in manifest.databases.iter().zip(contents) {
        if contents.is_empty() || has_odd_names(contents) {
            unread.push(quoted(&database.name, SHOWN));
            continue;
        }
        let selection = select(contents, tables, &configuration_of(database));
        if selection.found.is_empty() {
            continue;
        }
        let part = narrow(database, &selection);
        problems.extend(unknown_to(&part, &selection));
        problems.extend(lost_of(database, &part, &selection));
        chosen.warnings.extend(describe(database, &selection));
        found.extend(selection.found);
        chosen.manifest.databases.push(part);
        chosen.contents.push(selection.entries);
        chosen.left_out.push(selection.left_out);
    }
    let missing: Vec<String> = tables
        .iter()
        .filter(|table| !found.contains(*table))
        .map(|table| quoted(table, SHOWN))
        .collect();
    if !missing.is_empty() {
        problems.push(format!(
            "these are no tables of a database of the set: {}. Write them as `schema.table`, as in the catalog",
            list(&missing)
        ));
        if !unread.is_empty() {
            problems.push(format!(
                "the table of contents of these databases can't be read, or has names with line breaks, so no \
                 single tables of them can be restored: {}",
                list(&unread)
            ));
        }
    }
    if problems.is_empty() {
        Ok(chosen)
    } else {
        Err(problems)
    }
}

/// The tables of extensions whose rows are in a dump, each with its extension.
fn configuration_of(database: &ManifestDatabase) -> BTreeMap<String, String> {
    let extensions = database.description.iter().flat_map(|one| &one.extensions);
    let tables = extensions.flat_map(|extension| {
        let tables = extension.configuration_tables.iter();
        tables.map(|table| (table.table.clone(), extension.name.clone()))
    });
    tables.collect()
}

/// Tables whose rows are in the set and would not be restored.
fn lost_of(
    database: &ManifestDatabase,
    part: &ManifestDatabase,
    selection: &Selection,
) -> Option<String> {
    let name = |schema: &str, name: &str| format!("{schema}.{name}");
    let has = |table: &String| {
        let mut tables = part.tables.iter();
        tables.any(|one| name(&one.schema, &one.name) == *table)
    };
    let with_rows = database.tables.iter().filter(|table| table.rows > 0);
    let lost: Vec<String> = with_rows
        .map(|table| name(&table.schema, &table.name))
        .filter(|table| selection.with_rows.contains(table) && !has(table))
        .collect();
    // Those of a partition may be copied into its parent.
    let elsewhere = selection.entries.iter().filter(|entry| {
        let spellings = [entry.name.clone(), quote_identifier(&entry.name)];
        entry.description == "TABLE DATA"
            && selection
                .detached
                .contains(&name(&entry.schema, &entry.name))
            && !spellings
                .iter()
                .any(|one| entry.copy_statement.contains(one))
    });
    let elsewhere = elsewhere.map(|entry| name(&entry.schema, &entry.name));
    let lost: Vec<String> = lost
        .into_iter()
        .chain(elsewhere)
        .map(|one| quoted(&one, SHOWN))
        .collect();
    (!lost.is_empty()).then(|| {
        format!(
            "the rows of these tables of database {} can't be restored by themselves: {}. Name the table that \
             they are a partition of, or restore the whole database",
            quoted(&database.name, SHOWN),
            list(&lost)
        )
    })
}

/// What the manifest says of these tables, and of nothing else.
fn narrow(database: &ManifestDatabase, selection: &Selection) -> ManifestDatabase {
    let named = |description: &str| {
        let entries = selection.entries.iter();
        let of_kind = entries.filter(move |entry| entry.description == description);
        of_kind
            .map(|entry| (entry.schema.as_str(), entry.name.as_str()))
            .collect::<BTreeSet<_>>()
    };
    let (with_data, extensions) = (named("TABLE DATA"), named("EXTENSION"));
    let mut part = database.clone();
    part.tables
        .retain(|table| with_data.contains(&(table.schema.as_str(), table.name.as_str())));
    part.rows = part.tables.iter().map(|table| table.rows).sum();
    part.large_objects = ManifestLargeObjects::default();
    part.extensions
        .retain(|extension| extensions.contains(&("", extension.name.as_str())));
    part.without_rows
        .retain(|name| selection.found.contains(name));
    if let Some(description) = &mut part.description {
        // That of all tables; and no subscription is among them.
        description.size = None;
        description.subscriptions.clear();
    }
    part
}

/// Rows that could not be compared afterwards: the dump has them, the manifest does not.
fn unknown_to(part: &ManifestDatabase, selection: &Selection) -> Option<String> {
    let known: BTreeSet<(&str, &str)> = part
        .tables
        .iter()
        .map(|table| (table.schema.as_str(), table.name.as_str()))
        .collect();
    let unknown: Vec<String> = selection
        .entries
        .iter()
        .filter(|entry| entry.description == "TABLE DATA")
        .filter(|entry| !known.contains(&(entry.schema.as_str(), entry.name.as_str())))
        .map(|entry| quoted(&format!("{}.{}", entry.schema, entry.name), SHOWN))
        .collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "the manifest does not say what these tables of database {} have: {}",
            quoted(&part.name, SHOWN),
            list(&unknown)
        )
    })
}

/// What somebody should know who reads these tables.
fn describe(database: &ManifestDatabase, selection: &Selection) -> Vec<String> {
    let shown = quoted(&database.name, SHOWN);
    let mut said = Vec::new();
    if !selection.without_rows.is_empty() {
        let names: Vec<String> = selection
            .without_rows
            .iter()
            .map(|name| quoted(name, SHOWN))
            .collect();
        said.push(format!(
            "what was asked for needs these tables of database {shown}, which are empty: {}",
            list(&names)
        ));
    }
    if !selection.detached.is_empty() {
        let names: Vec<String> = selection
            .detached
            .iter()
            .map(|name| quoted(name, SHOWN))
            .collect();
        said.push(format!(
            "these partitions of database {shown} are restored as tables of their own, without the foreign keys \
             and triggers of what they are a partition of: {}",
            list(&names)
        ));
    }
    if database.large_objects.count > 0 {
        said.push(format!(
            "large objects of database {shown} are not restored with single tables"
        ));
    }
    said
}

#[cfg(test)]
#[path = "restore_chosen_tests.rs"]
mod tests;
