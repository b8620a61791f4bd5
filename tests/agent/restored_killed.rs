//! A restore that is killed after any of its steps: the name always leads to a database, nothing is lost,
//! and the next start ends it.

use holdfast::agent::{RestoreStep, kept_name, restored_name};
use holdfast::api::RestoreTarget;

use crate::backup_scene::Scene;
use crate::restored_scene::{
    OTHER_UID, Restore, STEPS, UID, Watch, ask, connect, databases, small_shop, until,
};
use crate::support::postgres::{PASSWORD, TestPostgres};

/// How many databases there are in the place of the shop.
async fn with_the_name(server: &TestPostgres) -> String {
    ask(
        server,
        "postgres",
        "select count(*) from pg_database where datname = 'shop'",
    )
    .await
}

fn uid(number: usize, kind: &str) -> String {
    format!("{kind}{number:06x}-0000-4000-8000-000000000000")
}

async fn assert_replaced(server: &TestPostgres, uid: &str, present: &str) {
    assert_eq!(
        ask(server, "shop", "select answer from which").await,
        "backed up"
    );
    let kept = kept_name("shop", uid);
    assert_eq!(
        ask(server, &kept, "select answer from which").await,
        present
    );
    let left = "select count(*) from pg_database where datname ~ '^shop_restore_' or not datallowconn and \
        datname <> 'template0'";
    assert_eq!(
        ask(server, "postgres", left).await,
        "0",
        "nothing is left half done"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_step_it_ends_well_when_it_is_started_again() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    for (number, step) in STEPS.into_iter().enumerate() {
        let present = format!("present before {step:?}");
        server
            .execute("shop", &format!("update which set answer = '{present}'"))
            .await;
        let uid = uid(number, "aa");
        let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace).with_uid(&uid);
        assert!(restore.killed_after(step).await, "{step:?} is reached");
        until("the name is there", async || {
            with_the_name(server).await == "1"
        })
        .await;
        // Closed for the moment, or open: never gone, and never another one than these.
        match connect(server.port(), "shop").await {
            Ok(client) => {
                let row = client
                    .query_one("select answer from which", &[])
                    .await
                    .unwrap();
                let answer: String = row.get(0);
                let is_new = step == RestoreStep::Committed;
                assert_eq!(
                    answer,
                    if is_new {
                        "backed up"
                    } else {
                        present.as_str()
                    },
                    "{step:?}"
                );
            }
            Err(error) => {
                assert!(step >= RestoreStep::DoorClosed, "{step:?}: {error:?}");
                assert_eq!(error.code().unwrap().code(), "55000", "{step:?}");
            }
        }
        let report = restore
            .run()
            .await
            .unwrap_or_else(|failure| panic!("{step:?}: {failure:?}"));
        assert!(report.databases[0].is_identical, "{step:?}");
        assert_replaced(server, &uid, &present).await;
        drop_kept(server, &uid).await;
    }
}

/// Makes space for the next restore.
async fn drop_kept(server: &TestPostgres, uid: &str) {
    let kept = kept_name("shop", uid);
    server
        .execute("postgres", &format!("drop database {kept}"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_after_any_step_lose_nothing() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    for (number, ended) in STEPS.into_iter().enumerate() {
        let present = format!("present before {ended:?}");
        server
            .execute("shop", &format!("update which set answer = '{present}'"))
            .await;
        let uid = uid(number, "bb");
        let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace).with_uid(&uid);
        let watch = Watch::running(
            server,
            ended,
            "template1",
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = \
             'holdfast-restore'",
        );
        let outcome = restore.watched(&watch).await;
        assert_eq!(with_the_name(server).await, "1", "{ended:?}");
        let answer = ask(server, "shop", "select answer from which").await;
        match &outcome {
            Ok(_) => assert_eq!(answer, "backed up", "{ended:?}"),
            Err(failure) => {
                assert_eq!(answer, present, "{ended:?}: {failure:?}");
                restore
                    .run()
                    .await
                    .unwrap_or_else(|failure| panic!("{ended:?}: {failure:?}"));
            }
        }
        assert_replaced(server, &uid, &present).await;
        drop_kept(server, &uid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_restore_opens_what_a_killed_one_has_closed() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    server
        .execute("shop", "update which set answer = 'present'")
        .await;
    let killed = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    assert!(killed.killed_after(RestoreStep::DoorClosed).await);
    let next = Restore::new(&scene, server, &set, RestoreTarget::Beside).with_uid(OTHER_UID);
    next.run().await.unwrap();
    assert_eq!(
        ask(server, "shop", "select answer from which").await,
        "present"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_restores_of_one_database_do_not_run_at_once() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let lock = restore.order().lock_number();
    let other = server.superuser("postgres").await;
    // Even of the same restore, in a pod that ends late: what it works on stays.
    let name = restored_name("shop", UID);
    other
        .batch_execute(&format!("create database {name}"))
        .await
        .unwrap();
    let mark = format!(
        "comment on database {name} is 'holdfast restore {UID} making of shop'; select \
         pg_advisory_lock({lock})"
    );
    other.batch_execute(&mark).await.unwrap();
    let failure = restore.run().await.unwrap_err();
    assert_eq!(failure.reason, holdfast::api::reasons::ANOTHER_IS_RUNNING);
    assert!(databases(server).await.contains(&name));
}
