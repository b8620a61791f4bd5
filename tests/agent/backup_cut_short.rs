//! Dumps that are cut short or misbehave: none becomes a backup, and none leaves anything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use holdfast::agent::{DumpPrograms, DumpScope, DumpedServer, Interrupt, take_set};
use holdfast::api::{AgentFailure, reasons};
use holdfast::postgres::Login;
use holdfast::store::Upload;

use crate::backup_scene::{BULKY, Scene, bulky};
use crate::support::postgres::PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_killed_midway_leaves_no_object_and_no_upload() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", &bulky(BULKY)).await;
    scene
        .postgres
        .execute("postgres", "create table zz_locked (id int)")
        .await;
    let (parts, failure) = tokio::join!(
        async {
            // Once parts are stored, the server ends the session of pg_dump: it exits with an error
            // after much good data.
            scene.wait_for_parts().await;
            let parts = scene.bucket.unfinished_parts();
            scene
                .postgres
                .execute(
                    "postgres",
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name \
                    like 'holdfast-backup %'",
                )
                .await;
            parts
        },
        scene.take(None)
    );
    let failure = failure.unwrap_err();
    assert!(parts >= 2);
    assert_eq!(failure.reason, reasons::DUMP_FAILED, "{}", failure.message);
    scene.assert_nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_midway_leaves_no_object_and_no_upload() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", &bulky(BULKY)).await;
    let (sender, interrupt) = Interrupt::by_hand();
    let (order, says) = (scene.order(), scene.says());
    let stop = AgentFailure {
        reason: reasons::TIMEOUT.to_owned(),
        message: "over".to_owned(),
    };
    let ((), outcome) = tokio::join!(
        async {
            scene.wait_for_parts().await;
            sender.send_replace(Some(stop.clone()));
        },
        take_set(&order, &says, &interrupt)
    );
    assert_eq!(outcome.unwrap_err(), stop);
    scene.assert_nothing_is_left();
    let sessions =
        "select count(*) from pg_stat_activity where application_name like 'holdfast-backup %'";
    let client = scene.postgres.superuser("postgres").await;
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while client
        .query_one(sessions, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        > 0
    {
        assert!(std::time::Instant::now() < end, "pg_dump is gone");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs a stand-in for `pg_dump` that misbehaves in the way the script says; `$REAL` is the real
/// one.
async fn dump_with(scene: &Scene, script: &str) -> AgentFailure {
    let program = scene.files.work.join("misbehaving");
    let real = holdfast::postgres::find_program("pg_dump").unwrap();
    fs::write(
        &program,
        format!("#!/bin/sh\nREAL={}\n{script}\n", real.display()),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let login = Login::read(
        &scene.request.server,
        "atra",
        "127.0.0.1",
        &scene.files.postgres_credentials,
        Path::new("/nowhere"),
        Path::new("/nowhere"),
    )
    .unwrap();
    let server = DumpedServer {
        version: "15",
        encrypted: false,
    };
    let programs = DumpPrograms::prepare(&login, &scene.files.work, server, "holdfast-backup 1")
        .await
        .unwrap()
        .with_dump_program(program);
    let mut upload = Upload::new(scene.bucket.open(), "dump".to_owned(), 0);
    let failure = programs
        .dump_database("postgres", &DumpScope::default(), "dump", &mut upload)
        .await
        .expect_err("no dump");
    upload.abort().await;
    drop(programs);
    scene.assert_nothing_is_left();
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_counts_only_when_it_ended_well_and_is_whole() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", &bulky(BULKY)).await;
    let cases = [
        (
            "\"$REAL\" \"$@\" | head -c 20000000",
            reasons::DUMP_INCOMPLETE,
        ),
        ("\"$REAL\" \"$@\"; exit 3", reasons::DUMP_FAILED),
        ("\"$REAL\" \"$@\"; echo extra", reasons::DUMP_INCOMPLETE),
        ("\"$REAL\" \"$@\"; kill -9 $$", reasons::OUT_OF_MEMORY),
        (
            "while :; do echo this is no archive; done",
            reasons::DUMP_INCOMPLETE,
        ),
        ("exit 0", reasons::DUMP_INCOMPLETE),
        (
            "echo \"pg_dump: error: no way\" >&2; exit 1",
            reasons::DUMP_FAILED,
        ),
    ];
    for (script, reason) in cases {
        let failure = dump_with(&scene, script).await;
        assert_eq!(failure.reason, reason, "{script}: {}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_in_no_argument_and_no_environment() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let seen = scene.files.work.join("seen");
    let script = format!(
        "tr '\\0' '\\n' < /proc/$$/environ > {0}; echo \"$@\" >> {0}; stat -c %a \"$PGPASSFILE\" \
         >> {0}; exit 1",
        seen.display()
    );
    dump_with(&scene, &script).await;
    let seen = fs::read_to_string(seen).unwrap();
    assert!(
        seen.contains("PGUSER=postgres") && seen.ends_with("600\n"),
        "{seen}"
    );
    assert!(
        seen.contains("client_connection_check_interval=2000")
            && seen.contains("tcp_user_timeout=60000"),
        "{seen}"
    );
    assert!(
        !seen.contains("pass:word") && !seen.contains("pass\\:word"),
        "{seen}"
    );
}
