//! Dumps a restored database again, through the same tap as a backup, and compares it with the manifest.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::api::{AgentFailure, reasons};
use crate::postgres::{
    ArchiveSummary, DatabaseDescription, FORMATS, ListedTable, Login, TableList, connect,
    count_in_snapshot, fetch_extension_tables, fetch_tables,
};
use crate::store::ManifestDatabase;

use super::DumpPrograms;
use super::restore_compare::{Comparison, RestoredContents, RestoredRows, compare};

/// What every session of a restore begins with: what is set on the role must not be in its way.
const SESSION: &str = "-c role=none -c default_transaction_read_only=off -c statement_timeout=0 -c \
    lock_timeout=0 -c idle_in_transaction_session_timeout=0";

/// The settings with which values look as they do in the dump. One that was taken before they were kept
/// has only those of the database.
#[must_use]
pub fn build_session_settings(description: Option<&DatabaseDescription>) -> String {
    let mut settings = SESSION.to_owned();
    for name in FORMATS {
        let of_dump = description.and_then(|one| one.formats.get(name));
        let of_database = description
            .iter()
            .flat_map(|one| &one.settings)
            .find(|one| one.role.is_none() && one.name.eq_ignore_ascii_case(name))
            .and_then(|one| one.value.as_ref());
        if let Some(value) = of_dump.or(of_database) {
            let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
            settings.extend([" -c ", name, "=", &value]);
        }
    }
    settings
}

/// Compares a restored database with the manifest.
pub async fn verify(
    login: &Login,
    programs: &DumpPrograms,
    restored_as: &str,
    expected: &ManifestDatabase,
    deadline: Instant,
) -> Result<Comparison, AgentFailure> {
    let settings = build_session_settings(expected.description.as_ref());
    let dumped = programs.inspect_database(restored_as, &settings).await;
    let archive = dumped.map_err(|failure| AgentFailure {
        reason: reasons::RESTORE_FAILED.to_owned(),
        message: format!(
            "what was restored could not be dumped again to be compared: {}",
            failure.message
        ),
    })?;
    let session = connect(login, restored_as, deadline).await?;
    let list = fetch_tables(&session).await?;
    let of_extensions = fetch_extension_tables(&session).await?;
    if archive.is_read {
        let contents = contents_of(&archive, &list, &of_extensions);
        return Ok(compare(expected, &contents));
    }
    let counted = count_in_snapshot(&session, &list, |_| true).await?;
    let tables = list.tables.iter().filter_map(|table| {
        let rows = RestoredRows {
            rows: counted.get(&table.oid)?.unsigned_abs(),
            digest: None,
            of_extension: of_extensions.contains(&table.oid),
        };
        Some(((table.schema.clone(), table.name.clone()), rows))
    });
    let contents = RestoredContents {
        tables: tables.collect(),
        large_objects: None,
    };
    Ok(compare(expected, &contents))
}

/// What a dump holds, by the names that the catalog has: those in the dump are in the encoding of the
/// database.
fn contents_of(
    archive: &ArchiveSummary,
    list: &TableList,
    of_extensions: &BTreeSet<i64>,
) -> RestoredContents {
    let names: BTreeMap<i64, &ListedTable> = list
        .tables
        .iter()
        .map(|listed| (listed.oid, listed))
        .collect();
    let tables = archive.tables.iter().map(|table| {
        let name = match table.oid.and_then(|oid| names.get(&oid)) {
            Some(listed) => (listed.schema.clone(), listed.name.clone()),
            None => (table.schema.clone(), table.name.clone()),
        };
        let rows = RestoredRows {
            rows: table.rows,
            digest: Some((table.bytes, table.blake3.clone())),
            of_extension: table.oid.is_some_and(|oid| of_extensions.contains(&oid)),
        };
        (name, rows)
    });
    RestoredContents {
        tables: tables.collect(),
        large_objects: Some(archive.large_objects.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::DatabaseSetting;

    #[test]
    fn values_look_as_they_did_when_they_were_dumped() {
        let mut description = DatabaseDescription::default();
        assert_eq!(build_session_settings(Some(&description)), SESSION);
        description.settings = vec![
            DatabaseSetting {
                role: None,
                name: "timezone".to_owned(),
                value: Some("Asia/Tokyo".to_owned()),
            },
            DatabaseSetting {
                role: Some("app".to_owned()),
                name: "bytea_output".to_owned(),
                value: Some("escape".to_owned()),
            },
        ];
        let settings =
            |of: &DatabaseDescription| build_session_settings(Some(of))[SESSION.len()..].to_owned();
        assert_eq!(settings(&description), " -c TimeZone=Asia/Tokyo");
        description
            .formats
            .insert("TimeZone".to_owned(), "a b\\ -c role=x".to_owned());
        assert_eq!(
            settings(&description),
            " -c TimeZone=a\\ b\\\\\\ -c\\ role=x"
        );
    }
}
