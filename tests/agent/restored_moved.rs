//! Postgres goes while a restore swaps names, and comes back in another pod, at another address: the restore
//! goes on there, if the database cluster is the same. The door does not stay closed.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use holdfast::agent::{
    Interrupt, RestoreStep, Server, Starts, TakenSet, kept_name, restore_in_starts,
};
use holdfast::api::{AgentFailure, RestorePhase, RestoreReport, RestoreTarget, reasons};
use holdfast::postgres::{Absence, Presence};

use crate::backup_scene::Scene;
use crate::restored_scene::{
    Restore, UID, Watch, ask, command_after, connect, psql, small_shop, until,
};
use crate::support::object_store::IMPATIENT;
use crate::support::postgres::{PASSWORD, TestPostgres};

/// Where the first pod is, and the one that follows it: both have the same data.
const FIRST: &str = "127.0.0.1";
const SECOND: &str = "::1";
const OPEN: &str = "select datallowconn from pg_database where datname = 'shop'";
const ANSWER: &str = "select answer from which";

async fn scene() -> (Scene, TakenSet) {
    let mut postgres = TestPostgres::prepare("listen_addresses = '127.0.0.1, ::1'");
    postgres.launch();
    let scene = Scene::of(postgres, &["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    let set = scene.take(None).await.unwrap();
    scene
        .postgres
        .execute("shop", "update which set answer = 'present'")
        .await;
    (scene, set)
}

/// The pods of the server: the first one goes.
#[derive(Clone, Default)]
struct Pods {
    is_gone: Arc<AtomicBool>,
    found: Arc<AtomicUsize>,
}

impl Pods {
    /// Where Postgres is now.
    fn find(&self) -> Server {
        self.found.fetch_add(1, Ordering::SeqCst);
        if self.is_gone.load(Ordering::SeqCst) {
            return Server {
                host: SECOND.to_owned(),
                presence: None,
            };
        }
        let is_gone = self.is_gone.clone();
        let presence = Presence::new(move || {
            let is_gone = is_gone.load(Ordering::SeqCst);
            async move {
                let message = "pod pg-0 does not exist any more".to_owned();
                let gone = Absence {
                    is_known: true,
                    message,
                };
                if is_gone { Err(gone) } else { Ok(()) }
            }
        });
        Server {
            host: FIRST.to_owned(),
            presence: Some(presence),
        }
    }
}

/// Loses the pod after that step: Postgres ends without a word, and its address is nobody's.
fn losing(port: u16, after: RestoreStep, pods: &Pods) -> Watch<'static> {
    let pods = pods.clone();
    Watch::acting(move |step| {
        let pods = pods.clone();
        Box::pin(async move {
            if step != after || pods.is_gone.swap(true, Ordering::SeqCst) {
                return;
            }
            let client = connect(port, "template1").await.unwrap();
            let query =
                "select pid from pg_stat_activity where application_name = 'holdfast-restore'";
            let rows = client.query(query, &[]).await.unwrap();
            for row in rows {
                let process = row.get::<_, i32>(0).to_string();
                Command::new("kill")
                    .args(["-KILL", &process])
                    .status()
                    .unwrap();
            }
            // All sessions end by it, ours too, and the data is recovered.
            while client.batch_execute("select 1").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
    })
}

fn starts(restore: &Restore, earlier: Result<RestoreReport, AgentFailure>) -> Starts<'_> {
    Starts {
        request: &restore.request,
        files: &restore.files,
        limits: IMPATIENT,
        earlier,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_in_the_pod_that_follows() {
    for (number, step) in [
        RestoreStep::Restored,
        RestoreStep::SwapAnnounced,
        RestoreStep::DoorClosed,
        RestoreStep::SessionsEnded,
        RestoreStep::PresentRenamed,
        RestoreStep::RestoredRenamed,
        RestoreStep::Committed,
    ]
    .into_iter()
    .enumerate()
    {
        let (scene, set) = scene().await;
        let server = &scene.postgres;
        let uid = format!("dd{number:06x}-0000-4000-8000-000000000000");
        let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace).with_uid(&uid);
        let pods = Pods::default();
        let watch = losing(server.port(), step, &pods);
        let report = restore_in_starts(
            &starts(&restore, Ok(RestoreReport::default())),
            &watch,
            &Interrupt::by_hand().1,
            async |_: &RestoreReport| Ok(pods.find()),
        )
        .await
        .unwrap_or_else(|failure| panic!("{step:?}: {failure:?}"));
        assert_eq!(pods.found.load(Ordering::SeqCst), 2, "{step:?}");
        assert!(report.databases[0].is_identical, "{step:?}");
        assert_eq!(ask(server, "shop", ANSWER).await, "backed up", "{step:?}");
        let kept = kept_name("shop", &uid);
        assert_eq!(ask(server, &kept, ANSWER).await, "present", "{step:?}");
        let closed =
            "select count(*) from pg_database where not datallowconn and datname <> 'template0'";
        assert_eq!(ask(server, "postgres", closed).await, "0", "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_cluster_at_the_end_of_the_way_is_left_alone() {
    let (scene, set) = scene().await;
    let server = &scene.postgres;
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    assert!(restore.killed_after(RestoreStep::DoorClosed).await);
    until("the killed agent's session is gone", async || {
        let sessions =
            "select count(*) from pg_stat_activity where application_name = 'holdfast-restore'";
        ask(server, "postgres", sessions).await == "0"
    })
    .await;
    let reported = restore.known.lock().unwrap().clone();
    let of_server = "select system_identifier from pg_control_system()";
    let identifier = ask(server, "postgres", of_server).await;
    assert_eq!(reported.system_identifier, Some(identifier));

    let other = RestoreReport {
        system_identifier: Some("7599".to_owned()),
        ..reported.clone()
    };
    let watch = Watch::quietly();
    let pods = Pods::default();
    let find = async |_: &RestoreReport| Ok(pods.find());
    let interrupt = Interrupt::by_hand().1;
    let outcome = restore_in_starts(&starts(&restore, Ok(other)), &watch, &interrupt, find).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.reason, reasons::DATABASE_CLOSED, "{failure:?}");
    assert!(
        failure.message.contains("another database cluster answers"),
        "{failure:?}"
    );
    assert_eq!(
        ask(server, "postgres", OPEN).await,
        "f",
        "nothing was done there"
    );
    assert_eq!(watch.reports.lock().unwrap().len(), 0, "nor reported");

    // The same with the report of its own: the next agent ends it.
    let outcome =
        restore_in_starts(&starts(&restore, Ok(reported)), &watch, &interrupt, find).await;
    assert!(outcome.unwrap().databases[0].is_identical);
    assert_eq!(ask(server, "shop", ANSWER).await, "backed up");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_door_is_closed_the_pod_is_waited_for_and_nothing_of_the_report_is_lost() {
    let (scene, set) = scene().await;
    let server = &scene.postgres;
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let pods = Pods::default();
    let watch = losing(server.port(), RestoreStep::DoorClosed, &pods);
    // No pod comes, until the agent is told that its time is over.
    let (cause, interrupt) = Interrupt::by_hand();
    let known = Mutex::new(Vec::new());
    let find = async |report: &RestoreReport| {
        let calls = {
            let mut known = known.lock().unwrap();
            known.push(report.clone());
            known.len()
        };
        if calls == 1 {
            return Ok(pods.find());
        }
        if calls == 3 {
            cause.send_replace(Some(AgentFailure {
                reason: reasons::TIMEOUT.to_owned(),
                message: "it took too long".to_owned(),
            }));
        }
        Err(AgentFailure {
            reason: reasons::NO_RUNNING_POD.to_owned(),
            message: "no pod runs".to_owned(),
        })
    };
    let starts = starts(&restore, Ok(RestoreReport::default()));
    let failure = restore_in_starts(&starts, &watch, &interrupt, find)
        .await
        .unwrap_err();
    assert_eq!(failure.reason, reasons::DATABASE_CLOSED, "{failure:?}");
    let known = known.into_inner().unwrap();
    assert_eq!(known.len(), 3, "it was waited for");
    let last = watch.reports.lock().unwrap().last().unwrap().clone();
    assert_eq!(last.phase, Some(RestorePhase::Swapping));
    assert!(last.databases[0].oid.is_some());
    assert_eq!(known.last(), Some(&last));
    // The message has the command that opens it.
    until("the server is there again", async || {
        connect(server.port(), "postgres").await.is_ok()
    })
    .await;
    assert_eq!(ask(server, "postgres", OPEN).await, "f");
    let open = command_after(&failure.message, "connected to postgres:");
    psql(server, "postgres", open);
    assert_eq!(ask(server, "shop", ANSWER).await, "present");
    // The next agent of the same restore, or the next restore, ends it.
    restore.known.lock().unwrap().clone_from(&last);
    let report = restore.run().await.unwrap();
    assert!(report.databases[0].is_identical);
    assert_eq!(
        ask(server, &kept_name("shop", UID), ANSWER).await,
        "present"
    );
}
