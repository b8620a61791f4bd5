//! Scenarios of checks: one for every container start, more on schedule and by hand, and their
//! Jobs.

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{
    attempt, by_clock, check, ended_job, in_recovery, job, judged, manual, of_container, pending,
    reset, unjudged, unreported, unverifiable,
};
use super::sample_parts::{known, pod};
use crate::api::{CheckOutcome, CheckTrigger, DatabaseCheck};
use crate::world::{AgentIdentity, Fact};

#[test]
fn plans_of_checks() {
    insta::assert_snapshot!("check", plans(scenarios()));
}

fn scheduled(sample: Sample, line: &str) -> Sample {
    sample.database(|database| database.spec.verification.schedule = Some(line.to_owned()))
}

fn on_schedule(mut check: DatabaseCheck) -> DatabaseCheck {
    check.spec.trigger = CheckTrigger::Schedule;
    check
}

/// A start that could not be verified `tries` times; the last try ended at 09:29:55.
fn tried(tries: i32) -> Sample {
    let checks = (0..tries).map(|number| {
        let created = if number + 1 == tries {
            "2026-02-01T09:29:50Z".to_owned()
        } else {
            format!("2026-02-01T09:0{number}:00Z")
        };
        attempt(
            unverifiable(
                &format!("knowledge-try-{number}"),
                &created,
                "ConnectionFailed",
            ),
            number,
        )
    });
    after_a_good_start(checks.collect())
}

/// The login was refused, and the volume is another one.
fn unread_on_other_volume() -> DatabaseCheck {
    let mut check = unverifiable(
        "knowledge-try-0",
        "2026-02-01T09:29:50Z",
        "AuthenticationFailed",
    );
    for volume in check
        .spec
        .target
        .iter_mut()
        .flat_map(|target| &mut target.volumes)
    {
        "pvc-b".clone_into(&mut volume.volume);
        "/volumes/pvc-b".clone_into(&mut volume.volume_handle);
    }
    check
}

fn judged_by_its_first_part(check: DatabaseCheck) -> DatabaseCheck {
    let mut check = judged(check, CheckOutcome::Suspected, "ClusterReinitialized");
    let status = check.status.get_or_insert_default();
    if let Some(verdict) = &mut status.verdict {
        verdict.partial = true;
    }
    check
}

/// The agent still counts large tables.
fn first_part(check: DatabaseCheck) -> DatabaseCheck {
    let mut check = of_container(
        unjudged(check),
        "knowledge-postgres-0",
        "pod-1",
        "containerd://2",
    );
    let status = check.status.get_or_insert_default();
    status.completion_time = None;
    if let Some(evidence) = &mut status.evidence {
        evidence.partial = true;
    }
    check
}

/// The start before this one was verified.
fn after_a_good_start(mut checks: Vec<DatabaseCheck>) -> Sample {
    let good = of_container(
        check("knowledge-1", "2026-02-01T08:00:00Z"),
        "knowledge-postgres-0",
        "pod-1",
        "containerd://0",
    );
    checks.insert(0, good);
    Sample::settled().checks(checks)
}

fn replicas() -> Sample {
    Sample::settled().pods(vec![
        pod("knowledge-postgres-0", "pod-0", "containerd://replica"),
        pod("knowledge-postgres-1", "pod-1", "containerd://1"),
    ])
}

fn of_replica(check: DatabaseCheck) -> DatabaseCheck {
    of_container(
        check,
        "knowledge-postgres-0",
        "pod-0",
        "containerd://replica",
    )
}

/// Nothing answers yet at the replica in the first pod; the primary is in the second.
fn being_made(checked: &str) -> Sample {
    replicas().and_check(of_replica(unverifiable(
        "knowledge-replica",
        checked,
        "ConnectionFailed",
    )))
}

#[test]
fn a_check_by_hand_looks_at_the_known_primary() {
    let asked =
        being_made("2026-02-01T09:29:50Z").and_check(manual("look", "2026-02-01T09:29:58Z"));
    let pods: Vec<String> = crate::decide::decide(&asked.0)
        .steps
        .into_iter()
        .filter_map(|step| match step {
            crate::plan::Step::SetCheckTarget { target, .. } => Some(target.pod),
            _ => None,
        })
        .collect();
    assert_eq!(pods, ["knowledge-postgres-1"]);
}

pub fn scenarios() -> Vec<Scenario> {
    [
        starts(),
        jobs(),
        tries(),
        schedules(),
        by_hand(),
        several_pods(),
        pruning(),
    ]
    .concat()
}

fn starts() -> Vec<Scenario> {
    vec![
        ("guarded and never checked", Sample::guarded()),
        ("a container has started", Sample::settled().restarted()),
        (
            "a pod was replaced",
            Sample::settled().pods(vec![pod("knowledge-postgres-0", "pod-2", "containerd://9")]),
        ),
        ("no pod runs", Sample::settled().pods(Vec::new())),
        (
            "the pod has no running container",
            Sample::settled().with(|observed| known(&mut observed.pods)[0].running.clear()),
        ),
        (
            "the pod has no address yet",
            Sample::settled()
                .restarted()
                .with(|observed| known(&mut observed.pods)[0].address = None),
        ),
        (
            "the pod is going",
            Sample::settled().with(|observed| known(&mut observed.pods)[0].terminating = true),
        ),
        (
            "suspended",
            Sample::settled()
                .restarted()
                .wanted(|spec| spec.suspend = true),
        ),
        (
            "the timeout is out of range",
            Sample::settled()
                .restarted()
                .wanted(|spec| spec.verification.timeout = "61m".to_owned()),
        ),
        (
            "the schedule never fires",
            scheduled(Sample::settled().restarted(), "0 0 31 2 *"),
        ),
        (
            "the agents' identity was deleted and a container has started",
            Sample::settled().restarted().with(|observed| {
                observed.agent_identity = Fact::Known(AgentIdentity::Missing);
            }),
        ),
    ]
}

fn jobs() -> Vec<Scenario> {
    let new = || Sample::settled().restarted();
    let check_of_start = || {
        of_container(
            pending("knowledge-new", "2026-02-01T09:29:58Z"),
            "knowledge-postgres-0",
            "pod-1",
            "containerd://2",
        )
    };
    let later = |sample: Sample, created: &str, reason: &str| {
        sample.and_check(of_container(
            unreported("knowledge-new", created, reason),
            "knowledge-postgres-0",
            "pod-1",
            "containerd://2",
        ))
    };
    vec![
        ("a check has no Job yet", new().and_check(check_of_start())),
        (
            "a check's Job runs",
            new()
                .and_check(check_of_start())
                .jobs(vec![job("knowledge-new", "check")]),
        ),
        (
            "a check's first part looks reset while its Job runs",
            new()
                .and_check(first_part(reset("knowledge-new", "2026-02-01T09:29:50Z")))
                .jobs(vec![job("knowledge-new", "check")]),
        ),
        (
            "a check whose first part looked reset has reported everything",
            new().and_check(judged_by_its_first_part(of_container(
                reset("knowledge-new", "2026-02-01T09:29:50Z"),
                "knowledge-postgres-0",
                "pod-1",
                "containerd://2",
            ))),
        ),
        (
            "a check's first part looks good while its Job runs",
            new()
                .and_check(first_part(check("knowledge-new", "2026-02-01T09:29:50Z")))
                .jobs(vec![job("knowledge-new", "check")]),
        ),
        (
            "a check's Job ended without a report",
            new().and_check(check_of_start()).jobs(vec![ended_job(
                "knowledge-new",
                "check",
                "2026-02-01T09:29:59Z",
                "DeadlineExceeded",
            )]),
        ),
        (
            "a check was recreated while the Job of the one before still exists",
            new()
                .and_check(check_of_start())
                .jobs(vec![ended_job(
                    "knowledge-new",
                    "check",
                    "2026-02-01T09:29:59Z",
                    "CompletionsReached",
                )])
                .with(|observed| {
                    for owner in known(&mut observed.jobs)[0]
                        .metadata
                        .owner_references
                        .iter_mut()
                        .flatten()
                    {
                        "uid-of-the-check-before".clone_into(&mut owner.uid);
                    }
                }),
        ),
        (
            "the container of a check is gone before it had a Job",
            Sample::settled().and_check(check_of_start()),
        ),
        (
            "a check said that its Job failed a moment ago",
            later(new(), "2026-02-01T09:29:55Z", "JobFailed"),
        ),
        (
            "a check said that its Job failed a while ago",
            later(new(), "2026-02-01T09:29:40Z", "JobFailed"),
        ),
        (
            "a report came after the verdict that there is none",
            new().and_check(judged(
                of_container(
                    check("knowledge-new", "2026-02-01T09:29:40Z"),
                    "knowledge-postgres-0",
                    "pod-1",
                    "containerd://2",
                ),
                CheckOutcome::Unverifiable,
                "JobFailed",
            )),
        ),
        (
            "a later check of a verified start ended without a report",
            Sample::settled().and_check(on_schedule(unreported(
                "knowledge-s1",
                "2026-02-01T09:29:55Z",
                "JobFailed",
            ))),
        ),
    ]
}

fn tries() -> Vec<Scenario> {
    vec![
        ("one try could not say anything", tried(1)),
        ("two tries could not say anything", tried(2)),
        ("three tries could not say anything", tried(3)),
        ("four tries could not say anything", tried(4)),
        ("five tries could not say anything", tried(5)),
        ("six tries could not say anything", tried(6)),
        ("seven tries could not say anything", tried(7)),
        ("a try is due", tried(1).at("2026-02-01T09:30:05Z")),
        (
            "nothing could be read on another volume",
            after_a_good_start(vec![unread_on_other_volume()]),
        ),
        (
            "nothing could be read on another volume, and a try is due",
            after_a_good_start(vec![unread_on_other_volume()]).at("2026-02-01T09:30:05Z"),
        ),
        (
            "the spec was changed after a try",
            tried(3).wanted(|spec| spec.connection.port = 5433),
        ),
        (
            "the agent's clock is an hour behind",
            after_a_good_start(vec![by_clock(
                unverifiable(
                    "knowledge-try-0",
                    "2026-02-01T09:29:50Z",
                    "ConnectionFailed",
                ),
                -3600,
            )]),
        ),
        (
            "the agent's clock is an hour ahead",
            after_a_good_start(vec![by_clock(
                unverifiable(
                    "knowledge-try-0",
                    "2026-02-01T09:25:00Z",
                    "ConnectionFailed",
                ),
                3600,
            )]),
        ),
        (
            "an older check seems to have ended later because its node's clock is ahead",
            Sample::settled().checks(vec![
                by_clock(check("knowledge-1", "2026-02-01T09:00:00Z"), 7200),
                reset("knowledge-2", "2026-02-01T09:29:50Z"),
            ]),
        ),
        (
            "two checks of one start ended in the same second",
            after_a_good_start(vec![
                attempt(
                    unverifiable("knowledge-a", "2026-02-01T09:29:50Z", "ConnectionFailed"),
                    0,
                ),
                unjudged(on_schedule(check("knowledge-s1", "2026-02-01T09:29:50Z"))),
            ]),
        ),
    ]
}

fn schedules() -> Vec<Scenario> {
    let half_hourly = |now: &str| scheduled(Sample::settled(), "*/30 * * * *").at(now);
    vec![
        ("the tick is not due", half_hourly("2026-02-01T09:29:00Z")),
        ("the tick is due", half_hourly("2026-02-01T09:30:00Z")),
        (
            "many ticks were missed",
            half_hourly("2026-02-03T12:10:00Z"),
        ),
        (
            "the tick is due while a check is pending",
            half_hourly("2026-02-01T09:30:00Z")
                .and_check(pending("knowledge-2", "2026-02-01T09:29:58Z"))
                .jobs(vec![job("knowledge-2", "check")]),
        ),
        (
            "the tick is due and a container has started",
            half_hourly("2026-02-01T09:30:00Z").restarted(),
        ),
        (
            "the tick has its check, which the API server's clock says was made before it",
            half_hourly("2026-02-01T09:30:10Z").and_check(on_schedule(check(
                "knowledge-s1769938200-d119",
                "2026-02-01T09:29:58Z",
            ))),
        ),
        (
            "two ticks have their checks, by an API server whose clock is minutes behind",
            scheduled(Sample::settled(), "*/2 * * * *")
                .at("2026-02-01T09:30:10Z")
                .and_check(on_schedule(check(
                    "knowledge-s1769938080-d119",
                    "2026-02-01T09:25:58Z",
                )))
                .and_check(on_schedule(check(
                    "knowledge-s1769938200-d119",
                    "2026-02-01T09:27:58Z",
                ))),
        ),
        (
            "the tick is due and no pod runs",
            half_hourly("2026-02-01T09:30:00Z").pods(Vec::new()),
        ),
    ]
}

fn by_hand() -> Vec<Scenario> {
    let asked = || Sample::settled().and_check(manual("look", "2026-02-01T09:29:58Z"));
    vec![
        ("a user asked for a check", asked()),
        (
            "a user asked for a check and no pod runs",
            asked().pods(Vec::new()),
        ),
        (
            "a user asked for a check while suspended",
            asked().wanted(|spec| spec.suspend = true),
        ),
        (
            "a user asked for a check with the last attempt that a number can hold",
            Sample::settled().checks(vec![attempt(
                unverifiable("look", "2026-02-01T09:00:00Z", "Timeout"),
                i32::MAX,
            )]),
        ),
    ]
}

fn several_pods() -> Vec<Scenario> {
    let replica = || {
        of_replica(in_recovery(unjudged(check(
            "knowledge-replica",
            "2026-02-01T09:29:50Z",
        ))))
    };
    vec![
        ("a replica joins", replicas()),
        ("a replica was checked", replicas().and_check(replica())),
        (
            "the tick is due and the first pod is a replica",
            scheduled(
                replicas().and_check(judged(replica(), CheckOutcome::Unverifiable, "InRecovery")),
                "*/30 * * * *",
            )
            .at("2026-02-01T10:00:00Z"),
        ),
        (
            "the tick is due, and the replica in the first pod is being made",
            scheduled(being_made("2026-02-01T09:59:54Z"), "*/30 * * * *")
                .at("2026-02-01T10:00:00Z"),
        ),
        (
            "the tick is due, the replica in the first pod is being made, and the tick has a check \
             of it",
            scheduled(being_made("2026-02-01T09:59:54Z"), "*/30 * * * *")
                .at("2026-02-01T10:00:00Z")
                .and_check(on_schedule(of_replica(unverifiable(
                    "knowledge-s1769940000",
                    "2026-02-01T09:59:59Z",
                    "ConnectionFailed",
                )))),
        ),
        (
            "the tick is due, the primary could not be read, and a replica is being made",
            scheduled(
                being_made("2026-02-01T09:59:54Z").and_check(unverifiable(
                    "knowledge-2",
                    "2026-02-01T09:59:57Z",
                    "TooManyConnections",
                )),
                "*/30 * * * *",
            )
            .at("2026-02-01T10:00:00Z"),
        ),
        (
            "a user asked for a check, and the replica in the first pod is being made",
            being_made("2026-02-01T09:29:50Z").and_check(manual("look", "2026-02-01T09:29:58Z")),
        ),
        (
            "one of two pods has reset data and the other was checked later",
            replicas().checks(vec![
                check("knowledge-0", "2026-02-01T08:00:00Z"),
                of_replica(reset("knowledge-1", "2026-02-01T09:00:00Z")),
                unjudged(check("knowledge-2", "2026-02-01T09:10:00Z")),
            ]),
        ),
    ]
}

fn pruning() -> Vec<Scenario> {
    let many = |count: i64| {
        let created = |number: i64| format!("2026-01-31T{:02}:{:02}:00Z", number / 60, number % 60);
        (0..count).map(move |number| {
            of_container(
                unverifiable(&format!("old-{number:02}"), &created(number), "Timeout"),
                "knowledge-postgres-0",
                "pod-0",
                "containerd://0",
            )
        })
    };
    let long_ago = |name: &str, hour: u8| {
        of_container(
            check(name, &format!("2026-01-30T0{hour}:00:00Z")),
            "knowledge-postgres-0",
            "pod-0",
            "containerd://0",
        )
    };
    vec![
        (
            "old checks go, but not the baseline",
            Sample::settled().checks(
                [long_ago("other", 1), long_ago("baseline", 2)]
                    .into_iter()
                    .chain(many(31))
                    .collect(),
            ),
        ),
        (
            "old checks go, but not an accepted one",
            Sample::settled()
                .annotated(crate::api::names::ACCEPT_CHECK_ANNOTATION, "accepted")
                .checks(
                    [long_ago("accepted", 1), long_ago("baseline", 2)]
                        .into_iter()
                        .chain(many(31))
                        .collect(),
                ),
        ),
        (
            "old checks go, but not the newest that said something",
            Sample::settled().checks(
                [
                    long_ago("baseline", 1),
                    judged(
                        reset("latch", "2026-01-30T02:00:00Z"),
                        CheckOutcome::Suspected,
                        "ClusterReinitialized",
                    ),
                ]
                .into_iter()
                .chain(many(31))
                .collect(),
            ),
        ),
        (
            "old checks go, but not the newest of a container that runs",
            Sample::settled().checks(
                [
                    check("running", "2026-01-30T01:00:00Z"),
                    long_ago("baseline", 2),
                ]
                .into_iter()
                .chain(many(31))
                .collect(),
            ),
        ),
        (
            "old checks go, but not the one that let a replica through that runs",
            Sample::settled().checks(
                [
                    long_ago("baseline", 1),
                    judged(
                        in_recovery(check("replica", "2026-01-30T02:00:00Z")),
                        CheckOutcome::Unverifiable,
                        "InRecovery",
                    ),
                ]
                .into_iter()
                .chain(many(31).map(|check| {
                    of_container(check, "knowledge-postgres-0", "pod-1", "containerd://1")
                }))
                .collect(),
            ),
        ),
        (
            "old checks whose Jobs failed go too",
            Sample::settled().checks(
                [check("baseline", "2026-01-30T01:00:00Z")]
                    .into_iter()
                    .chain(
                        many(31)
                            .map(|check| {
                                unreported(
                                    check.metadata.name.as_deref().unwrap_or_default(),
                                    "2026-01-31T01:00:00Z",
                                    "JobFailed",
                                )
                            })
                            .map(|check| {
                                of_container(
                                    check,
                                    "knowledge-postgres-0",
                                    "pod-0",
                                    "containerd://0",
                                )
                            }),
                    )
                    .collect(),
            ),
        ),
    ]
}
