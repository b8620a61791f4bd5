//! Scenarios of failed reads: what depends on the part that was not read holds still, and nothing
//! turns green or red because of it.

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{check, judged, of_container, reset};
use crate::api::{CheckOutcome, ConditionStatus, ConditionType};
use crate::decide::decide;
use crate::plan::Step;
use crate::world::Fact;
use crate::world::{Observed, VolumeFact};

/// A part, named, and what makes it unread.
type Part = (&'static str, fn(&mut Observed));

const PARTS: &[Part] = &[
    ("the workload", |observed| {
        observed.workload = unread("the workload");
        observed.pods = Fact::Known(Vec::new());
        observed.claims = unread("the workload");
    }),
    ("the workload of before", |observed| {
        observed.former_workload = unread("StatefulSet old");
    }),
    ("the neighbours", |observed| {
        observed.neighbours = unread("the namespace's ProtectedDatabases");
    }),
    ("the pods", |observed| {
        observed.pods = unread("the workload's pods");
        observed.claims = unread("the workload's pods");
    }),
    ("the other pods", |observed| {
        observed.other_pods = unread("the other pods");
    }),
    ("the Services", |observed| {
        observed.services = unread("the Services");
    }),
    ("the claims", |observed| {
        observed.claims = unread("the namespace's claims");
    }),
    ("a volume", |observed| {
        if let Fact::Known(claims) = &mut observed.claims {
            claims[0].volume =
                VolumeFact::Unknown("could not read PersistentVolume pvc-a: refused".to_owned());
        }
    }),
    ("the volumes without a claim", |observed| {
        observed.kept_volumes = unread("PersistentVolume pvc-old");
    }),
    ("the namespace", |observed| {
        observed.namespace = unread("the namespace");
        // Without it nobody knows whose the ledger is.
        observed.ledger = unread("the namespace");
    }),
    ("the policy", |observed| {
        observed.policy = unread("the admission policy");
    }),
    ("the ledger", |observed| {
        observed.ledger = unread("the DatabaseLedger");
    }),
    ("the checks", |observed| {
        observed.checks = unread("DatabaseChecks");
    }),
    ("the backups", |observed| {
        observed.backups = unread("DatabaseBackups");
    }),
    ("the Jobs", |observed| observed.jobs = unread("Jobs")),
    ("the agents' pods", |observed| {
        observed.agents = unread("Pods");
    }),
    ("the CronJob", |observed| {
        observed.cron_job = unread("the backup CronJob");
    }),
    ("the agents' identity", |observed| {
        observed.agent_identity = unread("the agents' service account");
    }),
    ("everything", |observed| {
        for (_, unread) in &PARTS[..PARTS.len() - 1] {
            unread(observed);
        }
    }),
];

fn unread<T>(what: &str) -> Fact<T> {
    Fact::Unknown(format!("could not read {what}: refused"))
}

fn with_a_reset() -> Sample {
    let good = of_container(
        check("knowledge-0", "2026-02-01T08:00:00Z"),
        "knowledge-postgres-0",
        "pod-1",
        "containerd://0",
    );
    Sample::settled()
        .checks(vec![
            good,
            judged(
                reset("knowledge-1", "2026-02-01T09:00:00Z"),
                CheckOutcome::Suspected,
                "ClusterReinitialized",
            ),
        ])
        .after_a_pass()
}

fn starts() -> Vec<Sample> {
    vec![
        Sample::first_sight(),
        Sample::guarded(),
        Sample::settled(),
        Sample::settled().restarted(),
        with_a_reset(),
    ]
}

#[test]
fn plans_when_reads_fail() {
    insta::assert_snapshot!("reading", plans(scenarios()));
}

pub fn scenarios() -> Vec<Scenario> {
    let name = |text: String| -> &'static str { text.leak() };
    let mut all = Vec::new();
    for (part, unread) in PARTS {
        all.push((
            name(format!("settled, but {part} could not be read")),
            Sample::settled().with(unread),
        ));
        all.push((
            name(format!("first sight, but {part} could not be read")),
            Sample::first_sight().with(unread),
        ));
    }
    all.push((
        "a reset is known, but the checks could not be read",
        with_a_reset().with(|observed| observed.checks = unread("DatabaseChecks")),
    ));
    all.push((
        "a reset is known, but the ledger could not be read",
        with_a_reset().with(|observed| observed.ledger = unread("the DatabaseLedger")),
    ));
    all
}

fn status_of(observed: &Observed, condition: ConditionType) -> Option<ConditionStatus> {
    decide(observed)
        .conditions
        .iter()
        .find(|found| found.condition == condition)
        .map(|found| found.status)
}

#[test]
fn a_failed_read_turns_nothing_green_and_raises_no_reset() {
    for (part, unread) in PARTS {
        for start in starts() {
            let read = start.clone().0;
            let Sample(unread) = start.with(unread);
            for condition in [
                ConditionType::Ready,
                ConditionType::Guarded,
                ConditionType::DataVerified,
                ConditionType::BackupFresh,
            ] {
                if status_of(&unread, condition) == Some(ConditionStatus::True) {
                    assert_eq!(
                        status_of(&read, condition),
                        Some(ConditionStatus::True),
                        "{part}: {condition:?}"
                    );
                }
            }
            let reset = |observed| status_of(observed, ConditionType::DataReset);
            assert_eq!(
                reset(&unread) == Some(ConditionStatus::True),
                reset(&read) == Some(ConditionStatus::True),
                "{part}: a reset is neither raised nor forgotten"
            );
            if reset(&unread) == Some(ConditionStatus::False) {
                assert_eq!(reset(&read), Some(ConditionStatus::False), "{part}");
            }
            let waits = [ConditionType::Reconciling, ConditionType::Stalled]
                .map(|condition| status_of(&unread, condition) == Some(ConditionStatus::True));
            assert!(waits[0] != waits[1], "{part}: {waits:?}");
        }
    }
}

#[test]
fn a_failed_read_asks_for_nothing_that_is_not_asked_for_otherwise() {
    for (part, unread) in PARTS {
        for start in starts() {
            let wanted: Vec<Step> = decide(&start.0).steps;
            let Sample(unread) = start.with(unread);
            for step in decide(&unread).steps {
                // What is not known is not noted on a volume, which is marked all the more.
                let is_unnoted = matches!(&step, Step::MarkVolume(volume)
                    if volume.namespace_uid.is_none());
                let is_wanted = wanted.contains(&step)
                    || is_unnoted
                        && wanted
                            .iter()
                            .any(|wanted| wanted.describe() == step.describe());
                assert!(is_wanted, "{part}: {}", step.describe());
            }
        }
    }
}

#[test]
fn what_the_status_said_stays_when_its_source_could_not_be_read() {
    for (part, unread) in PARTS {
        let said = decide(&Sample::settled().0).status;
        let says = decide(&Sample::settled().with(unread).0).status;
        assert_eq!(
            (&said.last_check, &said.baseline),
            (&says.last_check, &says.baseline),
            "{part}"
        );
        assert_eq!(
            (&said.last_backup, &said.last_good_backup),
            (&says.last_backup, &says.last_good_backup),
            "{part}"
        );
        assert_eq!(said.next_backup, says.next_backup, "{part}");
        let volumes = |status: &crate::api::ProtectedDatabaseStatus| {
            status
                .claims
                .iter()
                .map(|claim| claim.volume.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(volumes(&said), volumes(&says), "{part}");
    }
}
