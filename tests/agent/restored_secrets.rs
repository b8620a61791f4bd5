//! No secret is in what anybody on the machine can read of `pg_restore` and `pg_dump`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast::api::RestoreTarget;

use crate::backup_scene::Scene;
use crate::restored_scene::Restore;
use crate::support::postgres::PASSWORD;

/// What `/proc` says of programs that speak to this server: arguments, then environment.
fn look(port: u16) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| {
            let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', "\n")
        };
        let environment = read("environ");
        if environment
            .lines()
            .any(|line| line == format!("PGPORT={port}"))
        {
            found.push((read("cmdline"), environment));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_arguments_nor_environment_have_a_secret() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server.execute("postgres", "create database shop").await;
    server
        .execute(
            "shop",
            "create table t as select n, repeat('x', 100) as text from generate_series(1, 300000) n; create \
             index on t (n); create index on t (text, n)",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let (port, stop) = (server.port(), Arc::new(AtomicBool::new(false)));
    let watching = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut seen = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                seen.extend(look(port));
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            seen
        }
    });
    let report = restore.run().await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let seen = watching.join().unwrap();
    assert!(report.databases[0].is_identical);
    for program in ["pg_restore", "pg_dump"] {
        let of_it = seen.iter().filter(|(arguments, _)| {
            arguments
                .lines()
                .next()
                .is_some_and(|name| name.ends_with(program))
        });
        assert!(of_it.count() > 0, "{program} was seen");
    }
    for (arguments, environment) in &seen {
        for text in [arguments, environment] {
            assert!(
                !text.contains(PASSWORD) && !text.contains("PGPASSWORD="),
                "{text}"
            );
            assert!(!text.contains("test-secret"), "{text}");
        }
    }
}
