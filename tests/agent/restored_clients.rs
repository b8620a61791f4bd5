//! The swap while clients connect all the time: each reaches the old database or the new one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use holdfast::api::RestoreTarget;

use crate::backup_scene::Scene;
use crate::restored_scene::{Restore, connect, small_shop};
use crate::support::postgres::{PASSWORD, TestPostgres};

const CLIENTS: usize = 24;

/// What clients have seen, and when.
type Seen = Arc<Mutex<Vec<(Instant, String)>>>;

/// Connects and asks until it is told to stop: each connection for a few questions.
async fn client(port: u16, seen: Seen, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let answer = match connect(port, "shop").await {
            Ok(client) => {
                let mut said = String::new();
                for _ in 0..5 {
                    match client.query_one("select answer from which", &[]).await {
                        Ok(row) => said = row.get(0),
                        Err(error) => {
                            said = format!("ended {}", code_of(&error));
                            break;
                        }
                    }
                }
                said
            }
            Err(error) => code_of(&error),
        };
        seen.lock().unwrap().push((Instant::now(), answer));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn code_of(error: &tokio_postgres::Error) -> String {
    error
        .code()
        .map_or_else(|| "broken".to_owned(), |code| code.code().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_reaches_the_old_database_or_the_new_one() {
    let mut postgres = TestPostgres::prepare("max_connections = 100");
    postgres.launch();
    let scene = Scene::of(postgres, &["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    server
        .execute("shop", "update which set answer = 'present'")
        .await;

    let (seen, stop) = (Seen::default(), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(client(server.port(), seen.clone(), stop.clone())))
        .collect();
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let report = restore.run().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    let outage = Duration::from_millis(report.outage_milliseconds.unwrap().unsigned_abs());
    assert!(outage < Duration::from_secs(2), "{outage:?}");
    let seen = seen.lock().unwrap();
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, answer) in seen.iter() {
        *counted.entry(answer).or_default() += 1;
    }
    // 55000: closed. 57P01: ended. 3D000: renamed while it was being connected to.
    for answer in counted.keys() {
        let known = [
            "present",
            "backed up",
            "55000",
            "3D000",
            "broken",
            "57P01",
            "ended 57P01",
            "ended broken",
        ];
        assert!(known.contains(answer), "{answer}: {counted:?}");
    }
    assert!(
        counted["present"] > CLIENTS && counted["backed up"] > CLIENTS,
        "{counted:?}"
    );
    let times = |answers: &[&str]| {
        let of: Vec<Instant> = seen
            .iter()
            .filter(|(_, answer)| answers.contains(&answer.as_str()))
            .map(|(at, _)| *at)
            .collect();
        Some((*of.iter().min()?, *of.iter().max()?))
    };
    // A client may have asked the old one for the last time while another has reached the new one.
    let (first_new, last_old) = (
        times(&["backed up"]).unwrap().0,
        times(&["present"]).unwrap().1,
    );
    assert!(last_old < first_new + Duration::from_millis(500));
    if let Some((first, last)) = times(&["3D000"]) {
        assert!(
            last - first <= outage + Duration::from_millis(500),
            "{:?} of {outage:?}",
            last - first
        );
    }
    println!("outage {outage:?}, clients saw {counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_can_not_be_ended_undo_the_swap() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server
        .execute(
            "postgres",
            "create role keeper; create role restorer login createdb password 'secret'; grant keeper to restorer",
        )
        .await;
    small_shop(server).await;
    server
        .execute(
            "shop",
            "alter database shop owner to keeper; alter table which owner to keeper; alter table orders owner to \
             keeper",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    server
        .execute("shop", "update which set answer = 'present'")
        .await;
    // Of a superuser.
    let held = connect(server.port(), "shop").await.unwrap();
    let into = RestoreTarget::Replace;
    let restore = Restore::as_role(&scene, server, &set, into, "restorer", "secret");
    let failure = restore.run().await.unwrap_err();
    assert_eq!(
        failure.reason,
        holdfast::api::reasons::SWAP_FAILED,
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains("\"application\""),
        "{}",
        failure.message
    );
    held.batch_execute("select 1").await.unwrap();
    let client = connect(server.port(), "shop")
        .await
        .expect("it is open again");
    let row = client
        .query_one("select answer from which", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "present");
    // Once nobody is there any more, the same restore goes on where it was.
    drop((held, client));
    let report = restore.run().await.unwrap();
    assert!(report.databases[0].is_identical && report.databases[0].kept_as.is_some());
}
