//! What a check makes of data that a `DatabaseRestore` has put there: the new object ids and another
//! database cluster are accepted for that restore alone, and only with every row of the backup.

use serde_json::json;

use super::restore_sample::{done, restore, restored_check, restoring};
use super::sample::Sample;
use super::sample_parts::known;
use crate::api::{CheckOutcome, CountKind, DatabaseCheck, Evidence, RestoreReport, TableRule};
use crate::decide::decide;
use crate::plan::Step;
use crate::world::Fact;

const AT: &str = "2026-02-01T09:28:00Z";

fn found(change: impl FnOnce(&mut Evidence)) -> DatabaseCheck {
    let mut check = restored_check("knowledge-r1", AT);
    let status = check.status.get_or_insert_default();
    change(status.evidence.as_mut().expect("evidence"));
    check
}

/// The verdict that is written on the check.
fn verdict(sample: Sample, check: DatabaseCheck) -> (CheckOutcome, String) {
    let sample = sample.and_check(check);
    let plan = decide(&sample.0);
    let written = plan.steps.iter().find_map(|step| match step {
        Step::WriteVerdict { name, verdict } if name == "knowledge-r1" => Some(verdict),
        _ => None,
    });
    let verdict = written.expect("a verdict");
    (verdict.outcome, verdict.message.clone())
}

fn reported(change: impl FnOnce(&mut RestoreReport)) -> Sample {
    let mut restore = restore(&done());
    let report = restore
        .status
        .as_mut()
        .and_then(|status| status.report.as_mut());
    change(report.expect("a report"));
    restoring(restore)
}

fn rows(evidence: &mut Evidence, table: usize, rows: i64, count: CountKind) {
    (evidence.tables[table].rows, evidence.tables[table].count) = (rows, count);
}

#[test]
fn all_rows_of_the_backup_verify_it_and_it_becomes_the_baseline() {
    let (outcome, message) = verdict(reported(|_| {}), found(|_| {}));
    assert_eq!(outcome, CheckOutcome::Verified, "{message}");
    assert!(message.contains("DatabaseRestore back"), "{message}");
    let sample = reported(|_| {}).and_check(found(|_| {}));
    let plan = decide(&sample.0);
    let baseline = plan.status.baseline.clone().map(|baseline| baseline.check);
    assert_eq!(baseline.as_deref(), Some("knowledge-r1"));
    let says = |wanted: &str| {
        let mut all = plan.conditions.iter();
        let found = all
            .find(|one| one.condition.as_str() == wanted)
            .expect("the condition");
        found.status.as_str().to_owned()
    };
    assert_eq!(says("DataReset"), "False");
    assert_eq!(says("DataVerified"), "True");
    assert!(
        plan.steps
            .iter()
            .any(|step| matches!(step, Step::WriteLedger { .. }))
    );
}

/// One that only looked has put nothing there, whatever its report says.
#[test]
fn a_dry_run_explains_nothing() {
    let mut restore = restore(&done());
    restore.spec.dry_run = Some(true);
    let (outcome, message) = verdict(restoring(restore), found(|_| {}));
    assert_eq!(outcome, CheckOutcome::Suspected, "{message}");
}

/// Another initdb on another volume: that is what was to be healed.
#[test]
fn another_database_cluster_is_accepted_with_all_rows() {
    let check = found(|evidence| {
        "7599999999999999999".clone_into(&mut evidence.identity.system_identifier);
        evidence.tables[0].rows = 90;
    });
    let (outcome, message) = verdict(reported(|_| {}), check);
    assert_eq!(outcome, CheckOutcome::Verified, "{message}");
}

/// Each of these alone keeps it from being accepted.
#[test]
fn nothing_less_is_accepted() {
    let suspected: Vec<(&str, Sample, DatabaseCheck)> = vec![
        (
            "a row is missing",
            reported(|_| {}),
            found(|found| rows(found, 0, 84, CountKind::Exact)),
        ),
        (
            "a table is missing",
            reported(|_| {}),
            found(|found| {
                found.tables.pop();
                found.table_count = 1;
            }),
        ),
        (
            "another database of the name",
            reported(|_| {}),
            found(|found| found.databases[0].oid = 17_000),
        ),
        (
            "no restore",
            reported(|_| {}).with(|observed| known(&mut observed.restores).clear()),
            found(|_| {}),
        ),
        (
            "it failed",
            reported(|report| {
                report.failure = Some(crate::api::AgentFailure {
                    reason: "JobFailed".to_owned(),
                    message: String::new(),
                });
            }),
            found(|_| {}),
        ),
        (
            "it is not done",
            reported(|report| report.completion_time = None),
            found(|_| {}),
        ),
        (
            "nobody confirmed it",
            reported(|_| {}).with(|observed| {
                known(&mut observed.restores)[0].spec.confirm = Some("uid-of-another".to_owned());
            }),
            found(|_| {}),
        ),
        (
            "it is over",
            reported(|_| {}).with(|observed| {
                let status = known(&mut observed.restores)[0].status.as_mut();
                status.expect("a status").state = Some(crate::api::RestoreState::Failed);
            }),
            found(|_| {}),
        ),
        (
            "it stays beside",
            reported(|_| {}).with(|observed| {
                known(&mut observed.restores)[0].spec.into = crate::api::RestoreTarget::Beside;
            }),
            found(|_| {}),
        ),
        ("the check is older", reported(|_| {}), {
            let mut check = found(|_| {});
            check.metadata.creation_timestamp =
                Some(super::sample_parts::time("2026-02-01T09:24:00Z"));
            check
        }),
        (
            "the spec asks for more rows",
            reported(|_| {}).database(|database| {
                database.spec.verification.tables = vec![TableRule {
                    name: "public.experts".to_owned(),
                    min_rows: Some(1_000),
                    ..TableRule::default()
                }];
            }),
            found(|_| {}),
        ),
        (
            "the data is not on a claim",
            reported(|_| {}),
            found(|found| {
                "7599999999999999999".clone_into(&mut found.identity.system_identifier);
                "/elsewhere".clone_into(&mut found.identity.data_directory);
            }),
        ),
    ];
    for (name, sample, check) in suspected {
        let (outcome, message) = verdict(sample, check);
        assert_eq!(outcome, CheckOutcome::Suspected, "{name}: {message}");
    }
}

/// What is not known holds: nothing is called lost, nothing verified.
#[test]
fn what_is_not_known_holds() {
    let unknown: Vec<(&str, Sample, DatabaseCheck)> = vec![
        (
            "restores could not be read",
            reported(|_| {})
                .with(|observed| observed.restores = Fact::Unknown("refused".to_owned())),
            found(|_| {}),
        ),
        (
            "estimated",
            reported(|_| {}),
            found(|found| rows(found, 1, 26_337, CountKind::Estimated)),
        ),
        (
            "counted in part",
            reported(|_| {}),
            found(|found| rows(found, 0, 80, CountKind::LowerBound)),
        ),
        (
            "not all tables are listed",
            reported(|_| {}),
            found(|found| {
                found.tables.pop();
                found.table_count = 900;
            }),
        ),
        (
            "the agent does not say how many",
            reported(|report| {
                report.databases[0].expected_rows = None;
            }),
            found(|_| {}),
        ),
        (
            "the agent found fewer",
            reported(|report| report.databases[0].rows = Some(26_421)),
            found(|_| {}),
        ),
        (
            "more tables than a report lists",
            reported(|report| {
                report.tables.truncate(1);
                report.databases[0].expected_rows = Some(30_000);
                report.databases[0].rows = Some(30_000);
            }),
            found(|_| {}),
        ),
    ];
    for (name, sample, check) in unknown {
        let (outcome, message) = verdict(sample, check);
        assert_eq!(outcome, CheckOutcome::Unverifiable, "{name}: {message}");
        assert!(message.contains("not known yet"), "{name}: {message}");
    }
}

/// A queue may be empty again a moment later.
#[test]
fn a_volatile_table_may_have_any_rows() {
    let sample = reported(|_| {}).database(|database| {
        database.spec.verification.tables = vec![TableRule {
            name: "public.experts".to_owned(),
            volatile: true,
            ..TableRule::default()
        }];
    });
    let (outcome, message) = verdict(sample, found(|found| rows(found, 0, 0, CountKind::Exact)));
    assert_eq!(outcome, CheckOutcome::Verified, "{message}");
}

/// Once it is the baseline, the next loss is a loss, while the restore still says Verifying.
#[test]
fn the_next_loss_is_a_loss() {
    // It has grown since it was restored, and falls back to just the rows of the backup.
    let grown = found(|found| rows(found, 1, 90_000, CountKind::Exact));
    let mut first = super::sample_objects::judged(grown, CheckOutcome::Verified, "Verified");
    first.metadata.name = Some("knowledge-r0".to_owned());
    let sample = reported(|_| {}).and_check(first);
    // It breaks no rule of the spec: only what it is compared with says that it is a loss.
    let sample = sample.database(|database| database.spec.verification.tables.clear());
    let mut later = found(|_| {});
    later.metadata.creation_timestamp = Some(super::sample_parts::time("2026-02-01T09:29:00Z"));
    let (outcome, message) = verdict(sample, later);
    assert_eq!(outcome, CheckOutcome::Suspected, "{message}");
}

/// The check of a restore counts every table, as far as it takes.
#[test]
fn its_check_counts_every_row() {
    let mut pending = super::sample_objects::pending("knowledge-r1", AT);
    pending.spec.trigger = crate::api::CheckTrigger::Restore;
    let sample = reported(|_| {}).and_check(pending).database(|database| {
        database.spec.verification.tables = vec![TableRule {
            name: "public.experts".to_owned(),
            min_rows: Some(10),
            ..TableRule::default()
        }];
    });
    let plan = decide(&sample.0);
    let job = plan.steps.iter().find_map(|step| match step {
        Step::CreateJob(job) if job.metadata.name.as_deref() == Some("knowledge-r1") => Some(job),
        _ => None,
    });
    let text = serde_json::to_string(job.expect("a Job")).expect("a Job");
    let request = json!({"countingMilliseconds": 60_000, "minRows": 85});
    for (key, value) in request.as_object().expect("an object") {
        let wanted = format!("\\\"{key}\\\":{value}");
        assert!(text.contains(&wanted), "{wanted}: {text}");
    }
}
