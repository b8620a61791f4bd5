//! Scenarios of how long green lasts, and of what is checked between two starts: the schedule, the
//! backups, replicas, a second primary, and a database that nothing knows.

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{
    attempt, backup, by_clock, check, in_recovery, job, judged, of_container, pending, reset,
    unjudged, unverifiable,
};
use super::sample_parts::{known, pod, time};
use crate::api::CheckOutcome::{Suspected, Unverifiable};
use crate::api::{
    CheckTrigger, CountKind, DatabaseCheck, Evidence, ProtectedDatabaseSpec, reasons,
};
use crate::world::{Fact, GateFact};

#[test]
fn plans_of_what_is_looked_at_between_two_starts() {
    insta::assert_snapshot!("green", plans(scenarios()));
}

pub fn scenarios() -> Vec<Scenario> {
    [
        ages(),
        backups(),
        replicas(),
        primaries(),
        hopeless(),
        new(),
    ]
    .concat()
}

fn scheduled(sample: Sample, line: &str) -> Sample {
    sample.database(|database| database.spec.verification.schedule = Some(line.to_owned()))
}

/// Nothing was made for a tick: the Job of the check that is there never ends.
fn stuck(sample: Sample, created: &str) -> Sample {
    sample
        .and_check(pending("knowledge-stuck", created))
        .jobs(vec![job("knowledge-stuck", "check")])
}

fn ages() -> Vec<Scenario> {
    let settled = Sample::settled;
    let two_days = "2026-02-03T09:30:00Z";
    vec![
        (
            "without a schedule the hour's tick is not due",
            settled().at("2026-02-01T09:53:00Z"),
        ),
        (
            "without a schedule the hour's tick is due",
            settled().at("2026-02-01T09:54:00Z"),
        ),
        ("the operator was down for two days", settled().at(two_days)),
        (
            "the operator was down for two days and its first check runs",
            stuck(settled(), "2026-02-03T09:29:00Z").at(two_days),
        ),
        (
            "a check that was made in time takes a while",
            stuck(settled(), "2026-02-01T10:59:00Z").at("2026-02-01T11:00:30Z"),
        ),
        (
            "a check has been stuck for two days",
            stuck(settled(), "2026-02-01T09:54:00Z").at(two_days),
        ),
        (
            "the schedule is Off and green is an hour old",
            scheduled(settled(), "Off").at("2026-02-01T10:00:00Z"),
        ),
        (
            "the schedule is Off and green is two hours old",
            scheduled(settled(), "Off").at("2026-02-01T11:00:05Z"),
        ),
        (
            "the schedule never fires and green is two hours old",
            scheduled(settled(), "0 0 31 2 *").at("2026-02-01T11:00:05Z"),
        ),
        (
            "a daily schedule keeps green for two days",
            scheduled(settled(), "@daily").at("2026-02-01T23:59:00Z"),
        ),
        (
            "a yearly schedule keeps green for a month",
            scheduled(settled(), "@yearly").at("2026-03-06T00:00:00Z"),
        ),
        (
            "green is two days old and the database is suspended",
            settled().wanted(|spec| spec.suspend = true).at(two_days),
        ),
        (
            "green is two days old and no pod runs",
            settled().pods(Vec::new()).at(two_days),
        ),
        (
            "the node's clock was a year ahead when the data was good",
            Sample::settled()
                .checks(vec![by_clock(
                    check("knowledge-1", "2026-02-01T09:00:00Z"),
                    365 * 86_400,
                )])
                .at("2026-02-01T11:03:06Z"),
        ),
    ]
}

fn backups() -> Vec<Scenario> {
    let begins = |sample: Sample| {
        let running = backup("knowledge-backup-29384", "2026-02-01T09:29:57Z", "Running");
        let mut backups = match &sample.0.backups {
            Fact::Known(backups) => backups.clone(),
            Fact::Unknown(_) => Vec::new(),
        };
        backups.push(running);
        sample
            .backups(backups)
            .jobs(vec![job("knowledge-backup-29384", "backup")])
    };
    let since = || {
        let mut check = check("knowledge-b1769938197", "2026-02-01T09:29:58Z");
        check.spec.trigger = CheckTrigger::Backup;
        check
    };
    vec![
        ("a backup begins", begins(Sample::settled())),
        (
            "a backup begins while a check runs",
            begins(Sample::settled().and_check(pending("knowledge-2", "2026-02-01T09:29:50Z"))),
        ),
        (
            "the data was verified since a backup began",
            begins(Sample::settled().and_check(since())),
        ),
        (
            "the data is found reset when a backup begins",
            begins(Sample::settled().and_check(unjudged(reset(
                "knowledge-b1769938197",
                "2026-02-01T09:29:58Z",
            )))),
        ),
        (
            "a backup began, its check was of the former primary, and another pod is the primary",
            begins(failed_over()),
        ),
        (
            "a backup begins and no pod runs",
            begins(Sample::settled().pods(Vec::new())),
        ),
    ]
}

/// The former primary was checked when a backup began, and has become a replica since.
fn failed_over() -> Sample {
    let mut former = of_first_pod(unverifiable(
        "knowledge-b1769938197",
        "2026-02-01T09:29:58Z",
        reasons::IN_RECOVERY,
    ));
    former.spec.trigger = CheckTrigger::Backup;
    beside_primary("2026-02-01T08:59:00Z").and_check(former)
}

/// A replica in the first pod, beside the primary in the second, which started then.
fn beside_primary(primary_started: &str) -> Sample {
    let mut primary = pod("knowledge-postgres-1", "pod-1", "containerd://1");
    primary.running[0].started_at = Some(time(primary_started));
    Sample::settled().pods(vec![
        pod("knowledge-postgres-0", "pod-0", "containerd://0"),
        primary,
    ])
}

fn of_first_pod(check: DatabaseCheck) -> DatabaseCheck {
    of_container(check, "knowledge-postgres-0", "pod-0", "containerd://0")
}

fn replica(name: &str, created: &str) -> DatabaseCheck {
    judged(
        of_first_pod(in_recovery(check(name, created))),
        Unverifiable,
        reasons::IN_RECOVERY,
    )
}

fn replicas() -> Vec<Scenario> {
    let looked_at =
        |sample: Sample| sample.and_check(replica("knowledge-replica", "2026-02-01T08:59:50Z"));
    vec![
        (
            "a replica beside its primary is checked once",
            looked_at(beside_primary("2026-02-01T08:59:00Z")).at("2026-02-01T09:50:00Z"),
        ),
        (
            "the primary has started since a replica was checked",
            looked_at(beside_primary("2026-02-01T08:59:55Z")),
        ),
        (
            "a replica is checked again when no primary answers any more",
            looked_at(beside_primary("2026-02-01T08:59:00Z")).and_check(judged(
                unverifiable(
                    "knowledge-2",
                    "2026-02-01T09:29:00Z",
                    reasons::CONNECTION_FAILED,
                ),
                Unverifiable,
                reasons::CONNECTION_FAILED,
            )),
        ),
        (
            "the spec was changed since a replica was checked",
            looked_at(beside_primary("2026-02-01T08:59:00Z"))
                .wanted(|spec| spec.connection.port = 5433),
        ),
    ]
}

fn primaries() -> Vec<Scenario> {
    let other = |name: &str, created: &str| of_first_pod(check(name, created));
    let two = || beside_primary("2026-02-01T08:59:00Z");
    let both = || {
        two()
            .and_check(other("knowledge-other", "2026-02-01T09:10:00Z"))
            .and_check(check("knowledge-3", "2026-02-01T09:20:00Z"))
    };
    let restarted = |mut check: DatabaseCheck| {
        let evidence: &mut Evidence = check
            .status
            .as_mut()
            .and_then(|status| status.evidence.as_mut())
            .unwrap();
        evidence.identity.postmaster_started_at = time("2026-02-01T09:15:00Z");
        check
    };
    vec![
        (
            "a second primary was found after the first",
            two().and_check(other("knowledge-other", "2026-02-01T09:10:00Z")),
        ),
        ("two pods are primaries at once", both()),
        (
            "two pods are primaries at once and the data of one looks reset",
            two()
                .and_check(judged(
                    of_first_pod(reset("knowledge-other", "2026-02-01T09:10:00Z")),
                    Suspected,
                    reasons::CLUSTER_REINITIALIZED,
                ))
                .and_check(check("knowledge-3", "2026-02-01T09:20:00Z")),
        ),
        (
            "the first primary has become one again since the second was found",
            two()
                .and_check(other("knowledge-other", "2026-02-01T09:10:00Z"))
                .and_check(restarted(check("knowledge-3", "2026-02-01T09:20:00Z"))),
        ),
        (
            "two pods were primaries and one is a replica now",
            both().and_check(replica("knowledge-replica", "2026-02-01T09:25:00Z")),
        ),
        (
            "two pods are asked at one host",
            two()
                .and_check(at_host(other("knowledge-other", "2026-02-01T09:10:00Z")))
                .database(|database| {
                    database.spec.connection.host = Some("pg.atra.svc".to_owned());
                }),
        ),
    ]
}

fn at_host(mut check: DatabaseCheck) -> DatabaseCheck {
    check.spec.target.get_or_insert_default().host = Some("pg.atra.svc".to_owned());
    check
}

fn hopeless() -> Vec<Scenario> {
    let tried = |tries: i32, reason: &'static str, last: &str| {
        let checks = (0..tries).map(|number| {
            let created = if number + 1 == tries {
                last.to_owned()
            } else {
                format!("2026-02-01T08:{number:02}:00Z")
            };
            let name = format!("knowledge-try-{number}");
            attempt(unverifiable(&name, &created, reason), number)
        });
        Sample::settled().checks(checks.collect())
    };
    let last = "2026-02-01T09:29:00Z";
    vec![
        (
            "a wrong password after ten tries",
            tried(10, reasons::AUTHENTICATION_FAILED, last),
        ),
        (
            "a server that does not answer after ten tries",
            tried(10, reasons::CONNECTION_FAILED, last),
        ),
        (
            "a wrong password after ten tries and the spec was changed",
            tried(10, reasons::AUTHENTICATION_FAILED, last)
                .wanted(|spec| spec.connection.port = 5433),
        ),
        (
            "a wrong password after the server did not answer ten times",
            tried(10, reasons::CONNECTION_FAILED, "2026-02-01T09:20:00Z").and_check(attempt(
                unverifiable("knowledge-try-10", last, reasons::AUTHENTICATION_FAILED),
                10,
            )),
        ),
    ]
}

/// The first check has found nothing at all, and says so.
fn empty(name: &str, reason: &'static str) -> DatabaseCheck {
    let mut check = judged(check(name, "2026-02-01T09:29:50Z"), Unverifiable, reason);
    let evidence = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
        .unwrap();
    evidence.tables.clear();
    (evidence.table_count, evidence.total_rows) = (0, 0);
    check
}

/// The first check has found the tables, with no rows by a count of that kind.
fn with_tables(count: CountKind) -> DatabaseCheck {
    let mut check = judged(
        check("knowledge-1", "2026-02-01T09:29:50Z"),
        Unverifiable,
        reasons::NO_ROWS,
    );
    let evidence = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
        .unwrap();
    evidence.total_rows = 0;
    for table in &mut evidence.tables {
        (table.rows, table.count) = (0, count);
    }
    check
}

fn new() -> Vec<Scenario> {
    let gated = |sample: Sample| {
        sample.with(|observed| {
            for pod in known(&mut observed.pods) {
                pod.gate = Some(GateFact::default());
            }
        })
    };
    let first = |check: DatabaseCheck| gated(Sample::guarded().checks(vec![check]));
    let without_rules =
        |sample: Sample| sample.database(|database| database.spec.verification.tables.clear());
    let found = || empty("knowledge-1", reasons::TABLE_NOT_FOUND);
    let with_backup = |mut check: DatabaseCheck| {
        check.status.get_or_insert_default().backup_evidence = Some(crate::api::BackupEvidence {
            path: "atra/knowledge/20260131T030000Z-00000001".to_owned(),
            evidence: super::sample_objects::evidence(),
            cluster_digest: None,
        });
        unjudged(check)
    };
    let no_rules = |spec: &mut ProtectedDatabaseSpec| spec.verification.tables.clear();
    vec![
        ("a gated database is new", first(found())),
        (
            "a gated database is new and the bucket could not be read",
            first({
                let mut check = found();
                check.status.get_or_insert_default().failure = Some(crate::api::AgentFailure {
                    reason: reasons::STORAGE_UNREACHABLE.to_owned(),
                    message: "the storage did not answer".to_owned(),
                });
                check
            }),
        ),
        (
            "a gated database is empty and a guarded volume is kept",
            first(found()).kept_volume("pvc-old", |_| {}),
        ),
        (
            "a gated database is empty and its ledger could not be read",
            first(found()).with(|observed| {
                observed.ledger =
                    Fact::Unknown("could not read the DatabaseLedger: refused".to_owned());
            }),
        ),
        (
            "a gated database is empty and another database of the server is not",
            first({
                let mut check = found();
                let other: crate::api::OtherDatabase = super::sample_parts::from(
                    serde_json::json!({"name": "shop", "oid": 16_500, "estimatedRows": 20_400}),
                );
                if let Some(status) = &mut check.status
                    && let Some(evidence) = &mut status.evidence
                {
                    evidence.other_databases.push(other);
                }
                check
            }),
        ),
        (
            "a gated database has tables without rows",
            without_rules(first(with_tables(CountKind::Exact))),
        ),
        (
            "a gated database has tables that the role may not read, and no statistics",
            first(with_tables(CountKind::Estimated)),
        ),
        (
            "a gated database has tables whose rows an extension keeps elsewhere",
            without_rules(first({
                let mut check = with_tables(CountKind::Exact);
                if let Some(status) = &mut check.status
                    && let Some(evidence) = &mut status.evidence
                {
                    evidence.coverage = vec![crate::api::Coverage {
                        database: "knowledge_os".to_owned(),
                        table_count: 2,
                        counted_tables: 1,
                        ..crate::api::Coverage::default()
                    }];
                }
                check
            })),
        ),
        (
            "a gated database is empty and the bucket knows of rows",
            first(with_backup(found())).wanted(no_rules),
        ),
    ]
}
