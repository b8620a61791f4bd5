//! Reads how full the disk of the server is: before anything is made, and while a set is restored.

use std::time::Duration;

use tokio::time::sleep;

use crate::api::{AgentFailure, RestoreTarget, reasons};
use crate::postgres::{PostgresError, Writer, quote_literal};
use crate::wording::quoted;

use super::restore_context::Restoring;
use super::restore_disk::{Disk, Space, estimate};
use super::restore_order::RestoreWatcher;
use super::restore_said::refused;
use super::restore_server::Plan;
use super::restore_swap_state::Left;

/// How often the disk is read while bytes are restored.
const INTERVAL: Duration = Duration::from_secs(10);
/// What to do next.
const REMEDY: &str = "Expand the claim, or drop databases that earlier restores have kept \
    (NAME_before_restore_…), then create another DatabaseRestore. If you have seen that there is space: one \
    with the annotation holdfast.dev/ignore-disk: \"true\"";

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Refuses a set that can't fit beside what is there. Returns what the disk can hold, if it is known.
    pub async fn look_at_disk(
        &self,
        writer: &Writer,
        plan: Plan<'_>,
        left: &[Left],
    ) -> Result<Option<u64>, AgentFailure> {
        let is_restored = |left: &Left| matches!(left, Left::Restore { .. });
        // A server of its own has a disk of its own, which is empty.
        if plan.into == RestoreTarget::Scratch || !left.iter().any(is_restored) {
            return Ok(None);
        }
        let disk = &self.order.request.disk;
        let Some(capacity) = disk.capacity_bytes else {
            let why = disk.unknown.as_deref().unwrap_or("it was not asked for");
            self.warn([format!(
                "it is not known how large the disk of the server is ({}), so whether the restored databases \
                 fit is not known either, and a full disk stops the server. See for yourself that there is \
                 space",
                quoted(why, 300)
            )]);
            return Ok(None);
        };
        let part = || plan.manifest.databases.iter().zip(left);
        let to_restore = part().filter(|(_, left)| is_restored(left));
        let need = estimate(to_restore.map(|(database, _)| database));
        // What a killed start has left is dropped first.
        let names = plan.names();
        let begun: Vec<&str> = names
            .iter()
            .zip(left)
            .filter(|(_, left)| is_restored(left))
            .map(|(names, _)| names.restored_as.as_str())
            .collect();
        let read = async {
            let disk = fetch_disk(writer, capacity).await?;
            let freed = fetch_sizes(writer, &begun).await?;
            Ok::<_, PostgresError>(Disk {
                data: disk.data.saturating_sub(freed),
                ..disk
            })
        };
        let found = match read.await {
            Ok(found) => found,
            Err(error) => {
                self.warn([format!(
                    "it could not be read how full the disk of the server is ({error}), so whether the \
                     restored databases fit is not known"
                )]);
                return Ok(None);
            }
        };
        if found.wal.is_none() {
            self.warn([
                "the role may not read the size of the write-ahead log, which is not counted on the disk: \
                 GRANT pg_monitor TO …"
                    .to_owned(),
            ]);
        }
        match found.judge(need) {
            Space::Enough => Ok(Some(capacity)),
            Space::Tight(what) => {
                self.warn([format!("{}: {what}", self.claim())]);
                Ok(Some(capacity))
            }
            Space::NotEnforced(what) => {
                self.warn([format!("{}: {what}", self.claim())]);
                Ok(None)
            }
            Space::TooSmall(what) => Err(AgentFailure {
                reason: reasons::DISK_TOO_SMALL.to_owned(),
                message: refused(&[format!("{}: {what}. {REMEDY}", self.claim())]).message,
            }),
        }
    }

    /// Reads the disk again and again. Returns when the restore must stop.
    pub async fn watch_disk(&self, writer: &Writer, capacity: Option<u64>) -> AgentFailure {
        loop {
            sleep(INTERVAL).await;
            if let Err(full) = self.check_disk(writer, capacity).await {
                return full;
            }
        }
    }

    /// Whether enough of the disk is free to go on.
    pub async fn check_disk(
        &self,
        writer: &Writer,
        capacity: Option<u64>,
    ) -> Result<(), AgentFailure> {
        let Some(capacity) = capacity else {
            return Ok(());
        };
        let disk = match fetch_disk(writer, capacity).await {
            Ok(disk) => disk,
            Err(error) => {
                // Whether the server answers at all is seen by what restores.
                let warning =
                    "it could not always be read how full the disk was while it was restored";
                tracing::warn!("{warning}: {error}");
                self.note(|report| {
                    if !report.warnings.iter().any(|one| one == warning) {
                        report.warnings.push(warning.to_owned());
                    }
                });
                return Ok(());
            }
        };
        match disk.must_stop() {
            None => Ok(()),
            Some(why) => Err(AgentFailure {
                reason: reasons::DISK_TOO_SMALL.to_owned(),
                message: format!(
                    "the restore was stopped, and what it has made is dropped: {}: {why}. {REMEDY}",
                    self.claim()
                ),
            }),
        }
    }

    /// Which disk it is.
    fn claim(&self) -> String {
        let claim = self.order.request.disk.claim.as_deref();
        claim.map_or_else(
            || "the server".to_owned(),
            |claim| format!("claim {}", quoted(claim, 80)),
        )
    }
}

/// Reads how full the disk is. Any role may ask for the default tablespace of its own database.
async fn fetch_disk(writer: &Writer, capacity: u64) -> Result<Disk, PostgresError> {
    let mut disk = Disk {
        capacity,
        ..Disk::default()
    };
    let sizes = "select pg_catalog.pg_tablespace_size('pg_default')::text as data, \
        pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size'))::text as log_limit, \
        pg_catalog.has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE') as may_look";
    let mut may_look = false;
    for row in writer.run(sizes).await? {
        disk.data = writer.number(&row, "data")?.unsigned_abs();
        disk.wal_limit = writer.number(&row, "log_limit")?.unsigned_abs();
        may_look = writer.truth(&row, "may_look")?;
    }
    if may_look {
        let log = "select coalesce(pg_catalog.sum(size), 0)::bigint::text as log from \
            pg_catalog.pg_ls_waldir()";
        for row in writer.run(log).await? {
            disk.wal = Some(writer.number(&row, "log")?.unsigned_abs());
        }
    }
    Ok(disk)
}

/// The bytes of databases of ours that a killed start has left.
async fn fetch_sizes(writer: &Writer, names: &[&str]) -> Result<u64, PostgresError> {
    let names: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    let query = format!(
        "select coalesce(pg_catalog.sum(pg_catalog.pg_database_size(d.oid)), 0)::bigint::text as bytes from \
         pg_catalog.pg_database as d join pg_catalog.pg_roles as r on r.oid = d.datdba where r.rolname = \
         session_user and d.datname in ({})",
        names.join(", ")
    );
    let mut bytes = 0;
    for row in writer.run(&query).await? {
        bytes = writer.number(&row, "bytes")?.unsigned_abs();
    }
    Ok(bytes)
}
