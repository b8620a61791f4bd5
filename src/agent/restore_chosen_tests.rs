//! The manifest of certain tables says what these have and nothing else; what can't be chosen is refused.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use crate::agent::contents_sample;

const MANIFEST: &str = r#"{"formatVersion": 2, "state": "good", "backup": "b",
    "protectedDatabase": {"namespace": "n", "name": "shop", "uid": "u"},
    "identity": {"systemIdentifier": "7", "initializedAt": "2026-01-01T00:00:00Z", "timeline": 1,
        "walPosition": "0/1", "nextTransactionId": "9", "snapshotTime": "2026-01-01T00:00:00Z",
        "inRecovery": false},
    "serverVersion": "16.2", "clientVersion": "16.2", "holdfastVersion": "0.1.0",
    "databases": [{"name": "shop", "object": "dump.pgc.zst", "rows": 10,
        "tables": [{"schema": "app", "name": "orders", "rows": 3, "bytes": 6, "blake3": "00"},
            {"schema": "app", "name": "notes", "rows": 7, "bytes": 9, "blake3": "01"}],
        "largeObjects": {"count": 2, "bytes": 5},
        "extensions": [{"name": "pg_cron", "version": "1.0"}]},
        {"name": "other", "object": "other.pgc.zst", "rows": 0, "tables": [],
        "largeObjects": {"count": 0, "bytes": 0}, "extensions": []}],
    "objects": [], "recipients": [], "durations": {"startedAt": "2026-01-01T00:00:00Z",
        "completedAt": "2026-01-01T00:00:00Z", "dumpSeconds": 1, "globalsSeconds": 1}}"#;

fn entry(dump_id: i64, description: &str, name: &str, dependencies: &[i64]) -> ContentsEntry {
    ContentsEntry {
        dependencies: dependencies.to_vec(),
        ..contents_sample::entry(dump_id, description, name)
    }
}

fn chosen(
    tables: &[&str],
    change: impl FnOnce(&mut [Vec<ContentsEntry>]),
) -> Result<ChosenTables, Vec<String>> {
    let shop = vec![
        entry(1, "TABLE", "orders", &[]),
        entry(2, "TABLE", "notes", &[]),
        entry(3, "TABLE DATA", "orders", &[1]),
        entry(4, "TABLE DATA", "notes", &[2]),
        entry(5, "FK CONSTRAINT", "orders orders_note", &[1, 2]),
    ];
    let mut contents = [shop, vec![entry(1, "TABLE", "else", &[])]];
    change(&mut contents);
    let tables: Vec<String> = tables.iter().map(|&table| format!("app.{table}")).collect();
    choose(&serde_json::from_str(MANIFEST).unwrap(), &contents, &tables)
}

#[test]
fn the_manifest_is_that_of_the_tables() {
    let chosen = chosen(&["orders"], |_| {}).unwrap();
    let [part] = chosen.manifest.databases.as_slice() else {
        panic!("{:?}", chosen.manifest.databases);
    };
    let names: Vec<&str> = part
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(
        (names, part.rows, part.large_objects.count),
        (vec!["orders"], 3, 0)
    );
    assert!(
        part.extensions.is_empty(),
        "they need none, so a foreign one is in nobody's way"
    );
    assert_eq!(chosen.contents[0].len(), 2);
    assert_eq!(chosen.left_out_of("shop").len(), 1);
    assert_eq!(chosen.left_out_of("other"), Vec::<String>::new().as_slice());
    assert!(
        chosen.warnings[0].contains("large objects"),
        "{:?}",
        chosen.warnings
    );
}

#[test]
fn what_can_not_be_chosen_is_refused_by_name() {
    let why = chosen(&["orders", "nothing"], |_| {})
        .unwrap_err()
        .join("; ");
    assert!(
        why.contains("app.nothing") && !why.contains("app.orders"),
        "{why}"
    );
    let why = chosen(&["orders"], |contents| contents[0].clear()).unwrap_err();
    assert!(why[1].contains("table of contents"), "{why:?}");
    let why = chosen(&["orders"], |contents| contents[0][1].name.push('\n')).unwrap_err();
    assert!(why[1].contains("line breaks"), "{why:?}");
    assert!(
        chosen(&["orders"], |contents| contents[1].clear()).is_ok(),
        "it is in another one"
    );
    // Its rows are in the set, and not in the dump.
    let why = chosen(&["orders"], |contents| drop(contents[0].remove(2))).unwrap_err();
    assert!(why[0].contains("app.orders"), "{why:?}");
    // Its rows could not be compared with anything.
    let hidden = |contents: &mut [Vec<ContentsEntry>]| {
        contents[0].push(entry(6, "TABLE", "hidden", &[]));
        contents[0].push(entry(7, "TABLE DATA", "hidden", &[6]));
    };
    let why = chosen(&["hidden"], hidden).unwrap_err();
    assert!(why[0].contains("app.hidden"), "{why:?}");
}
