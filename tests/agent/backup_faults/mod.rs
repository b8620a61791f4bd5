//! Faults at random points of a backup: the agent is killed, `pg_dump` is killed, a session is ended, the
//! storage fails. Whatever happens, nothing is a backup that is not one, and the next backup leaves
//! nothing behind. `make test` runs a short form, `make faults-backup` 200 faults.

mod agent_process;
mod fault;
mod invariants;
mod invariants_tests;
mod lane;
pub mod processes;
mod tally;
mod trigger;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self::fault::draw;
use self::lane::{Lane, Size};
use self::tally::Tally;
use crate::random::Random;

/// How many faults, and the seed, if the short form is not meant.
const COUNT: &str = "HOLDFAST_FAULTS";
const SEED: &str = "HOLDFAST_FAULTS_SEED";
/// The short form.
const SHORT: (usize, u64) = (12, 6);
/// Backups at a time, each with a server and a bucket of its own.
const LANES: usize = 2;

#[test]
fn no_fault_at_any_point_makes_a_backup_of_what_is_none_or_leaves_anything() {
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        let number = value.parse::<u64>();
        Some(number.unwrap_or_else(|_| panic!("{name} is a number, not `{value}`")))
    };
    let count = number(COUNT).map(|count| usize::try_from(count).unwrap());
    let (count, seed) = (count.unwrap_or(SHORT.0), number(SEED).unwrap_or(SHORT.1));
    println!("faults-backup: seed {seed}, {count} faults, {LANES} backups at a time");
    let size = if count > SHORT.0 {
        Size::SeveralParts
    } else {
        Size::Small
    };
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let tally = Mutex::new(Tally::default());
    let violations: Vec<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|_| scope.spawn(|| run_lane(seed, count, size, &next, &tally)))
            .collect();
        let ends = lanes.into_iter().map(|lane| lane.join().unwrap());
        ends.filter_map(Result::err).collect()
    });
    println!("{}", tally.lock().unwrap());
    println!("{} s", begun.elapsed().as_secs());
    assert!(
        violations.is_empty(),
        "seed {seed}: {}",
        violations.join("\n")
    );
}

/// Takes step after step until all are done, or one shows that something does not hold.
fn run_lane(
    seed: u64,
    count: usize,
    size: Size,
    next: &AtomicUsize,
    tally: &Mutex<Tally>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut lane = Lane::start(size).await?;
        loop {
            let step = next.fetch_add(1, Ordering::SeqCst);
            if step >= count {
                return Ok(());
            }
            // Of its own for each step, so that a step is the same whoever takes it.
            let mut random = Random::new((seed << 20) + step as u64);
            let fault = draw(step, &mut random);
            let round = lane.run_round(&fault, &mut random).await;
            match round {
                Ok(round) => {
                    println!("  step {step}: {fault}: {round}");
                    tally.lock().unwrap().add(&fault, &round);
                }
                Err(violation) => {
                    next.store(count, Ordering::SeqCst);
                    return Err(format!("step {step}, {fault}: {violation}"));
                }
            }
        }
    })
}
