//! A drill proves what can be restored byte for byte, and finds what can't: with real servers and a real
//! bucket.

use holdfast::agent::RestoreStep;
use holdfast::api::{DrillFailureClass as Class, RestorePhase, reasons};
use serde_json::json;

use crate::backup_scene::{FOLDER, Scene};
use crate::drill_scene::{Drill, class_of, last_drill};
use crate::restored_scene::{
    Changed, Watch, ask, databases, odd_scene, plain_dump, roles, small_shop,
};
use crate::support::postgres::PASSWORD;

/// A database with these statements run in it.
async fn shop_with(sql: &str) -> Scene {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    scene.postgres.execute("shop", sql).await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_set_is_proven_and_nothing_is_left() {
    let scene = odd_scene().await;
    let server = &scene.postgres;
    server
        .execute(
            "shop",
            "create table app.events (at timestamptz, day date); insert into app.events values (now(), \
             '2020-01-01'); create table app.late (n int); insert into \
             app.late values (-1); alter table app.late add constraint positive check (n > 0) not valid; \
             create table app.states (state varchar(9) check (state in ('new', 'paid'))); insert into \
             app.states values ('new'); create table app.parent (a int); create table app.child (b int) \
             inherits (app.parent); alter table app.parent add c int; insert into app.child values (1, 2, 3)",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    let before = (
        databases(server).await,
        roles(server).await,
        plain_dump(server, "shop"),
    );
    let drill = Drill::new(&scene, &set).asking(json!({
        "queries": [
            {"name": "orders", "query": "select count(*) from app.orders;", "minimum": 2000, "maximum": 2000},
            {"name": "seen", "query": "select count(*) from app.seen -- a view", "minimum": 1},
            {"name": "share", "query": "select 0.5", "database": "shop", "minimum": 0, "maximum": 1},
        ],
        "freshness": [
            {"table": "app.events", "column": "at", "withinSeconds": 3600},
            {"table": "app.events", "column": "day", "withinSeconds": 3_000_000_000_u64},
        ],
    }));
    let (report, drill) = drill.proven().await;
    assert_eq!(report.phase, Some(RestorePhase::Done));
    assert!(report.databases[0].is_identical, "{report:?}");
    assert_eq!(report.warnings, Vec::<String>::new());
    assert_eq!(
        (drill.schema_matches, drill.sequences_match),
        (Some(true), Some(true))
    );
    assert_eq!(
        drill.system_identifier.as_deref(),
        Some(set.manifest.identity.system_identifier.as_str())
    );
    assert!(drill.server_version.is_some());
    assert!(
        drill.amcheck.as_ref().unwrap().ends_with(" indexes"),
        "{drill:?}"
    );
    assert_ne!(drill.amcheck.as_deref(), Some("0 indexes"));
    assert!(drill.invalid_indexes.is_empty() && drill.unvalidated_constraints.is_empty());
    let values: Vec<_> = drill
        .queries
        .iter()
        .map(|query| (query.value.as_deref().unwrap(), query.passed))
        .collect();
    assert_eq!(values, [("2000", true), ("2000", true), ("0.5", true)]);
    assert!(
        drill.freshness.iter().all(|column| column.passed),
        "{drill:?}"
    );
    assert!(
        drill.times.parts().iter().all(|(_, time)| time.is_some()),
        "{:?}",
        drill.times
    );

    let after = (
        databases(server).await,
        roles(server).await,
        plain_dump(server, "shop"),
    );
    assert_eq!(after, before);
    let sessions = "select count(*) from pg_stat_activity where application_name like 'holdfast%'";
    assert_eq!(ask(server, "postgres", sessions).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_dumped_and_not_restored_is_found() {
    for (sql, class, said) in [
        (
            "create table wide (what text); insert into wide select string_agg(md5(n::text), '') from \
             generate_series(1, 1000) n; alter table wide alter column what set storage plain",
            Class::Data,
            "row is too big",
        ),
        (
            "create function is_known(text) returns boolean language plpgsql as 'begin return exists (select \
             from which where answer = $1); end'; create table answers (answer text check \
             (is_known(answer))); insert into answers values ('backed up')",
            Class::SearchPath,
            "does not exist",
        ),
    ] {
        let scene = shop_with(sql).await;
        let set = scene.take(None).await.unwrap();
        let (failure, drill) = Drill::new(&scene, &set).failed().await;
        assert_eq!(failure.reason, reasons::RESTORE_FAILED, "{failure:?}");
        assert_eq!(class_of(&drill), class, "{failure:?}");
        assert!(failure.message.contains(said), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_leaves_out_and_names_is_no_failure_of_a_drill() {
    // In a restore nothing is found without its schema.
    let scene = shop_with(
        "create function total() returns bigint language sql as 'select count(*) from orders'; create \
         materialized view sums as select total() as n; create unique index on sums (n); comment on \
         materialized view sums is 'of all'; create view after_it as select * from sums",
    )
    .await;
    let set = scene.take(None).await.unwrap();
    let (report, drill) = Drill::new(&scene, &set).proven().await;
    let restored = &report.databases[0];
    assert!(restored.is_identical, "{report:?}");
    assert_eq!(restored.rows, restored.expected_rows);
    assert_eq!(restored.not_restored.len(), 1, "{report:?}");
    let what = &restored.not_restored[0];
    assert!(
        what.starts_with("MATERIALIZED VIEW DATA public.sums: ") && what.contains("does not exist"),
        "{what}"
    );
    assert!(report.warnings.iter().any(|warning| warning.contains(what)));
    let message = report.message.unwrap();
    assert!(
        message.contains("NOT RESTORED, which concerns no rows") && message.contains(what),
        "{message}"
    );
    assert_eq!(drill.schema_matches, Some(true));

    // Only that is left out: the view itself must be there.
    let mut drill = Drill::new(&scene, &set);
    let name = holdfast::agent::restored_name("shop", crate::restored_scene::UID);
    let socket = drill.scratch.socket();
    let watch = Watch::acting(move |step| {
        let (socket, name) = (socket.clone(), name.clone());
        Box::pin(async move {
            if step == RestoreStep::Restored {
                let mut config = tokio_postgres::Config::new();
                config.host_path(&socket).user("postgres").dbname(&name);
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                let drop = "drop materialized view public.sums cascade";
                client.batch_execute(drop).await.unwrap();
            }
        })
    });
    let failure = drill.watched(&watch).await.unwrap_err();
    assert_eq!(failure.reason, reasons::DRILL_FAILED, "{failure:?}");
    assert!(
        failure
            .message
            .contains("materialized view \"public.sums\" is not there"),
        "{failure:?}"
    );
    drill.scratch.wait().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_with_another_bit_or_without_an_object_is_no_proof() {
    let scene = shop_with("").await;
    let set = scene.take(None).await.unwrap();
    let file = scene.bucket.file(&format!("{FOLDER}/dump.pgc.zst"));
    {
        let _flipped = Changed::new(file.clone(), |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        });
        let (failure, drill) = Drill::new(&scene, &set).failed().await;
        assert_eq!(failure.reason, reasons::SET_CHANGED, "{failure:?}");
        assert_eq!(class_of(&drill), Class::Storage);
    }
    let hidden = file.with_extension("hidden");
    std::fs::rename(&file, &hidden).unwrap();
    let (failure, drill) = Drill::new(&scene, &set).failed().await;
    assert_eq!(failure.reason, reasons::SET_CHANGED, "{failure:?}");
    assert_eq!(class_of(&drill), Class::Storage);
    std::fs::rename(&hidden, &file).unwrap();
    Drill::new(&scene, &set).proven().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_not_as_in_the_backup_is_found() {
    let scene = shop_with(
        "create index by_what on orders (what); create view seen as select * from orders; alter table orders \
         add constraint positive check (id > 0); grant select on orders to public",
    )
    .await;
    let set = scene.take(None).await.unwrap();
    let name = holdfast::agent::restored_name("shop", crate::restored_scene::UID);
    for (change, reason, said) in [
        (
            "update public.orders set what = 'x' where id = 7",
            reasons::RESTORE_DIFFERS,
            "orders",
        ),
        (
            "drop index public.by_what",
            reasons::DRILL_FAILED,
            "by_what",
        ),
        ("drop view public.seen", reasons::DRILL_FAILED, "seen"),
        (
            "create or replace view public.seen as select id, upper(what) as what from public.orders",
            reasons::DRILL_FAILED,
            "seen\" is defined differently",
        ),
        (
            "alter table public.orders drop constraint positive",
            reasons::DRILL_FAILED,
            "orders",
        ),
        (
            "revoke all on public.orders from public",
            reasons::DRILL_FAILED,
            "orders",
        ),
        (
            "create role r; alter table public.orders owner to r",
            reasons::DRILL_FAILED,
            "orders",
        ),
        (
            "select nextval('public.orders_id_seq')",
            reasons::DRILL_FAILED,
            "orders_id_seq",
        ),
        ("create table public.more ()", reasons::DRILL_FAILED, "more"),
        (
            "update pg_index set indisvalid = false where indexrelid = 'public.by_what'::regclass",
            reasons::DRILL_FAILED,
            "by_what",
        ),
        (
            "update pg_constraint set convalidated = false where conname = 'positive'",
            reasons::DRILL_FAILED,
            "positive",
        ),
    ] {
        let mut drill = Drill::new(&scene, &set);
        let (socket, name) = (drill.scratch.socket(), name.clone());
        let watch = Watch::acting(move |step| {
            let (socket, name) = (socket.clone(), name.clone());
            Box::pin(async move {
                if step == RestoreStep::Restored {
                    let mut config = tokio_postgres::Config::new();
                    config.host_path(&socket).user("postgres").dbname(&name);
                    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
                    tokio::spawn(connection);
                    client.batch_execute(change).await.unwrap();
                }
            })
        });
        let failure = drill.watched(&watch).await.expect_err(change);
        assert_eq!(failure.reason, reason, "{change}: {failure:?}");
        assert!(failure.message.contains(said), "{change}: {failure:?}");
        assert_eq!(class_of(&last_drill(&watch)), Class::Data, "{change}");
        drill.scratch.wait().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_columns_have_bounds() {
    let scene =
        shop_with("create table events (at timestamptz); insert into events values ('2020-01-01')")
            .await;
    let set = scene.take(None).await.unwrap();
    for (asked, said) in [
        (
            json!({"name": "q", "query": "select count(*) from orders", "minimum": 501}),
            "500",
        ),
        (
            json!({"name": "q", "query": "select count(*) from orders", "maximum": 499}),
            "500",
        ),
        (
            json!({"name": "q", "query": "select id from orders", "minimum": 0}),
            "several rows",
        ),
        (
            json!({"name": "q", "query": "select 1, 2", "minimum": 0}),
            "2 columns",
        ),
        (
            json!({"name": "q", "query": "select null::int", "minimum": 0}),
            "NULL",
        ),
        (
            json!({"name": "q", "query": "select what from orders limit 1", "minimum": 0}),
            "no number",
        ),
        (
            json!({"name": "q", "query": "select 1; select 2", "minimum": 0}),
            "multiple commands",
        ),
        (
            json!({"name": "q", "query": "delete from orders returning 1", "minimum": 0}),
            "syntax error",
        ),
        (
            json!({"name": "q", "query": "select 1", "database": "other", "minimum": 0}),
            "not in the set",
        ),
    ] {
        let drill = Drill::new(&scene, &set).asking(json!({"queries": [asked]}));
        let (failure, drill) = drill.failed().await;
        assert_eq!(failure.reason, reasons::DRILL_FAILED, "{asked}");
        assert!(failure.message.contains(said), "{asked}: {failure:?}");
        assert!(drill.queries.iter().all(|query| !query.passed), "{asked}");
    }
    for (asked, said) in [
        (
            json!({"table": "public.events", "column": "at", "withinSeconds": 60}),
            "2020-01-01",
        ),
        (
            json!({"table": "public.events", "column": "gone", "withinSeconds": 60}),
            "can't be read",
        ),
        (
            json!({"table": "public.orders", "column": "what", "withinSeconds": 60}),
            "can't be read",
        ),
    ] {
        let drill = Drill::new(&scene, &set).asking(json!({"freshness": [asked]}));
        let (failure, drill) = drill.failed().await;
        assert_eq!(failure.reason, reasons::DRILL_FAILED, "{asked}");
        assert!(failure.message.contains(said), "{asked}: {failure:?}");
        assert!(!drill.freshness[0].passed, "{asked}");
    }
}
