//! The soak: a database that lives is restarted over and over, and nothing of it is ever taken for
//! a loss. `make test` runs a short form, `make soak` 1,000 restarts. It prints how long each
//! verdict took from the moment in which the server accepted connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::no_false_alarm::assert_no_alarm_ever;
use crate::support::{
    Scene, Server, Start, beside_others, build_database, kill_container, outcome,
};
use futures::StreamExt;
use holdfast::api::{CheckOutcome, DatabaseCheck, ProtectedDatabase};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::{WatchStreamExt, watcher};

/// Restarts of the short form: each kind of change once.
const SHORT: u32 = 12;
/// The variable with another number of restarts.
const RESTARTS_VARIABLE: &str = "HOLDFAST_SOAK_RESTARTS";

/// When the verdict about each container start was seen.
type Verdicts = Arc<Mutex<BTreeMap<String, SystemTime>>>;

#[test]
fn a_database_that_lives_and_is_restarted_over_and_over_raises_no_alarm() {
    beside_others("soak", async |scene| {
        let restarts = std::env::var(RESTARTS_VARIABLE).map_or(SHORT, |number| {
            number.parse().expect("a number of restarts")
        });
        let server = Server::new(scene);
        let mut start = server.start_filled(scene).await;
        server.sql(scene, PREPARE);
        let verdicts = watch_verdicts(scene);
        scene.protect(&living_database(scene, &server)).await;
        scene.wait_green().await;
        let mut waits = Vec::new();
        for restart in 1..=restarts {
            server.sql(scene, &live(restart));
            start = if restart % 12 == 11 {
                // A crash, which empties what is unlogged.
                kill_container(&start);
                server.wait_ready(scene, Some(&start)).await
            } else {
                server.restart_pod(scene, &start).await
            };
            let check = scene.wait_judged(&start).await;
            assert_eq!(
                outcome(&check),
                Some(CheckOutcome::Verified),
                "restart {restart}: {:?}",
                check.status
            );
            waits.extend(waited(scene, &server, &start, &verdicts));
            if restart % 50 == 0 {
                println!(
                    "soak: {restart} of {restarts} restarts, {}",
                    describe(&mut waits.clone())
                );
            }
        }
        assert_no_alarm_ever(scene).await;
        println!(
            "soak: {restarts} restarts, no alarm; {}",
            describe(&mut waits)
        );
    });
}

fn living_database(scene: &Scene, server: &Server) -> ProtectedDatabase {
    let mut database = build_database(scene, server);
    database.spec.backup = None;
    database
}

/// What the application has besides experts and nodes: a table in partitions by month, a queue and a
/// log that no rule names, an unlogged table, a table that others inherit from.
const PREPARE: &str = "CREATE TABLE events (month int, n int) PARTITION BY LIST (month);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1); CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2);
    CREATE TABLE events_3 PARTITION OF events FOR VALUES IN (3);
    INSERT INTO events SELECT 1 + n % 3, n FROM generate_series(1, 3000) n;
    CREATE TABLE queue AS SELECT n FROM generate_series(1, 5000) n;
    CREATE TABLE request_log AS SELECT n FROM generate_series(1, 60000) n;
    CREATE UNLOGGED TABLE pages AS SELECT n FROM generate_series(1, 40000) n; CREATE TABLE notes AS SELECT n FROM generate_series(1, 700) n;
    CREATE TABLE logs (n int); CREATE TABLE logs_today () INHERITS (logs); INSERT INTO logs_today SELECT generate_series(1, 500)";

/// What happens to a database between two restarts, and is no loss.
fn live(restart: u32) -> String {
    match restart % 12 {
        1 => format!(
            "INSERT INTO knowledge_nodes SELECT {restart} * 100000 + n, 1, 'new' FROM \
            generate_series(1, 3000) n"
        ),
        2 => "DELETE FROM knowledge_nodes WHERE id % 12 = 0".to_owned(),
        3 => "VACUUM FULL".to_owned(),
        // The oldest month goes, the next one comes.
        4 => {
            let round = restart / 12;
            let (oldest, next) = (round + 1, round + 4);
            format!(
                "DROP TABLE events_{oldest}; CREATE TABLE events_{next} PARTITION OF events FOR \
                 VALUES IN ({next}); INSERT INTO events SELECT {next}, n FROM generate_series(1, \
                 1000) n"
            )
        }
        5 => "TRUNCATE queue".to_owned(),
        6 => format!(
            "INSERT INTO queue SELECT generate_series(1, 5000); CREATE TABLE scratch_{restart} AS \
             SELECT n FROM generate_series(1, 90) n; DROP TABLE IF EXISTS scratch_{}",
            restart.saturating_sub(12)
        ),
        7 => "UPDATE knowledge_nodes SET content = content || '.' WHERE id % 2 = 0; ANALYZE"
            .to_owned(),
        8 => "DELETE FROM request_log WHERE n > 3000".to_owned(),
        9 => format!(
            "ALTER TABLE notes RENAME TO notes_{restart}; ALTER TABLE notes_{restart} RENAME TO \
             remarks_{restart}; INSERT INTO request_log SELECT generate_series(3001, 60000)"
        ),
        10 => format!(
            "ALTER TABLE remarks_{} RENAME TO notes; CREATE TABLE shadow AS TABLE notes; DROP TABLE \
             notes; ALTER TABLE shadow RENAME TO notes; INSERT INTO pages SELECT generate_series(1, \
             40000)",
            restart - 1
        ),
        _ => {
            "ALTER TABLE logs_today NO INHERIT logs; ALTER TABLE logs_today INHERIT logs; REINDEX \
            TABLE knowledge_nodes"
                .to_owned()
        }
    }
}

/// Watches the checks from beside the test: a verdict counts from when anybody could see it.
fn watch_verdicts(scene: &Scene) -> Verdicts {
    let seen = Verdicts::default();
    let (verdicts, checks) = (Arc::clone(&seen), scene.api::<DatabaseCheck>());
    tokio::spawn(async move {
        let mut changes = watcher(checks, watcher::Config::default())
            .default_backoff()
            .applied_objects()
            .boxed();
        while let Some(change) = changes.next().await {
            let Ok(check) = change else { continue };
            let Some(target) = check
                .spec
                .target
                .as_ref()
                .filter(|_| outcome(&check).is_some())
            else {
                continue;
            };
            let mut seen = verdicts.lock().expect("the verdicts");
            seen.entry(target.container_id.clone())
                .or_insert_with(SystemTime::now);
        }
    });
    seen
}

/// How long it took from the server's word that it accepts connections to the verdict about that
/// start.
fn waited(scene: &Scene, server: &Server, start: &Start, verdicts: &Verdicts) -> Option<Duration> {
    let log = scene.kubectl(&format!("logs {} -c postgres --timestamps", server.pod()));
    let line = log
        .lines()
        .rfind(|line| line.contains("database system is ready to accept connections"))?;
    let accepting: Timestamp = line.split_once(' ')?.0.parse().ok()?;
    let judged = *verdicts
        .lock()
        .expect("the verdicts")
        .get(&start.container_id)?;
    judged
        .duration_since(UNIX_EPOCH + Duration::try_from(accepting.as_duration()).ok()?)
        .ok()
}

fn describe(waits: &mut [Duration]) -> String {
    waits.sort_unstable();
    let at = |percent: usize| {
        waits
            .get((waits.len() * percent / 100).min(waits.len().saturating_sub(1)))
            .map_or(0.0, Duration::as_secs_f64)
    };
    format!(
        "from accepting connections to the verdict: median {:.2} s, 99th percentile {:.2} s, \
         longest {:.2} s, of {}",
        at(50),
        at(99),
        at(100),
        waits.len()
    )
}
