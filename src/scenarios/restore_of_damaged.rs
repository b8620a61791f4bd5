//! A restore that fails because of its set: that is noted on the backup, so that the next restore takes another
//! one, and the message offers it with the very command.

use serde_json::{Value, json};

use super::drill_sample::{BACKUP, noted};
use super::in_memory::Passes;
use super::restore_from_backup::render;
use super::restore_sample::{announced, backup, decided, restore_of, restoring};
use super::sample::Sample;
use crate::api::{DatabaseBackup, DatabaseRestore};
use crate::plan::Step;

/// The status of a restore whose agent has failed with that reason.
fn failed(reason: &str) -> Value {
    let mut status = announced();
    status["job"] = super::restore_sample::JOB.into();
    status["report"] = json!({
        "phase": "Hashing", "completionTime": "2026-02-01T09:27:00Z",
        "failure": {"reason": reason, "message": "`dump.pgc.zst` has other bytes than were stored."},
    });
    status
}

fn restore_with(reason: &str, into: &str) -> DatabaseRestore {
    restore_of(&json!({"latestGood": true}), into, &failed(reason))
}

fn with(restore: DatabaseRestore, others: Vec<DatabaseBackup>) -> Sample {
    let mut backups = vec![backup(BACKUP, "2026-02-01T09:01:00Z")];
    backups.extend(others);
    restoring(restore).backups(backups)
}

fn older(name: &str, created: &str) -> DatabaseBackup {
    backup(name, created)
}

/// One that a drill has said something of.
fn drilled(name: &str, created: &str, passed: bool) -> DatabaseBackup {
    let mut drilled = noted(passed, "2026-01-30T05:10:00Z");
    drilled.metadata = backup(name, created).metadata;
    drilled
}

#[test]
fn another_set_is_offered_with_the_very_command() {
    let both = || {
        vec![
            older("confirmed", "2026-01-31T09:01:00Z"),
            drilled("proven", "2026-01-30T09:01:00Z", true),
        ]
    };
    let mut beside = restore_with("RestoreDiffers", "Beside");
    beside.spec.tables = vec!["public.orders".to_owned()];
    let mut by_place = restore_with("SetChanged", "Replace");
    by_place.spec.from = serde_json::from_value(
        json!({"set": {"path": "atra/knowledge/x", "manifestSha256": "ab".repeat(32)}}),
    )
    .expect("a source");
    let scenarios = vec![
        (
            "one is proven, a newer one is not",
            with(restore_with("SetChanged", "Replace"), both()),
        ),
        (
            "none is proven",
            with(
                restore_with("RestoreDiffers", "Replace"),
                vec![
                    older("confirmed", "2026-01-31T09:01:00Z"),
                    drilled("refuted", "2026-01-31T10:01:00Z", false),
                ],
            ),
        ),
        ("one table, beside", with(beside, both())),
        (
            "there is no other",
            with(restore_with("SetChanged", "Replace"), Vec::new()),
        ),
        ("a set of another cluster", with(by_place, both())),
        (
            "the server is at fault",
            with(restore_with("RestoreFailed", "Replace"), both()),
        ),
    ];
    insta::assert_snapshot!("restore_of_damaged", render(scenarios));
}

/// What is chosen by a restore of the latest good set after one that has ended with that reason.
fn chosen_after(reason: &str) -> Option<String> {
    let mut status = failed(reason);
    status["state"] = "Failed".into();
    status["completionTime"] = "2026-02-01T09:28:00Z".into();
    let ended = restore_of(&json!({"latestGood": true}), "Replace", &status);
    let sample = with(ended, vec![older("confirmed", "2026-01-31T09:01:00Z")]);
    let mut passes = Passes::new(sample.0);
    passes.act_on(|step| matches!(step, Step::NoteDrill { .. }));
    let backups = passes.observed.backups.known().expect("backups").clone();
    let next = restore_of(&json!({"latestGood": true}), "Replace", &Value::Null);
    let set = decided(&restoring(next).backups(backups)).status.set;
    set.map(|set| set.backup)
}

#[test]
fn the_same_command_does_not_take_the_same_set_again() {
    for reason in ["SetChanged", "RestoreDiffers"] {
        assert_eq!(
            chosen_after(reason).as_deref(),
            Some("confirmed"),
            "{reason}"
        );
    }
    // That the server did not take it says nothing of the set.
    for reason in ["RestoreFailed", "RestoreRefused", "DiskTooSmall"] {
        assert_eq!(chosen_after(reason).as_deref(), Some(BACKUP), "{reason}");
    }
}

/// A restore looks at less than a drill: it proves nothing, whatever its report says.
#[test]
fn no_restore_calls_a_backup_proven() {
    let mut status = super::restore_sample::done();
    status["state"] = "Complete".into();
    status["completionTime"] = "2026-02-01T09:28:00Z".into();
    let ended = restore_of(&json!({"latestGood": true}), "Replace", &status);
    let plan = crate::decide::decide(&with(ended, Vec::new()).0);
    let notes = |step: &Step| matches!(step, Step::NoteDrill { .. });
    assert!(!plan.steps.iter().any(notes));
}

/// It has read the archive of a directory, and a restore of the databases does not.
#[test]
fn a_restore_of_files_notes_nothing() {
    let mut status = failed("SetChanged");
    status["state"] = "Failed".into();
    status["completionTime"] = "2026-02-01T09:28:00Z".into();
    let mut ended = restore_of(&json!({"latestGood": true}), "Replace", &status);
    let notes = |restore: &DatabaseRestore| {
        let plan = crate::decide::decide(&with(restore.clone(), Vec::new()).0);
        let mut steps = plan.steps.into_iter();
        steps.any(|step| matches!(step, Step::NoteDrill { .. }))
    };
    assert!(notes(&ended));
    ended.spec.files =
        Some(serde_json::from_value(json!({"claim": "uploads"})).expect("a directory"));
    assert!(!notes(&ended));
}
