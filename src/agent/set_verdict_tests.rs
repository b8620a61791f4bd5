#![allow(
    clippy::unwrap_used,
    clippy::default_trait_access,
    reason = "a test ends at the first thing that is not as it should be"
)]

use serde_json::{Value, json};

use super::*;
use crate::api::TableEvidence;
use crate::postgres::{ArchiveVersion, ListedTable, TableDigest, TableList};

/// Tables by name, with their object id and rows; those that belong to another table with its id.
type Tables<'a> = &'a [(&'a str, i64, i64)];

fn listed(oid: i64, name: &str) -> ListedTable {
    ListedTable {
        oid,
        schema: "public".to_owned(),
        name: name.to_owned(),
        partitioned: false,
        relfilenode: Some(oid),
        estimated_rows: 7,
        has_shrunk: false,
        pages: 1,
        is_measured: false,
        is_heap: true,
        is_planned: true,
        row_security: false,
        readable: true,
        unlogged: false,
        copied: Default::default(),
        stored_elsewhere: false,
        can_be_named: true,
    }
}

fn dump(tables: Tables<'_>) -> (DumpedDatabase, ArchiveSummary) {
    let database = DumpedDatabase {
        name: "knowledge_os".to_owned(),
        list: Ok(TableList {
            tables: tables
                .iter()
                .map(|(name, oid, _)| listed(*oid, name))
                .collect(),
            ..TableList::default()
        }),
        extension_tables: BTreeSet::new(),
        counted: BTreeMap::new(),
        without_rows: Vec::new(),
        sequences: Vec::new(),
    };
    let digest = |(name, oid, rows): &(&str, i64, i64)| TableDigest {
        oid: Some(*oid),
        schema: "public".to_owned(),
        name: (*name).to_owned(),
        rows: rows.unsigned_abs(),
        offset: 0,
        bytes: 0,
        blake3: String::new(),
        any_order: None,
    };
    let archive = ArchiveSummary {
        version: ArchiveVersion {
            major: 1,
            minor: 16,
        },
        is_read: true,
        server_version: "17.0".to_owned(),
        client_version: "17.0".to_owned(),
        tables: tables.iter().map(digest).collect(),
        large_objects: Default::default(),
        bytes: 0,
        contents: Vec::new(),
    };
    (database, archive)
}

fn identity() -> Value {
    json!({"systemIdentifier": "7000000000000000000", "initializedAt": "2026-01-01T00:00:00Z",
        "timeline": 1, "walPosition": "0/2000000", "nextTransactionId": "900",
        "postmasterStartedAt": "2026-01-02T00:00:00Z", "serverVersion": "17.0",
        "dataDirectory": "/var/lib/postgresql/data", "inRecovery": false})
}

fn observed(change: impl FnOnce(&mut Value)) -> ObservedIdentity {
    let mut identity = identity();
    change(&mut identity);
    ObservedIdentity {
        identity: serde_json::from_value(identity).unwrap(),
        observed_at: serde_json::from_value(json!("2026-02-01T03:00:00Z")).unwrap(),
        server_address: String::new(),
    }
}

fn databases() -> Vec<DatabaseEvidence> {
    vec![DatabaseEvidence {
        name: "knowledge_os".to_owned(),
        oid: 16_384,
    }]
}

fn known(tables: Tables<'_>, rules: &Value) -> KnownGood {
    let mut evidence: Evidence = serde_json::from_value(json!({
        "identity": identity(), "tableCount": tables.len(), "totalRows": 0,
        "databases": [{"name": "knowledge_os", "oid": 16_384}],
        "observedAt": "2026-02-01T02:45:00Z",
    }))
    .unwrap();
    evidence.identity.wal_position = "0/1000000".to_owned();
    evidence.tables = tables
        .iter()
        .map(|(name, oid, rows)| -> TableEvidence {
            serde_json::from_value(
                json!({"database": "knowledge_os", "name": format!("public.{name}"),
                "oid": oid, "relfilenode": oid, "rows": rows, "count": "Exact"}),
            )
            .unwrap()
        })
        .collect();
    KnownGood {
        spec: serde_json::from_value(json!({
            "workload": {"name": "w"},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "s"}},
            "verification": {"tables": rules},
        }))
        .unwrap(),
        baseline: Some(("knowledge-41".to_owned(), evidence)),
        unverified: None,
    }
}

const GOOD: Tables<'static> = &[
    ("experts", 1, 85),
    ("knowledge_nodes", 2, 26_337),
    ("audit", 3, 5_000),
];

fn verdict(
    known: &KnownGood,
    (database, archive): &(DumpedDatabase, ArchiveSummary),
    observed: &ObservedIdentity,
) -> SetVerdict {
    let tally = Tally::of_rows(dumped_rows(database, archive));
    let dumped = [(database, tally)];
    let evidence = build_dump_evidence(observed, &databases(), &dumped, known);
    judge_set(
        "atra",
        "knowledge",
        "knowledge-backup-1",
        known,
        &evidence,
        None,
    )
}

fn emptied(name: &str) -> (DumpedDatabase, ArchiveSummary) {
    let tables: Vec<(&str, i64, i64)> = GOOD
        .iter()
        .map(|(table, oid, rows)| (*table, *oid, if *table == name { 0 } else { *rows }))
        .collect();
    dump(&tables)
}

#[test]
fn the_rows_of_the_dump_decide() {
    let same = observed(|_| ());
    let rules = json!([{"name": "public.experts", "minRows": 80}]);
    let (plain, guarded) = (known(GOOD, &json!([])), known(GOOD, &rules));
    let mut never = plain.clone();
    never.baseline = None;
    let partitioned = {
        let mut dump = dump(&[
            ("nodes_1", 21, 26_000),
            ("nodes_2", 22, 337),
            ("experts", 1, 85),
            ("audit", 3, 5_000),
        ]);
        let list = dump.0.list.as_mut().unwrap();
        let mut root = listed(2, "knowledge_nodes");
        root.partitioned = true;
        list.tables.push(root);
        list.parents = [(21, 2), (22, 2)].into();
        dump
    };
    let without_rows = {
        let mut dump = dump(GOOD);
        dump.0.without_rows = vec!["public.audit".to_owned()];
        dump.1.tables.retain(|table| table.name != "audit");
        dump
    };
    let of_extension = {
        let mut dump = emptied("audit");
        dump.0.extension_tables = [3].into();
        dump.0.counted = [(3, 5_000)].into();
        dump
    };
    let unread = {
        let mut dump = dump(GOOD);
        dump.1.is_read = false;
        dump.1.tables.clear();
        dump.0.counted = GOOD.iter().map(|(_, oid, rows)| (*oid, *rows)).collect();
        dump
    };
    let unread_and_emptied = {
        let mut dump = unread.clone();
        dump.0.counted.insert(2, 0);
        dump
    };
    let other_names = {
        // A database in another encoding: the archive shows bytes, the catalog the name.
        let mut dump = dump(GOOD);
        dump.1.tables[1].name = "knowledge_n\\xf6des".to_owned();
        dump
    };
    let dropped = {
        let mut dump = dump(&GOOD[..1]);
        dump.1.tables.truncate(1);
        dump
    };
    let cases = [
        ("nothing is lost", verdict(&guarded, &dump(GOOD), &same)),
        (
            "most rows are gone",
            verdict(&plain, &emptied("knowledge_nodes"), &same),
        ),
        (
            "a table with minRows is empty",
            verdict(&guarded, &emptied("experts"), &same),
        ),
        ("tables are gone", verdict(&plain, &dropped, &same)),
        (
            "another database cluster",
            verdict(
                &plain,
                &dump(GOOD),
                &observed(|identity| identity["systemIdentifier"] = json!("7100000000000000000")),
            ),
        ),
        (
            "an older state of it",
            verdict(
                &plain,
                &dump(GOOD),
                &observed(|identity| identity["walPosition"] = json!("0/500000")),
            ),
        ),
        (
            "a replica",
            verdict(
                &plain,
                &dump(GOOD),
                &observed(|identity| identity["inRecovery"] = json!(true)),
            ),
        ),
        (
            "no check has been good yet",
            verdict(&never, &dump(GOOD), &same),
        ),
        (
            "a partitioned table is its partitions",
            verdict(&plain, &partitioned, &same),
        ),
        (
            "rows were left out on request",
            verdict(&plain, &without_rows, &same),
        ),
        (
            "a table of an extension",
            verdict(&plain, &of_extension, &same),
        ),
        (
            "an archive that nobody can read",
            verdict(&plain, &unread, &same),
        ),
        (
            "such an archive of emptied data",
            verdict(&plain, &unread_and_emptied, &same),
        ),
        (
            "a name in another encoding",
            verdict(&plain, &other_names, &same),
        ),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(case, verdict)| format!("{case}: {}", verdict.why.as_deref().unwrap_or("good")))
        .collect();
    insta::assert_snapshot!("rows_of_the_dump", said.join("\n"));
}

#[test]
fn what_could_not_be_listed_is_not_good() {
    let known = known(GOOD, &json!([]));
    let evidence = build_dump_evidence(&observed(|_| ()), &databases(), &[], &known);
    let verdict = judge_set(
        "atra",
        "knowledge",
        "b",
        &known,
        &evidence,
        Some("too many"),
    );
    assert!(verdict.why.unwrap().contains("too many"));
}
