//! The operator dies before, between and after each of its writes, and the next one finishes what
//! it began: once, and completely.

mod doomed;
mod lane;
mod restoring;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use self::doomed::{Doom, Moment, Write};
use self::lane::Lane;
use super::operator_down::OperatorDown;
use super::operator_here::{deployed_agent_image, operator_config};
use crate::support::{Scene, Start, alone};

/// Namespaces in which crashes are tried side by side.
const LANES: usize = 4;

/// The crashes that are still to be tried: at one write after the other, each at both moments,
/// until a run has fewer writes. Which writes meet at which number differs from run to run, so the
/// wanted places that were not met then are gone to by name.
struct Crashes {
    wanted: &'static [&'static str],
    next: AtomicUsize,
    enough: AtomicUsize,
    places: Mutex<BTreeSet<(String, Moment)>>,
    sought: Mutex<BTreeSet<(&'static str, Moment)>>,
}

impl Crashes {
    fn new(wanted: &'static [&'static str]) -> Arc<Self> {
        Arc::new(Self {
            wanted,
            next: AtomicUsize::new(0),
            enough: AtomicUsize::new(usize::MAX),
            places: Mutex::default(),
            sought: Mutex::default(),
        })
    }

    fn take(&self) -> Option<Doom> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let write = number / 2 + 1;
        let moment = if number.is_multiple_of(2) {
            Moment::Before
        } else {
            Moment::After
        };
        if write < self.enough.load(Ordering::SeqCst) {
            return Some(Doom {
                write: Write::Number(write),
                moment,
            });
        }
        let (mut sought, places) = (
            self.sought.lock().expect("the sought places"),
            self.places.lock().expect("places"),
        );
        let both = self
            .wanted
            .iter()
            .flat_map(|place| [(*place, Moment::Before), (*place, Moment::After)]);
        let (place, moment) = both
            .filter(|(place, moment)| !places.contains(&((*place).to_owned(), *moment)))
            .find(|at| sought.insert(*at))?;
        Some(Doom {
            write: Write::FirstAt(place),
            moment,
        })
    }

    fn record(&self, doom: Doom, death: Option<&str>, began: Instant) {
        let seconds = began.elapsed().as_secs_f32();
        let Some(death) = death else {
            eprintln!("{doom:?} is not reached ({seconds:.1} s)");
            if let Write::Number(write) = doom.write {
                self.enough.fetch_min(write, Ordering::SeqCst);
            }
            return;
        };
        eprintln!("{doom:?}: {death}: recovered ({seconds:.1} s)");
        self.places
            .lock()
            .expect("places")
            .insert((death.to_owned(), doom.moment));
    }

    fn assert_tried(&self) {
        let places = self.places.lock().expect("places");
        for place in self.wanted {
            for moment in [Moment::Before, Moment::After] {
                assert!(
                    places.contains(&((*place).to_owned(), moment)),
                    "no crash {moment:?} {place}: {places:?}"
                );
            }
        }
    }
}

#[test]
fn a_crash_at_any_write_while_protecting_leaves_nothing_undone_and_nothing_done_twice() {
    alone("crash", async |scene| {
        let down = OperatorDown::begin(scene).await;
        let crashes = Crashes::new(&[
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
        run_lanes(scene, &crashes, async |lane, start, crashes| {
            while let Some(doom) = crashes.take() {
                let began = Instant::now();
                lane.protect().await;
                let death = lane.operate_until_death(doom, lane.wait_done(&start)).await;
                let successor = lane.operate();
                lane.wait_done(&start).await;
                lane.assert_guarded().await;
                lane.assert_checked_once_each(&start, 1).await;
                lane.release().await;
                successor.kill().await;
                lane.clear().await;
                crashes.record(doom, death.as_deref(), began);
            }
        })
        .await;
        crashes.assert_tried();
        down.end().await;
    });
}

#[test]
fn a_crash_at_any_write_after_a_restart_leads_to_exactly_one_check() {
    alone("crash-restart", async |scene| {
        let down = OperatorDown::begin(scene).await;
        let crashes = Crashes::new(&[
            "POST databasechecks",
            "POST jobs",
            "PATCH databasechecks/status",
            "PATCH protecteddatabases/status",
        ]);
        run_lanes(scene, &crashes, async |lane, start, crashes| {
            lane.protect().await;
            let first = lane.operate();
            lane.wait_done(&start).await;
            first.kill().await;
            let (mut start, mut starts) = (start, 1);
            while let Some(doom) = crashes.take() {
                let began = Instant::now();
                // The restart happens while no operator runs: the one that starts, and dies, finds
                // it missed.
                start = lane.server.restart_pod(&lane.scene, &start).await;
                starts += 1;
                let death = lane.operate_until_death(doom, lane.wait_done(&start)).await;
                let successor = lane.operate();
                lane.wait_done(&start).await;
                lane.assert_guarded().await;
                lane.assert_checked_once_each(&start, starts).await;
                successor.kill().await;
                crashes.record(doom, death.as_deref(), began);
            }
        })
        .await;
        crashes.assert_tried();
        down.end().await;
    });
}

/// Runs the same work in every lane at once.
async fn run_lanes(
    scene: &Scene,
    crashes: &Arc<Crashes>,
    work: impl AsyncFn(&Lane, Start, &Crashes),
) {
    let agent_image = deployed_agent_image(scene);
    let config = operator_config(scene).await;
    let lanes = (0..LANES).map(async |_| {
        let (lane, start) = Lane::open(
            scene.another("crash-lane"),
            config.clone(),
            agent_image.clone(),
        )
        .await;
        work(&lane, start, crashes).await;
    });
    futures::future::join_all(lanes).await;
}
