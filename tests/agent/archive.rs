//! The archive parser on what the machine's own `pg_dump` writes, whole, cut and damaged.

use holdfast::postgres::{ArchiveError, ArchiveParser, ArchiveSummary};

use crate::support::postgres::{PASSWORD, TestPostgres};

fn dump(server: &TestPostgres, database: &str) -> Vec<u8> {
    let output = TestPostgres::program("pg_dump")
        .args([
            "--format=custom",
            "--compress=0",
            "--host=127.0.0.1",
            "--username=postgres",
        ])
        .arg(format!("--port={}", server.port()))
        .arg(database)
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("pg_dump runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn parse(archive: &[u8], piece: usize) -> Result<ArchiveSummary, ArchiveError> {
    let mut parser = ArchiveParser::default();
    for piece in archive.chunks(piece) {
        parser.push(piece)?;
    }
    parser.finish()
}

async fn sample(server: &TestPostgres) {
    server
        .execute(
            "postgres",
            "create table experts (id int, name text); insert into experts select n, \
             E'line\\nbreak\\t\\\\.' from generate_series(1, 85) n; create table empty (id int); \
             create table no_columns (); insert into no_columns default values; insert into \
             no_columns default values; create table wide (data text); insert into wide values \
             (repeat('x', 300000)); create table parts (id int) partition by range (id); create \
             table part_one partition of parts for values from (0) to (10); insert into parts \
             values (1), (2), (3); create materialized view kept as select * from experts; select \
             lo_from_bytea(0, 'some bytes'); select lo_from_bytea(0, ''); select lo_from_bytea(0, \
             decode(repeat('00', 100000), 'hex'));",
        )
        .await;
}

#[tokio::test]
async fn rows_bytes_and_large_objects_are_exact() {
    let server = TestPostgres::start();
    sample(&server).await;
    let archive = dump(&server, "postgres");
    let summary = parse(&archive, 65_536).unwrap();
    let rows: Vec<(&str, u64)> = summary
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.rows))
        .collect();
    assert_eq!(
        rows,
        [
            ("empty", 0),
            ("experts", 85),
            ("no_columns", 2),
            ("part_one", 3),
            ("wide", 1)
        ]
    );
    assert_eq!(
        (summary.large_objects.count, summary.large_objects.bytes),
        (3, 100_010)
    );
    assert_eq!(summary.bytes, archive.len() as u64);
    assert_eq!(summary.tables[4].bytes, 300_001);
    for piece in [1, 7, 4096] {
        assert_eq!(
            parse(&archive, piece).unwrap(),
            summary,
            "the same however it is cut"
        );
    }
    assert_eq!(
        parse(&dump(&server, "postgres"), 1 << 20).unwrap().tables,
        summary.tables,
        "the same data has the same digests"
    );
}

#[tokio::test]
async fn an_archive_cut_at_any_byte_is_refused() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create table t (id int); insert into t values (1), (2); create table u (id int); \
             select lo_from_bytea(0, 'abc')",
        )
        .await;
    let archive = dump(&server, "postgres");
    parse(&archive, 65_536).unwrap();
    for length in 0..archive.len() {
        let error = parse(&archive[..length], 65_536).expect_err("a cut archive is refused");
        assert!(
            matches!(error, ArchiveError::Truncated { .. }),
            "cut to {length}: {error}"
        );
    }
    let mut longer = archive.clone();
    longer.push(1);
    parse(&longer, 65_536).expect_err("bytes behind the end are refused");
}

#[tokio::test]
async fn an_archive_without_any_data_is_whole() {
    let server = TestPostgres::start();
    let summary = parse(&dump(&server, "postgres"), 65_536).unwrap();
    assert_eq!((summary.tables.len(), summary.rows()), (0, 0));
}

#[test]
fn compressed_and_foreign_archives_are_refused() {
    let begin = |version: u8, compression: &[u8]| {
        let mut bytes = b"PGDMP\x01".to_vec();
        bytes.extend([version, 0, 4, 8, 1]);
        bytes.extend(compression);
        parse(&bytes, 65_536).expect_err("refused").to_string()
    };
    assert!(begin(14, &[0, 6, 0, 0, 0]).contains("compressed"));
    assert!(begin(14, &[1, 1, 0, 0, 0]).contains("compressed"));
    assert!(begin(15, &[1]).contains("compressed"));
    assert!(begin(16, &[3]).contains("compressed"));
    assert!(
        parse(b"-- PostgreSQL database dump", 5)
            .expect_err("refused")
            .to_string()
            .contains("PGDMP")
    );
}

fn fixture(version: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/fixtures/archives/version-{version}.pgc",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(path).expect("the fixture")
}

/// Recorded from one database by `pg_dump` 15 (1.14) and 17 (1.16), through a pipe: into a file, 17
/// appends a second table of contents. 1.15 differs from 1.14 only in how it writes the
/// compression.
#[test]
fn each_version_of_the_format_gives_the_same_tables() {
    let oldest = fixture("1.14");
    let mut middle = oldest.clone();
    middle[6] = 15;
    middle.drain(11..15);
    let expected = parse(&oldest, 65_536).unwrap();
    let rows: Vec<(&str, u64)> = expected
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.rows))
        .collect();
    assert_eq!(rows, [("empty", 0), ("experts", 85), ("part_one", 3)]);
    assert_eq!(
        (expected.large_objects.count, expected.large_objects.bytes),
        (2, 14)
    );
    for (version, archive) in [("1.15", middle), ("1.16", fixture("1.16"))] {
        let mut summary = parse(&archive, 97).unwrap_or_else(|error| panic!("{version}: {error}"));
        // Their tables of contents are not of the same length.
        for (table, same) in summary.tables.iter_mut().zip(&expected.tables) {
            (table.offset, table.oid) = (same.offset, same.oid);
        }
        assert_eq!(
            (&summary.tables, &summary.large_objects),
            (&expected.tables, &expected.large_objects),
            "{version}"
        );
        for length in 0..archive.len() {
            parse(&archive[..length], 4096).expect_err("a cut archive is refused");
        }
    }
}

/// Whatever a damaged stream says, the answer is an error or a summary: no panic, no endless loop,
/// no huge allocation.
#[test]
fn damaged_bytes_never_panic() {
    for version in ["1.14", "1.16"] {
        let archive = fixture(version);
        for position in 0..archive.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = archive.clone();
                damaged[position] = value;
                drop(parse(&damaged, 65_536));
            }
        }
    }
}
