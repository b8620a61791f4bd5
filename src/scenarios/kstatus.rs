//! What tools that know nothing of Holdfast, such as Flux and Helm, make of every golden state: by the
//! rules of `kstatus`. `tests/kstatus.rs` asks the real library about the same table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::in_memory::Passes;
use super::properties::all;
use super::render::PASSES;
use super::sample::Sample;
use crate::api::{ConditionType, ProtectedDatabase, find_condition};
use crate::decide::decide;

/// What `kstatus` makes of an object.
fn compute(database: &ProtectedDatabase) -> &'static str {
    let status = database.status.clone().unwrap_or_default();
    let is = |condition, wanted: &str| {
        let found = find_condition(&status.conditions, condition);
        found.is_some_and(|found| found.status == wanted)
    };
    if database.metadata.deletion_timestamp.is_some() {
        return "Terminating";
    }
    let is_observed = status.observed_generation.is_none()
        || status.observed_generation == database.metadata.generation;
    let is_stalled = is(ConditionType::Stalled, "True");
    let is_reconciling = is(ConditionType::Reconciling, "True");
    if !is_observed || is_reconciling {
        "InProgress"
    } else if is_stalled {
        "Failed"
    } else if is(ConditionType::Ready, "False") || is(ConditionType::Ready, "Unknown") {
        "InProgress"
    } else {
        "Current"
    }
}

/// Every golden state, after its first pass and at rest, by name.
fn states() -> Vec<(String, ProtectedDatabase)> {
    let mut states = Vec::new();
    for (name, Sample(observed)) in all() {
        let mut world = Passes::new(observed);
        let plan = decide(&world.observed);
        world.report(&plan);
        states.push((name.to_owned(), world.observed.database.as_ref().clone()));
        world.settle(PASSES);
        if !world.database_gone {
            let at_rest = world.observed.database.as_ref().clone();
            states.push((format!("{name}, at rest"), at_rest));
        }
    }
    states
}

/// What `kstatus` reads of an object, on one line.
fn describe(database: &ProtectedDatabase) -> String {
    let status = database.status.clone().unwrap_or_default();
    let number = |number: Option<i64>| number.map_or("none".to_owned(), |it| it.to_string());
    let mut text = format!(
        "generation={} observed={}",
        number(database.metadata.generation),
        number(status.observed_generation)
    );
    if database.metadata.deletion_timestamp.is_some() {
        text.push_str(" deleted");
    }
    let mut conditions = status.conditions;
    conditions.sort_by_key(|condition| ConditionType::position(&condition.type_));
    for condition in conditions {
        let _ = write!(text, " {}={}", condition.type_, condition.status);
    }
    text
}

#[test]
fn the_table_of_what_kstatus_says_of_every_state() {
    let mut table: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for (name, database) in states() {
        let line = (compute(&database), describe(&database));
        table.entry(line).or_default().push(name);
    }
    let mut text = String::new();
    for ((status, state), names) in table {
        let _ = writeln!(text, "{status}: {state}");
        for name in names {
            let _ = writeln!(text, "  {name}");
        }
    }
    insta::assert_snapshot!("kstatus", text);
}

#[test]
fn a_reset_or_a_stall_has_failed_and_only_ready_is_current() {
    let mut seen = BTreeMap::new();
    for (name, database) in states() {
        let status = database.status.clone().unwrap_or_default();
        let is = |condition| {
            find_condition(&status.conditions, condition).map(|found| found.status.clone())
        };
        let is_true = |condition| is(condition).as_deref() == Some("True");
        assert!(
            !(is_true(ConditionType::Stalled) && is_true(ConditionType::Reconciling)),
            "{name}: {}",
            describe(&database)
        );
        if database.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let said = compute(&database);
        let wanted = if is_true(ConditionType::DataReset) || is_true(ConditionType::Stalled) {
            "Failed"
        } else if is_true(ConditionType::Ready) && !is_true(ConditionType::Reconciling) {
            "Current"
        } else {
            "InProgress"
        };
        assert_eq!(said, wanted, "{name}: {}", describe(&database));
        *seen.entry(said).or_insert(0) += 1;
    }
    assert!(
        seen.len() == 3 && seen.values().all(|count| *count > 10),
        "{seen:?}"
    );
}
