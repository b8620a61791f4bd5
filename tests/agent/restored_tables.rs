//! Certain tables of a set, beside: with all that belongs to them, and nothing else.

use holdfast::agent::restored_name;
use holdfast::api::{RestoreReport, RestoreTarget, reasons};

use crate::restored_scene::{
    OTHER_UID, Restore, UID, ask, databases, dump_with, odd_scene, plain_dump, properties, psql,
};
use crate::support::postgres::TestPostgres;

/// UID of a restore of one partition.
const PART_UID: &str = "3c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11";
const TABLES: &str = "select string_agg(c.oid::regclass::text, ' ' order by c.oid::regclass::text) from pg_class c \
    join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'p', 'v', 'm') and nspname in ('app', 'public')";

/// Indexes of partitions, operators that nothing says are needed, a type with a cast.
const MORE: &str = "
    set search_path = app, public;
    alter table parts add primary key (id, day); create index parts_day on parts (day);
    create extension btree_gist with schema public;
    create type amount as (euros int);
    create function to_amount(int) returns amount immutable language sql return row($1)::app.amount;
    create cast (int as amount) with function to_amount(int);
    create table bookings (room int, during tstzrange, cost amount generated always as (room::amount) stored,
        exclude using gist (room with =, during with &&));
    insert into bookings select n, tstzrange('2026-01-01', '2026-01-02') from generate_series(1, 3) n;
    comment on index parts_day is 'by day'; grant usage on schema app to reader;
";

fn of(mut restore: Restore, tables: &[&str]) -> Restore {
    restore.request.tables = tables.iter().map(|&table| table.to_owned()).collect();
    restore
}

fn last_words(report: &RestoreReport) -> &str {
    report.message.as_deref().unwrap_or_default()
}

async fn present(server: &TestPostgres) -> (String, String) {
    (plain_dump(server, "shop"), properties(server, "shop").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_come_with_what_belongs_to_them_and_nothing_else() {
    let scene = odd_scene().await;
    let server = &scene.postgres;
    server.execute("shop", MORE).await;
    let set = scene.take(None).await.unwrap();
    let wanted = ["app.orders", "app.parts", "app.bookings"];
    let with_partitions = [
        "--table=app.orders",
        "--table=app.parts",
        "--table=app.parts_*",
    ];
    let before = dump_with(server, "shop", &with_partitions);
    let lines = dump_with(server, "shop", &["--table=app.lines"]);
    server.execute("shop", "truncate app.orders cascade").await;
    let now = present(server).await;

    let beside = || Restore::new(&scene, server, &set, RestoreTarget::Beside);
    let restore = of(beside(), &wanted);
    let report = restore.run().await.unwrap();
    let name = restored_name("shop", UID);
    let restored = &report.databases[0];
    assert!(restored.is_identical, "{report:?}");
    assert_eq!((restored.rows, restored.tables), (Some(2_063), Some(4)));
    assert_eq!(restored.not_restored, Vec::<String>::new());
    assert_eq!(dump_with(server, &name, &with_partitions), before);
    let tables = ask(server, &name, TABLES).await;
    assert_eq!(
        tables,
        "app.bookings app.orders app.parts app.parts_new app.parts_old"
    );
    let next = "insert into app.orders (what) values ('x') returning id || what";
    assert_eq!(
        ask(server, &name, next).await,
        "2001touched",
        "its sequence and its trigger"
    );
    let others = "select count(*) from (select oid from pg_event_trigger union all select oid from pg_publication \
        union all select oid from pg_largeobject_metadata) of_others";
    assert_eq!(ask(server, &name, others).await, "0");
    let said = report.warnings.join("; ");
    assert!(said.contains("large objects of database"), "{said}");
    assert_eq!(present(server).await, now);
    // The way back that docs/restore.md names.
    let rows = dump_with(server, &name, &["--data-only", "--table=app.parts_*"]);
    server.execute("shop", "truncate app.parts").await;
    psql(server, "shop", &rows);
    assert_eq!(present(server).await, now);

    // A partition is a table of its own, with its index and its key.
    let part = of(beside(), &["app.parts_old"]).with_uid(PART_UID);
    let report = part.run().await.unwrap();
    let name = restored_name("shop", PART_UID);
    assert_eq!(report.databases[0].rows, Some(30));
    assert_eq!(ask(server, &name, TABLES).await, "app.parts_old");
    let indexes = "select count(*) from pg_index where indrelid = 'app.parts_old'::regclass";
    assert_eq!(ask(server, &name, indexes).await, "2");
    assert!(
        report.warnings.join("; ").contains("tables of their own"),
        "{:?}",
        report.warnings
    );

    // The constraint needs a table that is not there, and says so.
    let restore = of(beside(), &["app.lines"]).with_uid(OTHER_UID);
    let report = restore.run().await.unwrap();
    let name = restored_name("shop", OTHER_UID);
    assert_eq!(report.databases[0].rows, Some(100));
    assert!(
        last_words(&report).contains("NOT RESTORED")
            && last_words(&report).contains("\"app.orders\""),
        "{report:?}"
    );
    let without_key: Vec<&str> = lines
        .split("\n\n\n")
        .filter(|part| !part.contains("FK CONSTRAINT"))
        .collect();
    assert_eq!(
        dump_with(server, &name, &["--table=app.lines"]),
        without_key.join("\n\n\n")
    );
    assert_eq!(ask(server, &name, TABLES).await, "app.lines");
    // The same agent again, as after an eviction.
    assert_eq!(restore.run().await.unwrap().databases[0].rows, Some(100));
    assert_eq!(present(server).await, now);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_table_of_the_set_is_refused_and_nothing_is_replaced_by_a_part() {
    let scene = odd_scene().await;
    let server = &scene.postgres;
    let set = scene.take(None).await.unwrap();
    let before = (databases(server).await, present(server).await);
    for (tables, into, text) in [
        (
            ["app.orders", "app.nothing_of_it"],
            RestoreTarget::Beside,
            "\"app.nothing_of_it\"",
        ),
        (
            ["app.orders", "app.seen"],
            RestoreTarget::Beside,
            "\"app.seen\"",
        ),
        (
            ["app.orders", "app.lines"],
            RestoreTarget::Replace,
            "spec.tables",
        ),
    ] {
        let restore = of(Restore::new(&scene, server, &set, into), &tables);
        let failure = restore.run().await.expect_err(text);
        assert_eq!(failure.reason, reasons::RESTORE_REFUSED, "{failure:?}");
        assert!(failure.message.contains(text), "{failure:?}");
        assert_eq!(
            (databases(server).await, present(server).await),
            before,
            "{text}"
        );
    }
}
