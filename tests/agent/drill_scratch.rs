//! The throwaway server of a drill: no code in it reaches a network, it ends by itself, and a drill says why
//! there is none.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast::api::{DrillFailureClass as Class, RestoreTarget, reasons};
use serde_json::json;

use crate::backup_scene::{Scene, bulky};
use crate::drill_scene::{Drill, Scratch, class_of};
use crate::restored_scene::{Restore, Watch, ask, databases, small_shop, until};
use crate::support::postgres::PASSWORD;

/// Counts who connects.
fn listen() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        while listener.accept().is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_a_set_reaches_no_network() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    let (port, reached) = listen();
    // Whoever restores the set runs it: a materialized view is filled by its query.
    let program = format!("bash -c \"cat > /dev/null; exec 3<>/dev/tcp/127.0.0.1/{port}\"");
    let sql = format!(
        "create function public.call_out() returns boolean language plpgsql as $$ begin copy (select 1) to \
         program '{program}'; return true; exception when others then return false; end $$; create \
         materialized view called as select public.call_out() as reached"
    );
    scene.postgres.execute("shop", &sql).await;
    // Where nothing forbids it, it works.
    assert_eq!(
        ask(&scene.postgres, "shop", "select reached from called").await,
        "t"
    );
    until("it was called", async || {
        reached.load(Ordering::SeqCst) == 1
    })
    .await;
    let set = scene.take(None).await.unwrap();
    let drill = Drill::new(&scene, &set).asking(json!({"queries": [
        {"name": "tried", "query": "select count(*) from public.called where not reached", "minimum": 1},
    ]}));
    drill.proven().await;
    assert_eq!(reached.load(Ordering::SeqCst), 1, "nobody has called");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_by_itself_once_the_agent_gives_no_sign() {
    let mut scratch = Scratch::start_with(&["--silence", "2"], "");
    let ready = scratch.socket().join("ready");
    until("it answers", async || ready.exists()).await;
    // The agent is killed while it restores.
    std::fs::write(scratch.socket().join("alive"), "").unwrap();
    let client = scratch.connect("postgres").await;
    let busy = tokio::spawn(async move { client.batch_execute("select pg_sleep(600)").await });
    assert!(scratch.wait().await);
    assert!(busy.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_its_pod_is_stopped() {
    let mut scratch = Scratch::start();
    let ready = scratch.socket().join("ready");
    until("it answers", async || ready.exists()).await;
    let listeners = std::fs::read_to_string(format!("/proc/{}/net/unix", scratch.process_id()));
    assert!(
        listeners
            .unwrap()
            .contains(&scratch.socket().display().to_string())
    );
    scratch.terminate();
    assert!(scratch.wait().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_server_is_said() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    let set = scene.take(None).await.unwrap();
    for (before, said) in [
        ("chmod 0555 \"$DATA\"", "initdb"),
        ("mkdir \"$DATA/pgdata\"", "started again"),
        (
            "mount -t tmpfs -o size=16m none \"$DATA\"; chown postgres \"$DATA\"",
            "initdb",
        ),
    ] {
        let mut drill = Drill::with(&scene, &set, Scratch::start_with(&[], before));
        let watch = Watch::quietly();
        let failure = drill.watched(&watch).await.unwrap_err();
        assert_eq!(
            failure.reason,
            reasons::SCRATCH_FAILED,
            "{before}: {failure:?}"
        );
        assert!(failure.message.contains(said), "{before}: {failure:?}");
        assert_eq!(
            class_of(&crate::drill_scene::last_drill(&watch)),
            Class::Scratch
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_gets_full_ends_the_drill_and_nothing_else() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    scene.postgres.execute("shop", &bulky(60_000)).await;
    let set = scene.take(None).await.unwrap();
    let before = databases(&scene.postgres).await;
    let small = "mount -t tmpfs -o size=110m none \"$DATA\"; chown postgres \"$DATA\"";
    let drill = Drill::with(&scene, &set, Scratch::start_with(&[], small));
    let (failure, drill) = drill.failed().await;
    assert_eq!(failure.reason, reasons::SCRATCH_FAILED, "{failure:?}");
    assert!(
        failure.message.contains("spec.drill.storage"),
        "{failure:?}"
    );
    assert_eq!(class_of(&drill), Class::Scratch);
    assert_eq!(databases(&scene.postgres).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_ends_the_drill() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    let set = scene.take(None).await.unwrap();
    let mut drill = Drill::new(&scene, &set);
    let data = drill.scratch.data().join("pgdata/postmaster.pid");
    let watch = Watch::acting(move |_| {
        let data = data.clone();
        Box::pin(async move {
            let noted = std::fs::read_to_string(&data).unwrap_or_default();
            if let Some(pid) = noted.lines().next() {
                std::process::Command::new("kill")
                    .args(["-9", pid])
                    .status()
                    .unwrap();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        })
    });
    let failure = drill.watched(&watch).await.unwrap_err();
    assert_eq!(failure.reason, reasons::SCRATCH_FAILED, "{failure:?}");
    assert!(failure.message.contains("ended by itself"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_never_goes_into_another_server() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    let set = scene.take(None).await.unwrap();
    let before = databases(&scene.postgres).await;
    let restore = Restore::new(&scene, &scene.postgres, &set, RestoreTarget::Scratch);
    let failure = restore.run().await.unwrap_err();
    assert_eq!(failure.reason, reasons::RESTORE_REFUSED);
    assert_eq!(databases(&scene.postgres).await, before);
}
