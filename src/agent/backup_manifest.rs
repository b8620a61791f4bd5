//! The manifest of a set, from what was read and stored. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::whole_seconds;
use crate::postgres::LargeObjectsDigest;
use crate::store::{
    CountedBy, Durations, FORMAT_VERSION, Manifest, ManifestDatabase, ManifestExtension,
    ManifestIdentity, ManifestLargeObject, ManifestLargeObjects, ManifestObject, ManifestTable,
    ProtectedDatabaseReference, SetState,
};

use super::filled::{Filled, FilledDatabase};
use super::set_order::SetOrder;
use super::unsupported::obstacles;

/// The most warnings of a database in a manifest.
const WARNINGS: usize = 50;

/// Builds the manifest.
pub fn build_manifest(
    order: &SetOrder<'_>,
    filled: Filled,
    objects: Vec<ManifestObject>,
    started_at: Timestamp,
    completed_at: Timestamp,
) -> Manifest {
    let request = order.request;
    let identity = filled.observed.identity;
    let mut why = filled.suspicions;
    why.extend(filled.judged.verdict.why);
    let versions = filled.databases.first().map(|database| &database.archive);
    let client_version = versions.map(|archive| archive.client_version.clone());
    let server_version = versions
        .map(|archive| archive.server_version.clone())
        .filter(|version| !version.is_empty());
    Manifest {
        format_version: FORMAT_VERSION,
        state: if why.is_empty() {
            SetState::Good
        } else {
            SetState::Suspect
        },
        why: (!why.is_empty()).then(|| why.join("; ")),
        findings: filled.judged.verdict.findings,
        compared_with: filled.judged.compared_with,
        unverified: filled.judged.unverified,
        backup: order.backup.clone(),
        protected_database: ProtectedDatabaseReference {
            namespace: request.namespace.clone(),
            name: request.database.clone(),
            uid: request.database_uid.clone(),
            namespace_uid: request.namespace_uid.clone(),
        },
        server_version: server_version.unwrap_or_else(|| identity.server_version.clone()),
        identity: ManifestIdentity {
            system_identifier: identity.system_identifier,
            initialized_at: identity.initialized_at,
            timeline: identity.timeline,
            wal_position: identity.wal_position,
            next_transaction_id: identity.next_transaction_id,
            snapshot_time: filled.observed.observed_at,
            in_recovery: identity.in_recovery,
            cluster_digest: filled.cluster_digest,
        },
        client_version: client_version.unwrap_or_default(),
        holdfast_version: env!("CARGO_PKG_VERSION").to_owned(),
        databases: filled
            .databases
            .into_iter()
            .map(describe_database)
            .collect(),
        directories: filled.directories,
        objects,
        kubernetes_cluster: request.kubernetes_cluster.clone(),
        image: order.image.clone(),
        labels: request.labels.clone(),
        databases_left_out: filled.databases_left_out,
        recipients: filled.recipients,
        role_passwords: filled.role_passwords,
        durations: Durations {
            started_at: whole_seconds(&Time(started_at)),
            completed_at: whole_seconds(&Time(completed_at)),
            dump_seconds: filled.dump_time.as_secs(),
            globals_seconds: filled.globals_time.as_secs(),
            files_seconds: filled.files_time.as_secs(),
        },
    }
}

fn describe_database(filled: FilledDatabase) -> ManifestDatabase {
    let FilledDatabase {
        object,
        snapshot_time,
        dumped,
        archive,
        description,
        warnings: of_dump,
    } = filled;
    let tables = if archive.is_read {
        let of_extension =
            |oid: Option<i64>| oid.is_some_and(|oid| dumped.extension_tables.contains(&oid));
        // The catalog has names in UTF-8, the archive in the encoding of the database.
        let listed = dumped.list.iter().flat_map(|list| &list.tables);
        let names: BTreeMap<i64, (&str, &str)> = listed
            .map(|table| (table.oid, (table.schema.as_str(), table.name.as_str())))
            .collect();
        let mut tables: Vec<ManifestTable> = archive
            .tables
            .iter()
            .map(|table| (table, table.oid.and_then(|oid| names.get(&oid))))
            .map(|(table, named)| ManifestTable {
                of_extension: of_extension(table.oid),
                schema: named
                    .map_or_else(|| table.schema.clone(), |(schema, _)| (*schema).to_owned()),
                name: named.map_or_else(|| table.name.clone(), |(_, name)| (*name).to_owned()),
                rows: table.rows,
                offset: Some(table.offset),
                bytes: table.bytes,
                sha256: None,
                blake3: Some(table.blake3.clone()),
            })
            .collect();
        tables.sort_by(|one, other| (&one.schema, &one.name).cmp(&(&other.schema, &other.name)));
        tables
    } else {
        let list = dumped.list.as_ref().ok();
        let listed = list.into_iter().flat_map(|list| &list.tables);
        listed
            .filter_map(|table| {
                let rows = dumped.counted.get(&table.oid)?;
                Some(ManifestTable {
                    of_extension: dumped.extension_tables.contains(&table.oid),
                    schema: table.schema.clone(),
                    name: table.name.clone(),
                    rows: rows.unsigned_abs(),
                    offset: None,
                    bytes: 0,
                    sha256: None,
                    blake3: None,
                })
            })
            .collect()
    };
    let extensions: Vec<ManifestExtension> = description
        .extensions
        .iter()
        .map(|extension| ManifestExtension {
            name: extension.name.clone(),
            version: extension.version.clone(),
        })
        .collect();
    let mut warnings = obstacles(&dumped.name, &extensions);
    warnings.extend(of_dump);
    warnings.truncate(WARNINGS);
    ManifestDatabase {
        name: dumped.name,
        object,
        rows: tables.iter().map(|table| table.rows).sum(),
        large_objects: describe_large_objects(archive.large_objects),
        extensions,
        tables,
        snapshot_time: Some(snapshot_time),
        archive_version: Some(format!(
            "{}.{}",
            archive.version.major, archive.version.minor
        )),
        counted_by: if archive.is_read {
            CountedBy::Dump
        } else {
            CountedBy::Query
        },
        description: Some(description),
        without_rows: dumped.without_rows,
        warnings,
    }
}

fn describe_large_objects(found: LargeObjectsDigest) -> ManifestLargeObjects {
    ManifestLargeObjects {
        count: found.count,
        bytes: found.bytes,
        listed: found
            .listed
            .into_iter()
            .map(|object| ManifestLargeObject {
                oid: object.oid,
                bytes: object.bytes,
                blake3: object.blake3,
            })
            .collect(),
        blake3: found.blake3,
    }
}
