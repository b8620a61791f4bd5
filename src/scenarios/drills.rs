//! What the operator does about drills, and when it calls the backups proven: golden, and never green by
//! anything but a drill that has shown everything.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::agents;
use super::drill_sample::{
    BACKUP, CLUSTER, ENDED, NAME, announced, drill, drilled, failure, job, noted, over,
    remembering, report, reported, running, with,
};
use super::in_memory::Passes;
use super::render::plans;
use super::restore_from_backup::render as render_restores;
use super::restore_sample::{backup, decided, demoted, restore_of};
use super::sample::Sample;
use super::sample_parts::{from, known, time};
use crate::api::{
    ConditionType, DatabaseRestore, DrillSelection, RestoreState, find_condition, names,
};
use crate::decide::decide;
use crate::plan::{Plan, Step, check_plan, request_of_job};
use crate::world::Fact;

fn said(plan: &Plan) -> Option<(&'static str, &'static str)> {
    let mut conditions = plan.conditions.iter();
    let found = conditions.find(|found| found.condition == ConditionType::RestoreProven)?;
    Some((found.status.as_str(), found.reason))
}

fn due(at: &str) -> Sample {
    drilled().database(|database| {
        database.status.get_or_insert_default().next_drill = Some(time(at));
    })
}

/// The tick of the samples' schedule before now.
const TICK: &str = "2026-02-01T05:00:00Z";

fn good() -> DatabaseRestore {
    drill(NAME, &over("Complete", &report()))
}

fn bad(reason: &str, class: &str) -> DatabaseRestore {
    drill(NAME, &over("Failed", &failure(reason, class)))
}

/// Proven, and all of it noted.
fn proven() -> Sample {
    remembering(good(), noted(true, ENDED))
}

#[test]
fn what_the_operator_does_about_drills() {
    let open = |into: &str| restore_of(&json!({"latestGood": true}), into, &Value::Null);
    let six = || {
        (0..6).map(|turn| {
            let mut status = over("Complete", &report());
            status["completionTime"] = format!("2026-02-01T09:2{turn}:00Z").into();
            drill(&format!("knowledge-drill-{turn}"), &status)
        })
    };
    let scenarios = vec![
        ("nobody asks for drills", Sample::settled()),
        ("a schedule, and none is due", drilled()),
        ("one is due", due(TICK)),
        (
            "one is due, and the schedule is another one by now",
            due("2026-02-01T05:01:00Z"),
        ),
        (
            "one is due while a restore is open",
            due(TICK).with(|observed| observed.restores = Fact::Known(vec![open("Replace")])),
        ),
        (
            "one is due, and no backup counts",
            due(TICK).backups(vec![demoted(backup(BACKUP, "2026-02-01T09:01:00Z"))]),
        ),
        (
            "one is due, suspended",
            due(TICK).wanted(|spec| spec.suspend = true),
        ),
        (
            "the one that was due exists",
            due(TICK).with(|observed| {
                let drill = drill("knowledge-drill-20260201-050000", &Value::Null);
                observed.restores = Fact::Known(vec![drill]);
            }),
        ),
        ("one runs", with(vec![drill(NAME, &running())])),
        ("one has ended well", with(vec![good()])),
        ("that is noted", proven()),
        ("one has failed", with(vec![bad("SetChanged", "Storage")])),
        (
            "one has failed that had proven it before",
            remembering(
                bad("SetChanged", "Storage"),
                noted(true, "2026-01-25T05:10:00Z"),
            ),
        ),
        (
            "its server did not start",
            remembering(
                bad("ScratchFailed", "Scratch"),
                noted(true, "2026-01-25T05:10:00Z"),
            ),
        ),
        ("six have ended", with(six().collect())),
        (
            "one that a user has asked for, without a schedule",
            with(vec![drill(NAME, &running())]).database(|database| database.spec.drill = None),
        ),
        (
            "what can't be read",
            proven().with(|observed| {
                observed.restores = Fact::Unknown("the restores can't be read".to_owned());
            }),
        ),
    ];
    insta::assert_snapshot!("drills", plans(scenarios));
}

/// Proven, and a newer drill of the same backup has just failed: nothing of that is noted.
fn just_disproved() -> Sample {
    let mut newer = bad("RestoreDiffers", "Data");
    let status = newer.status.get_or_insert_default();
    status.completion_time = Some(time("2026-02-01T09:29:00Z"));
    newer.metadata.name = Some("knowledge-drill-20260201-092900".to_owned());
    proven().with(|observed| known(&mut observed.restores).push(newer))
}

/// Not for a moment: the message that says so would call it proven in its next sentence.
#[test]
fn what_a_drill_has_just_disproved_is_proven_no_more() {
    let plan = decide(&just_disproved().0);
    assert!(
        plan.status.last_proven.is_none(),
        "{:?}",
        plan.status.last_proven
    );
    let mut conditions = plan.conditions.iter();
    let found = conditions.find(|found| found.condition == ConditionType::RestoreProven);
    let message = &found.unwrap().message;
    assert!(message.contains("No backup is proven"), "{message}");
}

/// Each of these leaves the world as it was when a backup was proven, except for one thing.
#[test]
fn nothing_is_called_proven_that_is_not() {
    assert_eq!(said(&decide(&proven().0)), Some(("True", "Proven")));
    let status = |sample: Sample| {
        said(&decide(&sample.0)).map(|(status, reason)| format!("{status} {reason}"))
    };
    let backup_with = |change: fn(&mut crate::api::DatabaseBackupStatus)| {
        let mut backup = noted(true, ENDED);
        change(backup.status.get_or_insert_default());
        proven().backups(vec![backup])
    };
    let scenarios = vec![
        (
            "demoted meanwhile",
            proven().backups(vec![demoted(noted(true, ENDED))]),
        ),
        (
            "of another database cluster",
            backup_with(|status| status.system_identifier = Some("7599".to_owned())),
        ),
        (
            "of a cluster that it does not say",
            backup_with(|status| status.system_identifier = None),
        ),
        (
            "in another bucket",
            backup_with(|status| status.bucket = Some("archive".to_owned())),
        ),
        (
            "its verdict is gone",
            backup_with(|status| status.confirmed = None),
        ),
        ("its object is gone", proven().backups(Vec::new())),
        (
            "a newer drill of it has failed",
            proven().backups(vec![noted(false, ENDED)]),
        ),
        (
            "the spec names another bucket",
            proven().wanted(|spec| {
                spec.backup.as_mut().unwrap().storage.s3.bucket = "other".to_owned();
            }),
        ),
        (
            "the spec has no backup",
            proven().wanted(|spec| spec.backup = None),
        ),
        ("a newer one has failed", just_disproved()),
        ("a newer backup could not be restored", {
            let mut newer = noted(false, ENDED);
            newer.metadata.name = Some("knowledge-backup-2".to_owned());
            newer.metadata.creation_timestamp = Some(time("2026-02-01T09:15:00Z"));
            proven().with(|observed| known(&mut observed.backups).push(newer))
        }),
        (
            "100 days later, without a schedule",
            proven()
                .wanted(|spec| spec.drill = None)
                .at("2026-05-12T09:30:00Z"),
        ),
        ("three weeks later", proven().at("2026-02-22T09:30:00Z")),
        (
            "the restores can't be read",
            proven().with(|observed| {
                observed.restores = Fact::Unknown("refused".to_owned());
            }),
        ),
        (
            "the backups can't be read",
            proven().with(|observed| {
                observed.backups = Fact::Unknown("refused".to_owned());
            }),
        ),
    ];
    let mut text = String::new();
    for (name, sample) in scenarios {
        let said = status(sample).unwrap();
        assert!(!said.starts_with("True"), "{name}: {said}");
        let _ = writeln!(text, "{name}: {said}");
    }
    insta::assert_snapshot!("drills_not_proven", text);
}

/// What a drill has shown stays when its object is deleted, whichever way it went.
#[test]
fn nobody_makes_it_green_or_red_by_deleting_a_drill() {
    let gone = |sample: Sample| {
        let sample = sample.with(|observed| known(&mut observed.restores).clear());
        let plan = decide(&sample.0);
        let again = sample.after_a_pass();
        assert_eq!(said(&plan), said(&decide(&again.0)));
        said(&plan)
    };
    assert_eq!(gone(proven()), Some(("True", "Proven")));
    let failed = remembering(bad("SetChanged", "Storage"), noted(false, ENDED));
    assert_eq!(gone(failed), Some(("False", "DrillFailed")));
    // An older one that had ended well is still there.
    let mut older = good();
    let status = older.status.get_or_insert_default();
    status.completion_time = Some(time("2026-01-25T05:10:00Z"));
    older.metadata.name = Some("knowledge-drill-20260125-050000".to_owned());
    let sample = remembering(bad("SetChanged", "Storage"), noted(false, ENDED))
        .with(|observed| observed.restores = Fact::Known(vec![older]));
    let plan = decide(&sample.0);
    assert_eq!(said(&plan), Some(("False", "DrillFailed")));
    let notes = |step: &Step| matches!(step, Step::NoteDrill { .. });
    assert!(!plan.steps.iter().any(notes), "it is not proven again");
}

/// It says nothing of the database: no verdict, no baseline, no memory of it.
#[test]
fn a_drill_changes_nothing_that_is_known_of_the_data() {
    let of_data = |plan: &Plan| {
        let mut plan = plan.clone();
        plan.conditions
            .retain(|found| found.condition != ConditionType::RestoreProven);
        plan.steps
            .retain(|step| !matches!(step, Step::NoteDrill { .. }));
        plan.status.last_drill = None;
        plan.status.last_proven = None;
        (plan.steps, plan.status, plan.conditions)
    };
    let before = of_data(&decide(&drilled().0));
    for drill in [
        drill(NAME, &Value::Null),
        drill(NAME, &running()),
        drill(NAME, &reported(&report())),
        good(),
    ] {
        let plan = decide(&with(vec![drill]).0);
        assert_eq!(of_data(&plan), before);
    }
}

/// The whole way, by passes of the operator over facts in memory.
#[test]
fn a_drill_that_is_due_runs_once_and_is_remembered() {
    let mut passes = Passes::new(due(TICK).0);
    passes.settle(8);
    let restores = known(&mut passes.observed.restores);
    assert_eq!(restores.len(), 1, "{:?}", passes.done);
    assert_eq!(
        restores[0].metadata.name.as_deref(),
        Some("knowledge-drill-20260201-050000")
    );
    restores[0].status = from(over("Complete", &report()));
    passes.settle(8);
    let database = passes.observed.database.status.clone().unwrap_or_default();
    let proven = find_condition(&database.conditions, ConditionType::RestoreProven);
    assert_eq!(proven.map(|found| found.reason.as_str()), Some("Proven"));
    assert_eq!(database.next_drill, Some(time("2026-02-08T05:00:00Z")));
    assert_eq!(
        database.last_proven.map(|proven| proven.backup).as_deref(),
        Some(BACKUP)
    );
    let made = passes.done.iter().filter(|done| done.contains("a drill"));
    assert_eq!(made.count(), 1, "{:?}", passes.done);
}

#[test]
fn which_backup_is_drilled_is_what_the_spec_says() {
    let chosen = |of: DrillSelection| {
        let sample = due(TICK)
            .backups(vec![
                backup("later", "2026-02-01T09:10:00Z"),
                backup("oldest", "2026-02-01T09:01:00Z"),
                demoted(backup("demoted", "2026-02-01T09:20:00Z")),
            ])
            .wanted(|spec| spec.drill.as_mut().unwrap().of = of);
        let steps = decide(&sample.0).steps;
        let created = steps.into_iter().find_map(|step| match step {
            Step::CreateDrill(drill) => Some(drill.spec.from),
            _ => None,
        });
        created.expect("a drill")
    };
    assert_eq!(chosen(DrillSelection::Latest).latest_good, Some(true));
    assert_eq!(
        chosen(DrillSelection::Oldest).backup.as_deref(),
        Some("oldest")
    );
    let random = chosen(DrillSelection::Random).backup.unwrap();
    assert!(["later", "oldest"].contains(&random.as_str()), "{random}");
}

/// Where a drill could not restore the newest one, a restore takes the one before, and a drill tries again.
#[test]
fn the_next_one_is_restored_where_a_drill_has_failed() {
    let chosen = |into: &str| {
        let mut bad = noted(false, ENDED);
        bad.metadata.name = Some("bad".to_owned());
        bad.metadata.creation_timestamp = Some(time("2026-02-01T09:15:00Z"));
        let restore = restore_of(&json!({"latestGood": true}), into, &Value::Null);
        let sample = super::restore_sample::restoring(restore)
            .backups(vec![backup(BACKUP, "2026-02-01T09:01:00Z"), bad]);
        decided(&sample).status.set.map(|set| set.backup)
    };
    assert_eq!(chosen("Replace").as_deref(), Some(BACKUP));
    assert_eq!(chosen("Scratch").as_deref(), Some("bad"));
}

/// A volume of a drill lives as long as its pod, and the pod as long as the Job.
#[test]
fn the_job_of_a_drill_goes_once_it_is_over() {
    let ends = |restore: DatabaseRestore| {
        let sample = with(vec![restore]).jobs(vec![job(Some("Complete"))]);
        let plan = decide(&sample.0);
        check_plan(&sample.0, &plan).unwrap();
        plan.steps
            .iter()
            .any(|step| matches!(step, Step::EndJob(_)))
    };
    assert!(ends(good()));
    assert!(!ends(drill(NAME, &reported(&report()))));
}

#[test]
fn what_a_drill_says_on_its_way() {
    let announced = || with(vec![drill(NAME, &announced())]);
    let reported = |report: &Value| with(vec![drill(NAME, &reported(report))]);
    let scenarios = vec![
        ("asked for", with(vec![drill(NAME, &Value::Null)])),
        ("announced", announced()),
        ("no pod runs", announced().pods(Vec::new())),
        (
            "a backup runs",
            announced().jobs(vec![agents::job("knowledge-backup-1", "backup")]),
        ),
        (
            "a restore runs",
            announced().jobs(vec![agents::job("restore-another", "restore")]),
        ),
        (
            "another drill runs",
            announced().jobs(vec![agents::job("restore-another", "drill")]),
        ),
        ("suspended", announced().wanted(|spec| spec.suspend = true)),
        (
            "no spec.backup",
            announced().wanted(|spec| spec.backup = None),
        ),
        (
            "a schedule that is none",
            announced().wanted(|spec| {
                spec.drill.as_mut().unwrap().schedule = "never".to_owned();
            }),
        ),
        (
            "its Job runs",
            with(vec![drill(NAME, &running())]).jobs(vec![job(None)]),
        ),
        (
            "its Job has ended without a report",
            with(vec![drill(NAME, &running())]).jobs(vec![job(Some("Failed"))]),
        ),
        ("its Job is gone", with(vec![drill(NAME, &running())])),
        ("it has reported", reported(&report()).jobs(vec![job(None)])),
        (
            "and its Job has ended",
            reported(&report()).jobs(vec![job(Some("Complete"))]),
        ),
        (
            "it has failed",
            reported(&failure("SetChanged", "Storage")).jobs(vec![job(Some("Failed"))]),
        ),
    ];
    insta::assert_snapshot!("drill_on_its_way", render_restores(scenarios));
}

/// A report without one of the things that were asked proves nothing.
#[test]
fn a_report_proves_only_what_it_says() {
    let end_of = |report: &Value, job: Option<&str>| {
        let sample = with(vec![drill(NAME, &reported(report))]);
        let jobs = if job == Some("gone") {
            Vec::new()
        } else {
            vec![super::drill_sample::job(job)]
        };
        let status = decided(&sample.jobs(jobs)).status;
        (status.state.unwrap(), status.message.unwrap_or_default())
    };
    let whole = Some("Complete");
    assert_eq!(end_of(&report(), whole).0, RestoreState::Complete);
    assert_eq!(end_of(&report(), None).0, RestoreState::Running);
    for end in ["Failed", "gone"] {
        assert_eq!(
            end_of(&report(), Some(end)).0,
            RestoreState::Failed,
            "{end}"
        );
    }
    let changes = [
        ("/phase", json!("Verifying")),
        ("/phase", Value::Null),
        ("/drill", Value::Null),
        ("/databases", json!([])),
        ("/databases/0/rows", json!(26_421)),
        ("/databases/0/rows", Value::Null),
        ("/databases/0/expectedRows", Value::Null),
        ("/drill/class", json!("Unknown")),
        ("/drill/invalidIndexes", json!(["public.a"])),
        ("/drill/unvalidatedConstraints", json!(["public.b"])),
        ("/drill/schemaMatches", json!(false)),
        ("/drill/sequencesMatch", json!(false)),
        ("/drill/queries", json!([])),
        ("/drill/queries/0/passed", json!(false)),
        ("/drill/queries/0/name", json!("other")),
        ("/drill/freshness", json!([])),
        ("/drill/freshness/0/passed", json!(false)),
        ("/drill/freshness/0/column", json!("other")),
        ("/drill/systemIdentifier", Value::Null),
        ("/drill/systemIdentifier", json!("7599")),
        (
            "/failure",
            json!({"reason": "RestoreDiffers", "message": "m"}),
        ),
    ];
    for (path, value) in changes {
        let mut other = report();
        let (parent, field) = path.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[field] = value.clone();
        let (state, message) = end_of(&other, whole);
        assert_eq!(state, RestoreState::Failed, "{path} = {value}: {message}");
        assert!(
            message.starts_with("backup knowledge-backup-first is not proven: "),
            "{message}"
        );
    }
}

/// What the backup of the set has become while the drill ran.
#[test]
fn a_drill_proves_only_the_set_that_its_backup_has() {
    let state = |change: fn(&mut crate::api::DatabaseBackup)| {
        let mut of_set = backup(BACKUP, "2026-02-01T09:01:00Z");
        change(&mut of_set);
        let sample = with(vec![drill(NAME, &reported(&report()))]).backups(vec![of_set]);
        decided(&sample.jobs(vec![job(Some("Complete"))]))
            .status
            .state
    };
    assert_eq!(state(|_| {}), Some(RestoreState::Complete));
    let changes: [fn(&mut crate::api::DatabaseBackup); 4] = [
        |backup| backup.metadata.name = Some("other".to_owned()),
        |backup| backup.status.as_mut().unwrap().manifest_sha256 = Some("cd".repeat(32)),
        |backup| backup.status.as_mut().unwrap().path = Some("elsewhere".to_owned()),
        |backup| backup.status.as_mut().unwrap().system_identifier = Some("7599".to_owned()),
    ];
    for change in changes {
        assert_eq!(state(change), Some(RestoreState::Failed));
    }
    assert_eq!(CLUSTER, "7597042323410313218");
}

#[test]
fn a_report_without_a_job_of_the_operator_proves_nothing() {
    let mut status = reported(&report());
    status["job"] = Value::Null;
    let sample = with(vec![drill(NAME, &status)]).jobs(vec![job(Some("Complete"))]);
    assert_eq!(decided(&sample).status.state, Some(RestoreState::Failed));
    let mut foreign = job(Some("Complete"));
    foreign.metadata.owner_references = None;
    let mut replaced = job(Some("Complete"));
    replaced.metadata.uid = Some("uid-of-another".to_owned());
    let sample = with(vec![drill(NAME, &reported(&report()))]).jobs(vec![replaced]);
    assert_eq!(decided(&sample).status.state, Some(RestoreState::Failed));
    let sample = with(vec![drill(NAME, &reported(&report()))]).jobs(vec![foreign]);
    assert_eq!(decided(&sample).status.state, Some(RestoreState::Failed));
}

#[test]
fn its_job_gets_no_way_to_the_database() {
    let sample = with(vec![drill(NAME, &announced())]);
    let plan = decided(&sample).plan;
    check_plan(&sample.0, &plan).unwrap();
    let job = job(None);
    assert_eq!(
        job.metadata.name,
        Some(names::restore_job(&format!("uid-of-{NAME}")))
    );
    let request = request_of_job(&job).unwrap();
    assert_eq!((request.server.host, request.server.pod), (None, None));
    assert_eq!(request.server.credentials_secret, "");
    let asked = request.drill.unwrap();
    assert_eq!(
        (asked.queries.len(), asked.freshness[0].within_seconds),
        (1, 26 * 3_600)
    );
}
