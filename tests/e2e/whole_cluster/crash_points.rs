//! The operator dies before, between and after each of its writes, and the next one finishes what it began: once, and completely.

mod doomed;
mod lane;
mod restoring;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use self::doomed::Moment;
use self::lane::Lane;
use super::operator_down::OperatorDown;
use super::operator_here::{deployed_agent_image, operator_config};
use crate::support::{Scene, Start, alone};

/// Namespaces in which crashes are tried side by side.
const LANES: usize = 4;

/// The crashes that are still to be tried: one write after the other, each at both moments, until a run has fewer writes.
struct Crashes {
    next: AtomicUsize,
    enough: AtomicUsize,
    places: Mutex<BTreeSet<String>>,
}

impl Crashes {
    fn new() -> Arc<Self> {
        Arc::new(Self { next: AtomicUsize::new(0), enough: AtomicUsize::new(usize::MAX), places: Mutex::new(BTreeSet::new()) })
    }

    fn take(&self) -> Option<(usize, Moment)> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let write = number / 2 + 1;
        let moment = if number.is_multiple_of(2) { Moment::Before } else { Moment::After };
        (write < self.enough.load(Ordering::SeqCst)).then_some((write, moment))
    }

    fn record(&self, write: usize, moment: Moment, death: Option<&str>, namespace: &str, began: Instant) {
        let seconds = began.elapsed().as_secs_f32();
        let Some(death) = death else {
            eprintln!("write {write} is not reached ({seconds:.1} s)");
            self.enough.fetch_min(write, Ordering::SeqCst);
            return;
        };
        eprintln!("write {write}, {moment:?}: {death}: recovered ({seconds:.1} s)");
        self.places.lock().expect("places").insert(place(death, namespace));
    }

    fn assert_tried(&self, wanted: &[&str]) {
        let places = self.places.lock().expect("places");
        for place in wanted {
            assert!(places.contains(*place), "no crash at {place}: {places:?}");
        }
    }
}

/// Method and kind of a write, without names.
fn place(death: &str, namespace: &str) -> String {
    let (method, path) = death.split_once(' ').expect("method and path");
    let path = path.split_once(&format!("/namespaces/{namespace}/")).map_or(path, |(_, rest)| rest);
    let mut parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    if let Some(position) = parts.iter().position(|part| *part == "v1") {
        parts.drain(..=position);
    }
    let subresource = parts.get(2).map(|subresource| format!("/{subresource}")).unwrap_or_default();
    format!("{method} {}{subresource}", parts[0])
}

#[test]
fn a_crash_at_any_write_while_protecting_leaves_nothing_undone_and_nothing_done_twice() {
    alone("crash", async |scene| {
        let down = OperatorDown::begin(scene).await;
        let crashes = Crashes::new();
        run_lanes(scene, &crashes, async |lane, start, crashes| {
            while let Some((write, moment)) = crashes.take() {
                let began = Instant::now();
                lane.protect().await;
                let death = lane.operate_until_death(write, moment, lane.wait_done(&start)).await;
                let successor = lane.operate();
                lane.wait_done(&start).await;
                lane.assert_guarded().await;
                lane.assert_checked_once_each(&start, 1).await;
                lane.release().await;
                successor.kill().await;
                lane.clear().await;
                crashes.record(write, moment, death.as_deref(), lane.scene.namespace(), began);
            }
        })
        .await;
        crashes.assert_tried(&[
            "PATCH protecteddatabases",
            "PATCH persistentvolumes",
            "PATCH persistentvolumeclaims",
            "PATCH statefulsets",
            "PATCH namespaces",
            "PATCH serviceaccounts",
            "PATCH rolebindings",
            "POST databasechecks",
            "POST jobs",
            "PATCH cronjobs",
            "PATCH databasechecks/status",
            "PATCH protecteddatabases/status",
        ]);
        down.end().await;
    });
}

#[test]
fn a_crash_at_any_write_after_a_restart_leads_to_exactly_one_check() {
    alone("crash-restart", async |scene| {
        let down = OperatorDown::begin(scene).await;
        let crashes = Crashes::new();
        run_lanes(scene, &crashes, async |lane, start, crashes| {
            lane.protect().await;
            let first = lane.operate();
            lane.wait_done(&start).await;
            first.kill().await;
            let (mut start, mut starts) = (start, 1);
            while let Some((write, moment)) = crashes.take() {
                let began = Instant::now();
                // The restart happens while no operator runs: the one that starts, and dies, finds it missed.
                start = lane.server.restart_pod(&lane.scene, &start).await;
                starts += 1;
                let death = lane.operate_until_death(write, moment, lane.wait_done(&start)).await;
                let successor = lane.operate();
                lane.wait_done(&start).await;
                lane.assert_guarded().await;
                lane.assert_checked_once_each(&start, starts).await;
                successor.kill().await;
                crashes.record(write, moment, death.as_deref(), lane.scene.namespace(), began);
            }
        })
        .await;
        crashes.assert_tried(&["POST databasechecks", "POST jobs", "PATCH databasechecks/status", "PATCH protecteddatabases/status"]);
        down.end().await;
    });
}

/// Runs the same work in every lane at once.
async fn run_lanes(scene: &Scene, crashes: &Arc<Crashes>, work: impl AsyncFn(&Lane, Start, &Crashes)) {
    let agent_image = deployed_agent_image(scene);
    let config = operator_config(scene).await;
    let lanes = (0..LANES).map(async |_| {
        let (lane, start) = Lane::open(scene.another("crash-lane"), config.clone(), agent_image.clone()).await;
        work(&lane, start, crashes).await;
    });
    futures::future::join_all(lanes).await;
}
