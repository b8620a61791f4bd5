//! Scenarios of backups that fail again and again: the newest of their objects are kept, and none goes that nothing
//! has replaced.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::in_memory::Passes;
use super::rule_case::Case;
use super::sample::Sample;
use super::sample_objects::{bad_backup, complete_backup, ended_job, of_agents};
use super::sample_parts::known;
use crate::api::{DatabaseBackup, FAILED_BACKUPS_KEPT};
use crate::decide::decide;
use crate::plan::{Step, check_plan};
use crate::world::Fact;

/// A backup that failed at that minute of the hour after the first one.
pub fn failure(minute: usize) -> DatabaseBackup {
    let name = format!("knowledge-backup-{minute}");
    let created = format!("2026-02-01T09:{minute:02}:00Z");
    let reason = "StorageUnreachable";
    of_agents(bad_backup(&name, &created, "Failed", reason))
}

/// The good one of before, and so many that failed since: the names say their minutes, from 2 on.
pub fn failures(count: usize) -> Vec<DatabaseBackup> {
    let first = complete_backup("knowledge-backup-first", "2026-02-01T09:01:00Z");
    let failed = (2..count + 2).map(failure);
    [first].into_iter().chain(failed).collect()
}

/// The agent did not report: its set may be complete.
pub fn unreported(mut backup: DatabaseBackup) -> DatabaseBackup {
    let status = backup.status.get_or_insert_default();
    status.path = Some("atra/knowledge/20260201T090200Z-00000001".to_owned());
    backup
}

fn deleted(sample: &Sample) -> Vec<String> {
    let plan = decide(&sample.0);
    check_plan(&sample.0, &plan).unwrap();
    let steps = plan.steps.into_iter().filter_map(|step| match step {
        Step::DeleteFailedBackup(metadata) => metadata.name,
        _ => None,
    });
    steps.collect()
}

#[test]
fn the_newest_failures_are_kept() {
    let of = |backups: Vec<DatabaseBackup>| deleted(&Sample::settled().backups(backups));
    assert!(of(failures(FAILED_BACKUPS_KEPT)).is_empty());
    let two = ["knowledge-backup-2", "knowledge-backup-3"];
    assert_eq!(of(failures(FAILED_BACKUPS_KEPT + 2)), two);
    // Nothing ever succeeded: they are as many, and the newest are there.
    let only_failures = failures(FAILED_BACKUPS_KEPT + 2).split_off(1);
    assert_eq!(of(only_failures), two);
}

#[test]
fn no_failure_goes_that_nothing_has_replaced() {
    let with = |change: &dyn Fn(&mut Vec<DatabaseBackup>)| {
        let mut backups = failures(FAILED_BACKUPS_KEPT + 2);
        change(&mut backups);
        deleted(&Sample::settled().backups(backups))
    };
    let third = ["knowledge-backup-3"];
    // Its set may be complete, and no newer one counts.
    let unknown = |backups: &mut Vec<DatabaseBackup>| backups[1] = unreported(failure(2));
    assert_eq!(with(&unknown), third);
    let replaced = with(&|backups| {
        unknown(backups);
        backups.push(complete_backup(
            "knowledge-backup-20",
            "2026-02-01T09:20:00Z",
        ));
    });
    assert_eq!(replaced, ["knowledge-backup-2", "knowledge-backup-3"]);
    // A tool would create it again, and so ask for another backup.
    let by_hand = |backups: &mut Vec<DatabaseBackup>| backups[1].metadata.labels = None;
    assert_eq!(with(&by_hand), third);
    let going = |backups: &mut Vec<DatabaseBackup>| {
        let metadata = &mut backups[1].metadata;
        metadata.deletion_timestamp = metadata.creation_timestamp.clone();
    };
    assert_eq!(with(&going), third);
}

/// The operator would report it again.
#[test]
fn no_failure_goes_while_its_job_is_there() {
    let backups = || Sample::settled().backups(failures(FAILED_BACKUPS_KEPT + 1));
    let job = |name: &str| {
        let (ended, reason) = ("2026-02-01T09:03:00Z", "BackoffLimitExceeded");
        ended_job(name, "backup", ended, reason)
    };
    let left = deleted(&backups().jobs(vec![job("knowledge-backup-2")]));
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        deleted(&backups().jobs(vec![job("knowledge-backup-3")])).len(),
        1
    );
    let unread = backups().with(|observed| observed.jobs = Fact::Unknown("refused".to_owned()));
    assert!(deleted(&unread).is_empty());
}

/// Of one second it is not known which is older.
#[test]
fn failures_of_one_moment_are_settled() {
    let failed = (0..FAILED_BACKUPS_KEPT + 5).map(|number| {
        let mut backup = failure(10);
        backup.metadata.name = Some(format!("knowledge-backup-{number}"));
        backup.metadata.uid = Some(format!("uid-{number}"));
        backup
    });
    assert!(deleted(&Sample::settled().backups(failed.collect())).is_empty());
}

#[test]
fn what_an_older_version_has_left_goes_bit_by_bit() {
    let mut world = Passes::new(Sample::settled().0);
    let failed = (0..500).map(|number: i64| {
        let mut backup = failure(10);
        backup.metadata.name = Some(format!("knowledge-backup-{number}"));
        backup.metadata.uid = Some(format!("uid-{number}"));
        let made = backup.metadata.creation_timestamp.as_mut().unwrap();
        made.0 -= jiff::Span::new().hours(number);
        backup
    });
    known(&mut world.observed.backups).extend(failed);
    world.settle(20);
    let left = known(&mut world.observed.backups).len();
    assert_eq!(left, FAILED_BACKUPS_KEPT + 1, "and the good one");
}

/// What the rule about them refuses.
pub fn cases() -> Vec<Case> {
    let observed = |backups: Vec<DatabaseBackup>| Sample::settled().backups(backups).0;
    let delete = |name: &str| {
        let metadata = complete_backup(name, "2026-02-01T09:01:00Z").metadata;
        vec![Step::DeleteFailedBackup(Box::new(metadata))]
    };
    let oldest = || delete("knowledge-backup-2");
    let case = |observed, bad| Case {
        rule: "only_old_failures_go",
        observed,
        bad,
        good: vec![Step::EnsureAgentIdentity],
    };
    let many = || failures(FAILED_BACKUPS_KEPT + 1);
    let with = |change: &dyn Fn(&mut DatabaseBackup)| {
        let mut backups = many();
        change(&mut backups[1]);
        observed(backups)
    };
    let with_job = Sample::settled().backups(many()).jobs(vec![ended_job(
        "knowledge-backup-2",
        "backup",
        "2026-02-01T09:03:00Z",
        "BackoffLimitExceeded",
    )]);
    let unread = Sample::settled()
        .backups(many())
        .with(|observed| observed.jobs = Fact::Unknown("refused".to_owned()));
    vec![
        Case {
            good: oldest(),
            ..case(observed(many()), delete("knowledge-backup-3"))
        },
        case(observed(many()), delete("knowledge-backup-first")),
        case(observed(many()), delete("knowledge-backup-1000")),
        case(observed(failures(FAILED_BACKUPS_KEPT)), oldest()),
        case(
            with(&|backup| *backup = unreported(backup.clone())),
            oldest(),
        ),
        case(with(&|backup| backup.metadata.labels = None), oldest()),
        case(with_job.0, oldest()),
        case(unread.0, oldest()),
    ]
}
