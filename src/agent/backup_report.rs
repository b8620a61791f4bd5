//! What the agent of a backup says of it, and for how long it tries to: a set that nobody has reported does not
//! count, so hours of work wait for a control plane that is unavailable for minutes.

use std::time::Duration;

use tokio::time::Instant;

use super::TakenSet;
use super::kubernetes::Tries;
use super::snapshot::describe_snapshot;
use super::unsupported::{obstacles_of, say};
use crate::api::{BackupRequest, BackupState, DatabaseBackupStatus, reasons};
use crate::store::{Manifest, SetState};

/// How long before the end of its Job the agent gives up.
const MARGIN: Duration = Duration::from_mins(1);
/// For how long a refusal of the outcome is not believed.
const DISBELIEF: Duration = Duration::from_secs(90);
/// The most reasons that are listed for which a restore is refused.
const OBSTACLES: usize = 8;

/// For how long the agent of a backup tries to reach the API server.
#[derive(Clone, Copy, Debug)]
pub struct BackupTries {
    /// At its beginning, and with what it reads.
    pub asks: Tries,
    /// With the outcome, of which the limit is `ends_at`.
    pub reports: Tries,
    /// When its Job is about to be ended.
    pub ends_at: Instant,
}

impl BackupTries {
    /// Of an agent that begins now. Its Job has begun before: Kubernetes may tell it to stop earlier, and it tries
    /// on until it is killed.
    #[must_use]
    pub fn of(request: &BackupRequest) -> Self {
        let job = Duration::from_secs(request.job_seconds());
        Self {
            asks: Tries::LONG,
            reports: Tries {
                disbelief: DISBELIEF,
                ..Tries::LONG
            },
            ends_at: Instant::now() + job.saturating_sub(MARGIN),
        }
    }

    /// What is left for the outcome.
    #[must_use]
    pub fn left(&self) -> Tries {
        self.reports.until(self.ends_at)
    }

    /// How long a backup may take that begins now: no longer than its Job may.
    #[must_use]
    pub fn deadline(&self, request: &BackupRequest) -> Duration {
        let asked = Duration::from_secs(request.deadline_seconds.max(1));
        asked.min(self.ends_at.saturating_duration_since(Instant::now()))
    }
}

/// Describes a set that is stored.
pub fn describe_set(status: &mut DatabaseBackupStatus, set: &TakenSet, request: &BackupRequest) {
    let manifest = &set.manifest;
    let rows: u64 = manifest
        .databases
        .iter()
        .map(|database| database.rows)
        .sum();
    let tables: usize = manifest
        .databases
        .iter()
        .map(|database| database.tables.len())
        .sum();
    // A drill makes space for it, and restores no file.
    let of_databases = manifest.objects.iter();
    let of_databases = of_databases.filter(|object| !manifest.is_of_files(object));
    let raw: u64 = of_databases.map(|object| object.raw_size).sum();
    let files: u64 = manifest.directories.iter().map(|one| one.files).sum();
    let bucket = &request.storage.bucket;
    status.system_identifier = Some(manifest.identity.system_identifier.clone());
    status.snapshot = Some(describe_snapshot(&manifest.identity));
    status.manifest_sha256 = Some(set.manifest_sha256.clone());
    status.rows = i64::try_from(rows).ok();
    status.tables = i64::try_from(tables).ok();
    status.raw_bytes = i64::try_from(raw).ok();
    status.stored_bytes = i64::try_from(set.stored_bytes).ok();
    status.findings.clone_from(&manifest.findings);
    let unverified = manifest.unverified.as_ref();
    let unverified = unverified.map_or_else(String::new, |why| {
        format!(" (the data was not verified then: {why})")
    });
    let of_files = if manifest.directories.is_empty() {
        String::new()
    } else {
        status.files = i64::try_from(files).ok();
        format!(" and {files} files")
    };
    let mut obstacles: Vec<String> = manifest.databases.iter().flat_map(obstacles_of).collect();
    obstacles.truncate(OBSTACLES);
    let refused = say(&obstacles);
    status.restore_obstacles = obstacles;
    let what = format!(
        "{rows} rows of {tables} tables{of_files} are in the bucket `{bucket}`{unverified}{refused}"
    );
    if manifest.state == SetState::Good {
        status.state = Some(BackupState::Complete);
        status.message = Some(what);
    } else {
        status.state = Some(BackupState::Suspect);
        let is_of_files = manifest.why == join_faults(manifest);
        let reason = if is_of_files {
            reasons::DIRECTORY_INCOMPLETE
        } else {
            reasons::DATA_SUSPECT
        };
        status.reason = Some(reason.to_owned());
        let why = manifest.why.as_deref().unwrap_or("it is not known why");
        status.message = Some(format!(
            "{what}; the set is kept and does not count as good: {why}"
        ));
    }
    tracing::info!(rows, tables, raw_bytes = raw, stored_bytes = set.stored_bytes, state = ?status.state, "the set is stored");
}

/// Why a set does not count because of its directories alone.
fn join_faults(manifest: &Manifest) -> Option<String> {
    let faults = manifest.directories.iter();
    let faults: Vec<&str> = faults.filter_map(|one| one.fault.as_deref()).collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn the_outcome_is_tried_for_as_long_as_the_job_has() {
        let request: BackupRequest = serde_json::from_value(serde_json::json!({
            "namespace": "atra", "database": "knowledge", "databaseUid": "uid-1",
            "server": {
                "port": 5432, "databases": ["app"], "tlsMode": "Prefer", "tlsCa": false,
                "credentialsSecret": "s", "usernameKey": "u", "passwordKey": "p",
            },
            "storage": {"bucket": "backups", "region": "us-east-1"},
            "deadlineSeconds": 21_600, "turnSeconds": 43_200,
        }))
        .unwrap();
        let tries = BackupTries::of(&request);
        let minutes = |minutes: u64| Duration::from_mins(minutes);
        // A backup of an hour has the other hours to report.
        assert!(tries.left().limit > minutes(60 * 18));
        assert!(tries.left().limit < Duration::from_secs(request.job_seconds()));
        assert_eq!(tries.deadline(&request), minutes(60 * 6));
        // One that has waited for the whole of its Job ends before that is ended.
        let late = BackupTries {
            ends_at: Instant::now() + minutes(10),
            ..tries
        };
        assert!(late.deadline(&request) <= minutes(10));
        assert!(tries.asks.limit >= minutes(5));
    }
}
