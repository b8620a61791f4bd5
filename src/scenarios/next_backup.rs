//! Scenarios of what will stop the next backup, seen by day: by the check, by the look at the bucket, and by what
//! the cluster has. A good backup stays good, and what a later backup or check has disproved is not repeated.

use serde_json::json;

use super::catalog::reported;
use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{bad_backup, check, complete_backup, unverifiable};
use super::sample_parts::from;
use crate::api::{AgentFailure, ConditionStatus, ConditionType, DatabaseCheck, reasons};
use crate::decide::decide;
use crate::world::Fact;

const AT: &str = "2026-02-01T09:20:00Z";

fn obstacle(reason: &str, message: &str) -> AgentFailure {
    AgentFailure {
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

fn found(name: &str, at: &str, obstacle: Option<AgentFailure>) -> DatabaseCheck {
    let mut check = check(name, at);
    check.status.get_or_insert_default().backup_obstacle = obstacle;
    check
}

fn no_large_object() -> AgentFailure {
    obstacle(
        reasons::PERMISSION_DENIED,
        "the role holdfast can't dump the database knowledge_os: it may not read large objects (2; the first is \
         16512). The SQL that grants it: kubectl holdfast grant-sql",
    )
}

/// The newest check, after the newest backup, has found that.
fn checked(reason: &str, message: &str) -> Sample {
    let found = found("knowledge-2", AT, Some(obstacle(reason, message)));
    Sample::settled().and_check(found)
}

fn looked(reason: &str, message: &str) -> Sample {
    reported(json!({"obstacle": {"reason": reason, "message": message}}))
}

fn with_directory(sample: Sample) -> Sample {
    sample.wanted(|spec| {
        let backup = spec.backup.as_mut().expect("backups");
        backup.directories = from(json!([{"claim": "uploads"}]));
    })
}

/// Each with the reason that is reported, if one is.
fn told() -> Vec<(&'static str, Sample, Option<&'static str>)> {
    let refused =
        "https://s3.storage:9000 refused the access key while beginning an upload to `backups`";
    vec![
        (
            "the role may not read large objects",
            Sample::settled().and_check(found("knowledge-2", AT, Some(no_large_object()))),
            Some(reasons::PERMISSION_DENIED),
        ),
        (
            "row security hides rows from the dump",
            checked(
                reasons::ROW_SECURITY,
                "row security hides rows of tables (1; the first is public.salaries)",
            ),
            Some(reasons::ROW_SECURITY),
        ),
        (
            "the image has only an older pg_dump",
            checked(
                reasons::CLIENT_TOO_OLD,
                "pg_dump is of version 15, and the server of 17",
            ),
            Some(reasons::CLIENT_TOO_OLD),
        ),
        (
            "a database of the spec was dropped",
            checked(
                reasons::DATABASE_NOT_FOUND,
                "the database metrics does not exist",
            ),
            Some(reasons::DATABASE_NOT_FOUND),
        ),
        (
            "the bucket refuses the upload of one byte",
            looked(reasons::STORAGE_DENIED, refused),
            Some(reasons::STORAGE_DENIED),
        ),
        (
            "the Secret of the bucket is gone",
            looked(
                reasons::SECRET_MISSING,
                "key `id` of Secret `s3-auth` is not mounted",
            ),
            Some(reasons::SECRET_MISSING),
        ),
        (
            "a claim of a directory does not exist",
            with_directory(Sample::settled()),
            Some(reasons::CLAIM_NOT_FOUND),
        ),
        (
            "whether a claim of a directory exists is not known",
            with_directory(Sample::settled())
                .with(|observed| observed.file_claims = Fact::Unknown("refused".to_owned())),
            None,
        ),
        (
            "the check and the look have both found something",
            looked(reasons::STORAGE_DENIED, refused).and_check(found(
                "knowledge-2",
                AT,
                Some(no_large_object()),
            )),
            Some(reasons::PERMISSION_DENIED),
        ),
        (
            "a newer check could read nothing",
            Sample::settled()
                .and_check(found("knowledge-2", AT, Some(no_large_object())))
                .and_check(unverifiable(
                    "knowledge-3",
                    "2026-02-01T09:25:00Z",
                    reasons::CONNECTION_FAILED,
                )),
            Some(reasons::PERMISSION_DENIED),
        ),
        (
            "a newer check finds it no more",
            Sample::settled()
                .and_check(found("knowledge-2", AT, Some(no_large_object())))
                .and_check(found("knowledge-3", "2026-02-01T09:25:00Z", None)),
            None,
        ),
        (
            "a backup was taken since the check",
            Sample::settled()
                .and_check(found("knowledge-2", AT, Some(no_large_object())))
                .backups(vec![complete_backup(
                    "knowledge-backup-2",
                    "2026-02-01T09:22:00Z",
                )]),
            None,
        ),
        (
            "a backup was taken since the look",
            reported(json!({
                "completionTime": "2026-02-01T09:10:00Z",
                "obstacle": {"reason": reasons::STORAGE_DENIED, "message": refused},
            })),
            None,
        ),
    ]
}

fn scenarios() -> Vec<Scenario> {
    let told = told().into_iter();
    told.map(|(name, sample, _)| (name, sample)).collect()
}

#[test]
fn plans_where_the_next_backup_will_fail() {
    insta::assert_snapshot!("next_backup", plans(scenarios()));
}

#[test]
fn what_will_stop_the_next_backup_is_said_and_nothing_else() {
    for (name, sample, reason) in told() {
        let plan = decide(&sample.0);
        let said = plan.status.backup_obstacle.as_ref();
        assert_eq!(said.map(|said| said.reason.as_str()), reason, "{name}");
        let fresh = plan.conditions.iter();
        let fresh = fresh.filter(|one| one.condition == ConditionType::BackupFresh);
        let [fresh] = fresh.collect::<Vec<_>>()[..] else {
            panic!("{name}: one condition");
        };
        assert_eq!(fresh.status, ConditionStatus::True, "{name}");
        let foretold = fresh.message.matches("the next backup will fail").count();
        assert_eq!(foretold, usize::from(reason.is_some()), "{name}");
        let reason = reason.map(|reason| format!("will fail ({reason}): "));
        assert!(
            reason.is_none_or(|reason| fresh.message.contains(&reason)),
            "{name}: {}",
            fresh.message
        );
    }
}

/// The last backup has failed by it already: it is not said a second time.
#[test]
fn what_the_condition_says_already_is_not_repeated() {
    let failed = bad_backup(
        "knowledge-backup-2",
        "2026-02-01T09:10:00Z",
        "Failed",
        reasons::PERMISSION_DENIED,
    );
    let message = failed.status.clone().and_then(|status| status.message);
    let message = message.expect("a message");
    let found = found(
        "knowledge-2",
        AT,
        Some(obstacle(reasons::PERMISSION_DENIED, &message)),
    );
    let mut backups = vec![complete_backup(
        "knowledge-backup-first",
        "2026-02-01T09:01:00Z",
    )];
    backups.push(failed);
    let plan = decide(&Sample::settled().and_check(found).backups(backups).0);
    assert!(plan.status.backup_obstacle.is_some());
    let mut conditions = plan.conditions.iter();
    let fresh = conditions.find(|one| one.condition == ConditionType::BackupFresh);
    let fresh = &fresh.expect("the condition").message;
    assert_eq!(fresh.matches(message.as_str()).count(), 1, "{fresh}");
}
