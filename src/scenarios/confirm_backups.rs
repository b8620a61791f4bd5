//! Scenarios of backups that a later check confirms, or that a reset demotes.

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{
    backup, by_clock, check, complete_backup, in_recovery, job, judged, reset, unconfirmed_backup,
    unjudged,
};
use super::sample_parts::time;
use crate::api::{CheckOutcome, DatabaseBackup, DatabaseCheck};
use crate::decide::decide;
use crate::plan::Step;

#[test]
fn plans_that_confirm_backups() {
    insta::assert_snapshot!("confirm_backups", plans(scenarios()));
}

const TAKEN: &str = "2026-02-01T09:10:00Z";

/// A backup that was taken at 09:10, after a good check at 09:00.
fn taken() -> DatabaseBackup {
    unconfirmed_backup("knowledge-backup-2", TAKEN, "0/2000000")
}

/// Verified at 09:00, backed up at 09:01 and confirmed; then this backup and these checks.
fn after(backup: DatabaseBackup, checks: Vec<DatabaseCheck>) -> Sample {
    let first = complete_backup("knowledge-backup-first", "2026-02-01T09:01:00Z");
    let sample = Sample::settled().backups(vec![first, backup]);
    checks.into_iter().fold(sample, Sample::and_check)
}

/// A check that found that position of the write-ahead log.
fn found(created: &str, position: &str) -> DatabaseCheck {
    let mut check = check("knowledge-2", created);
    if let Some(evidence) = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        position.clone_into(&mut evidence.identity.wal_position);
        evidence.observed_at = time(created);
    }
    check
}

/// The pod of the backup took some seconds to start: the check of its beginning was made after it, and has looked
/// before its snapshot.
fn slowly_begun() -> Sample {
    let mut backup = taken();
    let status = backup.status.get_or_insert_default();
    if let Some(snapshot) = &mut status.snapshot {
        snapshot.time = time("2026-02-01T09:10:05Z");
    }
    let mut check = found("2026-02-01T09:10:04Z", "0/2000000");
    check.metadata.creation_timestamp = Some(time("2026-02-01T09:10:02Z"));
    after(backup, vec![check])
}

/// Else it would not count until the next check of the schedule.
#[test]
fn a_check_that_has_looked_before_a_backup_is_followed_by_another() {
    let plan = decide(&slowly_begun().0);
    let made = plan.steps.iter().find_map(|step| match step {
        Step::CreateCheck(check) => check.metadata.name.clone(),
        _ => None,
    });
    assert!(
        made.is_some_and(|name| name.starts_with("knowledge-c")),
        "{:?}",
        plan.steps
    );
}

/// A check that found all tables empty, of the same database cluster.
fn truncated(created: &str) -> DatabaseCheck {
    let mut check = unjudged(found(created, "0/3000000"));
    if let Some(evidence) = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        evidence.total_rows = 0;
        for table in &mut evidence.tables {
            table.rows = 0;
        }
    }
    check
}

pub fn scenarios() -> Vec<Scenario> {
    let later = "2026-02-01T09:20:00Z";
    let mut of_other_cluster = found(later, "0/3000000");
    if let Some(evidence) = of_other_cluster
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        evidence.identity.system_identifier = "7599999999999999999".to_owned();
    }
    let mut partial = found(later, "0/3000000");
    if let Some(evidence) = partial
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        evidence.partial = true;
    }
    let without_position = |seconds| {
        let mut backup = taken();
        let status = backup.status.get_or_insert_default();
        status.snapshot = None;
        status.duration_seconds = Some(seconds);
        backup
    };
    vec![
        (
            "a backup is complete and no check was made since",
            after(taken(), vec![]),
        ),
        (
            "the check of its beginning was made after it, and looked before its snapshot",
            slowly_begun(),
        ),
        (
            "a good check was made after it",
            after(taken(), vec![found(later, "0/3000000")]),
        ),
        (
            "nothing was written since, and a good check was made",
            after(taken(), vec![found(later, "0/2000000")]),
        ),
        (
            "the check's agent has a clock that is a year behind",
            after(
                taken(),
                vec![by_clock(found(later, "0/3000000"), -365 * 86_400)],
            ),
        ),
        (
            "the server that was checked has written less",
            after(taken(), vec![found(later, "0/1FFFFFF")]),
        ),
        (
            "the good check was of a replica",
            after(taken(), vec![in_recovery(found(later, "0/3000000"))]),
        ),
        (
            "the good check was of another database cluster",
            after(taken(), vec![of_other_cluster]),
        ),
        (
            "the good check has not counted everything",
            after(taken(), vec![partial]),
        ),
        (
            "the tables were emptied between the last good check and the backup",
            after(taken(), vec![truncated(later)]),
        ),
        (
            "another initdb ran between the last good check and the backup",
            after(taken(), vec![reset("knowledge-2", later)]),
        ),
        (
            "a reset stood when the backup began",
            after(
                taken(),
                vec![judged(
                    truncated("2026-02-01T09:09:00Z"),
                    CheckOutcome::Suspected,
                    "RowsDropped",
                )],
            ),
        ),
        (
            "the backup of an older version was over before the check was made",
            after(without_position(60), vec![found(later, "0/3000000")]),
        ),
        (
            "the backup of an older version was not over when the check was made",
            after(without_position(900), vec![found(later, "0/3000000")]),
        ),
        ("a user asks for a backup", after(asked(), vec![])),
        (
            "a user asked for a backup and its Job runs",
            after(asked(), vec![]).jobs(vec![job("knowledge-by-hand", "backup")]),
        ),
        (
            "a user asks for a backup of a database that is suspended",
            after(asked(), vec![]).wanted(|spec| spec.suspend = true),
        ),
        ("the newest backup was demoted", after(demoted(), vec![])),
        (
            "the only backup was demoted, and was known as good",
            Sample::settled().backups(vec![{
                let mut backup = demoted();
                backup.metadata.name = Some("knowledge-backup-first".to_owned());
                backup
            }]),
        ),
        (
            "the only backup is not confirmed",
            Sample::guarded()
                .checks(vec![check("knowledge-1", "2026-02-01T09:00:00Z")])
                .after_a_pass()
                .backups(vec![taken()]),
        ),
    ]
}

/// A backup as a user creates it.
fn asked() -> DatabaseBackup {
    let mut backup = backup("knowledge-by-hand", TAKEN, "Running");
    backup.status = None;
    backup
}

fn demoted() -> DatabaseBackup {
    let mut backup = taken();
    let status = backup.status.get_or_insert_default();
    status.demoted = Some(crate::api::BackupDemotion {
        reason: "RowsDropped".to_owned(),
        check: "knowledge-2".to_owned(),
        time: time("2026-02-01T09:20:00Z"),
    });
    backup
}
