//! Runs of many faults, several at a time: how many, by which seed, and how they end.

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::random::Random;

/// The seed, if the short form is not meant.
const SEED: &str = "HOLDFAST_FAULTS_SEED";
/// Lanes at a time, each with servers of its own.
const LANES: usize = 2;

/// The number in a variable of the environment, if it is set.
fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is a number, not `{value}`")))
}

/// How many faults, by which seed.
#[derive(Clone, Copy)]
pub struct FaultRun {
    what: &'static str,
    count: usize,
    seed: u64,
    /// Whether it has more faults than the short form.
    pub is_long: bool,
}

impl FaultRun {
    /// As the environment says: `count` names the variable; else the short form, so many by that seed.
    pub fn read(what: &'static str, count: &str, short: (usize, u64)) -> Self {
        let count = number(count).map_or(short.0, |count| usize::try_from(count).unwrap());
        let seed = number(SEED).unwrap_or(short.1);
        println!("{what}: seed {seed}, {count} faults, {LANES} at a time");
        Self {
            what,
            count,
            seed,
            is_long: count > short.0,
        }
    }

    /// Opens the lanes, and takes step after step until all are done, or one shows that something does not hold:
    /// what did not.
    pub fn run<L>(
        self,
        open: impl AsyncFn() -> Result<L, String> + Sync,
        step: impl AsyncFn(&mut L, usize, &mut Random) -> Result<(), String> + Sync,
    ) -> Vec<String> {
        let (next, begun) = (AtomicUsize::new(0), Instant::now());
        let run_lane = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut lane = open().await?;
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= self.count {
                        return Ok(());
                    }
                    // Of its own for each step, so that a step is the same whoever takes it.
                    let mut random = Random::new((self.seed << 20) + number as u64);
                    if let Err(violation) = step(&mut lane, number, &mut random).await {
                        next.store(self.count, Ordering::SeqCst);
                        return Err(format!("step {number}, {violation}"));
                    }
                }
            })
        };
        let violations = std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(run_lane)).collect();
            let ends = lanes.into_iter().map(|lane| lane.join().unwrap());
            ends.filter_map(Result::err).collect()
        });
        println!("{}: {} s", self.what, begun.elapsed().as_secs());
        violations
    }

    /// Makes sure that everything has held.
    pub fn end(self, violations: &[String]) {
        assert!(
            violations.is_empty(),
            "{}, seed {}: {}",
            self.what,
            self.seed,
            violations.join("\n")
        );
    }
}
