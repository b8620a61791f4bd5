//! Faults at random points of a restore: the agent is killed, `pg_restore` is killed, all its sessions are ended,
//! the server crashes. Whatever happens, the name leads to the old database or to the new one, and the next start
//! ends it. `make test` runs a short form, `make faults-restore` 200 faults.

mod agent_process;
mod fault;
mod lane;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self::fault::draw;
use self::lane::Lane;
use crate::random::Random;

/// How many faults, and the seed, if the short form is not meant.
const COUNT: &str = "HOLDFAST_RESTORE_FAULTS";
const SEED: &str = "HOLDFAST_FAULTS_SEED";
/// The short form.
const SHORT: (usize, u64) = (8, 3);
/// Restores at a time, each with a server of its own.
const LANES: usize = 2;

/// How often each kind of fault ended in what, by its name and by how the restore ended.
type Tally = BTreeMap<(String, String), usize>;

#[test]
fn no_fault_at_any_point_of_a_restore_loses_the_name_or_anything() {
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        let number = value.parse::<u64>();
        Some(number.unwrap_or_else(|_| panic!("{name} is a number, not `{value}`")))
    };
    let count = number(COUNT).map(|count| usize::try_from(count).unwrap());
    let (count, seed) = (count.unwrap_or(SHORT.0), number(SEED).unwrap_or(SHORT.1));
    println!("faults-restore: seed {seed}, {count} faults, {LANES} restores at a time");
    let rows = if count > SHORT.0 { 40_000 } else { 5_000 };
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let tally = Mutex::new(Tally::new());
    let violations: Vec<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|_| scope.spawn(|| run_lane(seed, count, rows, &next, &tally)))
            .collect();
        let ends = lanes.into_iter().map(|lane| lane.join().unwrap());
        ends.filter_map(Result::err).collect()
    });
    for ((kind, end), times) in tally.lock().unwrap().iter() {
        println!("  {kind:<22} {times:>4} x {end}");
    }
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
    rows: u32,
    next: &AtomicUsize,
    tally: &Mutex<Tally>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut lane = Lane::start(rows).await?;
        loop {
            let step = next.fetch_add(1, Ordering::SeqCst);
            if step >= count {
                return Ok(());
            }
            // Of its own for each step, so that a step is the same whoever takes it.
            let mut random = Random::new((seed << 20) + step as u64);
            let fault = draw(step, &mut random);
            match lane.run_round(step, &fault, &mut random).await {
                Ok(end) => {
                    println!("  step {step}: {fault}: {end}");
                    let kind = (fault.kind.to_string(), end.kind().to_owned());
                    *tally.lock().unwrap().entry(kind).or_default() += 1;
                }
                Err(violation) => {
                    next.store(count, Ordering::SeqCst);
                    return Err(format!("step {step}, {fault}: {violation}"));
                }
            }
        }
    })
}
