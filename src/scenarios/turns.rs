//! Scenarios of turns: more backups want to run than may, the operator starts again meanwhile, and nobody is
//! forgotten.

use futures::StreamExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::{reflector, watcher};

use super::api_server::ApiServer;
use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{backup, check, complete_backup, job};
use super::sample_parts::{known, time};
use crate::api::{BackupTurn, DatabaseBackup, ProtectedDatabase};
use crate::decide::decide;
use crate::engine::{Context, Metrics, Settings};
use crate::world::{Observed, TurnFact, TurnPlace};

const RUNS: &str = "knowledge-backup-29384";

#[test]
fn plans_of_turns() {
    insta::assert_snapshot!("turns", plans(scenarios()));
}

fn fact(place: Option<TurnPlace>, taken: usize) -> TurnFact {
    TurnFact {
        at_most: 2,
        taken,
        has_room: taken < 2,
        may_look: true,
        place,
        neighbours: vec!["orders".to_owned()],
    }
}

/// A backup whose agent asks for its turn.
fn asking() -> DatabaseBackup {
    let mut asking = backup(RUNS, "2026-02-01T09:10:00Z", "Running");
    asking.status.get_or_insert_default().start_time = None;
    asking
}

fn asks() -> Sample {
    let good = complete_backup("knowledge-backup-first", "2026-02-01T09:01:00Z");
    let mut job = job(RUNS, "backup");
    job.metadata.creation_timestamp = Some(time("2026-02-01T09:09:58Z"));
    Sample::settled()
        .backups(vec![good, asking()])
        .jobs(vec![job])
}

fn waits(as_of: Option<&str>) -> Sample {
    let place = TurnPlace {
        is_given: false,
        ahead: 3,
        ahead_names: vec!["orders".to_owned()],
    };
    asks()
        .with(|observed| observed.turn = Some(fact(Some(place), 4)))
        .database(|database| {
            let status = database.status.get_or_insert_default();
            status.backup_turn = as_of.map(|as_of| BackupTurn {
                backup: RUNS.to_owned(),
                since: time("2026-02-01T09:09:58Z"),
                given: None,
                ahead: 4,
                ahead_names: Vec::new(),
                at_most: 2,
                as_of: time(as_of),
            });
        })
}

fn scenarios() -> Vec<Scenario> {
    let given = TurnPlace {
        is_given: true,
        ahead: 1,
        ahead_names: Vec::new(),
    };
    let verified = || {
        Sample::guarded()
            .checks(vec![check("knowledge-1", "2026-02-01T09:00:00Z")])
            .after_a_pass()
    };
    vec![
        ("a backup asks for its turn and others run", waits(None)),
        (
            "a backup waits, as the status says since a moment",
            waits(Some("2026-02-01T09:29:30Z")),
        ),
        (
            "a backup waits, as the status says since a minute",
            waits(Some("2026-02-01T09:28:30Z")),
        ),
        (
            "the turn of a backup has come",
            waits(Some("2026-02-01T09:29:30Z"))
                .with(|observed| observed.turn = Some(fact(Some(given), 1))),
        ),
        (
            "the first backup is due and as many run as may",
            verified().with(|observed| observed.turn = Some(fact(None, 2))),
        ),
        (
            "the first backup is due and one more may run",
            verified().with(|observed| observed.turn = Some(fact(None, 1))),
        ),
    ]
}

fn named(sample: Sample, name: &str) -> Observed {
    let mut observed = sample.0;
    observed.world.name = name.to_owned();
    let database = std::sync::Arc::make_mut(&mut observed.database);
    database.metadata.name = Some(name.to_owned());
    for job in known(&mut observed.world.jobs) {
        let labels = job.metadata.labels.get_or_insert_default();
        labels.insert(
            crate::api::names::DATABASE_LABEL.to_owned(),
            name.to_owned(),
        );
    }
    observed
}

fn operator() -> Context {
    let settings = Settings {
        backups_at_once: Some(1),
        ..Settings::for_tests("holdfast-system")
    };
    let server = ApiServer::default();
    Context::new(server.client(None), settings, Metrics::default())
}

/// One pass, as far as it is about turns: what it reports is in the status for the next.
fn pass(operator: &Context, observed: &mut Observed) -> bool {
    observed.turn = operator.turns.settle(observed);
    let turn = decide(observed).status.backup_turn;
    let database = std::sync::Arc::make_mut(&mut observed.database);
    let is_given = turn.as_ref().is_some_and(|turn| turn.given.is_some());
    database.status.get_or_insert_default().backup_turn = turn;
    is_given
}

#[tokio::test]
async fn an_operator_that_starts_again_lets_no_more_run_and_forgets_nobody() {
    let (mut one, mut other) = (named(asks(), "one"), named(asks(), "other"));
    let operator_before = operator();
    assert!(pass(&operator_before, &mut one));
    assert!(!pass(&operator_before, &mut other));
    drop(operator_before);

    let operator = operator();
    let (store, mut writer) = reflector::store();
    for observed in [&one, &other] {
        let database = ProtectedDatabase::clone(&observed.database);
        writer.apply_watcher_event(&watcher::Event::Apply(DeserializeGuard(Ok(database))));
    }
    operator.turns.remember_by(store);
    let mut calls = operator.turns.calls();
    assert!(!pass(&operator, &mut other), "the other one still runs");
    assert!(pass(&operator, &mut one), "what was given stays given");
    known(&mut one.world.jobs).clear();
    pass(&operator, &mut one);
    let called = calls.next().await.map(|called| called.name);
    assert_eq!(
        called.as_deref(),
        Some("other"),
        "nobody needs to wait for a timer"
    );
    assert!(pass(&operator, &mut other), "its turn has come");
}
