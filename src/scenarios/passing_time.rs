//! Stories: agents report or don't, time passes, and the operator comes to rest after every pass,
//! without a loop of Jobs.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::in_memory::Passes;
use super::properties::all;
use super::render::PASSES;
use super::sample::Sample;
use super::sample_objects::{complete_backup, evidence, manual};
use super::sample_parts::{from, known, pod, time};
use crate::api::{
    AgentFailure, CheckOutcome, CheckTrigger, ConditionStatus, ConditionType, DatabaseCheck,
    find_condition, names,
};
use crate::world::Observed;

/// What agents do.
#[derive(Clone, Copy, PartialEq)]
enum Agents {
    Report,
    /// All servers are replicas, but that in this pod.
    FindReplicas {
        but: &'static str,
    },
    SayNothingCanBeSaid,
    Crash,
}

/// Lets every Job that runs end, a moment later.
fn let_jobs_end(world: &mut Passes, agents: Agents) {
    let now = world.observed.now.clone();
    let mut ended = Vec::new();
    if world.observed.jobs.known().is_none()
        || world.observed.checks.known().is_none()
        || world.observed.backups.known().is_none()
    {
        return;
    }
    for job in known(&mut world.observed.jobs)
        .iter_mut()
        .filter(|job| job.status.is_none())
    {
        let task = job
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(names::TASK_LABEL))
            .cloned();
        ended.push((job.metadata.name.clone().unwrap_or_default(), task));
        let kind = if agents == Agents::Crash {
            "Failed"
        } else {
            "Complete"
        };
        job.status = from(
            serde_json::json!({ "conditions": [{ "type": kind, "status": "True", "reason": "Ended", "lastTransitionTime": now }] }),
        );
    }
    for (name, task) in ended {
        match (task.as_deref(), agents) {
            (Some("backup"), Agents::Report) => {
                let mut backup = complete_backup(&name, "2026-02-01T09:00:00Z");
                backup.metadata.creation_timestamp = Some(now.clone());
                backup.status.get_or_insert_default().completion_time = Some(now.clone());
                known(&mut world.observed.backups).push(backup);
            }
            (Some("check"), Agents::FindReplicas { but }) => {
                let check = world.check(&name);
                let target = check.spec.target.clone().unwrap_or_default();
                let status = check.status.get_or_insert_default();
                status.completion_time = Some(now.clone());
                let mut found = evidence();
                found.identity.in_recovery = target.pod != but;
                status.evidence = Some(found);
            }
            (Some("check"), Agents::Report | Agents::SayNothingCanBeSaid) => {
                let status = world.check(&name).status.get_or_insert_default();
                status.completion_time = Some(now.clone());
                if agents == Agents::Report {
                    status.evidence = Some(evidence());
                } else {
                    let message = "the server did not answer".to_owned();
                    status.failure = Some(AgentFailure {
                        reason: "ConnectionFailed".to_owned(),
                        message,
                    });
                }
            }
            _ => {}
        }
    }
}

/// Passes until neither the operator nor an agent has anything to do; what agents report calls the
/// operator at once.
fn rest(world: &mut Passes, agents: Agents) -> Duration {
    loop {
        let plan = world.settle(PASSES);
        let done = world.done.len();
        let_jobs_end(world, agents);
        world.settle(PASSES);
        if world.done.len() == done || world.database_gone {
            return plan.again_after.unwrap_or(Duration::from_mins(10));
        }
    }
}

/// Time goes by: passes when the operator wants them. Says how many pauses there were.
fn minutes(world: &mut Passes, agents: Agents, minutes: i64) -> usize {
    let end = world.observed.now.0 + jiff::Span::new().minutes(minutes);
    let mut pauses = 0;
    while world.observed.now.0 < end && !world.database_gone {
        let again = rest(world, agents);
        pauses += 1;
        world.observed.now = Time(world.observed.now.0 + again);
    }
    pauses
}

fn later(world: &mut Passes) {
    world.observed.now = Time(world.observed.now.0 + jiff::Span::new().minutes(1));
}

fn created(world: &Passes, prefix: &str) -> usize {
    world
        .done
        .iter()
        .filter(|step| step.starts_with(prefix))
        .count()
}

fn is(observed: &Observed, condition: ConditionType) -> Option<String> {
    let status = observed.database.status.as_ref()?;
    find_condition(&status.conditions, condition).map(|condition| condition.status.clone())
}

#[test]
fn from_first_sight_to_ready_with_one_check_and_one_backup() {
    let mut world = Passes::new(Sample::first_sight().0);
    for _ in 0..4 {
        world.settle(PASSES);
        let_jobs_end(&mut world, Agents::Report);
    }
    insta::assert_snapshot!("from_first_sight_to_ready", world.done.join("\n"));
    assert_eq!(
        is(&world.observed, ConditionType::Ready).as_deref(),
        Some(ConditionStatus::True.as_str())
    );
}

#[test]
fn whatever_is_seen_first_ten_minutes_are_bounded_when_agents_report() {
    for (name, Sample(observed)) in all() {
        let mut world = Passes::new(observed);
        let pauses = minutes(&mut world, Agents::Report, 10);
        let (checks, jobs) = (
            created(&world, "create DatabaseCheck"),
            created(&world, "create Job"),
        );
        // What can't be read is read again every ten seconds; replicas are checked every five
        // minutes.
        assert!(pauses <= 61, "{name}: {pauses} pauses");
        assert!(checks <= 7, "{name}: {checks} checks");
        assert!(jobs <= 8, "{name}: {jobs} Jobs");
    }
}

#[test]
fn agents_that_can_say_nothing_or_crash_make_no_loop_of_jobs() {
    for agents in [Agents::SayNothingCanBeSaid, Agents::Crash] {
        let mut world = Passes::new(Sample::guarded().0);
        let pauses = minutes(&mut world, agents, 6 * 60);
        let checks = created(&world, "create DatabaseCheck");
        assert!(
            (74..=80).contains(&checks),
            "one in five minutes after the first few: {checks}"
        );
        assert!(pauses < 100, "{pauses}");
        let kept = known(&mut world.observed.checks).len();
        assert!(
            kept <= 31,
            "old checks go, also those that ended without a report: {kept}"
        );
    }
}

#[test]
fn a_workload_of_replicas_only_is_checked_hourly_and_a_promotion_found() {
    let mut world = Passes::new(Sample::settled().restarted().0);
    known(&mut world.observed.pods).push(pod("knowledge-postgres-1", "pod-2", "containerd://b"));
    minutes(&mut world, Agents::FindReplicas { but: "" }, 24 * 60);
    let checks = created(&world, "create DatabaseCheck");
    assert!((48..=72).contains(&checks), "{checks}");
    let verified = |world: &Passes| is(&world.observed, ConditionType::DataVerified);
    assert_eq!(verified(&world).as_deref(), Some("Unknown"));
    let promoted = Agents::FindReplicas {
        but: "knowledge-postgres-1",
    };
    minutes(&mut world, promoted, 65);
    let found = known(&mut world.observed.checks).iter().any(|check| {
        let evidence = check.evidence();
        let pod = check.spec.target.as_ref().map(|target| target.pod.as_str());
        pod == Some("knowledge-postgres-1")
            && evidence.is_some_and(|evidence| !evidence.identity.in_recovery)
    });
    assert!(found, "{:#?}", world.done);
}

#[test]
fn a_database_that_is_well_is_checked_once_a_tick() {
    let half_hourly = |sample: Sample| {
        sample.database(|database| {
            database.spec.verification.schedule = Some("*/30 * * * *".to_owned());
        })
    };
    let mut world = Passes::new(half_hourly(Sample::settled()).0);
    minutes(&mut world, Agents::Report, 24 * 60);
    assert_eq!(
        created(&world, "create DatabaseCheck"),
        48,
        "{:#?}",
        world.done
    );
    let mut behind = Passes::new(half_hourly(Sample::settled()).0);
    for _ in 0..200 {
        // The API server's clock is three seconds behind the operator's.
        behind.settle(PASSES);
        let now = behind.observed.now.clone();
        for check in known(&mut behind.observed.checks)
            .iter_mut()
            .filter(|check| check.metadata.creation_timestamp.as_ref() == Some(&now))
        {
            check.metadata.creation_timestamp = Some(Time(now.0 - jiff::Span::new().seconds(3)));
        }
        let_jobs_end(&mut behind, Agents::Report);
        behind.observed.now = Time(now.0 + jiff::Span::new().seconds(60));
    }
    assert_eq!(
        created(&behind, "create DatabaseCheck"),
        7,
        "09:30 to 12:50"
    );
}

#[test]
fn every_container_start_gets_exactly_one_check() {
    let mut world = Passes::new(Sample::settled().0);
    for start in 2..12 {
        known(&mut world.observed.pods)[0] = pod(
            "knowledge-postgres-0",
            "pod-1",
            &format!("containerd://{start}"),
        );
        for _ in 0..3 {
            world.settle(PASSES);
            let_jobs_end(&mut world, Agents::Report);
        }
    }
    assert_eq!(created(&world, "create DatabaseCheck"), 10);
    assert_eq!(
        is(&world.observed, ConditionType::Ready).as_deref(),
        Some("True")
    );
}

#[test]
fn a_reset_is_told_until_the_data_is_back() {
    let mut world = Passes::new(Sample::settled().0);
    let start = |world: &mut Passes, id: &str| {
        known(&mut world.observed.pods)[0] = pod("knowledge-postgres-0", "pod-1", id);
    };
    later(&mut world);
    let said = |world: &Passes| is(&world.observed, ConditionType::DataReset).unwrap_or_default();
    start(&mut world, "containerd://2");
    world.settle(PASSES);
    let_jobs_end(&mut world, Agents::Report);
    let newest = newest_name(&mut world);
    let evidence = world
        .check(&newest)
        .status
        .get_or_insert_default()
        .evidence
        .as_mut();
    if let Some(evidence) = evidence {
        "7599999999999999999".clone_into(&mut evidence.identity.system_identifier);
    }
    world.settle(PASSES);
    assert_eq!(said(&world), "True");
    later(&mut world);
    start(&mut world, "containerd://3");
    world.settle(PASSES);
    assert_eq!(said(&world), "True", "a start is no reason to forget");
    let_jobs_end(&mut world, Agents::SayNothingCanBeSaid);
    world.settle(PASSES);
    assert_eq!(
        said(&world),
        "True",
        "what can't be said is no reason to forget"
    );
    later(&mut world);
    start(&mut world, "containerd://4");
    world.settle(PASSES);
    let_jobs_end(&mut world, Agents::Report);
    world.settle(PASSES);
    assert_eq!(said(&world), "False", "the data is back");
}

fn newest_name(world: &mut Passes) -> String {
    known(&mut world.observed.checks)
        .last()
        .and_then(|check| check.metadata.name.clone())
        .unwrap_or_default()
}

#[test]
fn a_check_by_hand_is_aimed_run_and_judged() {
    let mut world = Passes::new(
        Sample::settled()
            .and_check(manual("look", "2026-02-01T09:29:58Z"))
            .0,
    );
    for _ in 0..2 {
        world.settle(PASSES);
        let_jobs_end(&mut world, Agents::Report);
    }
    world.settle(PASSES);
    assert_eq!(
        world.done,
        [
            "set the target of DatabaseCheck look",
            "create Job look",
            "write the verdict of DatabaseCheck look",
            "write DatabaseLedger atra.knowledge"
        ]
    );
    let verdict = |check: &DatabaseCheck| {
        check
            .status
            .clone()
            .and_then(|status| status.verdict)
            .map(|verdict| verdict.outcome)
    };
    assert_eq!(verdict(world.check("look")), Some(CheckOutcome::Verified));
    assert_eq!(world.check("look").spec.trigger, CheckTrigger::Manual);
    assert!(world.observed.now >= time("2026-02-01T09:30:00Z"));
}
