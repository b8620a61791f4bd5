//! What the newest good backup says was there: read by a check when nothing in the cluster
//! remembers what was last known good.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::timeout;

use crate::api::{
    AgentFailure, BackupEvidence, CheckRequest, CountKind, DatabaseEvidence, EVIDENCE_TABLE_LIMIT,
    Evidence, Identity, S3Storage, TableEvidence, reasons,
};
use crate::store::{Manifest, S3Store, StoreErrorKind, fetch_newest_good};

use super::MountedFiles;

/// The longest time that reading the bucket may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Reads what the newest good set of this database remembers. Not being able to look is a failure:
/// a database that has a backup must not be treated as new.
pub async fn fetch_remembered(
    request: &CheckRequest,
    storage: &S3Storage,
    files: &MountedFiles,
) -> Result<Option<BackupEvidence>, AgentFailure> {
    let look = async {
        let store = S3Store::open(
            storage,
            &request.namespace,
            &files.s3_credentials,
            &files.s3_ca,
        )?;
        fetch_newest_good(
            &store,
            &storage.prefix,
            &request.namespace,
            &request.database,
        )
        .await
    };
    let found = match timeout(LIMIT, look).await {
        Ok(Ok(found)) => found,
        // Where there is no bucket there is no backup.
        Ok(Err(error)) if error.kind == StoreErrorKind::BucketNotFound => None,
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
    Ok(found.map(|(path, manifest)| BackupEvidence {
        path,
        evidence: build_evidence(&manifest),
    }))
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
        superuser: false,
        observed_at: identity.snapshot_time.clone(),
    }
}
