//! Rows by several sessions: those of one large table are shared between them, nothing else changes, and what only
//! one session can restore is restored by one.

use holdfast::agent::restored_name;
use holdfast::api::{RestoreReport, RestoreTarget};

use crate::backup_scene::Scene;
use crate::restored_scene::{Restore, UID, Watch, ask, small_shop};
use crate::support::postgres::PASSWORD;

/// A table of 8 MiB in COPY's text format, with rows of several lengths, line ends and nulls; and smaller things.
const LARGE: &str = "create table large (id int primary key, note text, other text); insert into large select n, \
    case when n % 7 = 0 then null when n % 5 = 0 then E'two\\nlines\\\\' else repeat(md5(n::text), 1 + n % 9) end, \
    '\\.' from generate_series(1, 60000) n; \
    create table wide (id int, note text); alter table wide alter note set storage external; insert into wide \
    select n, repeat(md5(n::text), 40000) from generate_series(1, 5) n; \
    create table none (id int); \
    select lo_from_bytea(4711, decode(repeat('ab', 100000), 'hex'))";

/// How many transactions have written the rows of a table.
async fn writers(restore: &Restored, table: &str) -> String {
    let query = format!("select count(distinct xmin::text) from {table}");
    ask(&restore.scene.postgres, &restored_name("shop", UID), &query).await
}

struct Restored {
    scene: Scene,
    report: RestoreReport,
    messages: Vec<String>,
}

/// Restores beside, by so many sessions.
async fn restored(sql: &str, jobs: i32) -> Restored {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    scene.postgres.execute("shop", sql).await;
    let set = scene.take(None).await.unwrap();
    let mut restore = Restore::new(&scene, &scene.postgres, &set, RestoreTarget::Beside);
    restore.request.jobs = jobs;
    let watch = Watch::quietly();
    let report = restore.watched(&watch).await.unwrap();
    let reports = watch.reports.into_inner().unwrap();
    let messages = reports.into_iter().filter_map(|report| report.message);
    Restored {
        messages: messages.collect(),
        scene,
        report,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_large_table_come_by_several_sessions_and_are_the_same() {
    let restored = restored(LARGE, 3).await;
    let report = &restored.report;
    assert!(report.databases[0].is_identical, "{report:?}");
    assert_eq!(report.warnings, Vec::<String>::new());
    assert_eq!(report.restored_bytes, report.total_bytes);
    assert_eq!(writers(&restored, "large").await, "3");
    assert_eq!(writers(&restored, "wide").await, "3");
    assert_eq!(writers(&restored, "orders").await, "1");
    let server = &restored.scene.postgres;
    let database = restored_name("shop", UID);
    for (query, expected) in [
        ("select nextval('orders_id_seq')", "501"),
        ("select length(lo_get(4711))", "100000"),
        ("select count(*) from pg_index where not indisvalid", "0"),
    ] {
        assert_eq!(ask(server, &database, query).await, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_keeps_the_order_of_the_rows() {
    let restored = restored(LARGE, 1).await;
    assert!(restored.report.databases[0].is_identical);
    assert_eq!(writers(&restored, "large").await, "1");
}

/// What a function checks may need rows that have to be there before.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_function_checks_come_by_one_session() {
    let alone = "create function alone() returns bool language sql as 'select count(*) = 0 from \
        pg_catalog.pg_stat_activity where query like ''COPY public.large%'' and state = ''active'' and pid <> \
        pg_catalog.pg_backend_pid()'; create table large (note text check (alone())); insert into large select \
        repeat(md5(n::text), 300) from generate_series(1, 900) n";
    let restored = restored(alone, 3).await;
    assert!(restored.report.databases[0].is_identical);
    assert_eq!(restored.report.warnings, Vec::<String>::new());
    assert_eq!(writers(&restored, "large").await, "1");
}

/// A constraint may say anything, also that nobody else may write.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_session_alone_can_restore_is_restored_by_one() {
    let exclusive = "create table large (note text check (pg_try_advisory_xact_lock(4711))); insert into large \
        select repeat(md5(n::text), 300) from generate_series(1, 900) n";
    let restored = restored(exclusive, 3).await;
    assert!(restored.report.databases[0].is_identical);
    assert_eq!(writers(&restored, "large").await, "1");
    let said = format!("{:?}", restored.report.warnings);
    assert!(
        said.contains("several sessions could not restore its rows"),
        "{said}"
    );
    assert!(said.contains("check constraint"), "{said}");
    let messages = &restored.messages;
    let is_reported = |message: &String| message.contains("was restored twice");
    assert!(messages.iter().any(is_reported), "{messages:?}");
}

/// Postgres sees no deadlock: one session waits for a lock, the other one for rows. There are more of them than all
/// buffers hold.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_wait_for_each_other_do_not_wait_for_ever() {
    let waiting = "create table large (note text check (pg_advisory_xact_lock(4711)::text = '')); insert into \
        large select repeat(md5(n::text), 300) from generate_series(1, 6000) n";
    let restored = restored(waiting, 3).await;
    assert!(restored.report.databases[0].is_identical);
    assert_eq!(writers(&restored, "large").await, "1");
    let said = format!("{:?}", restored.report.warnings);
    assert!(said.contains("takes locks"), "{said}");
}
