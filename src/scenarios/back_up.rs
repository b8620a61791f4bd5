//! Scenarios of backups: the CronJob, the first backup, how fresh the newest good one is.

use k8s_openapi::api::batch::v1::{CronJob, Job};

use super::failed_backups;
use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{
    backup, bad_backup, check, complete_backup, ended_job, job, judged, reset,
};
use super::sample_parts::{from, known, metadata, time};
use crate::api::{Backup, CheckOutcome, ConditionType, DatabaseBackup, Encryption};
use crate::decide::decide;
use crate::world::{Fact, LateBackup, WorkloadFact};

#[test]
fn plans_of_backups() {
    insta::assert_snapshot!("back_up", plans(scenarios()));
}

/// Rows say nothing about a claim whose files are gone.
#[test]
fn files_that_an_earlier_backup_has_are_missed() {
    let with = |name: &str, at: &str, files: i64| {
        let mut backup = complete_backup(name, at);
        backup.status.get_or_insert_default().files = Some(files);
        backup
    };
    let message = |files: i64| {
        let directories = from(serde_json::json!([{"claim": "uploads"}]));
        let sample = wanting(|backup| backup.directories = directories).backups(vec![
            with("knowledge-backup-first", "2026-02-01T09:01:00Z", 400),
            with("knowledge-backup-2", "2026-02-01T09:20:00Z", files),
        ]);
        let conditions = decide(&sample.0).conditions;
        let mut conditions = conditions.into_iter();
        let fresh = conditions.find(|one| one.condition == ConditionType::BackupFresh);
        fresh.unwrap().message
    };
    let gone = message(0);
    assert!(
        gone.contains("knowledge-backup-2 has 0 files")
            && gone.contains("knowledge-backup-first has 400"),
        "{gone}"
    );
    assert!(!message(380).contains("before retention"));
}

fn verified() -> Sample {
    Sample::guarded()
        .checks(vec![check("knowledge-1", "2026-02-01T09:00:00Z")])
        .after_a_pass()
}

fn failed(name: &str, at: &str) -> DatabaseBackup {
    bad_backup(name, at, "Failed", "StorageUnreachable")
}

/// The backup has said where its set is.
fn with_set(mut backup: DatabaseBackup) -> DatabaseBackup {
    let status = backup.status.get_or_insert_default();
    status.path = Some("prod/atra/knowledge/20260201T092000Z-00000001".to_owned());
    backup
}

fn cron_job(change: impl FnOnce(&mut CronJob)) -> Sample {
    Sample::settled().with(|observed| change(known(&mut observed.cron_job).get_or_insert_default()))
}

fn wanting(change: impl FnOnce(&mut Backup)) -> Sample {
    Sample::settled().wanted(|spec| {
        if let Some(backup) = &mut spec.backup {
            change(backup);
        }
    })
}

const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn encryption(recipients: &[&str]) -> Option<Encryption> {
    from(serde_json::json!({ "ageRecipients": recipients }))
}

fn not_ours() -> CronJob {
    CronJob {
        metadata: metadata("knowledge-backup"),
        ..CronJob::default()
    }
}

/// The Job of a first backup that was made of another template.
fn tried_otherwise() -> Job {
    let mut job = ended_job(
        "knowledge-backup-first",
        "backup",
        "2026-02-01T09:29:31Z",
        "CompletionsReached",
    );
    job.metadata.annotations = Some(
        [(
            "holdfast.dev/template-digest".to_owned(),
            "another".to_owned(),
        )]
        .into(),
    );
    job
}

/// The backup of that time has not begun.
fn late(sample: Sample, is_suspended: bool, why: Fact<Option<String>>) -> Sample {
    sample.with(|observed| {
        observed.late_backup = Some(LateBackup {
            due: time("2026-02-01T09:29:00Z"),
            is_suspended,
            why,
        });
    })
}

fn not_begun() -> Vec<Scenario> {
    let refused = "CronJob knowledge-backup: \"FailedCreate: Error creating job: jobs.batch is \
        forbidden: exceeded quota: none\"";
    let refused = || Fact::Known(Some(refused.to_owned()));
    vec![
        (
            "the Job of the next backup is refused while the newest is fresh",
            late(Sample::settled(), false, refused()),
        ),
        (
            "the Job of the next backup is refused and none was ever good",
            late(
                Sample::settled().backups(Vec::new()).database(|database| {
                    let status = database.status.get_or_insert_default();
                    status.last_good_backup = None;
                    status.last_backup = None;
                }),
                false,
                refused(),
            ),
        ),
        (
            "the next backup has not begun and nothing says why",
            late(Sample::settled(), false, Fact::Known(None)),
        ),
        (
            "a backup was taken since the Job of the last one was refused",
            late(Sample::settled(), false, refused()).with(|observed| {
                if let Some(late) = &mut observed.late_backup {
                    late.due = time("2026-02-01T03:00:00Z");
                }
            }),
        ),
        (
            "somebody has suspended the CronJob",
            late(Sample::settled(), true, Fact::Known(None)),
        ),
        (
            "the next backup has not begun and events can't be read",
            late(
                Sample::settled(),
                false,
                Fact::Unknown("forbidden".to_owned()),
            ),
        ),
    ]
}

pub fn scenarios() -> Vec<Scenario> {
    [first_backups(), cron_jobs(), freshness(), not_begun()].concat()
}

fn first_backups() -> Vec<Scenario> {
    let twice = || {
        verified().backups(vec![
            failed("knowledge-backup-first", "2026-02-01T09:10:00Z"),
            failed("knowledge-backup-first-1", "2026-02-01T09:28:00Z"),
        ])
    };
    vec![
        ("verified and never backed up", verified()),
        (
            "verified before the CronJob is there",
            verified().with(|observed| observed.cron_job = Fact::Known(None)),
        ),
        (
            "the first backup's Job runs",
            verified().jobs(vec![job("knowledge-backup-first", "backup")]),
        ),
        (
            "the first backup runs",
            verified()
                .jobs(vec![job("knowledge-backup-first", "backup")])
                .backups(vec![backup(
                    "knowledge-backup-first",
                    "2026-02-01T09:29:00Z",
                    "Running",
                )]),
        ),
        (
            "the first backup failed a moment ago",
            verified().backups(vec![failed(
                "knowledge-backup-first",
                "2026-02-01T09:29:30Z",
            )]),
        ),
        (
            "the first backup failed a while ago",
            verified().backups(vec![failed(
                "knowledge-backup-first",
                "2026-02-01T09:20:00Z",
            )]),
        ),
        ("the first backup failed twice", twice()),
        (
            "the first backup failed and the spec was changed",
            twice().wanted(|spec| {
                spec.backup
                    .as_mut()
                    .into_iter()
                    .for_each(|backup| backup.storage.s3.bucket = "other".to_owned());
            }),
        ),
        (
            "the first backup failed a moment ago and was not the one that is wanted now",
            verified()
                .backups(vec![failed(
                    "knowledge-backup-first",
                    "2026-02-01T09:29:30Z",
                )])
                .jobs(vec![tried_otherwise()]),
        ),
        (
            "the first backup's Job ended a moment ago and its DatabaseBackup was deleted",
            verified().jobs(vec![ended_job(
                "knowledge-backup-first",
                "backup",
                "2026-02-01T09:29:30Z",
                "CompletionsReached",
            )]),
        ),
        (
            "the first backup's Job failed without a word",
            verified().jobs(vec![ended_job(
                "knowledge-backup-first",
                "backup",
                "2026-02-01T09:20:00Z",
                "BackoffLimitExceeded",
            )]),
        ),
        (
            "a reset is known and nothing was backed up yet",
            verified().and_check(judged(
                reset("knowledge-2", "2026-02-01T09:20:00Z"),
                CheckOutcome::Suspected,
                "ClusterReinitialized",
            )),
        ),
        (
            "the only backup is suspect",
            verified().backups(vec![bad_backup(
                "knowledge-backup-1",
                "2026-02-01T09:10:00Z",
                "Suspect",
                "DataSuspect",
            )]),
        ),
        (
            "the backup was taken by its schedule and the data verified",
            verified().backups(vec![complete_backup(
                "knowledge-backup-29384",
                "2026-02-01T09:10:00Z",
            )]),
        ),
    ]
}

fn cron_jobs() -> Vec<Scenario> {
    vec![
        (
            "the schedule was changed",
            wanting(|backup| backup.schedule = "0 4 * * *".to_owned()),
        ),
        (
            "the backup may begin within two hours after its tick",
            wanting(|backup| backup.window = Some("2h".to_owned())),
        ),
        (
            "the image was changed",
            Sample::settled()
                .workload(|workload| workload.containers[0].image = "postgres:16".to_owned()),
        ),
        (
            "somebody deleted the CronJob",
            Sample::settled().with(|observed| observed.cron_job = Fact::Known(None)),
        ),
        (
            "somebody suspended the CronJob",
            cron_job(|cron_job| cron_job.spec.suspend = Some(true)),
        ),
        (
            "somebody changed the CronJob's schedule",
            cron_job(|cron_job| cron_job.spec.schedule = "0 0 1 1 *".to_owned()),
        ),
        (
            "the CronJob of that name is somebody else's",
            Sample::guarded().with(|observed| observed.cron_job = Fact::Known(Some(not_ours()))),
        ),
        (
            "the CronJob of that name is somebody else's and no backup is wanted",
            Sample::settled()
                .wanted(|spec| spec.backup = None)
                .with(|observed| observed.cron_job = Fact::Known(Some(not_ours()))),
        ),
        (
            "the backup was taken out of the spec",
            Sample::settled().wanted(|spec| spec.backup = None),
        ),
        (
            "encryption is asked for",
            wanting(|backup| backup.encryption = encryption(&[RECIPIENT])),
        ),
        (
            "encryption is asked for, for a private key",
            wanting(|backup| {
                backup.encryption = encryption(&[RECIPIENT, "AGE-SECRET-KEY-1HUNTER2"]);
            }),
        ),
        (
            "encryption is asked for as it was in an earlier version",
            wanting(|backup| backup.encryption = encryption(&[])),
        ),
        (
            "the backup's schedule never fires",
            wanting(|backup| backup.schedule = "0 0 31 2 *".to_owned()),
        ),
        (
            "the backup's time zone is unknown",
            wanting(|backup| backup.time_zone = Some("Europe/Atlantis".to_owned())),
        ),
        (
            "the backup's deadline is out of range",
            wanting(|backup| backup.deadline = "30d".to_owned()),
        ),
        (
            "suspended with a backup",
            Sample::settled().wanted(|spec| spec.suspend = true),
        ),
        (
            "the workload is gone and backups were taken",
            Sample::settled()
                .with(|observed| observed.workload = Fact::Known(WorkloadFact::NotFound))
                .pods(Vec::new()),
        ),
    ]
}

fn freshness() -> Vec<Scenario> {
    let good = || complete_backup("knowledge-backup-first", "2026-02-01T09:01:00Z");
    let running = |name: &str| backup(name, "2026-02-01T09:20:00Z", "Running");
    vec![
        (
            "the newest good backup is overdue",
            Sample::settled().at("2026-02-05T09:00:00Z"),
        ),
        (
            "the newest backup failed and a good one is there",
            Sample::settled().backups(vec![
                good(),
                failed("knowledge-backup-2", "2026-02-01T09:20:00Z"),
            ]),
        ),
        (
            "twelve backups failed since the last good one",
            Sample::settled().backups(failed_backups::failures(12)),
        ),
        (
            "the newest backup is suspect and a good one is there",
            Sample::settled().backups(vec![
                good(),
                bad_backup(
                    "knowledge-backup-2",
                    "2026-02-01T09:20:00Z",
                    "Suspect",
                    "DataSuspect",
                ),
            ]),
        ),
        (
            "a running backup has no Job",
            Sample::settled().backups(vec![good(), running("knowledge-backup-2")]),
        ),
        (
            "a running backup's Job has ended",
            Sample::settled()
                .backups(vec![good(), running("knowledge-backup-2")])
                .jobs(vec![ended_job(
                    "knowledge-backup-2",
                    "backup",
                    "2026-02-01T09:25:00Z",
                    "DeadlineExceeded",
                )]),
        ),
        (
            "a backup's Job had to end while the API server did not take its report",
            Sample::settled()
                .backups(vec![good(), with_set(running("knowledge-backup-2"))])
                .jobs(vec![ended_job(
                    "knowledge-backup-2",
                    "backup",
                    "2026-02-01T09:25:00Z",
                    "DeadlineExceeded",
                )]),
        ),
        (
            "a backup that has begun its set has no Job",
            Sample::settled().backups(vec![good(), with_set(running("knowledge-backup-2"))]),
        ),
        (
            "a running backup's Job runs",
            Sample::settled()
                .backups(vec![good(), running("knowledge-backup-2")])
                .jobs(vec![job("knowledge-backup-2", "backup")]),
        ),
        (
            "the backups were deleted and are remembered",
            Sample::settled().backups(Vec::new()),
        ),
    ]
}
