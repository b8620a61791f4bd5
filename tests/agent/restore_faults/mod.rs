//! Faults at random points of a restore: the agent is killed, `pg_restore` is killed, all its sessions are ended,
//! the server crashes. Whatever happens, the name leads to the old database or to the new one, and the next start
//! ends it. `make test` runs a short form, `make faults-restore` 200 faults.

mod agent_process;
mod fault;
mod lane;

use std::collections::BTreeMap;
use std::sync::Mutex;

use self::fault::draw;
use self::lane::Lane;
use crate::fault_runs::FaultRun;

/// How many faults, if the short form is not meant.
const COUNT: &str = "HOLDFAST_RESTORE_FAULTS";
/// The short form.
const SHORT: (usize, u64) = (8, 3);

/// How often each kind of fault ended in what, by its name and by how the restore ended.
type Tally = BTreeMap<(String, String), usize>;

#[test]
fn no_fault_at_any_point_of_a_restore_loses_the_name_or_anything() {
    let run = FaultRun::read("faults-restore", COUNT, SHORT);
    let rows = if run.is_long { 40_000 } else { 5_000 };
    let tally = Mutex::new(Tally::new());
    let violations = run.run(
        async || Lane::start(rows).await,
        async |lane, step, random| {
            let fault = draw(step, random);
            let end = lane.run_round(step, &fault, random).await;
            let end = end.map_err(|violation| format!("{fault}: {violation}"))?;
            println!("  step {step}: {fault}: {end}");
            let kind = (fault.kind.to_string(), end.kind().to_owned());
            *tally.lock().unwrap().entry(kind).or_default() += 1;
            Ok(())
        },
    );
    for ((kind, end), times) in tally.lock().unwrap().iter() {
        println!("  {kind:<22} {times:>4} x {end}");
    }
    run.end(&violations);
}
