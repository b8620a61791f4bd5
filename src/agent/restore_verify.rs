//! Dumps a restored database again, through the same tap as a backup, and compares it with the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, reasons};
use crate::postgres::{
    ArchiveSummary, DatabaseDescription, DigestKey, FORMATS, ListedTable, Login, TableDigest,
    TableList, connect, count_in_snapshot, fetch_extension_tables, fetch_tables,
};
use crate::store::ManifestDatabase;

use super::DumpPrograms;
use super::restore_compare::{Comparison, DumpedRows, RestoredContents, RestoredRows, compare};
use super::session_formats::build_format_options;

/// How often it is dumped: a connection may end for reasons of its own.
const ATTEMPTS: u32 = 3;
const ATTEMPT_PAUSE: Duration = Duration::from_secs(5);
/// What every session of a restore begins with: what is set on the role must not be in its way.
const SESSION: &str = "-c role=none -c default_transaction_read_only=off -c statement_timeout=0 -c \
    lock_timeout=0 -c idle_in_transaction_session_timeout=0";

/// The settings with which values look as they do in the dump. One that was taken before they were kept
/// has only those of the database.
#[must_use]
pub fn build_session_settings(description: Option<&DatabaseDescription>) -> String {
    let mut formats = BTreeMap::new();
    for name in FORMATS {
        let of_dump = description.and_then(|one| one.formats.get(name));
        let of_database = description
            .iter()
            .flat_map(|one| &one.settings)
            .find(|one| one.role.is_none() && one.name.eq_ignore_ascii_case(name))
            .and_then(|one| one.value.as_ref());
        if let Some(value) = of_dump.or(of_database) {
            formats.insert(name.to_owned(), value.clone());
        }
    }
    format!("{SESSION}{}", build_format_options(&formats))
}

/// What a restored database is compared with.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    pub manifest: &'a ManifestDatabase,
    /// The dump of the set, as it was read while it was restored.
    pub dumped: &'a ArchiveSummary,
    /// What the dump was digested with.
    pub key: DigestKey,
}

/// What was found.
#[derive(Debug)]
pub struct Verified {
    pub comparison: Comparison,
    /// The dump of the restored database.
    pub again: ArchiveSummary,
}

/// Compares a restored database with the manifest.
pub async fn verify(
    login: &Login,
    programs: &DumpPrograms,
    restored_as: &str,
    expected: Expected<'_>,
    deadline: Instant,
) -> Result<Verified, AgentFailure> {
    let settings = build_session_settings(expected.manifest.description.as_ref());
    let mut attempt = 1;
    let again = loop {
        let again = programs.inspect_database(restored_as, &settings, expected.key);
        match again.await {
            Err(failure) if attempt < ATTEMPTS => {
                tracing::warn!("what was restored is dumped once more: {}", failure.message);
                attempt += 1;
                sleep(ATTEMPT_PAUSE).await;
            }
            again => break again,
        }
    };
    let archive = again.map_err(|failure| AgentFailure {
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
        let contents = contents_of(&archive, expected.dumped, &list, &of_extensions);
        return Ok(Verified {
            comparison: compare(expected.manifest, &contents),
            again: archive,
        });
    }
    let counted = count_in_snapshot(&session, &list, |_| true).await?;
    let tables = list.tables.iter().filter_map(|table| {
        let rows = RestoredRows {
            rows: counted.get(&table.oid)?.unsigned_abs(),
            of_extension: of_extensions.contains(&table.oid),
            ..RestoredRows::default()
        };
        Some(((table.schema.clone(), table.name.clone()), rows))
    });
    let contents = RestoredContents {
        tables: tables.collect(),
        large_objects: None,
    };
    Ok(Verified {
        comparison: compare(expected.manifest, &contents),
        again: archive,
    })
}

/// What a dump holds, by the names that the catalog has: those in the dump are in the encoding of the
/// database.
fn contents_of(
    archive: &ArchiveSummary,
    dumped: &ArchiveSummary,
    list: &TableList,
    of_extensions: &BTreeSet<i64>,
) -> RestoredContents {
    let names: BTreeMap<i64, &ListedTable> = list
        .tables
        .iter()
        .map(|listed| (listed.oid, listed))
        .collect();
    // Both dumps have the names in the same encoding.
    let in_dump: BTreeMap<(&str, &str), &TableDigest> = dumped
        .tables
        .iter()
        .map(|table| ((table.schema.as_str(), table.name.as_str()), table))
        .collect();
    let tables = archive.tables.iter().map(|table| {
        let dumped = in_dump.get(&(table.schema.as_str(), table.name.as_str()));
        let name = match table.oid.and_then(|oid| names.get(&oid)) {
            Some(listed) => (listed.schema.clone(), listed.name.clone()),
            None => (table.schema.clone(), table.name.clone()),
        };
        let rows = RestoredRows {
            rows: table.rows,
            digest: table.any_order.map(|digest| (table.bytes, digest)),
            dumped: dumped.map(|dumped| DumpedRows {
                bytes: dumped.bytes,
                blake3: dumped.blake3.clone(),
                any_order: dumped.any_order,
            }),
            of_extension: table.oid.is_some_and(|oid| of_extensions.contains(&oid)),
        };
        (name, rows)
    });
    RestoredContents {
        tables: tables.collect(),
        large_objects: dumped
            .is_read
            .then(|| (dumped.large_objects.clone(), archive.large_objects.clone())),
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
