//! A database that a killed restore has closed is opened by whoever comes next, whatever else is wrong; and
//! comments that others have written open and prove nothing.

use holdfast::agent::{RestoreStep, kept_name, restored_name};
use holdfast::api::{RestoreTarget, reasons};

use crate::backup_scene::Scene;
use crate::restored_scene::{OTHER_UID, Restore, UID, Watch, ask, connect, small_shop, until};
use crate::support::postgres::{PASSWORD, TestPostgres};

const OPEN: &str = "select datallowconn from pg_database where datname = 'shop'";

async fn scene_with_present() -> (Scene, holdfast::agent::TakenSet) {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    let set = scene.take(None).await.unwrap();
    scene
        .postgres
        .execute("shop", "update which set answer = 'present'")
        .await;
    (scene, set)
}

async fn wait_for_no_agent(server: &TestPostgres) {
    until("the killed agent's session is gone", async || {
        let sessions =
            "select count(*) from pg_stat_activity where application_name = 'holdfast-restore'";
        ask(server, "postgres", sessions).await == "0"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_bucket_the_door_is_opened() {
    let (scene, set) = scene_with_present().await;
    let server = &scene.postgres;
    let mut restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    assert!(restore.killed_after(RestoreStep::DoorClosed).await);
    assert_eq!(ask(server, "postgres", OPEN).await, "f");
    // Nothing of the set can be read any more.
    restore.request.path = "prod/atra/knowledge/gone".to_owned();
    restore.run().await.unwrap_err();
    assert_eq!(ask(server, "postgres", OPEN).await, "t");
    let answer = "select answer from which";
    assert_eq!(ask(server, "shop", answer).await, "present");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_that_starts_again_with_the_door_closed_is_put_right() {
    let (mut scene, set) = scene_with_present().await;
    let restore = Restore::new(&scene, &scene.postgres, &set, RestoreTarget::Replace);
    assert!(restore.killed_after(RestoreStep::SessionsEnded).await);
    let process = scene.postgres.process_id();
    scene.postgres.crash();
    assert_eq!(
        ask(&scene.postgres, "postgres", OPEN).await,
        "f",
        "it is on disk"
    );
    assert_ne!(process, scene.postgres.process_id());
    let report = restore.run().await.unwrap();
    assert!(report.databases[0].is_identical);
    let answer = "select answer from which";
    assert_eq!(ask(&scene.postgres, "shop", answer).await, "backed up");
    let kept = kept_name("shop", UID);
    assert_eq!(ask(&scene.postgres, &kept, answer).await, "present");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_of_another_database_s_restore_is_opened_only_while_it_does_not_run() {
    let (scene, set) = scene_with_present().await;
    let server = &scene.postgres;
    let killed = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let mut other = Restore::new(&scene, server, &set, RestoreTarget::Beside).with_uid(OTHER_UID);
    other.request.database_uid = "uid-2".to_owned();
    let number = killed.order().lock_number();
    assert!(killed.killed_after(RestoreStep::DoorClosed).await);
    wait_for_no_agent(server).await;
    // It still runs, and has its lock in another database.
    let running = connect(server.port(), "template1").await.unwrap();
    let lock = format!("select pg_advisory_lock({number})");
    running.batch_execute(&lock).await.unwrap();
    other.run().await.unwrap();
    assert_eq!(ask(server, "postgres", OPEN).await, "f");
    let unlock = format!("select pg_advisory_unlock({number})");
    running.batch_execute(&unlock).await.unwrap();
    drop(running);
    other.run().await.unwrap();
    assert_eq!(ask(server, "postgres", OPEN).await, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_of_an_owner_open_nothing_and_prove_nothing() {
    let (scene, set) = scene_with_present().await;
    let server = &scene.postgres;
    let oid = "select oid from pg_database where datname = 'closed'";
    for sql in [
        "create role owner login createdb password 'o'",
        "create database closed allow_connections false",
        "alter database shop owner to owner",
    ] {
        server.execute("postgres", sql).await;
    }
    let oid = ask(server, "postgres", oid).await;
    // As if a restore had closed it, in the very name that it would have.
    let name = restored_name("closed", UID);
    for sql in [
        format!("set role owner; create database {name}"),
        format!(
            "set role owner; comment on database {name} is 'holdfast restore {UID} swapping-{oid}-open-1 of closed'"
        ),
        format!(
            "set role owner; comment on database shop is 'holdfast restore {UID} done of shop'"
        ),
    ] {
        let client = connect(server.port(), "postgres").await.unwrap();
        for one in sql.split("; ") {
            client.batch_execute(one).await.unwrap();
        }
    }
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let report = restore.run().await.unwrap();
    let closed = "select datallowconn from pg_database where datname = 'closed'";
    assert_eq!(ask(server, "postgres", closed).await, "f");
    assert!(
        report.databases[0].is_identical,
        "it was restored: {report:?}"
    );
    let answer = "select answer from which";
    assert_eq!(ask(server, "shop", answer).await, "backed up");
    assert_eq!(
        ask(server, &kept_name("shop", UID), answer).await,
        "present"
    );
    // Nor does what has its name count as done if no start has reported that one.
    let stranger = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let failure = stranger.run().await.unwrap_err();
    assert_eq!(
        failure.reason,
        reasons::RESTORE_REFUSED,
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn evicted_after_the_swap_it_is_done_whatever_stands_against_it_now() {
    let (scene, set) = scene_with_present().await;
    let server = &scene.postgres;
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    assert!(restore.killed_after(RestoreStep::Committed).await);
    // Clients work in it again.
    server
        .execute(
            "shop",
            "create subscription mirror connection 'host=nowhere' publication p with (connect = false); \
             update which set answer = 'new work'",
        )
        .await;
    std::fs::remove_file(
        scene
            .bucket
            .file(&format!("{}/dump.pgc.zst", crate::backup_scene::FOLDER)),
    )
    .unwrap();
    let enabled = "update pg_subscription set subenabled = true";
    server.execute("shop", enabled).await;
    let report = restore.run().await.unwrap();
    server
        .execute("shop", "update pg_subscription set subenabled = false")
        .await;
    assert!(report.databases[0].is_identical && report.databases[0].kept_oid.is_some());
    let answer = "select answer from which";
    assert_eq!(ask(server, "shop", answer).await, "new work");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_the_database_can_not_get_into_the_new_one() {
    let (scene, set) = scene_with_present().await;
    let server = &scene.postgres;
    server
        .execute(
            "postgres",
            "create role owner login password 'o'; create role restorer login createdb password 'secret'; \
             grant owner to restorer; grant pg_signal_backend to restorer; alter database shop owner to owner",
        )
        .await;
    let port = server.port();
    let name = restored_name("shop", UID);
    for (role, password) in [("postgres", PASSWORD), ("restorer", "secret")] {
        let tried = name.clone();
        let watch = Watch::acting(move |step| {
            let tried = tried.clone();
            Box::pin(async move {
                if step < RestoreStep::Opened || step > RestoreStep::SwapAnnounced {
                    return;
                }
                let mut config = tokio_postgres::Config::new();
                config
                    .host("127.0.0.1")
                    .port(port)
                    .user("owner")
                    .password("o");
                let connected = config.dbname(&tried).connect(tokio_postgres::NoTls).await;
                let code = connected.err().and_then(|error| error.code().cloned());
                assert_eq!(
                    code.map(|code| code.code().to_owned()).as_deref(),
                    Some("42501"),
                    "{step:?}"
                );
            })
        });
        let into = RestoreTarget::Replace;
        let restore = Restore::as_role(&scene, server, &set, into, role, password);
        let report = restore.watched(&watch).await.unwrap();
        assert!(report.databases[0].is_identical);
        let owner = "select datdba::regrole from pg_database where datname = 'shop'";
        assert_eq!(ask(server, "postgres", owner).await, "owner");
        let kept = kept_name("shop", UID);
        server
            .execute("postgres", &format!("drop database {kept}"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_prepared_at_the_last_moment_undoes_the_swap_at_once() {
    let mut postgres = TestPostgres::prepare("max_prepared_transactions = 4");
    postgres.launch();
    let scene = Scene::of(postgres, &["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    for step in [RestoreStep::Verified, RestoreStep::SwapAnnounced] {
        let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
        let prepare = "begin; update which set answer = 'x'; prepare transaction 'late'";
        let watch = Watch::running(server, step, "shop", prepare);
        let failure = restore.watched(&watch).await.unwrap_err();
        assert_eq!(failure.reason, reasons::SWAP_FAILED);
        assert!(failure.message.contains("\"late\""), "{}", failure.message);
        assert!(
            !watch.has_seen(RestoreStep::DoorClosed),
            "nobody was kept out"
        );
        assert_eq!(ask(server, "postgres", OPEN).await, "t");
        server.execute("shop", "rollback prepared 'late'").await;
    }
}
