//! Whole clusters on this machine: started, disturbed, stopped, side by side. Needs root: `cargo
//! test -p testbed --test machine`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use testbed::fixtures::{Postgres, build_knowledge};
use testbed::{Component, Selection, State, TemporaryNamespace, Testbed, wait_for};

/// A checkout as far as the testbed looks at it, in a folder of its own; what it started is stopped
/// at the end.
struct Checkout {
    testbed: Testbed,
    folder: tempfile::TempDir,
}

impl Checkout {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tools = folder.path().join("testbed/tools");
        fs::create_dir_all(&tools).unwrap();
        for file in ["go.mod", "go.sum"] {
            fs::copy(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tools")
                    .join(file),
                tools.join(file),
            )
            .unwrap();
        }
        Self {
            testbed: Testbed::at(folder.path()).unwrap(),
            folder,
        }
    }

    fn up(&self) -> Duration {
        let begun = Instant::now();
        self.testbed.up(Selection::Demo).unwrap();
        begun.elapsed()
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        self.testbed.down().unwrap();
        assert_eq!(self.testbed.leftovers(), Vec::<String>::new());
        assert!(self.folder.path().is_dir());
    }
}

fn pids(testbed: &Testbed) -> Vec<(String, String)> {
    let folder = testbed.layout().pids();
    let mut pids: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().to_string_lossy().into_owned(),
                fs::read_to_string(entry.path()).unwrap(),
            )
        })
        .collect();
    pids.sort();
    pids
}

fn start_postgres(testbed: &Testbed, postgres: &Postgres) {
    testbed.apply(&postgres.build_manifests()).unwrap();
    let (namespace, name) = (
        &postgres.namespace,
        format!("statefulset/{}", postgres.name),
    );
    testbed
        .kubectl(&["-n", namespace, "rollout", "status", &name, "--timeout=60s"])
        .unwrap();
}

fn count(testbed: &Testbed, postgres: &Postgres, table: &str) -> Result<String> {
    testbed.sql(
        &postgres.namespace,
        &postgres.pod(),
        &postgres.database,
        &format!("select count(*) from {table}"),
    )
}

#[test]
fn up_when_up_changes_nothing_and_takes_no_time() {
    let checkout = Checkout::new();
    let cold = checkout.up();
    let before = pids(&checkout.testbed);
    let again = checkout.up();
    eprintln!("up {cold:?}, up when up {again:?}");
    assert_eq!(pids(&checkout.testbed), before);
    assert!(again < Duration::from_secs(2), "{again:?}");
}

#[test]
fn up_starts_only_the_component_that_is_gone() {
    let checkout = Checkout::new();
    checkout.up();
    let before = pids(&checkout.testbed);
    checkout.testbed.kill(Component::Scheduler).unwrap();
    checkout.testbed.freeze(Component::Dns).unwrap();
    assert_eq!(checkout.testbed.state_of(Component::Scheduler), State::Dead);
    assert_eq!(checkout.testbed.state_of(Component::Dns), State::Frozen);
    checkout.up();
    assert_eq!(
        checkout.testbed.state_of(Component::Scheduler),
        State::Running
    );
    assert_eq!(checkout.testbed.state_of(Component::Dns), State::Running);
    let after = pids(&checkout.testbed);
    let changed: Vec<_> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .map(|(before, _)| before.0.as_str())
        .collect();
    assert_eq!(changed, ["kube-scheduler.pid"]);
}

#[test]
fn up_after_everything_was_killed_cleans_up_and_starts() {
    let checkout = Checkout::new();
    checkout.up();
    start_postgres(&checkout.testbed, &Postgres::new("default", "pg"));
    for leftover in checkout.testbed.leftovers() {
        if let Some(pid) = leftover.strip_prefix("process ") {
            Command::new("kill").args(["-9", pid]).status().unwrap();
        }
    }
    let left = checkout.testbed.leftovers();
    assert!(
        left.iter().any(|thing| thing.starts_with("mount ")),
        "the kill left mounts behind: {left:?}"
    );
    assert!(
        left.iter()
            .any(|thing| thing.starts_with("network namespace")),
        "{left:?}"
    );
    let elapsed = checkout.up();
    eprintln!("up after kill -9 of everything {elapsed:?}");
    start_postgres(&checkout.testbed, &Postgres::new("default", "pg"));
}

#[test]
fn two_checkouts_do_not_disturb_each_other() {
    let (one, other) = (Checkout::new(), Checkout::new());
    std::thread::scope(|scope| {
        scope.spawn(|| one.up());
        scope.spawn(|| other.up());
    });
    let postgres = Postgres::new("default", "pg");
    for checkout in [&one, &other] {
        start_postgres(&checkout.testbed, &postgres);
    }
    one.testbed
        .sql("default", "pg-0", "app", &build_knowledge(85, 100))
        .unwrap();
    other
        .testbed
        .sql("default", "pg-0", "app", &build_knowledge(1, 2))
        .unwrap();
    one.testbed.restart_node().unwrap();
    assert_eq!(count(&other.testbed, &postgres, "experts").unwrap(), "1");
    drop(one);
    assert_eq!(
        count(&other.testbed, &postgres, "knowledge_nodes").unwrap(),
        "2"
    );
    other.testbed.kubectl(&["delete", "pod", "pg-0"]).unwrap();
    other
        .testbed
        .kubectl(&["rollout", "status", "statefulset/pg", "--timeout=60s"])
        .unwrap();
    assert_eq!(
        count(&other.testbed, &postgres, "knowledge_nodes").unwrap(),
        "2"
    );
}

#[test]
fn a_restarted_node_brings_its_pods_back_with_their_volumes() {
    let checkout = Checkout::new();
    checkout.up();
    let testbed = &checkout.testbed;
    let postgres = Postgres::new("default", "pg");
    start_postgres(testbed, &postgres);
    testbed
        .sql("default", "pg-0", "app", &build_knowledge(85, 26_337))
        .unwrap();
    let begun = Instant::now();
    testbed.restart_node().unwrap();
    let node = begun.elapsed();
    let uid = testbed
        .kubectl(&["get", "pod", "pg-0", "-o", "jsonpath={.metadata.uid}"])
        .unwrap();
    testbed
        .run_in_network(async || {
            wait_for(
                "the rows after the restart",
                Duration::from_mins(1),
                async || {
                    let rows = count(testbed, &postgres, "knowledge_nodes")?;
                    if rows == "26337" {
                        Ok(())
                    } else {
                        Err(anyhow::anyhow!("{rows} rows"))
                    }
                },
            )
            .await
        })
        .unwrap();
    eprintln!(
        "node restarted {node:?}, database back {:?}",
        begun.elapsed()
    );
    let status = "jsonpath={.metadata.uid} {.status.containerStatuses[0].restartCount}";
    assert_eq!(
        testbed
            .kubectl(&["get", "pod", "pg-0", "-o", status])
            .unwrap(),
        format!("{uid} 1")
    );
}

#[test]
fn a_failed_start_names_the_component_shows_its_last_words_and_leaves_nothing() {
    let checkout = Checkout::new();
    checkout.up();
    let bin = checkout.testbed.bin().unwrap();
    checkout.testbed.down().unwrap();
    // The same cache, but with a scheduler that fails.
    let cache = tempfile::tempdir().unwrap();
    let key = bin.parent().unwrap().file_name().unwrap();
    fs::create_dir_all(cache.path().join(key).join("bin")).unwrap();
    for entry in fs::read_dir(&bin).unwrap() {
        let entry = entry.unwrap();
        symlink(
            entry.path(),
            cache.path().join(key).join("bin").join(entry.file_name()),
        )
        .unwrap();
    }
    for entry in fs::read_dir(bin.parent().unwrap().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "images" || (name.starts_with("store-") && entry.path().is_dir()) {
            symlink(entry.path(), cache.path().join(name)).unwrap();
        }
    }
    let scheduler = cache.path().join(key).join("bin/kube-scheduler");
    fs::remove_file(&scheduler).unwrap();
    fs::write(
        &scheduler,
        "#!/bin/sh\necho these are my last words >&2\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&scheduler, fs::Permissions::from_mode(0o755)).unwrap();
    let broken = Testbed::at(checkout.folder.path())
        .unwrap()
        .with_cache(cache.path())
        .unwrap();
    let error = format!("{:#}", broken.up(Selection::Demo).unwrap_err());
    assert!(
        error.contains("kube-scheduler has died") && error.contains("these are my last words"),
        "{error}"
    );
    assert_eq!(broken.leftovers(), Vec::<String>::new());
    checkout.up();
}

#[test]
fn a_deleted_namespace_takes_its_volumes_with_it_even_when_they_were_guarded() {
    let checkout = Checkout::new();
    checkout.up();
    let testbed = &checkout.testbed;
    let namespace = TemporaryNamespace::create(testbed, "guarded").unwrap();
    let name = namespace.name().to_owned();
    let postgres = Postgres::new(&name, "pg");
    start_postgres(testbed, &postgres);
    let claim = postgres.claim_name();
    let volume = testbed
        .kubectl(&[
            "-n",
            &name,
            "get",
            "pvc",
            &claim,
            "-o",
            "jsonpath={.spec.volumeName}",
        ])
        .unwrap();
    let finalizers =
        r#"[{"op": "add", "path": "/metadata/finalizers/-", "value": "holdfast.dev/keep"}]"#;
    testbed
        .kubectl(&[
            "-n",
            &name,
            "patch",
            "pvc",
            &claim,
            "--type=json",
            "-p",
            finalizers,
        ])
        .unwrap();
    testbed
        .kubectl(&["patch", "pv", &volume, "--type=json", "-p", finalizers])
        .unwrap();
    let retain = r#"{"spec": {"persistentVolumeReclaimPolicy": "Retain"}}"#;
    testbed
        .kubectl(&["patch", "pv", &volume, "-p", retain])
        .unwrap();
    drop(namespace);
    testbed
        .kubectl(&[
            "wait",
            "--for=delete",
            &format!("namespace/{name}"),
            "--timeout=60s",
        ])
        .unwrap();
    testbed
        .kubectl(&[
            "wait",
            "--for=delete",
            &format!("pv/{volume}"),
            "--timeout=60s",
        ])
        .unwrap();
    assert_eq!(
        fs::read_dir(testbed.layout().volumes()).unwrap().count(),
        0,
        "the folder of the volume is gone"
    );
}

#[test]
fn the_bucket_is_there_and_versioned() {
    let checkout = Checkout::new();
    checkout.up();
    let testbed = &checkout.testbed;
    testbed.put_object("a b/one", b"first").unwrap();
    testbed.put_object("a b/one", b"second").unwrap();
    testbed.put_object("a b/two", b"").unwrap();
    assert_eq!(testbed.object_keys("a b/").unwrap(), ["a b/one", "a b/two"]);
    assert_eq!(testbed.object("a b/one").unwrap(), b"second");
    testbed.delete_object("a b/one").unwrap();
    assert_eq!(testbed.object_keys("a b/").unwrap(), ["a b/two"]);
    let versions = testbed
        .run_in_network(async || testbed::object_store::send("GET", "/holdfast", "versions=", b""))
        .unwrap();
    let text = String::from_utf8(versions.body).unwrap();
    assert_eq!(text.matches("<Version>").count(), 3, "{text}");
    assert_eq!(text.matches("<DeleteMarker>").count(), 1, "{text}");
}
