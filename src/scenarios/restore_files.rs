//! What a `DatabaseRestore` of files says and does on its way, and what the rules refuse; golden.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::agents;
use super::restore_from_backup::render;
use super::restore_sample::{JOB, decided, restore_of, restoring, set};
use super::rule_case::Case;
use super::sample::Sample;
use super::sample_objects::check;
use super::sample_parts::{from, known, pod};
use crate::api::{CheckTrigger, CheckedFiles, DatabaseCheck, DatabaseRestore, RestoreState, names};
use crate::plan::Step;
use crate::world::{ControllerFact, Fact, FileClaim, MountFact, Observed, PodFact};

const CLAIM_UID: &str = "uid-of-uploads";

fn of_files(into: &str, path: &str, status: &Value) -> DatabaseRestore {
    let mut restore = restore_of(&json!({"latestGood": true}), into, status);
    restore.spec.files = Some(from(json!({"claim": "uploads", "path": path})));
    restore
}

/// The status that has announced it.
fn announced() -> Value {
    json!({
        "state": "Running", "startTime": "2026-02-01T09:25:10Z", "set": set(),
        "announced": [format!("PersistentVolumeClaim uploads ({CLAIM_UID})")],
    })
}

/// The status after its agent has done it all.
fn done() -> Value {
    let mut status = announced();
    status["job"] = JOB.into();
    status["report"] = json!({
        "phase": "Done", "completionTime": "2026-02-01T09:27:00Z", "message": "directory images is restored",
        "files": {
            "claim": "uploads", "path": "images", "restoredAs": "images",
            "keptAs": "images.before-restore-11111111", "filesBefore": 3, "expectedFiles": 1_204, "files": 1_204,
            "expectedBytes": 88_123_456, "bytes": 88_123_456, "isIdentical": true,
        },
    });
    status
}

/// Who has the claim, and where.
fn user(name: &str, sub_path: &str, read_only: bool) -> PodFact {
    PodFact {
        claims: vec!["uploads".to_owned()],
        mounts: vec![MountFact {
            claim: "uploads".to_owned(),
            container: "app".to_owned(),
            path: "/app/data".to_owned(),
            sub_path: sub_path.to_owned(),
            read_only,
        }],
        node: Some("node-1".to_owned()),
        controller: Some(ControllerFact {
            kind: "deployment".to_owned(),
            name: "app".to_owned(),
        }),
        ..pod(name, "uid-of-app", "containerd://9")
    }
}

fn with_claim(sample: Sample, pods: Vec<PodFact>) -> Sample {
    sample.with(|observed| {
        let spec = &mut Arc::make_mut(&mut observed.database).spec;
        if let Some(backup) = &mut spec.backup {
            backup.directories = from(json!([
                {"claim": "uploads", "path": "images", "runAsUser": 1000, "runAsGroup": 1000},
                {"claim": "uploads"},
            ]));
        }
        observed.file_claims = Fact::Known(vec![FileClaim {
            claim: "uploads".to_owned(),
            uid: CLAIM_UID.to_owned(),
            terminating: false,
            node: pods.iter().find_map(|pod| pod.node.clone()),
            pods,
        }]);
    })
}

fn sample(restore: DatabaseRestore) -> Sample {
    with_claim(restoring(restore), Vec::new())
}

fn asked() -> DatabaseRestore {
    of_files("Replace", "images", &Value::Null)
}

fn used_by(restore: DatabaseRestore, pods: Vec<PodFact>) -> Sample {
    with_claim(restoring(restore), pods)
}

fn accepting(path: &str, status: &Value) -> DatabaseRestore {
    let mut restore = of_files("Replace", path, status);
    restore.spec.files.as_mut().expect("files").accept_writers = Some(true);
    restore
}

#[test]
fn it_begins_only_where_nobody_else_writes_and_says_what_it_waits_for() {
    let writer = || vec![user("app-1", "", false)];
    let claim = |change: fn(&mut FileClaim)| {
        sample(asked()).with(|observed| change(&mut known(&mut observed.file_claims)[0]))
    };
    let scenarios = vec![
        ("asked", sample(asked())),
        (
            "announced",
            sample(of_files("Replace", "images", &announced())),
        ),
        (
            "announced of another claim of the name",
            sample(of_files("Replace", "images", &announced())).with(|observed| {
                known(&mut observed.file_claims)[0].uid = "uid-of-another".to_owned();
            }),
        ),
        ("beside", sample(of_files("Beside", "images", &announced()))),
        (
            "all of the claim",
            sample(of_files("Replace", "", &announced())),
        ),
        (
            "no pod runs Postgres",
            sample(of_files("Replace", "images", &announced()))
                .with(|observed| known(&mut observed.pods).clear()),
        ),
        ("a pod may write to it", used_by(asked(), writer())),
        (
            "a pod may write to a part of it",
            used_by(asked(), vec![user("app-1", "images/2026", false)]),
        ),
        (
            "pods write elsewhere or only read",
            used_by(
                asked(),
                vec![user("app-1", "other", false), user("app-2", "", true)],
            ),
        ),
        (
            "a pod without a controller may write",
            used_by(
                asked(),
                vec![PodFact {
                    controller: None,
                    ..user("application", "", false)
                }],
            ),
        ),
        (
            "a pod may write and its user accepts that",
            used_by(accepting("images", &Value::Null), writer()),
        ),
        (
            "a pod may write to all of the claim, whatever its user accepts",
            used_by(accepting("", &Value::Null), writer()),
        ),
        (
            "a directory that the spec does not name",
            sample(of_files("Replace", "secrets", &Value::Null)),
        ),
        (
            "the claim is not there",
            sample(asked()).with(|observed| known(&mut observed.file_claims).clear()),
        ),
        (
            "the claim is being deleted",
            claim(|claim| claim.terminating = true),
        ),
        (
            "a backup is being taken",
            sample(asked()).jobs(vec![agents::job("knowledge-backup-1", "backup")]),
        ),
        (
            "another restore of files is under way",
            sample(asked()).jobs(vec![agents::job("restore-another", "restore-files")]),
        ),
        (
            "not confirmed",
            sample(asked()).with(|observed| {
                known(&mut observed.restores)[0].spec.confirm = Some("another".to_owned());
            }),
        ),
    ];
    insta::assert_snapshot!("restore_files_begins", render(scenarios));
}

/// The Job of the restore, which runs.
fn job() -> Job {
    let mut job = super::restore_sample::job();
    let labels = job.metadata.labels.get_or_insert_default();
    labels.insert(names::TASK_LABEL.to_owned(), "restore-files".to_owned());
    job
}

fn failed() -> Value {
    let mut status = announced();
    status["job"] = JOB.into();
    status["report"] = json!({
        "phase": "Hashing", "completionTime": "2026-02-01T09:27:00Z",
        "failure": {"reason": "SetChanged", "message": "`files-uploads.images.tar.zst` has other bytes. What was there is unchanged"},
    });
    status
}

/// The check that compares rows and files, and what it has found of the files.
fn compared(files: Option<i64>) -> DatabaseCheck {
    let plan = decided(&restored(&done())).plan;
    let Some(Step::CreateCheck(planned)) = plan.steps.last() else {
        panic!("no check: {:?}", plan.steps);
    };
    let name = planned.metadata.name.clone().unwrap_or_default();
    let mut check = check(&name, "2026-02-01T09:28:00Z");
    check.spec.trigger = CheckTrigger::Manual;
    if let Some(missing) = files {
        check.status.get_or_insert_default().files = vec![CheckedFiles {
            rule: 0,
            claim: "uploads".to_owned(),
            paths: 1_200,
            found: 1_200 - missing,
            missing,
            missing_names: vec!["images/new.png".to_owned(); usize::from(missing > 0)],
            files: 1_204,
            completion_time: Some(super::sample_parts::time("2026-02-01T09:29:00Z")),
            ..CheckedFiles::default()
        }];
    }
    check
}

/// Restored, in a database that is good, with a rule about the files.
fn restored(status: &Value) -> Sample {
    let restore = of_files("Replace", "images", status);
    let settled = Sample::settled().with(|observed| {
        observed.restores = Fact::Known(vec![restore]);
        Arc::make_mut(&mut observed.database)
            .spec
            .verification
            .files = vec![from(json!({
            "claim": "uploads", "root": "images", "query": "select path from trends",
        }))];
    });
    with_claim(settled, Vec::new())
}

#[test]
fn it_ends_with_the_counts_and_what_the_check_of_the_files_says() {
    let mut lost = announced();
    lost["job"] = JOB.into();
    let mut swapping = lost.clone();
    swapping["report"] = json!({"phase": "Swapping"});
    let mut unpacking = lost.clone();
    unpacking["report"] = json!({
        "phase": "Restoring", "restoredBytes": 1_048_576, "totalBytes": 4_194_304, "message": "unpacking 4 files",
        "files": {"claim": "uploads", "path": "images"},
    });
    let mut not_done = done();
    not_done["report"]["files"]["isIdentical"] = false.into();
    let mut beside = done();
    beside["report"]["files"]["restoredAs"] = "images.restore-11111111".into();
    beside["report"]["files"]["keptAs"] = Value::Null;
    let of = |status: &Value| of_files("Replace", "images", status);
    let scenarios = vec![
        ("its Job runs", sample(of(&lost)).jobs(vec![job()])),
        ("it unpacks", sample(of(&unpacking)).jobs(vec![job()])),
        ("its Job is gone", sample(of(&lost))),
        ("its Job is gone while names changed", sample(of(&swapping))),
        ("it failed", sample(of(&failed()))),
        (
            "it says that it is done and not that it compared",
            sample(of(&not_done)),
        ),
        ("done, and no rule is about the claim", sample(of(&done()))),
        ("done beside", sample(of_files("Beside", "images", &beside))),
        ("done, and the check of the files is due", restored(&done())),
        (
            "done, and nothing runs that could be checked",
            restored(&done()).with(|observed| known(&mut observed.pods).clear()),
        ),
        (
            "the check has not ended",
            restored(&done()).and_check(compared(None)),
        ),
        (
            "the files fit",
            restored(&done()).and_check(compared(Some(0))),
        ),
        (
            "rows name newer files",
            restored(&done()).and_check(compared(Some(2))),
        ),
        (
            "a pod sees by its subPath what was there before",
            restored(&done())
                .with(|observed| {
                    known(&mut observed.file_claims)[0].pods = vec![user("app-1", "images", true)];
                })
                .and_check(compared(Some(0))),
        ),
    ];
    insta::assert_snapshot!("restore_files_ends", render(scenarios));
}

/// The CRD refuses it, too.
#[test]
fn a_dry_run_of_files_ends_at_once() {
    for into in ["Replace", "Beside"] {
        let mut restore = of_files(into, "images", &announced());
        restore.spec.dry_run = Some(true);
        let decision = decided(&sample(restore));
        assert_eq!(decision.status.state, Some(RestoreState::Failed));
        assert!(decision.plan.steps.is_empty());
    }
}

#[test]
fn nothing_is_decided_while_the_claims_are_not_known() {
    let unread = sample(asked()).with(|observed| {
        observed.file_claims = Fact::Unknown("refused".to_owned());
    });
    let why = super::restore_sample::decided_by(&unread.0).expect_err("nothing is decided");
    assert_eq!(why, "refused");
}

/// The cases of the rule about the claims that agents write to, for the rules' test table.
pub fn cases() -> Vec<Case> {
    let own = sample(of_files("Replace", "images", &announced()));
    let good = decided(&own).plan.steps;
    let create = |change: &dyn Fn(&mut Job)| {
        let Some(Step::CreateJob(job)) = good.last() else {
            panic!("no Job: {good:?}");
        };
        let mut job = job.clone();
        change(&mut job);
        vec![Step::CreateJob(job)]
    };
    let text = |from: &'static str, to: &'static str| {
        create(&move |job| {
            let text = serde_json::to_string(job).unwrap_or_default();
            *job = serde_json::from_str(&text.replace(from, to)).unwrap_or_default();
        })
    };
    let rule = "claims_are_written_only_by_restores_of_files";
    let case = |observed: Observed, bad: Vec<Step>| Case {
        rule,
        observed,
        bad,
        good: vec![Step::EnsureAgentIdentity],
    };
    let changed = |change: fn(&mut Observed)| case(own.clone().with(change).0, good.clone());
    let accepted = used_by(
        accepting("images", &announced()),
        vec![user("app-1", "", false)],
    );
    let once = "restores_are_confirmed_and_run_once";
    vec![
        Case {
            good: good.clone(),
            // The claim of the data.
            bad: text(
                "\"claimName\":\"uploads\"",
                "\"claimName\":\"data-knowledge-postgres-0\"",
            ),
            ..case(own.0.clone(), Vec::new())
        },
        Case {
            good: decided(&accepted).plan.steps,
            ..case(
                accepted.0.clone(),
                text("\"claimName\":\"uploads\"", "\"claimName\":\"another\""),
            )
        },
        // It says that it takes a backup, or that it is a restore of databases.
        case(
            own.0.clone(),
            create(&|job| {
                job.metadata.name = Some("knowledge-backup-9".to_owned());
                job.metadata.labels = agents::job("j", "backup").metadata.labels;
            }),
        ),
        case(own.0.clone(), text("uid-of-uploads", "uid-of-another")),
        changed(|observed| {
            known(&mut observed.file_claims)[0].uid = "uid-of-another".to_owned();
        }),
        changed(|observed| known(&mut observed.file_claims).clear()),
        changed(|observed| observed.file_claims = Fact::Unknown("refused".to_owned())),
        changed(|observed| {
            known(&mut observed.file_claims)[0].pods = vec![user("app-1", "images", false)];
        }),
        changed(|observed| {
            let spec = &mut Arc::make_mut(&mut observed.database).spec;
            spec.backup.as_mut().expect("backup").directories.clear();
        }),
        changed(|observed| {
            let status = known(&mut observed.restores)[0].status.as_mut();
            status.expect("status").announced.clear();
        }),
        Case {
            rule: once,
            good: good.clone(),
            bad: text("\\\"path\\\":\\\"images\\\"", "\\\"path\\\":\\\"\\\""),
            ..case(own.0.clone(), Vec::new())
        },
        Case {
            rule: once,
            ..changed(|observed| known(&mut observed.restores)[0].spec.confirm = None)
        },
        Case {
            rule: once,
            ..changed(|observed| known(&mut observed.restores)[0].spec.files = None)
        },
        Case {
            rule: once,
            ..changed(|observed| {
                let status = known(&mut observed.restores)[0].status.as_mut();
                status.expect("status").state = Some(RestoreState::Blocked);
            })
        },
        Case {
            rule: once,
            ..case(
                own.clone()
                    .jobs(vec![agents::job("restore-another", "restore-files")])
                    .0,
                good.clone(),
            )
        },
    ]
}
