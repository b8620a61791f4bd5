//! Scenarios of the readiness gate: when it opens, when it closes, and what becomes of a pod that
//! can't be verified.

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{
    check, in_recovery, judged, of_container, pending, reset, unverifiable,
};
use super::sample_parts::{from, known, pod, time};
use crate::api::CheckOutcome::{Suspected, Unverifiable};
use crate::api::{DatabaseCheck, ProtectedDatabaseSpec, WhenUnverifiable, reasons};
use crate::world::Fact;
use crate::world::{GateFact, NeighbourFact};

#[test]
fn plans_of_the_gate() {
    insta::assert_snapshot!("gate", plans(scenarios()));
}

fn gated(sample: Sample) -> Sample {
    sample.with(|observed| {
        for pod in known(&mut observed.pods) {
            pod.gate = Some(GateFact::default());
        }
    })
}

fn open(sample: Sample) -> Sample {
    let gate = GateFact {
        is_open: true,
        reason: reasons::VERIFIED.to_owned(),
        message: "DatabaseCheck knowledge-1 found the data as expected".to_owned(),
    };
    sample.with(|observed| {
        for pod in known(&mut observed.pods) {
            pod.gate = Some(gate.clone());
        }
    })
}

/// Started two minutes ago.
fn young(sample: Sample) -> Sample {
    let started = time("2026-02-01T09:28:00Z");
    sample.with(|observed| {
        known(&mut observed.pods)
            .iter_mut()
            .flat_map(|pod| &mut pod.running)
            .for_each(|running| running.started_at = Some(started.clone()));
    })
}

fn new_start(check: DatabaseCheck) -> DatabaseCheck {
    of_container(check, "knowledge-postgres-0", "pod-1", "containerd://2")
}

fn wrong_password() -> DatabaseCheck {
    judged(
        new_start(unverifiable(
            "knowledge-2",
            "2026-02-01T09:29:00Z",
            reasons::AUTHENTICATION_FAILED,
        )),
        Unverifiable,
        reasons::AUTHENTICATION_FAILED,
    )
}

fn at_host(mut check: DatabaseCheck) -> DatabaseCheck {
    check.spec.target.get_or_insert_default().host = Some("knowledge".to_owned());
    check
}

fn replica() -> DatabaseCheck {
    judged(
        new_start(in_recovery(check("knowledge-2", "2026-02-01T09:20:00Z"))),
        Unverifiable,
        reasons::IN_RECOVERY,
    )
}

/// The gate is open since that check.
fn let_through(sample: Sample, check: DatabaseCheck) -> Sample {
    open_as(sample.and_check(check), reasons::IN_RECOVERY)
}

fn open_as(sample: Sample, reason: &str) -> Sample {
    open(sample).with(|observed| {
        for gate in known(&mut observed.pods)
            .iter_mut()
            .filter_map(|pod| pod.gate.as_mut())
        {
            (gate.reason, gate.message) = (reason.to_owned(), "as said before".to_owned());
        }
    })
}

fn says_nothing(name: &str, reason: &str) -> DatabaseCheck {
    new_start(unverifiable(name, "2026-02-01T09:29:30Z", reason))
}

/// What the server says before a login; the role has that salt.
fn with_salts(mut check: DatabaseCheck, of_role: &str) -> DatabaseCheck {
    check.status.get_or_insert_default().without_login = Some(from(serde_json::json!({
        "method": "ScramSha256", "clusterDigest": "salt-of-nobody",
        "role": "name-of-the-role", "roleDigest": of_role,
    })));
    check
}

/// The first check of the start found no tables.
fn nothing() -> DatabaseCheck {
    let mut check = judged(
        check("knowledge-1", "2026-02-01T09:00:00Z"),
        Unverifiable,
        reasons::NO_ROWS,
    );
    if let Some(evidence) = &mut check.status.get_or_insert_default().evidence {
        evidence.tables.clear();
        (evidence.table_count, evidence.total_rows) = (0, 0);
    }
    check
}

fn opens(spec: &mut ProtectedDatabaseSpec) {
    spec.verification.gate.when_unverifiable = WhenUnverifiable::Open;
}

pub fn scenarios() -> Vec<Scenario> {
    [gated_pods(), not_judged()].concat()
}

fn gated_pods() -> Vec<Scenario> {
    let settled = Sample::settled;
    let restarted = || young(settled().restarted());
    let rotated = || {
        let good = check("knowledge-1", "2026-02-01T09:00:00Z");
        settled().checks(vec![with_salts(good, "salt-of-the-role")])
    };
    vec![
        ("a gated pod is verified", gated(settled())),
        ("a gated pod is verified and let through", open(settled())),
        ("a gated container was restarted", open(restarted())),
        (
            "a gated container is being checked",
            gated(restarted().and_check(new_start(pending("knowledge-2", "2026-02-01T09:29:00Z")))),
        ),
        (
            "a gated container came up with other data",
            gated(restarted().and_check(judged(
                new_start(reset("knowledge-2", "2026-02-01T09:29:00Z")),
                Suspected,
                "ClusterReinitialized",
            ))),
        ),
        (
            "data is lost from a gated pod that was let through",
            open(settled().and_check(judged(
                reset("knowledge-2", "2026-02-01T09:29:00Z"),
                Suspected,
                "ClusterReinitialized",
            ))),
        ),
        (
            "a gated pod whose data was verified by way of a host",
            gated(restarted().and_check(at_host(new_start(check(
                "knowledge-2",
                "2026-02-01T09:29:00Z",
            ))))),
        ),
        (
            "a gated pod, and the spec names a host",
            gated(restarted().wanted(|spec| spec.connection.host = Some("knowledge".to_owned()))),
        ),
        (
            "a gated container does not run",
            open(settled().with(|observed| known(&mut observed.pods)[0].running.clear())),
        ),
        (
            "a gated pod can't be verified yet",
            gated(restarted().and_check(wrong_password())),
        ),
        (
            "a gated pod could not be verified in time",
            gated(settled().restarted().and_check(wrong_password())),
        ),
        (
            "a gated pod could not be verified in time, and availability is worth more",
            gated(
                settled()
                    .restarted()
                    .and_check(wrong_password())
                    .wanted(opens),
            ),
        ),
        (
            "a gated replica of the known cluster",
            gated(restarted().and_check(judged(
                new_start(in_recovery(check("knowledge-2", "2026-02-01T09:29:00Z"))),
                Unverifiable,
                reasons::IN_RECOVERY,
            ))),
        ),
        (
            "a gated replica of another cluster",
            gated(restarted().and_check(judged(
                new_start(in_recovery(reset("knowledge-2", "2026-02-01T09:29:00Z"))),
                Unverifiable,
                reasons::IN_RECOVERY,
            ))),
        ),
        (
            "a gated replica that was let through has no free connection",
            let_through(settled().restarted(), replica())
                .and_check(says_nothing("knowledge-3", reasons::TOO_MANY_CONNECTIONS)),
        ),
        (
            "a gated replica that was let through, and its role has another password since",
            let_through(rotated().restarted(), replica()).and_check(with_salts(
                says_nothing("knowledge-3", reasons::AUTHENTICATION_FAILED),
                "another-salt-of-the-role",
            )),
        ),
        (
            "a gated pod that is verified and let through, and its role has another password since",
            open(rotated()).and_check(with_salts(
                unverifiable(
                    "knowledge-3",
                    "2026-02-01T09:29:30Z",
                    reasons::AUTHENTICATION_FAILED,
                ),
                "another-salt-of-the-role",
            )),
        ),
        (
            "a gated replica that was let through does not answer after another start",
            let_through(
                settled().pods(vec![pod("knowledge-postgres-0", "pod-1", "containerd://3")]),
                replica(),
            )
            .and_check(of_container(
                unverifiable(
                    "knowledge-3",
                    "2026-02-01T09:29:30Z",
                    reasons::CONNECTION_FAILED,
                ),
                "knowledge-postgres-0",
                "pod-1",
                "containerd://3",
            )),
        ),
        (
            "a gated new database that was let through can't be read",
            open_as(
                Sample::guarded().checks(vec![
                    nothing(),
                    unverifiable(
                        "knowledge-2",
                        "2026-02-01T09:20:00Z",
                        reasons::PERMISSION_DENIED,
                    ),
                ]),
                reasons::NEW,
            ),
        ),
        (
            "a gated new database that was let through, and the ledger could not be read",
            open_as(Sample::guarded().checks(vec![nothing()]), reasons::NEW).with(|observed| {
                observed.ledger =
                    Fact::Unknown("could not read the DatabaseLedger: refused".to_owned());
            }),
        ),
        (
            "a gated pod that was let through unverified can't be read, and now is to be held",
            open_as(
                Sample::guarded().checks(vec![unverifiable(
                    "knowledge-1",
                    "2026-02-01T09:20:00Z",
                    reasons::PERMISSION_DENIED,
                )]),
                reasons::GATE_OPENED,
            ),
        ),
    ]
}

fn not_judged() -> Vec<Scenario> {
    let settled = Sample::settled;
    let restarted = || young(settled().restarted());
    let rival = |observed: &mut crate::world::Observed| {
        observed.neighbours = Fact::Known(vec![NeighbourFact {
            name: "other".to_owned(),
            workload: "other-postgres".to_owned(),
            workload_kind: None,
            selector: None,
            system_identifier: None,
            same_workload: true,
            older: true,
            guards: true,
        }]);
    };
    vec![
        (
            "a gated pod of a suspended database",
            gated(restarted().wanted(|spec| spec.suspend = true)),
        ),
        (
            "a gated pod that another ProtectedDatabase looks after",
            gated(settled().with(rival)),
        ),
        (
            "the checks of a gated pod could not be read",
            open(settled().with(|observed| {
                observed.checks =
                    Fact::Unknown("could not read the DatabaseChecks: refused".to_owned());
            })),
        ),
        (
            "the gate timeout is no duration",
            gated(settled().wanted(|spec| "0s".clone_into(&mut spec.verification.gate.timeout))),
        ),
    ]
}
