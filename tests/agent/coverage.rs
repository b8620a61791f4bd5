//! What a check says of what it has counted, of what it has not, and of what else is on the server.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use holdfast::agent::{Gathered, gather, gather_in_parts};
use holdfast::api::{CountKind, Coverage, KnownTable, NotCountedReason, TableEvidence, reasons};
use tokio::sync::oneshot;

use crate::check::{check_request, mounted};
use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::run;

pub const AGENT: &str = "create role agent login password 'secret'; grant pg_read_all_settings, pg_read_all_data to agent;";

pub async fn check(
    server: &TestPostgres,
    database: &str,
    role: &str,
    milliseconds: u64,
) -> Gathered {
    let (request, credentials) = server.request(&[database], role, "secret");
    let mut request = check_request(request, &[]);
    request.counting_milliseconds = milliseconds;
    gather(&request, &mounted(&credentials)).await
}

pub fn coverage(found: &Gathered) -> &Coverage {
    &found.evidence.as_ref().expect("evidence").coverage[0]
}

pub fn table<'found>(found: &'found Gathered, name: &str) -> &'found TableEvidence {
    let evidence = found.evidence.as_ref().expect("evidence");
    let tables = &evidence.tables;
    tables
        .iter()
        .find(|table| table.name == name)
        .unwrap_or_else(|| panic!("{name} is not among {tables:?}"))
}

/// Why tables were not counted, how many, and the first of them.
pub fn missed(found: &Gathered) -> Vec<(NotCountedReason, i64, &str)> {
    let missed = coverage(found).not_counted.iter();
    missed
        .map(|missed| {
            let first = missed.tables.first().map_or("", String::as_str);
            (missed.reason, missed.table_count, first)
        })
        .collect()
}

/// Waits until the statistics have what was done.
async fn wait_for_statistics(server: &TestPostgres, condition: &str) {
    let observer = server.superuser("postgres").await;
    let question = format!("select exists (select from pg_stat_user_tables where {condition})");
    for _ in 0..500 {
        if observer.query_one(&question, &[]).await.unwrap().get(0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the statistics never say {condition}");
}

#[tokio::test]
async fn what_was_counted_and_what_was_not_is_said_of_all_tables() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} create role weak login password 'secret'; create table counted as select \
                 generate_series(1, 70) as id; create table hidden as select generate_series(1, \
                 30) as id; alter table hidden enable row level security; create unlogged table \
                 scratch as select 1 as id; analyze; grant usage on schema public to weak; grant \
                 select on counted to weak"
            ),
        )
        .await;
    let found = check(&server, "postgres", "agent", 1_000).await;
    assert_eq!(
        missed(&found),
        [(NotCountedReason::RowSecurity, 1, "public.hidden")]
    );
    let said = coverage(&found);
    assert_eq!(
        (
            said.table_count,
            said.counted_tables,
            said.counted_rows,
            said.estimated_rows
        ),
        (3, 2, 71, 101)
    );
    assert!(table(&found, "public.scratch").unlogged && !table(&found, "public.counted").unlogged);

    let weak = check(&server, "postgres", "weak", 1_000).await;
    assert_eq!(
        missed(&weak),
        [(NotCountedReason::NotReadable, 2, "public.hidden")]
    );
    assert_eq!(coverage(&weak).counted_rows, 70);
}

#[tokio::test]
async fn a_large_table_that_was_emptied_and_seeded_is_counted_whatever_the_budget() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} create table large (id int, filler text) with (autovacuum_enabled = off); \
                 insert into large select n, repeat('x', 900) from generate_series(1, 60000) n; \
                 analyze large; create table intact (id int, filler text) with (autovacuum_enabled \
                 = off); insert into intact select n, repeat('x', 900) from generate_series(1, \
                 60000) n; analyze intact"
            ),
        )
        .await;
    let before = check(&server, "postgres", "agent", 0).await;
    assert_eq!(table(&before, "public.large").count, CountKind::Estimated);
    server
        .execute(
            "postgres",
            "delete from large; insert into large select generate_series(1, 85)",
        )
        .await;
    wait_for_statistics(&server, "relname = 'large' and n_tup_del >= 60000").await;
    for then in ["", "analyze large", "vacuum (truncate off, analyze) large"] {
        if !then.is_empty() {
            server.execute("postgres", then).await;
        }
        let after = check(&server, "postgres", "agent", 0).await;
        let large = table(&after, "public.large");
        assert_eq!((large.rows, large.count), (85, CountKind::Exact), "{then}");
        assert_eq!(
            table(&after, "public.intact").count,
            CountKind::Estimated,
            "{then}"
        );
        assert_eq!(
            missed(&after),
            [(NotCountedReason::Budget, 1, "public.intact")]
        );
    }
}

#[tokio::test]
async fn a_table_that_seems_to_have_lost_half_of_its_rows_is_counted() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} create table large (id int, filler text); insert into large select n, \
                 repeat('x', 900) from generate_series(1, 20000) n"
            ),
        )
        .await;
    server.execute("postgres", "vacuum analyze large").await;
    let (request, credentials) = server.request(&["postgres"], "agent", "secret");
    let mut request = check_request(request, &[]);
    request.counting_milliseconds = 0;
    for (rows, expected) in [(30_000, CountKind::Estimated), (60_000, CountKind::Exact)] {
        request.known_tables = vec![KnownTable {
            database: "postgres".to_owned(),
            name: "public.large".to_owned(),
            rows: Some(rows),
        }];
        let found = gather(&request, &mounted(&credentials)).await;
        assert_eq!(table(&found, "public.large").count, expected, "{rows}");
    }
}

#[tokio::test]
async fn empty_partitions_are_known_to_be_empty_without_a_count() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!("{AGENT} create table events (id int) partition by list (id)"),
        )
        .await;
    for portion in 0..20 {
        let create = format!(
            "execute format('create table events_%s_{portion} partition of events for values in \
             (%s)', n, n * 20 + {portion})"
        );
        server
            .execute(
                "postgres",
                &format!("do $$ begin for n in 1..100 loop {create}; end loop; end $$"),
            )
            .await;
    }
    server
        .execute("postgres", "insert into events values (20), (40), (40)")
        .await;
    let found = check(&server, "postgres", "agent", 10).await;
    let events = table(&found, "public.events");
    assert_eq!((events.rows, events.count), (3, CountKind::Exact));
    assert_eq!(coverage(&found).table_count, 1);
    wait_for_statistics(&server, "relname = 'events_1_0' and seq_scan > 0").await;
    let scanned: i64 = server
        .superuser("postgres")
        .await
        .query_one(
            "select count(*) from pg_stat_user_tables where relname like 'events\\_%' and seq_scan \
             > 0",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(scanned, 2, "only those with rows were read");
}

#[tokio::test]
async fn other_databases_and_sequences_are_said() {
    let server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    server.execute("postgres", "create database shop").await;
    server.execute("postgres", "create database closed").await;
    server
        .execute("postgres", "revoke connect on database closed from public")
        .await;
    server
        .execute(
            "shop",
            "create table orders (id serial, filler text); insert into orders (filler) select \
             repeat('x', 90) from generate_series(1, 20400); analyze orders; create sequence unused",
        )
        .await;
    let found = check(&server, "postgres", "agent", 10).await;
    let evidence = found.evidence.unwrap();
    let others: Vec<_> = evidence
        .other_databases
        .iter()
        .map(|other| (other.name.as_str(), other.estimated_rows, other.table_count))
        .collect();
    assert_eq!(
        others,
        [("shop", Some(20_400), Some(1)), ("closed", None, None)],
        "the largest first"
    );
    let sizes: Vec<bool> = evidence
        .other_databases
        .iter()
        .map(|other| other.size_bytes.is_some())
        .collect();
    assert_eq!(
        sizes,
        [true, false],
        "the role sees only what it may connect to"
    );
    assert!(evidence.sequences.is_empty());

    let found = check(&server, "shop", "agent", 10).await;
    let sequences: Vec<_> = found
        .evidence
        .as_ref()
        .unwrap()
        .sequences
        .iter()
        .map(|sequence| (sequence.name.as_str(), sequence.last_value))
        .collect();
    assert_eq!(sequences, [("public.orders_id_seq", 20_400)]);
}

#[tokio::test]
async fn a_replica_is_asked_for_its_identity_only() {
    let mut server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!("{AGENT} create table t (id int); checkpoint"),
        )
        .await;
    run(std::process::Command::new("kill").args(["-INT", &server.process_id().to_string()]));
    while server.file("data/postmaster.pid").exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::write(server.file("data/standby.signal"), "").unwrap();
    server.give_to_postgres();
    server.launch();
    let found = check(&server, "postgres", "agent", 10).await;
    assert_eq!(found.failure, None);
    let evidence = found.evidence.unwrap();
    assert!(evidence.identity.in_recovery && evidence.tables.is_empty());
    assert!(evidence.coverage.is_empty() && evidence.other_databases.is_empty());
}

#[tokio::test]
async fn what_is_small_is_reported_before_large_tables_are_counted() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} create table small as select generate_series(1, 5) as id; create table \
                 large (id int, filler text); insert into large select n, repeat('x', 900) from \
                 generate_series(1, 60000) n; analyze"
            ),
        )
        .await;
    let (request, credentials) = server.request(&["postgres"], "agent", "secret");
    let request = check_request(request, &["public.large", "public.small"]);
    let (sender, first) = oneshot::channel();
    let found = gather_in_parts(&request, &mounted(&credentials), None, Some(sender)).await;
    let first = first.await.expect("a first part");
    let count = |name: &str| first.table("postgres", name).map(|table| table.count);
    assert!(first.partial && first.coverage.is_empty());
    assert_eq!(
        (count("public.small"), count("public.large")),
        (Some(CountKind::Exact), Some(CountKind::Estimated))
    );
    assert_eq!(table(&found, "public.large").rows, 60_000);
    assert!(!found.evidence.as_ref().unwrap().partial);

    let (request, credentials) = server.request(&["postgres"], "agent", "secret");
    let mut request = check_request(request, &["public.small"]);
    request.count_all_tables = false;
    let (sender, first) = oneshot::channel();
    gather_in_parts(&request, &mounted(&credentials), None, Some(sender)).await;
    assert!(first.await.is_err(), "there was nothing large to count");
}

#[tokio::test]
async fn names_in_any_encoding_are_read() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create database plain encoding 'SQL_ASCII' template template0 locale 'C'",
        )
        .await;
    server.execute("postgres", AGENT).await;
    server
        .execute(
            "postgres",
            "create database western encoding 'LATIN1' template template0 locale 'C'",
        )
        .await;
    let psql = |database: &str, statement: &[u8]| {
        run(TestPostgres::program("psql")
            .args(["--no-psqlrc", "--quiet", "--host=127.0.0.1"])
            .args(["--username=postgres", &format!("--dbname={database}")])
            .arg(format!("--port={}", server.port()))
            .arg("--command")
            .arg(OsStr::from_bytes(statement))
            .env("PGPASSWORD", PASSWORD)
            .env("PGCLIENTENCODING", "SQL_ASCII"));
    };
    psql("plain", b"create database \"caf\xe9\"");
    psql("plain", b"create table \"t\xe9\" as select 1 as id");
    psql("plain", b"create table readable as select 2 as id");
    server
        .execute("western", "create table \"tä\" as select 1 as id")
        .await;
    for database in ["postgres", "plain", "western"] {
        let found = check(&server, database, "agent", 10).await;
        assert_eq!(found.failure, None, "{database}");
        let evidence = found.evidence.as_ref().unwrap();
        assert!(
            evidence
                .databases
                .iter()
                .any(|found| found.name.starts_with("caf")),
            "{database}: {:?}",
            evidence.databases
        );
    }
    let found = check(&server, "plain", "agent", 10).await;
    assert_eq!(table(&found, "public.readable").count, CountKind::Exact);
    assert_eq!(
        missed(&found),
        [(NotCountedReason::Failed, 1, "public.t\\xe9")]
    );
    let found = check(&server, "western", "agent", 10).await;
    assert_eq!(table(&found, "public.tä").count, CountKind::Exact);
}

#[tokio::test]
async fn a_database_is_missing_although_the_others_are_closed() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!("{AGENT} revoke connect on database postgres, template1 from public"),
        )
        .await;
    let found = check(&server, "shop", "agent", 10).await;
    assert_eq!(found.evidence, None);
    assert_eq!(found.failure.unwrap().reason, reasons::DATABASE_NOT_FOUND);
}

#[tokio::test]
async fn rows_that_an_extension_keeps_elsewhere_are_not_called_lost() {
    let server = TestPostgres::start();
    // What TimescaleDB's catalog looks like, and what compressing a chunk does.
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} create schema _timescaledb_catalog; create table \
                 _timescaledb_catalog.hypertable (id int, schema_name name, table_name name, \
                 compressed_hypertable_id int); create table _timescaledb_catalog.chunk (id int, \
                 hypertable_id int, schema_name name, table_name name, compressed_chunk_id int); \
                 create schema _timescaledb_internal; create table metrics (id int); create table \
                 _timescaledb_internal._hyper_1_1_chunk () inherits (metrics); create table \
                 _timescaledb_internal._hyper_1_2_chunk () inherits (metrics); create table \
                 _timescaledb_internal.compress_hyper_2_3_chunk (id int); insert into \
                 _timescaledb_internal._hyper_1_1_chunk select generate_series(1, 900); insert \
                 into _timescaledb_internal._hyper_1_2_chunk select generate_series(1, 100); insert \
                 into _timescaledb_catalog.hypertable values (1, 'public', 'metrics', 2); insert \
                 into _timescaledb_catalog.chunk values (1, 1, '_timescaledb_internal', \
                 '_hyper_1_1_chunk'), (2, 1, '_timescaledb_internal', '_hyper_1_2_chunk')"
            ),
        )
        .await;
    let before = check(&server, "postgres", "agent", 10).await;
    let metrics = table(&before, "public.metrics");
    assert_eq!((metrics.rows, metrics.count), (1_000, CountKind::Exact));
    assert_eq!(coverage(&before).table_count, 1, "its own tables are none");
    server
        .execute(
            "postgres",
            "insert into _timescaledb_internal.compress_hyper_2_3_chunk values (1); truncate \
             _timescaledb_internal._hyper_1_1_chunk; update _timescaledb_catalog.chunk set \
             compressed_chunk_id = 3 where id = 1",
        )
        .await;
    let after = check(&server, "postgres", "agent", 10).await;
    let metrics = table(&after, "public.metrics");
    assert_eq!(
        (metrics.count, metrics.lower_bound),
        (CountKind::Estimated, Some(100))
    );
    assert_eq!(
        missed(&after),
        [(NotCountedReason::StoredElsewhere, 1, "public.metrics")]
    );
}

#[tokio::test]
async fn distributed_tables_and_partitions_of_other_servers_are_not_counted() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} set allow_system_table_mods = on; create table \
                 pg_catalog.pg_dist_partition (logicalrelid regclass); create table \
                 pg_catalog.pg_dist_shard (logicalrelid regclass, shardid bigint); grant select \
                 on pg_catalog.pg_dist_partition, pg_catalog.pg_dist_shard to public; create \
                 table spread (id int); create table spread_102008 as select 1 as id; insert into \
                 pg_dist_partition values ('spread'); insert into pg_dist_shard values ('spread', \
                 102008); create extension postgres_fdw; create server far foreign data wrapper \
                 postgres_fdw; create table events (id int) partition by range (id); create table \
                 events_near partition of events for values from (0) to (10); create foreign \
                 table events_far partition of events for values from (10) to (20) server far; \
                 insert into events values (1), (2)"
            ),
        )
        .await;
    let found = check(&server, "postgres", "agent", 10).await;
    assert_eq!(found.failure, None);
    assert_eq!(coverage(&found).table_count, 2);
    assert_eq!(
        missed(&found),
        [(NotCountedReason::StoredElsewhere, 2, "public.events")]
    );
    assert_eq!(table(&found, "public.events").lower_bound, Some(2));
}
