//! Scenarios of files that rows refer to: one look for each rule after a check, and what is
//! reported about it.

use std::sync::Arc;

use super::in_memory::Passes;
use super::render::{PASSES, Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{
    check, ended_job, in_recovery, job, judged, pending, reset, unverifiable,
};
use super::sample_parts::{from, known, time};
use crate::api::{
    AgentFailure, CheckOutcome, CheckedFiles, ConditionStatus, ConditionType, DatabaseCheck,
    FileRule, find_condition, names,
};
use crate::decide::decide;
use crate::plan::Step;
use crate::world::Fact;
use crate::world::{FileClaim, Observed};

const JOB: &str = "files-uid-of-knowledge-1-0";

#[test]
fn plans_of_files() {
    insta::assert_snapshot!("files", plans(scenarios()));
}

fn rule(claim: &str) -> FileRule {
    from(
        serde_json::json!({ "claim": claim, "root": "trend_examples", "query": "select \
            example_image_path from trends" }),
    )
}

/// Settled, and files are to be looked for from the start; the claims `uploads` and `avatars` are
/// there.
fn asked(claims: &[&str]) -> Sample {
    Sample::settled().with(|observed| {
        Arc::make_mut(&mut observed.database)
            .spec
            .verification
            .files = claims.iter().map(|claim| rule(claim)).collect();
        let place = |claim: &str, node: Option<&str>| FileClaim {
            uid: format!("uid-of-{claim}"),
            terminating: false,
            pods: Vec::new(),
            claim: claim.to_owned(),
            node: node.map(ToOwned::to_owned),
        };
        observed.file_claims = Fact::Known(vec![
            place("uploads", Some("node-1")),
            place("avatars", None),
        ]);
    })
}

fn found(rule: i32, paths: i64, missing: i64, files: i64) -> CheckedFiles {
    CheckedFiles {
        rule,
        claim: "uploads".to_owned(),
        paths,
        found: paths - missing,
        missing,
        missing_names: if missing > 0 {
            vec!["trend_examples/a.png".to_owned()]
        } else {
            Vec::new()
        },
        files,
        unreferenced: files - (paths - missing),
        unreferenced_names: if files > paths {
            vec!["old.png".to_owned()]
        } else {
            Vec::new()
        },
        completion_time: Some(time("2026-02-01T09:00:20Z")),
        ..CheckedFiles::default()
    }
}

fn with_files(mut check: DatabaseCheck, files: Vec<CheckedFiles>) -> DatabaseCheck {
    check.status.get_or_insert_default().files = files;
    check
}

fn looked(claims: &[&str], files: Vec<CheckedFiles>) -> Sample {
    asked(claims).checks(vec![with_files(
        check("knowledge-1", "2026-02-01T09:00:00Z"),
        files,
    )])
}

pub fn scenarios() -> Vec<Scenario> {
    [looks(), answers(), holds()].concat()
}

/// When it is looked.
fn looks() -> Vec<Scenario> {
    let good = || {
        with_files(
            check("knowledge-1", "2026-02-01T09:00:00Z"),
            vec![found(0, 1200, 0, 1200)],
        )
    };
    let many = ["uploads"; 6];
    vec![
        ("a good check and files to look for", asked(&["uploads"])),
        (
            "files to look for on two claims",
            asked(&["uploads", "avatars"]),
        ),
        (
            "files to look for on a claim that is not there, and on one that is",
            asked(&["gone", "uploads"]),
        ),
        ("more rules than are checked together", asked(&many)),
        (
            "the files are being looked for",
            asked(&["uploads"]).jobs(vec![job(JOB, "files")]),
        ),
        (
            "the files were looked for after the check before, and are being looked for again",
            asked(&["uploads"]).checks(vec![good(), check("knowledge-2", "2026-02-01T09:20:00Z")]),
        ),
        (
            "no check has ended yet, and files are to be looked for",
            asked(&["uploads"]).checks(vec![pending("knowledge-1", "2026-02-01T09:29:50Z")]),
        ),
        (
            "nothing could be said of the data, and files are to be looked for",
            asked(&["uploads"]).checks(vec![unverifiable(
                "knowledge-1",
                "2026-02-01T09:29:50Z",
                "ConnectionFailed",
            )]),
        ),
        (
            "the server is a replica, and files are to be looked for",
            asked(&["uploads"]).checks(vec![judged(
                in_recovery(check("knowledge-1", "2026-02-01T09:29:50Z")),
                CheckOutcome::Unverifiable,
                "InRecovery",
            )]),
        ),
        (
            "the data is reset, and files are to be looked for",
            asked(&["uploads"]).checks(vec![
                good(),
                judged(
                    reset("knowledge-2", "2026-02-01T09:29:50Z"),
                    CheckOutcome::Suspected,
                    "ClusterReinitialized",
                ),
            ]),
        ),
        (
            "the rules about files were changed",
            looked(&["uploads"], vec![found(0, 1200, 0, 1200)])
                .wanted(|spec| spec.verification.files[0].root.clear()),
        ),
        (
            "the rules about files were taken out",
            looked(&["uploads"], vec![found(0, 1200, 1, 1199)])
                .after_a_pass()
                .wanted(|spec| spec.verification.files.clear()),
        ),
    ]
}

/// What is reported.
fn answers() -> Vec<Scenario> {
    let failure = AgentFailure {
        reason: "FilesUnreadable".to_owned(),
        message: "spec.verification.files[0]: denied".to_owned(),
    };
    vec![
        (
            "the files are there",
            looked(&["uploads"], vec![found(0, 1200, 0, 1203)]),
        ),
        (
            "a file is missing",
            looked(&["uploads"], vec![found(0, 1200, 1, 1199)]),
        ),
        (
            "there are files and no rows",
            looked(&["uploads"], vec![found(0, 0, 0, 1200)]),
        ),
        (
            "the files of one claim are there, and the other claim is not",
            looked(&["uploads", "gone"], vec![found(0, 1200, 0, 1200)]),
        ),
        (
            "the files of one claim are missing, and the other claim is not there",
            looked(&["gone", "uploads"], vec![found(1, 2, 1, 1)]),
        ),
        (
            "the files could not be read",
            looked(
                &["uploads"],
                vec![CheckedFiles {
                    failure: Some(failure),
                    ..found(0, 10, 0, 5)
                }],
            ),
        ),
    ]
}

/// When nothing is done.
fn holds() -> Vec<Scenario> {
    let ended = |at: &str, reason: &str| {
        asked(&["uploads"]).jobs(vec![ended_job(JOB, "files", at, reason)])
    };
    vec![
        (
            "the look for files ended a moment ago, and its report is not to be seen",
            ended("2026-02-01T09:29:50Z", "CompletionsReached"),
        ),
        (
            "the look for files ended without a report",
            ended("2026-02-01T09:29:00Z", "DeadlineExceeded"),
        ),
        (
            "files are to be looked for while suspended",
            asked(&["uploads"]).wanted(|spec| spec.suspend = true),
        ),
        (
            "files are to be looked for, and there is no workload",
            asked(&["uploads"]).with(|observed| {
                observed.workload = Fact::Known(crate::world::WorkloadFact::NotFound);
            }),
        ),
        (
            "files are to be looked for, and the claims are not known",
            asked(&["uploads"]).with(|observed| {
                observed.file_claims = Fact::Unknown(
                    "could not read the claims of spec.verification.files: refused".to_owned(),
                );
            }),
        ),
    ]
}

fn files_jobs(world: &Passes) -> Vec<&String> {
    world
        .done
        .iter()
        .filter(|done| done.starts_with("create Job files-"))
        .collect()
}

fn condition(observed: &Observed, condition: ConditionType) -> Option<(&str, &str)> {
    let conditions = &observed.database.status.as_ref()?.conditions;
    find_condition(conditions, condition)
        .map(|found| (found.status.as_str(), found.reason.as_str()))
}

/// The agents crash, time passes, and the Jobs go by themselves: what was not seen is reported
/// once, and nothing is tried again before the next check.
#[test]
fn a_look_that_fails_is_not_repeated_for_the_same_check() {
    let mut world = Passes::new(asked(&["uploads", "avatars"]).0);
    world.settle(PASSES);
    assert_eq!(files_jobs(&world).len(), 2);
    for job in known(&mut world.observed.jobs).iter_mut() {
        let failed = serde_json::json!({ "type": "Failed", "status": "True", "reason": "DeadlineExceeded", "lastTransitionTime": "2026-02-01T09:42:00Z" });
        job.status = from(serde_json::json!({ "conditions": [failed] }));
    }
    world.observed.now = time("2026-02-01T09:45:00Z");
    world.settle(PASSES);
    assert_eq!(
        condition(&world.observed, ConditionType::FilesMatch),
        Some(("Unknown", "JobFailed"))
    );
    known(&mut world.observed.jobs).clear();
    world.observed.now = time("2026-02-01T11:45:00Z");
    world.settle(PASSES);
    assert_eq!(files_jobs(&world).len(), 2, "{:#?}", world.done);
    known(&mut world.observed.checks).push(check("knowledge-2", "2026-02-01T11:50:00Z"));
    world.settle(PASSES);
    assert_eq!(files_jobs(&world).len(), 4, "the next check looks again");
}

/// Every rule gets its turn, though only some at a time.
#[test]
fn all_of_many_rules_are_looked_at() {
    let claims = ["uploads"; 11];
    let mut world = Passes::new(asked(&claims).0);
    for _ in 0..PASSES {
        world.pass();
        let jobs = std::mem::take(known(&mut world.observed.jobs));
        assert!(jobs.len() <= 4, "{}", jobs.len());
        for job in jobs {
            let place = job
                .metadata
                .name
                .unwrap_or_default()
                .rsplit('-')
                .next()
                .and_then(|place| place.parse().ok())
                .unwrap_or_default();
            world.report_files("knowledge-1", found(place, 3, 0, 3));
        }
    }
    world.settle(PASSES);
    assert_eq!(files_jobs(&world).len(), claims.len());
    assert_eq!(
        condition(&world.observed, ConditionType::FilesMatch),
        Some(("True", "FilesMatch"))
    );
    assert_eq!(
        condition(&world.observed, ConditionType::Ready),
        Some(("True", "AllGood"))
    );
}

/// What is not known of files, or wrong with them, changes nothing that is reported about the data.
#[test]
fn files_say_nothing_about_the_data() {
    for (name, Sample(observed)) in scenarios() {
        let mut without = observed.clone();
        Arc::make_mut(&mut without.database)
            .spec
            .verification
            .files
            .clear();
        without.file_claims = Fact::Known(Vec::new());
        let data = |observed: &Observed| {
            let of_data = |condition: &ConditionType| {
                matches!(
                    condition,
                    ConditionType::DataVerified | ConditionType::DataReset
                )
            };
            decide(observed)
                .conditions
                .into_iter()
                .filter(|found| of_data(&found.condition))
                .collect::<Vec<_>>()
        };
        assert_eq!(data(&observed), data(&without), "{name}");
        let gates = |observed: &Observed| {
            decide(observed)
                .steps
                .into_iter()
                .filter(|step| matches!(step, Step::SetGate(_)))
                .collect::<Vec<_>>()
        };
        assert_eq!(gates(&observed), gates(&without), "{name}");
    }
}

#[test]
fn ready_waits_for_the_files_and_the_condition_goes_with_the_rules() {
    for (name, Sample(observed)) in scenarios() {
        let plan = decide(&observed);
        let is = |wanted| {
            plan.conditions
                .iter()
                .find(|found| found.condition == wanted)
                .map(|found| found.status)
        };
        let has_rules = !observed.database.spec.verification.files.is_empty();
        assert_eq!(is(ConditionType::FilesMatch).is_some(), has_rules, "{name}");
        assert_eq!(
            plan.withdrawn.contains(&ConditionType::FilesMatch),
            !has_rules,
            "{name}"
        );
        if has_rules && is(ConditionType::FilesMatch) != Some(ConditionStatus::True) {
            assert_eq!(
                is(ConditionType::Ready),
                Some(ConditionStatus::False),
                "{name}"
            );
        }
    }
}

#[test]
fn each_job_is_of_its_check_and_writes_under_a_manager_of_its_own() {
    let jobs: Vec<_> = decide(&asked(&["uploads", "avatars"]).0)
        .steps
        .into_iter()
        .filter_map(|step| {
            if let Step::CreateJob(job) = step {
                Some(job.metadata)
            } else {
                None
            }
        })
        .collect();
    let owners = jobs.iter().flat_map(|job| {
        job.owner_references
            .iter()
            .flatten()
            .map(|owner| owner.uid.as_str())
    });
    assert_eq!(owners.collect::<Vec<_>>(), ["uid-of-knowledge-1"; 2]);
    assert_ne!(names::files_manager(0), names::files_manager(1));
}
