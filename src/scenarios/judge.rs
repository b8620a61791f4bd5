//! Scenarios of verdicts: the baseline, resets and how long they are reported, acceptance.

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{
    check, in_recovery, judged, of_container, pending, reset, unjudged, unverifiable,
};
use super::sample_parts::pod;
use crate::api::CheckOutcome::{Suspected, Unverifiable, Verified};
use crate::api::{DatabaseCheck, names, reasons};
use crate::world::Fact;

#[test]
fn plans_of_verdicts() {
    insta::assert_snapshot!("judge", plans(scenarios()));
}

fn before() -> DatabaseCheck {
    of_container(
        check("knowledge-0", "2026-02-01T08:00:00Z"),
        "knowledge-postgres-0",
        "pod-1",
        "containerd://0",
    )
}

fn after_a_reset() -> Sample {
    Sample::settled()
        .checks(vec![
            before(),
            judged(
                reset("knowledge-1", "2026-02-01T09:00:00Z"),
                Suspected,
                "ClusterReinitialized",
            ),
        ])
        .after_a_pass()
}

fn accepting(sample: Sample, name: &str) -> Sample {
    sample.annotated(names::ACCEPT_CHECK_ANNOTATION, name)
}

fn new_start(check: DatabaseCheck) -> DatabaseCheck {
    of_container(check, "knowledge-postgres-0", "pod-1", "containerd://2")
}

/// A ProtectedDatabase that was recreated, of which only the ledger remembers anything.
fn comes_back(checks: Vec<DatabaseCheck>) -> Sample {
    let past = Sample::settled().0.world.ledger;
    Sample::guarded()
        .only_checks(checks)
        .with(|observed| observed.ledger = past)
}

pub fn scenarios() -> Vec<Scenario> {
    [of_checks(), of_the_ledger(), of_replicas()].concat()
}

/// The second pod, suspected while nothing answered, and what was found at it later.
fn suspected_beside(later: DatabaseCheck) -> Sample {
    let of_second = |check| of_container(check, "knowledge-postgres-1", "pod-2", "containerd://b");
    let suspected = judged(
        of_second(unverifiable(
            "knowledge-b-3",
            "2026-02-01T09:10:00Z",
            reasons::CONNECTION_FAILED,
        )),
        Suspected,
        reasons::OTHER_VOLUME_UNREAD,
    );
    Sample::settled()
        .pods(vec![
            pod("knowledge-postgres-0", "pod-1", "containerd://1"),
            pod("knowledge-postgres-1", "pod-2", "containerd://b"),
        ])
        .checks(vec![
            check("knowledge-1", "2026-02-01T09:00:00Z"),
            suspected,
            judged(of_second(in_recovery(later)), Unverifiable, "InRecovery"),
        ])
}

fn of_replicas() -> Vec<Scenario> {
    let later = "2026-02-01T09:20:00Z";
    vec![
        (
            "a pod that was suspected while it was made is a replica",
            suspected_beside(check("knowledge-b-4", later)),
        ),
        (
            "a pod that was suspected while it was made is a replica of another cluster",
            suspected_beside(reset("knowledge-b-4", later)),
        ),
    ]
}

fn of_the_ledger() -> Vec<Scenario> {
    vec![
        (
            "the baseline was deleted and the ledger remembers it",
            Sample::settled()
                .only_checks(vec![unjudged(check("knowledge-2", "2026-02-01T09:29:50Z"))]),
        ),
        (
            "the baseline was deleted, the ledger remembers it, and the data is gone",
            Sample::settled().only_checks(vec![reset("knowledge-2", "2026-02-01T09:29:50Z")]),
        ),
        (
            "the baseline was deleted, its start checked again, and the data is gone",
            Sample::settled().only_checks(vec![reset("knowledge-1", "2026-02-01T09:29:50Z")]),
        ),
        (
            "the baseline was deleted, its start checked again, the data gone, and no ledger \
             remembers it",
            Sample::settled().checks(vec![reset("knowledge-1", "2026-02-01T09:29:50Z")]),
        ),
        (
            "a database is recreated under its name and is not checked yet",
            comes_back(Vec::new()),
        ),
        (
            "a database is recreated under its name with its data",
            comes_back(vec![unjudged(check("knowledge-2", "2026-02-01T09:29:50Z"))]),
        ),
        (
            "a database is recreated under its name without its data",
            comes_back(vec![reset("knowledge-2", "2026-02-01T09:29:50Z")]),
        ),
        (
            "a database is recreated under its name and its past can't be read",
            comes_back(vec![reset("knowledge-2", "2026-02-01T09:29:50Z")]).with(|observed| {
                observed.ledger =
                    Fact::Unknown("could not read the DatabaseLedger: refused".to_owned());
            }),
        ),
    ]
}

fn of_checks() -> Vec<Scenario> {
    vec![
        (
            "the first check has reported",
            Sample::guarded().checks(vec![unjudged(check("knowledge-1", "2026-02-01T09:29:50Z"))]),
        ),
        (
            "a check has found another cluster",
            Sample::settled().checks(vec![before(), reset("knowledge-1", "2026-02-01T09:29:50Z")]),
        ),
        ("a reset is known", after_a_reset()),
        (
            "a reset is known and a container has started",
            after_a_reset().restarted(),
        ),
        (
            "a reset is known and the next start is being checked",
            after_a_reset()
                .restarted()
                .and_check(new_start(pending("knowledge-2", "2026-02-01T09:29:50Z"))),
        ),
        (
            "a reset is known and the next start can't be verified",
            after_a_reset()
                .restarted()
                .and_check(new_start(unverifiable(
                    "knowledge-2",
                    "2026-02-01T09:29:50Z",
                    "ConnectionFailed",
                ))),
        ),
        (
            "a reset is known and the data is back",
            after_a_reset()
                .restarted()
                .and_check(new_start(unjudged(check(
                    "knowledge-2",
                    "2026-02-01T09:29:50Z",
                )))),
        ),
        (
            "a reset is known and accepted",
            accepting(after_a_reset(), "knowledge-1"),
        ),
        (
            "a reset is known, accepted, and the verdict written",
            accepting(
                after_a_reset().checks(vec![
                    before(),
                    judged(
                        reset("knowledge-1", "2026-02-01T09:00:00Z"),
                        Verified,
                        "Verified",
                    ),
                ]),
                "knowledge-1",
            ),
        ),
        (
            "the accepted check does not exist",
            accepting(after_a_reset(), "knowledge-99"),
        ),
        (
            "the accepted check has no evidence",
            accepting(
                after_a_reset().and_check(unverifiable(
                    "knowledge-2",
                    "2026-02-01T09:29:50Z",
                    "ConnectionFailed",
                )),
                "knowledge-2",
            ),
        ),
        (
            "the accepted check looked at a replica",
            accepting(
                after_a_reset().and_check(in_recovery(unjudged(check(
                    "knowledge-2",
                    "2026-02-01T09:29:50Z",
                )))),
                "knowledge-2",
            ),
        ),
        (
            "the accepted check is older than a good one",
            accepting(
                after_a_reset().and_check(check("knowledge-2", "2026-02-01T09:29:50Z")),
                "knowledge-1",
            ),
        ),
        (
            "the baseline was deleted",
            Sample::settled().checks(vec![unjudged(check("knowledge-2", "2026-02-01T09:29:50Z"))]),
        ),
        (
            "the baseline was deleted and an older good check is there",
            Sample::settled().checks(vec![
                before(),
                unjudged(check("knowledge-2", "2026-02-01T09:29:50Z")),
            ]),
        ),
        (
            "the baseline was deleted and a check accepted",
            accepting(
                Sample::settled()
                    .checks(vec![unjudged(check("knowledge-2", "2026-02-01T09:29:50Z"))]),
                "knowledge-2",
            ),
        ),
        (
            "the baseline was deleted while a reset is known",
            after_a_reset().checks(vec![judged(
                reset("knowledge-1", "2026-02-01T09:00:00Z"),
                Suspected,
                "ClusterReinitialized",
            )]),
        ),
        (
            "all checks were deleted while a reset is known",
            after_a_reset().checks(Vec::new()),
        ),
        (
            "all checks were deleted while all was well",
            Sample::settled().checks(Vec::new()),
        ),
        (
            "a good verdict about a replica is no baseline",
            Sample::guarded().checks(vec![in_recovery(check(
                "knowledge-1",
                "2026-02-01T09:00:00Z",
            ))]),
        ),
        (
            "the message differs and the verdict does not",
            Sample::settled().checks(vec![
                before(),
                judged(
                    reset("knowledge-1", "2026-02-01T09:29:50Z"),
                    Suspected,
                    "ClusterReinitialized",
                ),
            ]),
        ),
        (
            "the minimum was lowered after a reset was seen",
            Sample::settled()
                .checks(vec![
                    before(),
                    judged(
                        check("knowledge-1", "2026-02-01T09:00:00Z"),
                        Suspected,
                        "RowsBelowMinimum",
                    ),
                ])
                .wanted(|spec| spec.verification.tables[0].min_rows = Some(1)),
        ),
        (
            "the minimum was raised after a good check",
            Sample::settled().wanted(|spec| spec.verification.tables[0].min_rows = Some(1000)),
        ),
        (
            "a verdict has a reason of another version",
            Sample::settled().checks(vec![
                before(),
                judged(
                    unverifiable("knowledge-1", "2026-02-01T09:29:58Z", "FromTheFuture"),
                    Unverifiable,
                    "FromTheFuture",
                ),
            ]),
        ),
    ]
}
