//! What Argo CD shows of every golden state with the scripts of `docs/argo-cd-health.yaml`, by a real interpreter of
//! Lua 5.1, the version that Argo CD has. It comes from Debian's package, unpacked into the testbed's cache.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "support/golden_states.rs"]
mod golden_states;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use golden_states::{build_object, states};
use holdfast::api::RestoreState;
use serde_json::{Value, json};

/// Argo CD gives a script the object, and nothing to reach anything else with.
const RUN: &str = r#"
for _, object in ipairs(objects) do
  local script = assert(loadfile(arg[1]))
  setfenv(script, {obj = object, ipairs = ipairs, pairs = pairs, string = string, table = table, tostring = tostring})
  local health = script()
  print(health.status .. "\t" .. health.message:gsub("\n", " "))
end
"#;

/// The script for a kind, as the page has it.
fn script(kind: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/argo-cd-health.yaml");
    let page: Value = serde_saphyr::from_str(&fs::read_to_string(page).unwrap()).unwrap();
    let key = format!("resource.customizations.health.holdfast.dev_{kind}");
    page["data"][key].as_str().expect(kind).to_owned()
}

/// A value as Lua writes it; what is null is not there.
fn write_lua(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("nil"),
        // JSON and Lua spell the texts of these tests alike.
        Value::Bool(_) | Value::Number(_) | Value::String(_) => write!(text, "{value}").unwrap(),
        Value::Array(items) => {
            text.push('{');
            for item in items {
                write_lua(item, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Object(fields) => {
            text.push('{');
            for (name, field) in fields {
                write!(text, "[{}]=", json!(name)).unwrap();
                write_lua(field, text);
                text.push(',');
            }
            text.push('}');
        }
    }
}

/// What a script makes of each object: status and message.
fn judge(kind: &str, objects: &[Value]) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let (health, run) = (
        folder.path().join("health.lua"),
        folder.path().join("run.lua"),
    );
    fs::write(&health, script(kind)).unwrap();
    let mut text = String::from("objects = ");
    write_lua(&json!(objects), &mut text);
    fs::write(&run, text + RUN).unwrap();
    let program = testbed::program_of("lua5.1", "usr/bin/lua5.1").unwrap();
    let output = Command::new(program)
        .args([&run, &health])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = said.lines().map(|line| line.split_once('\t').expect(line));
    lines
        .map(|(status, message)| (status.to_owned(), message.to_owned()))
        .collect()
}

/// Argo CD's word for what Flux and Helm call it.
fn in_argo_cd(kstatus: &str) -> &'static str {
    match kstatus {
        "Current" => "Healthy",
        "Failed" => "Degraded",
        "InProgress" | "Terminating" => "Progressing",
        other => panic!("{other}"),
    }
}

#[test]
fn argo_cd_says_of_every_golden_state_what_flux_and_helm_say() {
    let states = states();
    assert!(states.len() > 20, "{} states", states.len());
    let objects: Vec<Value> = states.iter().map(|(_, object)| object.clone()).collect();
    let said = judge("ProtectedDatabase", &objects);
    assert_eq!(said.len(), states.len());
    for ((expected, object), (status, message)) in states.iter().zip(said) {
        assert_eq!(status, in_argo_cd(expected), "{object}: {message}");
        assert!(!message.is_empty(), "{object}");
    }
}

/// The most serious is said, whatever else is: a reset before the pass of the last change.
#[test]
fn a_reset_is_degraded_and_what_was_never_seen_is_not_healthy() {
    let reset = "generation=2 observed=1 DataReset=True Reconciling=True Ready=False";
    let good = "generation=2 observed=1 DataReset=False Stalled=False Ready=True";
    let deleted = "generation=1 observed=1 deleted DataReset=True";
    let mut objects = [reset, good, deleted].map(build_object).to_vec();
    let mut unseen = build_object("generation=1");
    unseen.as_object_mut().unwrap().remove("status");
    objects.push(unseen);
    let said = judge("ProtectedDatabase", &objects);
    let said: Vec<&str> = said.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(
        said,
        ["Degraded", "Progressing", "Progressing", "Progressing"]
    );
}

const fn expected(state: RestoreState) -> &'static str {
    match state {
        RestoreState::Running | RestoreState::Verifying => "Progressing",
        RestoreState::Blocked => "Suspended",
        RestoreState::Complete => "Healthy",
        RestoreState::Failed => "Degraded",
    }
}

#[test]
fn a_restore_is_healthy_only_when_it_is_complete() {
    let states = [
        RestoreState::Running,
        RestoreState::Blocked,
        RestoreState::Verifying,
        RestoreState::Complete,
        RestoreState::Failed,
    ];
    let mut objects: Vec<Value> = states
        .iter()
        .map(|state| json!({"metadata": {"name": "back"}, "status": {"state": state, "message": "why"}}))
        .collect();
    objects.push(json!({"metadata": {"name": "back"}}));
    let said = judge("DatabaseRestore", &objects);
    for (state, (status, message)) in states.iter().zip(&said) {
        assert_eq!(*status, expected(*state), "{state:?}");
        assert_eq!(message, "why");
    }
    assert_eq!(said.last().unwrap().0, "Progressing");
}
