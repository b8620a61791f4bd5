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

use self::fault::draw;
use self::lane::{Lane, Size};
use self::tally::Tally;
use crate::fault_runs::FaultRun;

/// How many faults, if the short form is not meant.
const COUNT: &str = "HOLDFAST_FAULTS";
/// The short form.
const SHORT: (usize, u64) = (12, 6);

#[test]
fn no_fault_at_any_point_makes_a_backup_of_what_is_none_or_leaves_anything() {
    let run = FaultRun::read("faults-backup", COUNT, SHORT);
    let size = if run.is_long {
        Size::SeveralParts
    } else {
        Size::Small
    };
    let tally = Mutex::new(Tally::default());
    let violations = run.run(
        async || Lane::start(size).await,
        async |lane, step, random| {
            let fault = draw(step, random);
            let round = lane.run_round(&fault, random).await;
            let round = round.map_err(|violation| format!("{fault}: {violation}"))?;
            println!("  step {step}: {fault}: {round}");
            tally.lock().unwrap().add(&fault, &round);
            Ok(())
        },
    );
    println!("{}", tally.lock().unwrap());
    run.end(&violations);
}
