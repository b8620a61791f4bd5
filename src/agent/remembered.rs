//! What the newest good backup says was there: read by a check when nothing in the cluster
//! remembers what was last known good.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::timeout;

use crate::api::{
    AgentFailure, BackupEvidence, CheckRequest, CountKind, DatabaseEvidence, EVIDENCE_TABLE_LIMIT,
    Evidence, Identity, OtherBackups, S3Storage, TableEvidence, reasons,
};
use crate::store::{
    Manifest, NewestGood, StoreError, StoreErrorKind, StoreLimits, fetch_newest_good,
    fetch_rows_elsewhere,
};

use crate::verdict::are_far_more;

use super::MountedFiles;

/// The longest time that reading the bucket may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a bucket is waited for that is unavailable; the check is made again.
const BUDGET: Duration = Duration::from_secs(5);

/// What the bucket knows of a database that nothing else remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remembered {
    /// What its own newest good set says.
    pub own: Option<BackupEvidence>,
    /// Whose the other sets in its place are, where there is none of its own.
    others: Option<OtherBackups>,
    /// Rows of another namespace's set of a database of the same name, where there is none here. They
    /// are for the comparison alone.
    rows_elsewhere: Option<u64>,
}

impl Remembered {
    /// Whose backups there are that may be the past of what was found, without what they hold.
    #[must_use]
    pub fn other_backups(&self, found: Option<&Evidence>) -> Option<OtherBackups> {
        let is_far_more = |rows: u64| {
            let rows = i64::try_from(rows).unwrap_or(i64::MAX);
            found.is_some_and(|found| are_far_more(rows, found))
        };
        let elsewhere = self.rows_elsewhere.is_some_and(is_far_more);
        self.others.or(elsewhere.then_some(OtherBackups::Elsewhere))
    }
}

/// Reads what the newest good set of this database remembers. Not being able to look is a failure:
/// a database that has a backup must not be treated as new.
pub async fn fetch_remembered(
    request: &CheckRequest,
    storage: &S3Storage,
    files: &MountedFiles,
) -> Result<Remembered, AgentFailure> {
    let look = async {
        let limits = StoreLimits {
            budget: BUDGET,
            ..StoreLimits::default()
        };
        let store = files.open_store(storage, &request.namespace, limits)?;
        let (prefix, namespace, database) =
            (&storage.prefix, &request.namespace, &request.database);
        let names = (namespace.as_str(), database.as_str());
        let found = fetch_newest_good(&store, prefix, names, &request.origin).await?;
        if found != NewestGood::default() {
            return Ok::<_, StoreError>((found, None));
        }
        // The key may be limited to this namespace, which says nothing about the others.
        let elsewhere = fetch_rows_elsewhere(&store, prefix, namespace, database)
            .await
            .unwrap_or_else(|error| {
                tracing::info!("other namespaces in the bucket can't be read: {error}");
                None
            });
        Ok((found, elsewhere))
    };
    let (NewestGood { own, others }, rows_elsewhere) = match timeout(LIMIT, look).await {
        Ok(Ok(found)) => found,
        // Where there is no bucket there is no backup.
        Ok(Err(error)) if error.kind == StoreErrorKind::BucketNotFound => {
            (NewestGood::default(), None)
        }
        Ok(Err(error)) => {
            return Err(AgentFailure {
                reason: error.kind.reason().to_owned(),
                message: unknown(&error.message),
            });
        }
        Err(_) => {
            let message = unknown(&format!(
                "the storage did not answer within {} s",
                LIMIT.as_secs()
            ));
            return Err(AgentFailure {
                reason: reasons::STORAGE_UNREACHABLE.to_owned(),
                message,
            });
        }
    };
    Ok(Remembered {
        own: own.map(|(path, manifest)| BackupEvidence {
            path,
            evidence: build_evidence(&manifest),
            cluster_digest: manifest.identity.cluster_digest,
        }),
        others,
        rows_elsewhere,
    })
}

fn unknown(why: &str) -> String {
    format!(
        "nothing in the cluster remembers what data should be there, and the backups could not be \
         read: {why}"
    )
}

/// A manifest as evidence: the rows are exact, what it does not say is empty.
#[must_use]
pub fn build_evidence(manifest: &Manifest) -> Evidence {
    let identity = &manifest.identity;
    let all = || {
        manifest
            .databases
            .iter()
            .flat_map(|database| database.tables.iter().map(move |table| (database, table)))
    };
    let mut tables: Vec<TableEvidence> = all()
        .map(|(database, table)| TableEvidence {
            database: database.name.clone(),
            name: format!("{}.{}", table.schema, table.name),
            oid: 0,
            relfilenode: None,
            rows: i64::try_from(table.rows).unwrap_or(i64::MAX),
            count: CountKind::Exact,
            lower_bound: None,
            unlogged: false,
        })
        .collect();
    let total_rows = tables
        .iter()
        .map(|table| table.rows)
        .fold(0, i64::saturating_add);
    let table_count = i64::try_from(tables.len()).unwrap_or(i64::MAX);
    tables.sort_by_key(|table| std::cmp::Reverse(table.rows));
    tables.truncate(EVIDENCE_TABLE_LIMIT);
    Evidence {
        identity: Identity {
            system_identifier: identity.system_identifier.clone(),
            initialized_at: identity.initialized_at.clone(),
            timeline: identity.timeline,
            wal_position: identity.wal_position.clone(),
            next_transaction_id: identity.next_transaction_id.clone(),
            postmaster_started_at: Time(identity.snapshot_time.0),
            server_version: manifest.server_version.clone(),
            data_directory: String::new(),
            in_recovery: false,
        },
        databases: manifest
            .databases
            .iter()
            .map(|database| DatabaseEvidence {
                name: database.name.clone(),
                oid: 0,
            })
            .collect(),
        tables,
        table_count,
        total_rows,
        missing_tables: None,
        coverage: Vec::new(),
        other_databases: Vec::new(),
        sequences: Vec::new(),
        superuser: false,
        partial: false,
        image: None,
        observed_at: identity.snapshot_time.clone(),
        server_address: String::new(),
    }
}
