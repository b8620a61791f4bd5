//! A drill of a set that a restore leaves something of, such as a materialized view whose function needs a
//! `search_path`: the backup is proven, `latestGood` takes it, and the messages name what is missing.

use serde_json::{Value, json};

use super::drill_sample::{
    BACKUP, ENDED, NAME, drill, drilled, failure, job, over, report, reported, with,
};
use super::in_memory::Passes;
use super::restore_from_backup::render;
use super::restore_sample::{backup, decided, restore_of, restoring};
use crate::api::{ConditionType, find_condition};
use crate::world::Fact;

const VIEW: &str =
    "MATERIALIZED VIEW DATA public.sums: \"ERROR: relation 'orders' does not exist\"";

/// The report of an agent that could not restore so many things that concern no rows.
fn left_out(count: usize) -> Value {
    let mut report = report();
    let missing: Vec<String> = (0..count)
        .map(|number| VIEW.replace("sums", &format!("sums_{number}")))
        .collect();
    let warnings = missing.iter().map(|what| {
        format!("not restored in database \"knowledge_os\", which concerns no rows: {what}")
    });
    report["warnings"] = warnings.collect();
    report["databases"][0]["notRestored"] = json!(missing);
    report
}

#[test]
fn a_drill_says_what_a_restore_leaves_out() {
    let ended = |report: &Value| {
        with(vec![drill(NAME, &reported(report))]).jobs(vec![job(Some("Complete"))])
    };
    let mut noted = left_out(1);
    noted["warnings"]
        .as_array_mut()
        .expect("warnings")
        .push("role keeper may not act as owner".into());
    let scenarios = vec![
        ("one is missing", ended(&left_out(1))),
        ("and something else is to be known", ended(&noted)),
        ("seven are missing", ended(&left_out(7))),
    ];
    insta::assert_snapshot!("drill_leaves_out", render(scenarios));
}

/// After a drill with that report, which ended so: what the condition says, and which backup `latestGood` takes.
fn after(state: &str, report: &Value) -> (String, String, Option<String>) {
    let older = backup("knowledge-backup-older", "2026-01-31T09:01:00Z");
    let newest = backup(BACKUP, "2026-02-01T09:01:00Z");
    let sample = drilled()
        .backups(vec![older, newest])
        .with(|observed| observed.restores = Fact::Known(vec![drill(NAME, &over(state, report))]));
    let mut passes = Passes::new(sample.0);
    passes.settle(8);
    let status = passes.observed.database.status.clone().unwrap_or_default();
    let proven = find_condition(&status.conditions, ConditionType::RestoreProven)
        .expect("a condition")
        .clone();
    let backups = passes.observed.backups.known().expect("backups").clone();
    let restore = restore_of(&json!({"latestGood": true}), "Replace", &Value::Null);
    let chosen = decided(&restoring(restore).backups(backups)).status.set;
    (proven.status, proven.message, chosen.map(|set| set.backup))
}

#[test]
fn it_proves_its_backup_and_latest_good_takes_it() {
    let (status, message, chosen) = after("Complete", &left_out(1));
    assert_eq!(status, "True", "{message}");
    let words = format!(
        "NOT RESTORED, which concerns no rows: {}",
        VIEW.replace("sums", "sums_0")
    );
    assert!(message.contains(&words), "{message}");
    assert!(message.contains(ENDED), "{message}");
    assert_eq!(chosen.as_deref(), Some(BACKUP));
    // No message grows with what a database has.
    let (_, message, _) = after("Complete", &left_out(20));
    assert!(
        message.contains(&format!("16 more in the report of {NAME}")),
        "{message}"
    );
    assert!(message.len() < 2_000, "{message}");
    // Rows that can't be restored are another matter.
    let (status, _, chosen) = after("Failed", &failure("RestoreFailed", "SearchPath"));
    assert_eq!(status, "False");
    assert_eq!(chosen.as_deref(), Some("knowledge-backup-older"));
}
