//! The operator dies at a write that kubelet, the binder of claims or garbage collection answer to,
//! and the next one finishes what it began: once, and completely. That it does so after every other
//! write too is shown in memory, by the sweep in `src/scenarios`.

mod crashing_client;
mod restoring;
mod worker;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use self::crashing_client::{CrashPoint, Moment};
use self::worker::Worker;
use super::operator::Installation;
use crate::support::{Scene, Start, in_shard};

/// Namespaces in which crashes are tried side by side.
const WORKERS: usize = 2;

/// The crashes that are still to be tried.
struct Crashes(Mutex<VecDeque<CrashPoint>>);

impl Crashes {
    /// At each of these writes, before it and after it.
    fn at(writes: &[&'static str]) -> Self {
        let both = writes.iter().flat_map(|write| {
            [Moment::Before, Moment::After].map(|moment| CrashPoint { write, moment })
        });
        Self(Mutex::new(both.collect()))
    }

    fn take(&self) -> Option<CrashPoint> {
        self.0.lock().expect("crash points").pop_front()
    }
}

#[test]
fn a_crash_while_protecting_leaves_nothing_undone_and_nothing_done_twice() {
    in_shard("crash", async |scene| {
        let crashes = Crashes::at(&["PATCH persistentvolumes", "POST jobs"]);
        run_workers(scene, async |worker, start| {
            while let Some(point) = crashes.take() {
                let began = Instant::now();
                worker.protect().await;
                worker
                    .operate_until_crash(point, worker.wait_done(&start))
                    .await;
                let successor = worker.operate();
                worker.wait_done(&start).await;
                worker.assert_guarded().await;
                worker.assert_checked_once_each(&start, 1).await;
                worker.release().await;
                successor.kill().await;
                worker.clear().await;
                tell(point, began);
            }
        })
        .await;
    });
}

#[test]
fn a_crash_after_a_restart_leads_to_exactly_one_check() {
    in_shard("crash-restart", async |scene| {
        let crashes = Crashes::at(&["POST databasechecks", "POST jobs"]);
        run_workers(scene, async |worker, start| {
            worker.protect().await;
            let first = worker.operate();
            worker.wait_done(&start).await;
            first.kill().await;
            let (mut start, mut starts) = (start, 1);
            while let Some(point) = crashes.take() {
                let began = Instant::now();
                // The restart happens while no operator runs: the one that starts, and dies, finds
                // it missed.
                start = worker.server.restart_pod(&worker.scene, &start).await;
                starts += 1;
                worker
                    .operate_until_crash(point, worker.wait_done(&start))
                    .await;
                let successor = worker.operate();
                worker.wait_done(&start).await;
                worker.assert_guarded().await;
                worker.assert_checked_once_each(&start, starts).await;
                successor.kill().await;
                tell(point, began);
            }
        })
        .await;
    });
}

/// Runs the same work in several namespaces at once.
async fn run_workers(scene: &Scene, work: impl AsyncFn(&Worker, Start)) {
    let installation = Installation::read(scene).await;
    let workers = (0..WORKERS).map(async |_| {
        let (worker, start) =
            Worker::open(scene.another("crash-worker"), installation.clone()).await;
        work(&worker, start).await;
    });
    futures::future::join_all(workers).await;
}

fn tell(point: CrashPoint, began: Instant) {
    eprintln!(
        "{point:?}: recovered ({:.1} s)",
        began.elapsed().as_secs_f32()
    );
}
