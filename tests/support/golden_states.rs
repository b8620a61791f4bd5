//! The golden states of a ProtectedDatabase, as the table of `src/scenarios/kstatus.rs` has them, for tests of what
//! tools that know nothing of Holdfast make of each.

use std::path::Path;

use serde_json::{Value, json};

/// The table: a line per state, and the names of its scenarios indented.
const TABLE: &str = "src/scenarios/snapshots/holdfast__scenarios__kstatus__kstatus.snap";

/// The states of the table, each with what the table says of it.
pub fn states() -> Vec<(String, Value)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.rsplit("\n---\n").next().unwrap();
    // The names of the scenarios are indented.
    let lines = table.lines().filter(|line| !line.starts_with(' '));
    let states = lines.filter_map(|line| line.split_once(": "));
    states
        .map(|(said, state)| (said.to_owned(), build_object(state)))
        .collect()
}

/// The object of a state, as the table describes it.
pub fn build_object(state: &str) -> Value {
    let mut object = json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra"}, "status": {"conditions": []},
    });
    for word in state.split(' ') {
        match word.split_once('=') {
            None => object["metadata"]["deletionTimestamp"] = "2026-02-01T09:00:00Z".into(),
            Some((_, "none")) => {}
            Some(("generation", number)) => {
                object["metadata"]["generation"] = number.parse::<i64>().unwrap().into();
            }
            Some(("observed", number)) => {
                object["status"]["observedGeneration"] = number.parse::<i64>().unwrap().into();
            }
            Some((type_, status)) => {
                let condition = json!({"type": type_, "status": status, "reason": "Tested"});
                let conditions = object["status"]["conditions"].as_array_mut().unwrap();
                conditions.push(condition);
            }
        }
    }
    object
}
