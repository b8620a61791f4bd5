//! What the real `kstatus` library, which Flux and Helm link, makes of every golden state: the table of
//! `src/scenarios/kstatus.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "support/golden_states.rs"]
mod golden_states;

use std::io::Write as _;
use std::process::{Command, Stdio};

use golden_states::{build_object, states};
use serde_json::Value;

/// What the library makes of each object.
fn compute(objects: &[Value]) -> Vec<String> {
    let program = testbed::program("kstatus").unwrap();
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines = objects
        .iter()
        .map(|object| format!("{object}\n"))
        .collect::<Vec<_>>()
        .concat();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn the_real_library_says_of_every_golden_state_what_the_table_says() {
    let states = states();
    assert!(states.len() > 20, "{} states", states.len());
    let objects: Vec<Value> = states.iter().map(|(_, object)| object.clone()).collect();
    let said = compute(&objects);
    assert_eq!(said.len(), states.len());
    for ((expected, object), said) in states.iter().zip(said) {
        assert_eq!(*expected, said, "{object}");
    }
}

#[test]
fn a_reset_has_failed() {
    let reset = "generation=1 observed=1 DataReset=True Stalled=True Reconciling=False Ready=False";
    let both = "generation=1 observed=1 Reconciling=True Stalled=True Ready=False";
    assert_eq!(
        compute(&[build_object(reset), build_object(both)]),
        ["Failed", "InProgress"],
        "with both, who deploys would wait for what only a user can change"
    );
}
