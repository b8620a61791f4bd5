//! One thing that is locked, slow, odd or too much, by accident or on purpose, hides nothing else.

use std::time::{Duration, Instant};

use holdfast::api::{CountKind, reasons};

use crate::coverage::{AGENT, check, coverage, table};
use crate::support::postgres::TestPostgres;

#[tokio::test]
async fn a_sequence_that_is_locked_hides_no_other_one() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} create sequence locked; create sequence open; select nextval('locked'), \
                 nextval('open')"
            ),
        )
        .await;
    let owner = server.superuser("postgres").await;
    owner
        .batch_execute("begin; alter sequence locked rename to renamed")
        .await
        .unwrap();
    let found = check(&server, "postgres", "agent", 10).await;
    let sequences = &found.evidence.as_ref().unwrap().sequences;
    let names: Vec<&str> = sequences.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["public.open"]);
}

#[tokio::test]
async fn any_number_of_rows_in_the_catalog_can_be_read() {
    let server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    server.execute("postgres", "create database other").await;
    for (number, value) in ["NaN", "Infinity", "-Infinity", "1e30", "-1"]
        .into_iter()
        .enumerate()
    {
        for database in ["postgres", "other"] {
            server
                .execute(
                    database,
                    &format!(
                        "create table t{number} as select 1 as id; update pg_class set reltuples = \
                         '{value}' where relname = 't{number}'"
                    ),
                )
                .await;
        }
    }
    let found = check(&server, "postgres", "agent", 1_000).await;
    assert_eq!(found.failure, None);
    assert_eq!(coverage(&found).counted_rows, 5);
    let other = &found.evidence.as_ref().unwrap().other_databases[0];
    assert_eq!(other.table_count, Some(5), "{other:?}");
}

#[tokio::test]
async fn a_server_is_known_although_its_tables_can_not_be_listed() {
    let server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    let blocker = server.superuser("postgres").await;
    blocker
        .batch_execute("begin; lock table pg_catalog.pg_inherits in access exclusive mode")
        .await
        .unwrap();
    let found = check(&server, "postgres", "agent", 10).await;
    let evidence = found.evidence.expect("the identity");
    assert!(!evidence.identity.system_identifier.is_empty());
    assert_eq!(evidence.databases.len(), 1);
    assert!(evidence.tables.is_empty() && evidence.coverage.is_empty());
    assert_eq!(found.failure.unwrap().reason, reasons::TIMEOUT);
}

#[tokio::test]
async fn small_tables_that_are_locked_do_not_hide_the_others() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} create table small as select 1 as id; do $$begin for i in 1..60 loop execute \
                 format('create table locked_%s as select 1 as id', i); end loop; end$$; analyze"
            ),
        )
        .await;
    let blocker = server.superuser("postgres").await;
    blocker
        .batch_execute(
            "begin; do $$begin for i in 1..60 loop execute format('lock table locked_%s', i); end \
             loop; end$$",
        )
        .await
        .unwrap();
    let begun = Instant::now();
    let found = check(&server, "postgres", "agent", 100).await;
    assert_eq!(table(&found, "public.small").count, CountKind::Exact);
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_table_is_counted_while_the_server_analyzes_it() {
    let mut server = TestPostgres::prepare("autovacuum_naptime = 1s\n");
    server.launch();
    server
        .execute(
            "postgres",
            &format!(
                "{AGENT} create role owner; grant create on schema public to owner; set role owner; \
                 create table analyzed (id int, filler text) with (autovacuum_vacuum_cost_delay = \
                 100, autovacuum_vacuum_cost_limit = 1, autovacuum_analyze_threshold = 1, \
                 autovacuum_analyze_scale_factor = 0, autovacuum_vacuum_insert_threshold = -1); \
                 insert into analyzed select n, repeat('x', 900) from generate_series(1, 2400) n"
            ),
        )
        .await;
    let observer = server.superuser("postgres").await;
    let question = "select exists (select from pg_locks where relation = 'analyzed'::regclass and \
                    mode = 'ShareUpdateExclusiveLock')";
    let mut is_analyzed = false;
    for _ in 0..1_000 {
        is_analyzed = observer.query_one(question, &[]).await.unwrap().get(0);
        if is_analyzed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(is_analyzed, "autovacuum does not come");
    let found = check(&server, "postgres", "agent", 1_000).await;
    assert!(
        observer
            .query_one(question, &[])
            .await
            .unwrap()
            .get::<_, bool>(0),
        "it was analyzed all the time"
    );
    assert_eq!(table(&found, "public.analyzed").count, CountKind::Exact);
}
