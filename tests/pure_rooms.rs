//! The pure rooms stay pure: nothing in them waits, talks to the cluster, reads the clock or the
//! environment.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

const ROOMS: &[&str] = &[
    "src/verdict",
    "src/guard",
    "src/resources",
    "src/decide",
    "src/engine/alerts/alert.rs",
    "src/engine/alerts/pending.rs",
    "src/install/monitoring.rs",
    "src/install/webhook.rs",
    "src/agent/definitions.rs",
    "src/agent/drill_bounds.rs",
    "src/agent/drill_class.rs",
    "src/agent/named_paths.rs",
    "src/agent/restore_compare.rs",
    "src/agent/restore_mark.rs",
    "src/agent/restore_names.rs",
    "src/agent/restore_preflight.rs",
    "src/agent/restore_preflight_present.rs",
    "src/agent/restore_server_facts.rs",
    "src/agent/restore_said.rs",
    "src/agent/restore_settings.rs",
    "src/agent/restore_swap_state.rs",
    "src/plan",
    "src/store/retention.rs",
    "src/agent/catalog_facts.rs",
    "src/catalog/plan.rs",
    "src/catalog/text.rs",
    "src/world/observed.rs",
    "src/plugin/recover/text.rs",
    "src/plugin/accept/annotations.rs",
    "src/plugin/accept/judge.rs",
    "src/plugin/accept/text.rs",
    "src/plugin/grant_sql/statements.rs",
    "src/plugin/grant_sql/text.rs",
    "src/wording",
    "src/incident",
    "src/plugin/backups/text.rs",
    "src/plugin/status/text.rs",
    "src/plugin/unlock/kinds.rs",
    "src/plugin/unlock/target.rs",
    "src/plugin/unlock/loss_summary.rs",
    "src/plugin/doctor/recognise.rs",
    "src/plugin/doctor/mounts.rs",
    "src/plugin/doctor/postgres_workload.rs",
    "src/plugin/doctor/workload.rs",
    "src/plugin/doctor/coverage.rs",
    "src/plugin/doctor/findings.rs",
    "src/plugin/doctor/suggestion.rs",
    "src/plugin/doctor/text.rs",
    "bench/src/figures.rs",
    "bench/src/layout.rs",
    "bench/src/report.rs",
    "src/world/claims.rs",
    "src/world/data_directory.rs",
    "src/world/fact.rs",
    "src/world/ledger.rs",
    "src/world/namespace.rs",
    "src/world/pods.rs",
    "src/world/recovery.rs",
    "src/world/workload.rs",
];

/// What would make a room impure, and why.
const FORBIDDEN: [(&str, &str); 12] = [
    ("async fn", "it waits"),
    (".await", "it waits"),
    ("kube::Client", "it talks to the cluster"),
    ("kube::client", "it talks to the cluster"),
    ("Api<", "it talks to the cluster"),
    ("tokio::", "it waits"),
    ("std::fs", "it reads files"),
    ("std::env", "it reads the environment"),
    ("std::net", "it talks to the network"),
    ("SystemTime::now", "it reads the clock"),
    ("Instant::now", "it reads the clock"),
    ("Timestamp::now", "it reads the clock"),
];

fn rust_files(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            rust_files(&entry.unwrap().path(), files);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        files.push(path.to_owned());
    }
}

/// Whether a line has a word, and not only one that begins like it.
fn has(line: &str, word: &str) -> bool {
    let is_letter = |character: char| character.is_alphanumeric() || character == '_';
    let is_whole = |after: &str| !word.ends_with(is_letter) || !after.starts_with(is_letter);
    let mut places = line.match_indices(word);
    places.any(|(at, _)| is_whole(&line[at + word.len()..]))
}

#[test]
fn pure_rooms_have_no_client_no_waiting_and_no_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for room in ROOMS {
        let mut files = Vec::new();
        rust_files(&root.join(room), &mut files);
        assert!(
            !files.is_empty(),
            "{room} has no source files: correct the list in this test"
        );
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                let impure = FORBIDDEN.iter().filter(|(word, _)| has(line, word));
                found.extend(impure.map(|(word, why)| {
                    format!("{}:{}: `{word}`: {why}", file.display(), number + 1)
                }));
            }
        }
    }
    assert!(
        found.is_empty(),
        "pure rooms must stay pure:\n{}",
        found.join("\n")
    );
}
