//! Scenarios of changes that were declared before they were made, of what only a backup remembers,
//! and of data that lies on no claim.

use k8s_openapi::api::batch::v1::Job;

use super::in_memory::Passes;
use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{check, evidence, of_container, reset, unjudged, unverifiable};
use super::sample_parts::from;
use crate::api::{
    BackupEvidence, CheckOutcome, CheckRequest, CountKind, DatabaseCheck, REQUEST_VARIABLE, names,
    reasons,
};
use crate::decide::decide;
use crate::plan::Plan;
use crate::plan::Step;

const DECLARED: &str = "knowledge-1/2026-02-01T11:00:00Z";

#[test]
fn plans_of_what_is_accepted_beforehand() {
    insta::assert_snapshot!("accept", plans(scenarios()));
}

fn new_start(check: DatabaseCheck) -> DatabaseCheck {
    of_container(check, "knowledge-postgres-0", "pod-1", "containerd://2")
}

/// What `pg_upgrade` leaves: another database cluster with all rows.
fn upgraded(name: &str, created: &str) -> DatabaseCheck {
    let mut check = unjudged(check(name, created));
    if let Some(evidence) = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        evidence.identity.system_identifier = "7599999999999999999".to_owned();
        evidence.identity.server_version = "17.5".to_owned();
    }
    check
}

fn remembering(mut check: DatabaseCheck) -> DatabaseCheck {
    let mut evidence = evidence();
    evidence.identity.data_directory.clear();
    let path = "prod/atra/knowledge/20260131T030000Z-000000ab".to_owned();
    check.status.get_or_insert_default().backup_evidence = Some(BackupEvidence {
        path,
        evidence,
        cluster_digest: None,
    });
    check
}

fn declared(value: &str) -> Sample {
    Sample::settled().annotated(names::ACCEPT_NEXT_CHANGE_ANNOTATION, value)
}

fn after_the_upgrade(value: &str) -> Sample {
    declared(value)
        .restarted()
        .and_check(new_start(upgraded("knowledge-2", "2026-02-01T09:29:50Z")))
}

pub fn scenarios() -> Vec<Scenario> {
    let first = |check| Sample::guarded().only_checks(vec![check]);
    vec![
        (
            "a change was declared and has not come yet",
            declared(DECLARED),
        ),
        ("an upgrade was declared", after_the_upgrade(DECLARED)),
        (
            "an upgrade was not declared",
            after_the_upgrade("knowledge-1/2026-02-01T09:00:00Z"),
        ),
        (
            "a change was declared and a loss has come",
            declared(DECLARED)
                .restarted()
                .and_check(new_start(reset("knowledge-2", "2026-02-01T09:29:50Z"))),
        ),
        (
            "a change was declared since a check that is not there",
            after_the_upgrade("knowledge-99/2026-02-01T11:00:00Z"),
        ),
        (
            "a change was declared for a year",
            after_the_upgrade("knowledge-1/2027-02-01T11:00:00Z"),
        ),
        (
            "a change was declared in other words",
            after_the_upgrade("yes"),
        ),
        (
            "a database is recreated and only a backup remembers it",
            first(remembering(unjudged(check(
                "knowledge-1",
                "2026-02-01T09:29:50Z",
            )))),
        ),
        (
            "a database is recreated without its data and only a backup remembers it",
            first(remembering(reset("knowledge-1", "2026-02-01T09:29:50Z"))),
        ),
        (
            "the bucket that may remember the database can't be read",
            first(unverifiable(
                "knowledge-1",
                "2026-02-01T09:29:50Z",
                reasons::STORAGE_UNREACHABLE,
            )),
        ),
        (
            "the data lies on no claim and nothing is lost yet",
            Sample::guarded().only_checks(vec![off_volume(unjudged(check(
                "knowledge-1",
                "2026-02-01T09:29:50Z",
            )))]),
        ),
    ]
}

fn off_volume(mut check: DatabaseCheck) -> DatabaseCheck {
    if let Some(evidence) = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        evidence.identity.data_directory = "/var/lib/postgresql/18/docker".to_owned();
    }
    check
}

#[test]
fn what_was_declared_is_used_up_by_one_change() {
    let mut world = Passes::new(after_the_upgrade(DECLARED).0);
    world.settle(8);
    assert_eq!(
        baseline(&decide(&world.observed)),
        Some("knowledge-2".to_owned())
    );
    let mut another = new_start(upgraded("knowledge-3", "2026-02-01T09:29:55Z"));
    if let Some(evidence) = another
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        evidence.identity.system_identifier = "7600000000000000000".to_owned();
    }
    let again = Sample(world.observed).and_check(another);
    let plan = decide(&again.0);
    assert_eq!(
        baseline(&plan),
        Some("knowledge-2".to_owned()),
        "another change with all its rows was not declared"
    );
}

fn baseline(plan: &Plan) -> Option<String> {
    plan.status
        .baseline
        .as_ref()
        .map(|baseline| baseline.check.clone())
}

#[test]
fn an_agent_is_asked_for_known_tables_and_looks_into_the_bucket_only_when_nothing_else_remembers() {
    let request = |sample: Sample| -> Option<CheckRequest> {
        let mut world = Passes::new(sample.0);
        world.settle(8);
        let jobs = world.observed.jobs.known().cloned().unwrap_or_default();
        let is_check = |job: &&Job| {
            job.metadata.labels.as_ref().is_some_and(|labels| {
                labels.get(names::TASK_LABEL).map(String::as_str) == Some("check")
            })
        };
        let pod = jobs.iter().find(is_check)?.spec.clone()?.template.spec?;
        let mounts_bucket = pod
            .volumes
            .iter()
            .flatten()
            .any(|volume| volume.name == "s3");
        let variable = pod
            .containers
            .first()?
            .env
            .as_ref()?
            .iter()
            .find(|variable| variable.name == REQUEST_VARIABLE)?
            .value
            .clone()?;
        let request: CheckRequest = from(serde_json::from_str(&variable).ok()?);
        assert_eq!(
            mounts_bucket,
            request.remembered_in.is_some(),
            "the bucket's key is mounted only where it is used"
        );
        Some(request)
    };
    let first = request(Sample::guarded());
    assert!(
        first.as_ref().is_some_and(
            |request| request.known_tables.is_empty() && request.remembered_in.is_some()
        ),
        "{first:?}"
    );
    let later = request(Sample::settled().restarted());
    let names: Vec<String> = later
        .iter()
        .flat_map(|request| &request.known_tables)
        .map(|table| format!("{}/{}", table.database, table.name))
        .collect();
    assert_eq!(
        names,
        [
            "knowledge_os/public.experts",
            "knowledge_os/public.knowledge_nodes"
        ]
    );
    assert!(later.is_some_and(|request| request.remembered_in.is_none()));
}

#[test]
fn a_loss_is_seen_across_a_good_check_that_had_no_time_to_count() {
    let nodes = |mut check: DatabaseCheck, rows: i64, count: CountKind| {
        let tables = check
            .status
            .iter_mut()
            .flat_map(|status| status.evidence.iter_mut())
            .flat_map(|evidence| &mut evidence.tables);
        tables
            .filter(|table| table.name == "public.knowledge_nodes")
            .for_each(|table| (table.rows, table.count) = (rows, count));
        check
    };
    let hurried = nodes(
        new_start(check("knowledge-2", "2026-02-01T09:10:00Z")),
        26_000,
        CountKind::Estimated,
    );
    let lost = nodes(
        new_start(unjudged(check("knowledge-3", "2026-02-01T09:29:50Z"))),
        900,
        CountKind::Exact,
    );
    let sample = Sample::settled()
        .restarted()
        .and_check(hurried)
        .and_check(lost)
        .wanted(|spec| spec.verification.tables.clear());
    let plan = decide(&sample.0);
    let said = plan
        .status
        .last_check
        .as_ref()
        .map(|check| (check.name.as_str(), check.outcome, check.reason.as_str()));
    assert_eq!(
        said,
        Some((
            "knowledge-3",
            CheckOutcome::Suspected,
            reasons::ROWS_DROPPED
        )),
        "the estimate did not make it forget 26,337 rows"
    );
}

#[test]
fn the_check_that_a_declaration_needs_is_not_pruned() {
    let old = |position: i64| {
        check(
            &format!("old-{position:02}"),
            &format!("2026-02-01T08:{position:02}:00Z"),
        )
    };
    let pruned = |value: &str| {
        let sample = declared(value).with(|observed| {
            let checks = super::sample_parts::known(&mut observed.checks);
            checks.extend((0..40).map(old));
        });
        decide(&sample.0)
            .steps
            .iter()
            .filter_map(|step| {
                if let Step::DeleteCheck(check) = step {
                    check.name.clone()
                } else {
                    None
                }
            })
            .collect::<Vec<_>>()
    };
    assert!(
        pruned("knowledge-1/2026-02-01T11:00:00Z").contains(&"old-00".to_owned()),
        "there is something to prune"
    );
    assert!(!pruned("old-00/2026-02-01T11:00:00Z").contains(&"old-00".to_owned()));
}
