//! Sentences of findings that are no reset by themselves: changes that are worth knowing, and what
//! keeps a first check from being green.

use crate::api::{
    Finding, LostDatabase, OtherBackups, OtherDatabase, RenamedTable, SequenceChange, TableChange,
};
use crate::wording::{count, escaped, number};

use super::coverage::say_coverage;
use super::naming::{name_all, name_table, say_change, say_rows};

/// Tables without a rule that have lost rows or are gone.
pub(super) fn say_changed(
    tables: &[TableChange],
    left_out: i64,
    main_database: Option<&str>,
) -> String {
    let changed = tables.iter().map(|table| {
        if table.now.is_some() {
            return say_change(table, main_database);
        }
        let rows = table.before.map(say_rows).unwrap_or_default();
        let name = name_table(&table.database, &table.name, main_database);
        format!("{name} does not exist (had {rows} rows)")
    });
    format!(
        "tables without a rule have changed, which by itself is no reset: {}",
        name_all(changed, left_out)
    )
}

/// Tables that have another name.
pub(super) fn say_renamed(
    renamed: &[RenamedTable],
    left_out: i64,
    main_database: Option<&str>,
) -> String {
    let names = renamed.iter().map(|table| {
        format!(
            "{} is now {}",
            name_table(&table.database, &table.name_before, main_database),
            escaped(&table.name_now)
        )
    });
    format!("renamed: {}", name_all(names, left_out))
}

/// Databases of the server that nobody looks into.
pub(super) fn say_others(others: &[OtherDatabase]) -> String {
    let named = others.iter().map(|other| {
        let name = escaped(&other.name);
        match (other.estimated_rows, other.table_count, other.size_bytes) {
            (Some(rows), Some(tables), _) => format!(
                "{name} (about {} in {})",
                count(rows, "row"),
                count(tables, "table")
            ),
            (Some(rows), None, _) => format!("{name} (about {})", count(rows, "row")),
            (None, _, Some(bytes)) => format!("{name} ({} MiB)", number(bytes / (1024 * 1024))),
            (None, ..) => name,
        }
    });
    name_all(named, 0)
}

/// Databases that are gone, and that no check connects to.
pub(super) fn say_others_missing(databases: &[LostDatabase], left_out: i64) -> String {
    let named = databases.iter().map(|database| {
        let name = escaped(&database.name);
        if database.rows > 0 {
            format!("{name} (had about {})", count(database.rows, "row"))
        } else {
            name
        }
    });
    format!(
        "databases that no check connects to do not exist any more: {}",
        name_all(named, left_out)
    )
}

/// An older state over the newer one.
pub(super) fn say_older(
    tables: &[TableChange],
    left_out: i64,
    sequences: &[SequenceChange],
    recreated_tables: i64,
    main_database: Option<&str>,
) -> String {
    let mut said = Vec::new();
    if recreated_tables > 0 {
        said.push(format!("{} recreated", count(recreated_tables, "table")));
    }
    if !sequences.is_empty() {
        let named = sequences.iter().map(|sequence| {
            format!(
                "{}: {} -> {}",
                name_table(&sequence.database, &sequence.name, main_database),
                number(sequence.before),
                number(sequence.now)
            )
        });
        said.push(format!("sequences went back: {}", name_all(named, 0)));
    }
    if !tables.is_empty() {
        let named = tables.iter().map(|table| say_change(table, main_database));
        said.push(format!("fewer rows: {}", name_all(named, left_out)));
    }
    format!(
        "an older state of the data was put over the newer one, as by an old dump: {}",
        said.join("; ")
    )
}

/// Findings that keep a check from being green, or go with it.
pub(super) fn say_note(finding: &Finding, main_database: Option<&str>) -> Option<String> {
    let said = match finding {
        Finding::TablesChanged { tables, left_out } => {
            say_changed(tables, *left_out, main_database)
        }
        Finding::TablesRenamed { renamed, left_out } => {
            say_renamed(renamed, *left_out, main_database)
        }
        Finding::PartlyCounted { coverage } => say_coverage(coverage, main_database),
        Finding::NothingCounted { coverage } => format!(
            "too little was counted to say anything about the rows: {}",
            say_coverage(coverage, main_database)
        ),
        Finding::OtherDatabases { others } => format!(
            "the server has databases with rows that no check connects to: {}",
            say_others(others)
        ),
        Finding::OtherDatabasesMissing {
            databases,
            left_out,
        } => say_others_missing(databases, *left_out),
        Finding::LooksUpgraded {
            version_before,
            version_now,
        } => format!(
            "it looks like a major upgrade ({} -> {}): every table that was counted has its \
             rows, or nearly",
            escaped(version_before),
            escaped(version_now)
        ),
        Finding::NoRows { others } if others.is_empty() => {
            "the database has no rows yet, so there is nothing to verify".to_owned()
        }
        Finding::NoRows { others } => format!(
            "no good check came before, and the database has no rows; is it the right one? The \
             server has others with rows: {}",
            say_others(others)
        ),
        Finding::MoreRowsElsewhere { rows_now } => format!(
            "no good check came before, and here are {}, while the bucket has a backup of a database \
             of the same name in another namespace with far more",
            count(*rows_now, "row")
        ),
        Finding::OthersBackups { whose } => format!(
            "no good check came before, and in the place of this database the bucket has backups {}, \
             and none that is known to be its own",
            say_whose(*whose)
        ),
        _ => return None,
    };
    Some(said)
}

/// Whose backups are in the place of a database.
const fn say_whose(whose: OtherBackups) -> &'static str {
    match whose {
        OtherBackups::AnotherCluster => "of another Kubernetes cluster",
        OtherBackups::AnotherNamespace => "of another namespace that had the name before",
        OtherBackups::NotSaid => {
            "of another ProtectedDatabase that do not say of which namespace they are"
        }
        OtherBackups::Elsewhere => "in another namespace",
    }
}

/// The rule that allows a table to lose its rows, as one line of `spec.verification.tables`.
#[must_use]
pub fn print_rule(table: &TableChange, main_database: &str) -> String {
    let database = if table.database == main_database {
        String::new()
    } else {
        format!(", database: {}", escaped(&table.database))
    };
    format!(
        "{{name: {}{database}, volatile: true}}",
        escaped(&table.name)
    )
}
