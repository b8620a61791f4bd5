//! What the owner of a table may try so that a check runs his code: every way in, with a superuser
//! and with the granted role. The code leaves a line in the server's log, which says as whom it ran.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use holdfast::agent::{Gathered, gather};
use holdfast::api::CountKind;

use crate::check::{check_request, mounted};
use crate::support::postgres::TestPostgres;

/// Code that says as whom it runs.
const CODE: &str = "create function app.code(int) returns int language plpgsql immutable as $$begin \
    raise log 'code ran as %', current_user; return 1; end$$; create function app.two(int, int) \
    returns int language plpgsql immutable as $$begin raise log 'code ran as %', current_user; \
    return 1; end$$;";

/// A way in: the table, and what the owner makes of it. Each has one row.
const WAYS_IN: [(&str, &str); 14] = [
    (
        "expression",
        "create index on app.expression ((app.code(1) + id))",
    ),
    (
        "predicate",
        "create index on app.predicate (id) where app.code(1) = 1",
    ),
    (
        "statistics",
        "create statistics app.seen on (app.code(1) + id), (id + 1) from app.statistics",
    ),
    (
        "operator",
        "create operator app.@@@@ (leftarg = int, rightarg = int, function = app.two); create \
         index on app.operator ((1 operator(app.@@@@) 2))",
    ),
    (
        "cast",
        "create type app.pair as (a int); create function app.of_pair(app.pair) returns int \
         language plpgsql immutable as $$begin raise log 'code ran as %', current_user; return 1; \
         end$$; create cast (app.pair as int) with function app.of_pair(app.pair); create index on \
         app.cast ((row(1)::app.pair::int))",
    ),
    (
        "domain",
        "create domain app.number as int check (app.code(1) = 1); create index on app.domain \
         ((1::app.number))",
    ),
    (
        "later_domain",
        "create domain app.harmless as int; create index on app.later_domain ((1::app.harmless)); \
         alter domain app.harmless add check (app.code(1) = 1)",
    ),
    (
        "inlined",
        "create function app.inlined(int) returns int language sql immutable as 'select \
         app.code(1) + $1'; create index on app.inlined (app.inlined(id))",
    ),
    (
        "body",
        "create function app.body(int) returns int language sql immutable begin atomic select \
         app.code($1); end; create index on app.body (app.body(1))",
    ),
    // The number of another table leaves no dependency.
    (
        "hash_expression",
        "do $$begin execute format('create index on app.hash_expression \
         ((satisfies_hash_partition(%s::oid, 1, 0, 1)))', 'app.keyed'::regclass::oid); end$$",
    ),
    (
        "hash_predicate",
        "do $$begin execute format('create index on app.hash_predicate (id) where \
         satisfies_hash_partition(%s::oid, 1, 0, 1)', 'app.keyed'::regclass::oid); end$$",
    ),
    (
        "hash_statistics",
        "do $$begin execute format('create statistics app.hashed on (satisfies_hash_partition(\
         %s::oid, 1, 0, 1)), (id + 1) from app.hash_statistics', 'app.keyed'::regclass::oid); end$$",
    ),
    (
        "row_type",
        "create domain app.checked as int check (app.code(1) = 1); create type app.couple as (a \
         app.checked); create index on app.row_type ((populate_record(null::app.couple, \
         'a=>1'::hstore) is null))",
    ),
    (
        "later_row_type",
        "create type app.later as (a int); create index on app.later_row_type \
         ((populate_record(null::app.later, 'b=>1'::hstore) is null)); alter type app.later add \
         attribute b app.checked",
    ),
];

/// What the owner may do as well, and a count does not run.
const HARMLESS: &str = "create table app.plain as select 1 as id; create index on app.plain \
    (lower(id::text)) where id > 0; create statistics app.plain_seen on id, (id + 1) from \
    app.plain; create table app.constraint (id int check (app.code(1) = 1)); insert into \
    app.constraint values (1); create table app.inherits () inherits (app.constraint); create \
    table app.generated (id int, more int generated always as (app.code(1)) stored); insert into \
    app.generated values (1); create table app.defaults (id int default app.code(1)); insert into \
    app.defaults values (1); create table app.rule (id int); insert into app.rule values (1); create \
    domain app.positive as int check (app.code(1) = 1); create table app.typed (id app.positive, name \
    text); create index on app.typed (id); create index on app.typed (lower(name)); insert into \
    app.typed values (1, 'x');";

struct Scene {
    server: TestPostgres,
}

impl Scene {
    async fn start() -> Self {
        let server = TestPostgres::start();
        server
            .execute(
                "postgres",
                "create role owner login; create role agent login password 'secret'; grant \
                 pg_read_all_settings, pg_read_all_data to agent; create role boss superuser login password \
                 'secret'",
            )
            .await;
        server
            .execute("postgres", "create database shop owner owner")
            .await;
        server.execute("shop", "create extension hstore").await;
        let scene = Self { server };
        scene.own("create schema app").await;
        scene.own(CODE).await;
        scene
    }

    /// Runs something as the owner of the database.
    async fn own(&self, sql: &str) {
        self.server
            .execute("shop", &format!("set role owner; {sql}"))
            .await;
    }

    /// Lays every trap.
    async fn lay_traps(&self) {
        self.own(
            "create table app.keyed (id int) partition by hash ((app.code(1) + id)); create table \
             app.keyed_1 partition of app.keyed for values with (modulus 1, remainder 0); insert \
             into app.keyed values (1)",
        )
        .await;
        for (name, trap) in WAYS_IN {
            self.own(&format!(
                "create table app.{name} as select 1 as id; {trap}"
            ))
            .await;
        }
        self.own(HARMLESS).await;
    }

    /// Whether the code ran as that role.
    fn ran_as(&self, role: &str) -> bool {
        fs::read_to_string(self.server.file("log"))
            .unwrap()
            .contains(&format!("code ran as {role}"))
    }

    async fn check(&self, role: &str, rules: &[&str]) -> Gathered {
        let (request, credentials) = self.server.request(&["shop"], role, "secret");
        gather(&check_request(request, rules), &mounted(&credentials)).await
    }
}

/// The rows of each table that were counted to their end.
fn exact(found: &Gathered) -> BTreeMap<&str, i64> {
    let tables = &found.evidence.as_ref().expect("evidence").tables;
    tables
        .iter()
        .filter(|table| table.count == CountKind::Exact)
        .map(|table| (table.name.as_str(), table.rows))
        .collect()
}

#[tokio::test]
async fn no_way_in_runs_code_of_the_owner_and_every_table_is_counted() {
    let scene = Scene::start().await;
    scene.lay_traps().await;
    // A superuser's table, with code of somebody else in it.
    scene
        .server
        .execute(
            "shop",
            "create table app.of_superuser as select 1 as id; create index on app.of_superuser \
             ((app.code(1) + id))",
        )
        .await;
    for role in ["agent", "boss"] {
        let found = scene.check(role, &["app.predicate"]).await;
        assert!(!scene.ran_as(role), "the owner's code ran as {role}");
        assert_eq!(found.failure, None);
        let evidence = found.evidence.as_ref().unwrap();
        assert_eq!(evidence.coverage[0].not_counted, [], "as {role}");
        let exact = exact(&found);
        let with_traps = WAYS_IN
            .iter()
            .map(|(name, _)| *name)
            .chain(["keyed", "of_superuser"]);
        for name in with_traps {
            let name = format!("app.{name}");
            assert_eq!(exact.get(name.as_str()), Some(&1), "{name} as {role}");
        }
        assert_eq!(evidence.superuser, role == "boss");
    }
}

#[tokio::test]
async fn each_way_in_works_on_those_who_ask_plainly() {
    let scene = Scene::start().await;
    scene.lay_traps().await;
    let tables = WAYS_IN.iter().map(|(name, _)| *name).chain(["keyed"]);
    for (position, name) in tables.enumerate() {
        // A role of its own for each, because the log is read.
        let role = format!("victim_{position}");
        scene
            .server
            .execute(
                "postgres",
                &format!(
                    "create role {role} login password 'secret'; grant pg_read_all_data to {role}"
                ),
            )
            .await;
        scene
            .server
            .execute(
                "shop",
                &format!(
                    "set role {role}; set search_path = ''; set default_transaction_read_only = \
                     on; select pg_catalog.count(*) from app.{name}"
                ),
            )
            .await;
        assert!(scene.ran_as(&role), "{name} is no way in");
    }
}

/// Waits until a check waits for a lock.
async fn wait_for_lock(server: &TestPostgres) {
    let observer = server.superuser("postgres").await;
    let waiting = "select count(*) from pg_stat_activity where application_name = 'holdfast-check' \
        and wait_event_type = 'Lock'";
    for _ in 0..500 {
        let count: i64 = observer.query_one(waiting, &[]).await.unwrap().get(0);
        if count > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no check waits for a lock");
}

#[tokio::test]
async fn code_that_is_added_while_a_count_waits_is_not_run() {
    for (hold, add) in [
        (
            "lock table app.late in access exclusive mode",
            "create index on app.late ((app.code(1) + id))",
        ),
        (
            "reindex index app.late_id",
            "create statistics app.late_seen on (app.code(1) + id), (id + 1) from app.late",
        ),
        (
            "lock table app.late in access exclusive mode",
            "alter table app.late rename to before; create table app.late (id int); create index \
             on app.late ((app.code(1) + id))",
        ),
    ] {
        let scene = Scene::start().await;
        scene
            .own("create table app.late as select 1 as id; create index late_id on app.late (id)")
            .await;
        let owner = scene.server.superuser("shop").await;
        owner
            .batch_execute(&format!("set role owner; begin; {hold}"))
            .await
            .unwrap();
        let (request, credentials) = scene.server.request(&["shop"], "agent", "secret");
        let request = check_request(request, &["app.late"]);
        let files = mounted(&credentials);
        let looking = tokio::spawn(async move { gather(&request, &files).await });
        wait_for_lock(&scene.server).await;
        owner
            .batch_execute(&format!("{add}; commit"))
            .await
            .unwrap();
        let found = looking.await.unwrap();
        assert!(!scene.ran_as("agent"), "{add}");
        assert_eq!(found.failure, None, "{add}");
        let counted = exact(&found).get("app.late").copied();
        // Another table has the name now; the next check counts that.
        let expected = if add.contains("rename") {
            None
        } else {
            Some(1)
        };
        assert_eq!(counted, expected, "{add}");
    }
}

#[tokio::test]
async fn thousands_of_functions_that_call_each_other_do_not_hold_a_check_up() {
    let scene = Scene::start().await;
    scene
        .own(
            "create table app.plain as select 1 as id; create function app.f0(int) returns int \
             language sql immutable begin atomic select 1; end; do $$begin for i in 1..3000 loop \
             execute format('create function app.f%s(int) returns int language sql immutable begin \
             atomic select app.f%s($1); end', i, i - 1); end loop; end$$",
        )
        .await;
    // With as many pairs as functions to the square it would take more than a minute.
    let (server, credentials) = scene.server.request(&["shop"], "agent", "secret");
    let mut request = check_request(server, &["app.plain"]);
    request.timeout_seconds = 10;
    let found = gather(&request, &mounted(&credentials)).await;
    assert_eq!(found.failure, None);
}

#[tokio::test]
async fn an_owner_who_adds_and_removes_code_all_the_time_gets_none_run() {
    let scene = Scene::start().await;
    scene
        .own("create table app.busy as select g as id from generate_series(1, 100) g")
        .await;
    let owner = scene.server.superuser("shop").await;
    let busy = tokio::spawn(async move {
        owner.batch_execute("set role owner").await.unwrap();
        loop {
            let trap = "create statistics app.trap on (app.code(1) + id), (id + 1) from app.busy; \
                        drop statistics app.trap";
            for statement in trap.split("; ") {
                owner.batch_execute(statement).await.unwrap();
            }
        }
    });
    for role in ["agent", "boss"] {
        for _ in 0..25 {
            let found = scene.check(role, &[]).await;
            assert_eq!(exact(&found).get("app.busy"), Some(&100));
        }
        assert!(!scene.ran_as(role), "the owner's code ran as {role}");
    }
    busy.abort();
}

/// Tables that no short column makes easy to count, and the rows of each.
const ODD_TABLES: [(&str, &str, i64); 9] = [
    (
        "no_column",
        "(); insert into app.no_column default values",
        1,
    ),
    (
        "generated",
        "(id int generated always as (7) stored); insert into app.generated default values",
        1,
    ),
    (
        "dropped",
        "(gone int, \"a \"\"b\" text); alter table app.dropped drop column gone; insert into \
         app.dropped values (e'x\\ny'), (e'\\\\.'), (null), ('')",
        4,
    ),
    (
        "texts",
        "(body text, code varchar(9)); insert into app.texts select repeat('x', 3000000), 'y' from \
         generate_series(1, 3)",
        3,
    ),
    // Compressed on disk, and 64 MiB each where the server would send them.
    (
        "huge",
        "(body text); insert into app.huge select repeat('x', 67108864) from generate_series(1, 2)",
        2,
    ),
    (
        "checked",
        "(id app.checked_number); insert into app.checked values (1)",
        1,
    ),
    (
        "row",
        "(pair app.couple); insert into app.row values (row(1, 'x'))",
        1,
    ),
    (
        "mood",
        "(mood app.mood); insert into app.mood values ('a'), ('a')",
        2,
    ),
    (
        "bytes",
        "(body bytea); insert into app.bytes values ('\\x0a0a0a')",
        1,
    ),
];

#[tokio::test]
async fn a_table_is_counted_whatever_its_columns_are() {
    let scene = Scene::start().await;
    scene
        .own(
            "create domain app.checked_number as int check (app.code(value) = 1); create type \
             app.mood as enum ('a'); create type app.couple as (a int, b text)",
        )
        .await;
    for (name, rest, _) in ODD_TABLES {
        scene.own(&format!("create table app.{name} {rest}")).await;
    }
    let rules = ODD_TABLES.map(|(name, ..)| format!("app.{name}"));
    let found = scene
        .check("agent", &rules.each_ref().map(String::as_str))
        .await;
    assert_eq!(found.failure, None);
    let exact = exact(&found);
    for (name, _, rows) in ODD_TABLES {
        assert_eq!(
            exact.get(format!("app.{name}").as_str()),
            Some(&rows),
            "{name}"
        );
    }
    assert!(!scene.ran_as("agent"));
}

#[tokio::test]
async fn a_table_of_which_some_rows_are_enough_is_not_read_to_its_end() {
    let scene = Scene::start().await;
    scene
        .own("create table app.large as select g as id from generate_series(1, 4000000) g; analyze app.large")
        .await;
    let (server, credentials) = scene.server.request(&["shop"], "agent", "secret");
    let mut request = check_request(server, &["app.large"]);
    request.tables[0].min_rows = Some(1_000);
    request.tables[0].max_drop_percent = Some(100);
    let found = gather(&request, &mounted(&credentials)).await;
    assert_eq!(found.failure, None);
    let evidence = found.evidence.unwrap();
    let table = evidence.table("shop", "app.large").unwrap();
    assert_eq!(table.count, CountKind::LowerBound);
    assert!((1_000..4_000_000).contains(&table.rows), "{}", table.rows);
}
