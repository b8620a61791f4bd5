//! Each finding as a sentence, for every audience. What to do about it is written elsewhere,
//! because that depends on all findings together.

use crate::api::{AgentFailure, ClusterState, Finding, LostDatabase, TableChange};
use crate::wording::{count, escaped, number};

use super::naming::{name_all, name_table, say_change, say_rows, total};
use super::say_note::{say_note, say_older};

/// A finding as a sentence without a full stop. `among` are all findings of the verdict, so that no
/// table is named twice; tables of other databases than `main_database` are named with theirs.
#[must_use]
pub fn say_finding(finding: &Finding, among: &[Finding], main_database: Option<&str>) -> String {
    let name = |table: &TableChange| name_table(&table.database, &table.name, main_database);
    match finding {
        Finding::DatabaseMissing {
            databases,
            left_out,
        } => name_all(databases.iter().map(say_missing_database), *left_out),
        Finding::ClusterReinitialized {
            host: Some(host), ..
        } => format!(
            "another database cluster answers: initdb has run, or another server answers at \
             spec.connection.host ({host})"
        ),
        Finding::ClusterReinitialized { host: None, .. } => {
            "initdb has run: another database cluster is where the known one was".to_owned()
        }
        Finding::VolumeReplaced { .. } => "the pod runs on another volume than the one with the \
            data, and another database cluster is on it"
            .to_owned(),
        Finding::DataOffVolume { now, .. } => format!(
            "the data directory {} is on no PersistentVolumeClaim, so it starts empty with every \
             pod; another database cluster is in it",
            now.data_directory
        ),
        Finding::OtherDataDirectory { before, now } => format!(
            "Postgres runs in another directory of the same volume: was {}, is {}; another database \
             cluster is in it, or nothing that can be read",
            say_directory(before),
            say_directory(now)
        ),
        Finding::OtherVolumeUnread { .. } => {
            "the pod runs on another volume than the one with the \
            data, and nothing on it can be read"
                .to_owned()
        }
        Finding::RoleChanged {
            same_cluster,
            role_missing,
        } => say_role_change(*same_cluster, *role_missing),
        Finding::RolledBack { before, now } => say_rollback(before, now),
        Finding::DatabaseRecreated {
            databases,
            left_out,
        } => name_all(databases.iter().map(say_recreated_database), *left_out),
        Finding::OlderData {
            tables,
            left_out,
            sequences,
            recreated_tables,
        } => say_older(
            tables,
            *left_out,
            sequences,
            *recreated_tables,
            main_database,
        ),
        Finding::TablesMissing { tables, left_out } => {
            let names = tables.iter().map(|table| {
                let rows = table.before.map(say_rows).unwrap_or_default();
                format!("{} (had {rows} rows)", name(table))
            });
            match total(tables, *left_out) {
                1 => format!("table {} does not exist", name_all(names, *left_out)),
                many => format!("{many} tables do not exist: {}", name_all(names, *left_out)),
            }
        }
        Finding::TablesEmptied { tables, left_out } => {
            say_emptied(tables, *left_out, among, main_database)
        }
        Finding::SeedRowsOnly { rows, table_count } => format!(
            "all that is left is {} in {}, as many as an application seeds",
            count(*rows, "row"),
            count(*table_count, "table")
        ),
        Finding::RowsBelowMinimum { tables, left_out } => name_all(
            tables.iter().map(|table| {
                let limit = table.limit.as_ref().map(|limit| {
                    let minimum = number(limit.value);
                    format!(" ({} is {minimum})", limit.field)
                });
                format!(
                    "{}{}",
                    say_change(table, main_database),
                    limit.unwrap_or_default()
                )
            }),
            *left_out,
        ),
        Finding::RowsDropped { tables, left_out } => name_all(
            tables.iter().map(|table| say_drop(table, main_database)),
            *left_out,
        ),
        Finding::TableCountDropped {
            tables_before,
            tables_now,
            database,
        } => format!(
            "of {} in database \"{}\" only {} are left",
            count(*tables_before, "table"),
            escaped(database),
            number(*tables_now)
        ),
        Finding::RowsDwindled { tables, left_out } => format!(
            "within 7 days, step by step: {}",
            name_all(
                tables.iter().map(|table| say_drop(table, main_database)),
                *left_out,
            )
        ),
        Finding::AgentFailed {
            failure: AgentFailure { message, .. },
        } => message.clone(),
        Finding::InRecovery {} => "the server is a replica or still recovering, which proves \
            nothing about the primary"
            .to_owned(),
        Finding::DatabaseNotFound { database, field } => format!(
            "{field}: database \"{}\" does not exist, and no good check has ever seen it",
            escaped(database)
        ),
        Finding::TableNotFound {
            database,
            field,
            table,
            is_connected: true,
        } => format!(
            "{field}: table {} does not exist in database \"{}\", and no good check has ever seen \
             it",
            escaped(table),
            escaped(database)
        ),
        Finding::TableNotFound {
            database, field, ..
        } => format!(
            "{field}: no check connects to database \"{}\"",
            escaped(database)
        ),
        Finding::NotCounted { tables, left_out } => {
            let counted = tables.iter().map(|table| {
                let rows = table.now.map(say_rows).unwrap_or_default();
                match &table.limit {
                    Some(limit) => format!("{}: {} has {rows} rows", limit.field, name(table)),
                    None => format!("{} has {rows} rows", name(table)),
                }
            });
            format!(
                "{} as far as spec.verification.timeout allowed to count, which is not enough to \
                 judge",
                name_all(counted, *left_out)
            )
        }
        Finding::VolumeChanged { before, now } => format!(
            "the same database cluster is on another volume: was on {}, is on {}",
            describe_volume(before.volume.as_ref()),
            describe_volume(now.volume.as_ref())
        ),
        Finding::SuperuserRole {} => {
            "the role of the checks is a superuser, which is more than they need".to_owned()
        }
        Finding::NothingCounted { .. }
        | Finding::NoRows { .. }
        | Finding::MoreRowsElsewhere { .. }
        | Finding::OthersBackups { .. }
        | Finding::TablesChanged { .. }
        | Finding::TablesRenamed { .. }
        | Finding::PartlyCounted { .. }
        | Finding::OtherDatabases { .. }
        | Finding::OtherDatabasesMissing { .. }
        | Finding::LooksUpgraded { .. } => say_note(finding, main_database).unwrap_or_default(),
        Finding::Unknown => {
            "something that only another version of kubectl holdfast can describe".to_owned()
        }
    }
}

/// A volume with all that helps to find it again.
#[must_use]
pub fn describe_volume(volume: Option<&crate::api::MountedVolume>) -> String {
    let Some(volume) = volume else {
        return "no PersistentVolumeClaim".to_owned();
    };
    let mut details = vec![format!("claim {}", volume.claim)];
    if !volume.volume_handle.is_empty() {
        details.push(format!("handle {}", volume.volume_handle));
    }
    if !volume.node.is_empty() {
        details.push(format!("on node {}", volume.node));
    }
    if let Some(created) = &volume.created_at {
        details.push(format!("created {}", created.0));
    }
    format!("volume {} ({})", volume.volume, details.join(", "))
}

/// A database cluster by its initdb.
pub(super) fn describe_cluster(cluster: &ClusterState) -> String {
    match &cluster.initialized_at {
        Some(initialized_at) => format!(
            "database cluster initialized {} (system identifier {})",
            initialized_at.0, cluster.system_identifier
        ),
        None => "a database cluster that nobody could log in to".to_owned(),
    }
}

fn say_missing_database(database: &LostDatabase) -> String {
    format!(
        "database \"{}\" does not exist; it had {} in {}",
        escaped(&database.name),
        count(database.rows, "row"),
        count(database.table_count, "table")
    )
}

fn say_recreated_database(database: &LostDatabase) -> String {
    format!(
        "database \"{}\" was dropped and created again (object id {} -> {})",
        escaped(&database.name),
        database.oid_before,
        database.oid_now.unwrap_or_default()
    )
}

/// A data directory, and which part of the volume is mounted there.
fn say_directory(cluster: &ClusterState) -> String {
    let sub_path = cluster
        .volume
        .as_ref()
        .map(|volume| volume.sub_path.as_str())
        .filter(|path| !path.is_empty());
    match sub_path {
        Some(path) => format!("{} (subPath {path})", cluster.data_directory),
        None => cluster.data_directory.clone(),
    }
}

fn say_role_change(same_cluster: bool, role_missing: bool) -> String {
    let cluster = if same_cluster {
        "the database cluster is that of the last good check"
    } else {
        "whether the database cluster is that of the last good check is not known"
    };
    if role_missing {
        format!("the role of the checks does not exist any more; {cluster}")
    } else {
        format!(
            "the role of the checks is not as it was in the database: it is gone, was created \
             again, or its password was changed there or has expired; {cluster}"
        )
    }
}

fn say_rollback(before: &ClusterState, now: &ClusterState) -> String {
    format!(
        "it is the known database cluster, but an older state of it: its write-ahead log is at {} \
         on timeline {}, and was at {} on timeline {} at the last good check",
        now.wal_position, now.timeline, before.wal_position, before.timeline
    )
}

/// A table that is below its minimum as well is named there.
fn say_emptied(
    tables: &[TableChange],
    left_out: i64,
    among: &[Finding],
    main_database: Option<&str>,
) -> String {
    let is_below_minimum = |table: &&TableChange| {
        among
            .iter()
            .filter(|other| matches!(other, Finding::RowsBelowMinimum { .. }))
            .flat_map(Finding::tables)
            .any(|other| (&other.database, &other.name) == (&table.database, &table.name))
    };
    let named: Vec<String> = tables
        .iter()
        .filter(|table| !is_below_minimum(table))
        .map(|table| say_drop(table, main_database))
        .collect();
    let emptied = match total(tables, left_out) {
        1 => "1 table that had rows is empty".to_owned(),
        many => format!("{many} tables that had rows are empty"),
    };
    if named.is_empty() {
        emptied
    } else {
        format!("{emptied}: {}", name_all(named, left_out))
    }
}

fn say_drop(table: &TableChange, main_database: Option<&str>) -> String {
    let change = say_change(table, main_database);
    match &table.limit {
        Some(limit) => format!(
            "{change} ({} allows a loss of {} %)",
            limit.field, limit.value
        ),
        None => change,
    }
}
