//! A check while a restore swaps names: the database is there, or it is not known. Never is it called missing,
//! not even by a role that can connect to nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast::agent::{Gathered, RestoreStep, gather};
use holdfast::api::{RestoreTarget, reasons};

use crate::backup_scene::Scene;
use crate::check::{check_request, mounted};
use crate::restored_scene::{Restore, Watch, ask, command_after, kept_of, psql, small_shop, until};
use crate::support::postgres::{PASSWORD, TestPostgres};

/// A role of checks, which gets into the shop and nowhere else.
const ROLE: &str = "create role agent login password 'secret'; grant pg_read_all_settings, pg_read_all_data to \
    agent; revoke connect on database postgres, template1 from public";

async fn check(server: &TestPostgres) -> Gathered {
    let (request, credentials) = server.request(&["shop"], "agent", "secret");
    let mut request = check_request(request, &[]);
    request.timeout_seconds = 30;
    gather(&request, &mounted(&credentials)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_finds_the_door_closed_says_so_and_how_to_open_it() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    server.execute("postgres", ROLE).await;
    let set = scene.take(None).await.unwrap();
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    assert!(restore.killed_after(RestoreStep::DoorClosed).await);
    let found = check(server).await;
    assert_eq!(found.evidence, None);
    let failure = found.failure.unwrap();
    assert_eq!(failure.reason, reasons::DATABASE_CLOSED, "{failure:?}");
    let command = command_after(&failure.message, "open it as its owner or a superuser");
    let open = command
        .strip_prefix("psql --dbname=postgres --command='")
        .and_then(|rest| rest.strip_suffix('\''))
        .unwrap_or_else(|| panic!("{command}"));
    psql(server, "postgres", open);
    let found = check(server).await;
    assert_eq!(found.failure, None);
    assert_eq!(found.evidence.unwrap().databases[0].name, "shop");
}

/// Checks again and again until it is told to stop.
async fn keep_checking(server: &TestPostgres, stop: &AtomicBool) -> Vec<Gathered> {
    let mut found = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        found.push(check(server).await);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn during_swaps_no_check_calls_the_database_missing() {
    let mut postgres = TestPostgres::prepare("max_connections = 60");
    postgres.launch();
    let scene = Scene::of(postgres, &["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    server.execute("postgres", ROLE).await;
    let set = scene.take(None).await.unwrap();
    let stop = AtomicBool::new(false);
    let swaps = async {
        for number in 0..6 {
            let uid = format!("ee{number:06x}-0000-4000-8000-000000000000");
            let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace).with_uid(&uid);
            // Checks connect while the names are changed: the rename waits for who comes before it.
            let seen = Arc::new(AtomicBool::new(false));
            let watch = {
                let (port, seen) = (server.port(), seen.clone());
                Watch::acting(move |step| {
                    let seen = seen.clone();
                    Box::pin(async move {
                        if step == RestoreStep::RestoredRenamed {
                            waiting_for(port).await;
                            seen.store(true, Ordering::Relaxed);
                        }
                    })
                })
            };
            let report = restore.watched(&watch).await.unwrap();
            assert!(report.databases[0].is_identical);
            assert!(seen.load(Ordering::Relaxed));
            let drop = format!("drop database {}", kept_of(&uid));
            server.execute("postgres", &drop).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let ((), one, other) = tokio::join!(
        swaps,
        keep_checking(server, &stop),
        keep_checking(server, &stop)
    );
    let all: Vec<Gathered> = one.into_iter().chain(other).collect();
    let read = all.iter().filter(|found| found.evidence.is_some()).count();
    assert!(read > 6, "{read} of {}", all.len());
    for found in &all {
        if let Some(failure) = &found.failure {
            assert_ne!(failure.reason, reasons::DATABASE_NOT_FOUND, "{failure:?}");
        }
        let databases = found.evidence.iter().map(|found| &found.databases);
        for databases in databases {
            assert!(databases.iter().any(|database| database.name == "shop"));
        }
    }
    // What is really missing is said to be.
    server
        .execute("postgres", "alter database shop rename to away")
        .await;
    until("it is called missing", async || {
        let failure = check(server).await.failure;
        failure.is_some_and(|failure| failure.reason == reasons::DATABASE_NOT_FOUND)
    })
    .await;
    assert_eq!(ask(server, "away", "select count(*) from which").await, "1");
}

/// Waits until a session that begins waits for the rename, or none has come for a while.
async fn waiting_for(port: u16) {
    let client = crate::restored_scene::connect(port, "postgres")
        .await
        .unwrap();
    let waiting = "select 1 from pg_locks where locktype = 'object' and classid = 'pg_database'::regclass and not \
        granted";
    for _ in 0..100 {
        if !client.query(waiting, &[]).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
