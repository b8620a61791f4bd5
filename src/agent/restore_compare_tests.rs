//! Every kind of difference between a restored database and its manifest is found, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use crate::store::ManifestLargeObject;

fn table(name: &str, rows: u64, digest: &str) -> ManifestTable {
    ManifestTable {
        schema: "public".to_owned(),
        name: name.to_owned(),
        rows,
        offset: None,
        bytes: rows * 10,
        sha256: None,
        blake3: Some(digest.to_owned()),
        of_extension: false,
    }
}

fn manifest() -> ManifestDatabase {
    let large = |oid| ManifestLargeObject {
        oid,
        bytes: 3,
        blake3: format!("d{oid}"),
    };
    ManifestDatabase {
        name: "shop".to_owned(),
        object: "dump.pgc.zst".to_owned(),
        rows: 12,
        tables: vec![
            table("orders", 7, "a"),
            table("lines", 5, "b"),
            ManifestTable {
                of_extension: true,
                ..table("config", 2, "c")
            },
        ],
        large_objects: ManifestLargeObjects {
            count: 2,
            bytes: 6,
            listed: vec![large(1), large(2)],
            blake3: "all".to_owned(),
        },
        extensions: Vec::new(),
        snapshot_time: None,
        archive_version: None,
        counted_by: CountedBy::Dump,
        description: None,
        without_rows: vec!["public.left_out".to_owned()],
        warnings: Vec::new(),
    }
}

/// The digests of these rows.
fn any_order(rows: &str) -> AnyOrderDigest {
    let mut digest = AnyOrderDigest::default();
    digest.add(&blake3::hash(rows.as_bytes()));
    digest
}

fn large_objects(blake3: &str, any: &str) -> LargeObjectsDigest {
    LargeObjectsDigest {
        count: 2,
        bytes: 6,
        listed: Vec::new(),
        blake3: blake3.to_owned(),
        any_order: Some(any_order(any)),
    }
}

fn restored() -> RestoredContents {
    let rows = |table: &ManifestTable| {
        let blake3 = table.blake3.clone().unwrap_or_default();
        let rows = RestoredRows {
            rows: table.rows,
            digest: Some((table.bytes, any_order(&blake3))),
            dumped: Some(DumpedRows {
                bytes: table.bytes,
                any_order: Some(any_order(&blake3)),
                blake3,
            }),
            of_extension: table.of_extension,
        };
        ((table.schema.clone(), table.name.clone()), rows)
    };
    RestoredContents {
        tables: manifest().tables.iter().map(rows).collect(),
        large_objects: Some((
            large_objects("all", "objects"),
            large_objects("in another order", "objects"),
        )),
    }
}

fn key(name: &str) -> (String, String) {
    ("public".to_owned(), name.to_owned())
}

fn differences(change: impl FnOnce(&mut ManifestDatabase, &mut RestoredContents)) -> usize {
    let (mut manifest, mut restored) = (manifest(), restored());
    change(&mut manifest, &mut restored);
    compare(&manifest, &restored).differences.len()
}

#[test]
fn what_is_the_same_has_no_difference() {
    let outcome = compare(&manifest(), &restored());
    assert_eq!(
        (outcome.differences, outcome.is_exact, outcome.rows),
        (vec![], true, 14)
    );
}

/// A difference that is made, with the means to change a table.
type Change = fn(
    &mut ManifestDatabase,
    &mut RestoredContents,
    &dyn Fn(&mut RestoredContents, &str, fn(&mut RestoredRows)),
);

#[test]
fn every_difference_is_found() {
    let rows = |of: &mut RestoredContents, name: &str, change: fn(&mut RestoredRows)| {
        change(of.tables.get_mut(&key(name)).unwrap());
    };
    let changes: [Change; 14] = [
        |_, of, rows| rows(of, "orders", |one| one.rows = 6),
        |_, of, rows| rows(of, "orders", |one| one.rows = 8),
        |_, of, rows| rows(of, "orders", |one| one.digest = Some((70, any_order("x")))),
        |_, of, rows| rows(of, "orders", |one| one.digest = Some((71, any_order("a")))),
        |_, of, rows| {
            rows(of, "orders", |one| {
                one.dumped.as_mut().unwrap().blake3 = "x".to_owned();
            });
        },
        |_, of, rows| rows(of, "orders", |one| one.dumped.as_mut().unwrap().bytes = 71),
        |_, of, rows| {
            rows(of, "orders", |one| {
                one.dumped.as_mut().unwrap().any_order = None;
            });
        },
        |_, of, rows| rows(of, "orders", |one| one.dumped = None),
        |_, of, rows| rows(of, "config", |one| one.rows = 1),
        |_, of, _| drop(of.tables.remove(&key("lines"))),
        |_, of, _| {
            let one = RestoredRows {
                rows: 1,
                ..RestoredRows::default()
            };
            of.tables.insert(key("more"), one);
        },
        |_, of, _| of.large_objects.as_mut().unwrap().1.count = 1,
        |_, of, _| of.large_objects.as_mut().unwrap().0.blake3 = "x".to_owned(),
        |_, of, _| of.large_objects.as_mut().unwrap().1.any_order = Some(any_order("x")),
    ];
    for (number, change) in changes.iter().enumerate() {
        assert_eq!(
            differences(|manifest, of| change(manifest, of, &rows)),
            1,
            "{number}"
        );
    }
}

#[test]
fn what_may_differ_is_no_difference() {
    assert_eq!(
        differences(|_, of| {
            let config = of.tables.get_mut(&key("config")).unwrap();
            config.rows = 9;
            config.digest = Some((1, any_order("x")));
            let empty = RestoredRows::default();
            of.tables.insert(
                key("left_out"),
                RestoredRows {
                    rows: 4,
                    ..empty.clone()
                },
            );
            of.tables.insert(key("empty"), empty.clone());
            of.tables.insert(
                key("of_extension"),
                RestoredRows {
                    rows: 3,
                    of_extension: true,
                    ..empty
                },
            );
        }),
        0
    );
}

#[test]
fn more_rows_of_an_extension_are_no_difference_and_not_identical() {
    let mut restored = restored();
    restored.tables.get_mut(&key("config")).unwrap().rows = 9;
    let outcome = compare(&manifest(), &restored);
    assert_eq!((outcome.differences.len(), outcome.is_exact), (0, false));
    assert!(outcome.proves_bytes);
}

#[test]
fn without_digests_rows_are_compared_and_it_says_so() {
    let mut counted = manifest();
    counted.counted_by = CountedBy::Query;
    for table in &mut counted.tables {
        table.blake3 = None;
    }
    let outcome = compare(&counted, &restored());
    assert_eq!((outcome.differences.len(), outcome.is_exact), (0, false));
    let fewer = RestoredContents {
        large_objects: None,
        ..restored()
    };
    assert!(!outcome.proves_bytes);
    let outcome = compare(&manifest(), &fewer);
    assert!(!outcome.is_exact && !outcome.proves_bytes);
    counted.tables[0].rows = 8;
    assert_eq!(compare(&counted, &restored()).differences.len(), 1);
}
