//! What the owner of a table may try so that a check runs his code: every way in, with a superuser
//! and with the granted role. The code leaves a line in the server's log, which says as whom it ran.

use std::fs;
use std::time::Duration;

use holdfast::agent::{Gathered, gather};
use holdfast::api::{CountKind, NotCountedReason, reasons};

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
        Self::start_with("").await
    }

    /// With further settings of the server.
    async fn start_with(settings: &str) -> Self {
        let mut server = TestPostgres::prepare(settings);
        server.launch();
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

fn not_counted(found: &Gathered) -> Vec<&str> {
    let coverage = &found.evidence.as_ref().expect("evidence").coverage[0];
    let mut names: Vec<&str> = coverage
        .not_counted
        .iter()
        .filter(|missed| missed.reason == NotCountedReason::OwnerCode)
        .flat_map(|missed| missed.tables.iter().map(String::as_str))
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn no_way_in_runs_code_of_the_owner_and_every_table_with_some_is_named() {
    let scene = Scene::start().await;
    scene.lay_traps().await;
    for role in ["agent", "boss"] {
        let found = scene.check(role, &["public.none"]).await;
        assert!(!scene.ran_as(role), "the owner's code ran as {role}");
        assert_eq!(found.failure, None);
        let mut expected: Vec<String> = WAYS_IN
            .iter()
            .map(|(name, _)| format!("app.{name}"))
            .chain(["app.keyed".to_owned()])
            .collect();
        expected.sort_unstable();
        let evidence = found.evidence.unwrap();
        let mut estimated: Vec<&str> = evidence
            .tables
            .iter()
            .filter(|table| table.count == CountKind::Estimated)
            .map(|table| table.name.as_str())
            .collect();
        estimated.sort_unstable();
        assert_eq!(estimated, expected, "as {role}");
        let missed = &evidence.coverage[0].not_counted;
        assert_eq!(missed.len(), 1, "{missed:?}");
        assert_eq!(missed[0].reason, NotCountedReason::OwnerCode);
        assert_eq!(
            missed[0].table_count,
            i64::try_from(expected.len()).unwrap()
        );
        let counted: Vec<&str> = evidence
            .tables
            .iter()
            .filter(|table| table.count == CountKind::Exact)
            .map(|table| table.name.as_str())
            .collect();
        for harmless in [
            "plain",
            "constraint",
            "generated",
            "defaults",
            "rule",
            "typed",
        ] {
            let name = format!("app.{harmless}");
            assert!(counted.contains(&name.as_str()), "{name}: {counted:?}");
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

#[tokio::test]
async fn a_table_with_a_rule_and_code_of_its_owner_is_a_failure_that_names_both() {
    let scene = Scene::start().await;
    scene.lay_traps().await;
    let found = scene.check("agent", &["app.predicate"]).await;
    let failure = found.failure.clone().unwrap();
    assert_eq!(failure.reason, reasons::OWNER_CODE);
    for part in [
        "app.predicate",
        "function app.code(integer)",
        "ALTER FUNCTION app.code(integer) OWNER TO postgres",
    ] {
        assert!(failure.message.contains(part), "{}", failure.message);
    }
    assert!(!scene.ran_as("agent"));
    // What a superuser owns, nobody else can change.
    scene
        .server
        .execute("shop", "alter function app.code(int) owner to postgres")
        .await;
    let found = scene.check("agent", &["app.predicate"]).await;
    assert_eq!(found.failure, None);
    assert!(!not_counted(&found).contains(&"app.predicate"));
}

#[tokio::test]
async fn an_empty_table_with_code_is_known_to_be_empty() {
    let scene = Scene::start().await;
    scene
        .own("create table app.emptied (id int); create index on app.emptied ((app.code(1) + id))")
        .await;
    let found = scene.check("agent", &[]).await;
    let table = found
        .evidence
        .as_ref()
        .unwrap()
        .table("shop", "app.emptied")
        .unwrap()
        .clone();
    assert_eq!((table.rows, table.count), (0, CountKind::Exact));
    assert_eq!(not_counted(&found), ["app.emptied"]);
    assert!(!scene.ran_as("agent"));
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
        let table = found
            .evidence
            .as_ref()
            .unwrap()
            .table("shop", "app.late")
            .cloned();
        assert!(
            table.is_none_or(|table| table.count == CountKind::Estimated),
            "{add}: {:?}",
            found.failure
        );
    }
}

#[tokio::test]
async fn a_table_that_its_owner_is_changing_is_not_counted() {
    let scene = Scene::start().await;
    scene.own("create table app.busy as select 1 as id").await;
    let owner = scene.server.superuser("shop").await;
    owner
        .batch_execute(
            "set role owner; begin; create statistics app.trap on (app.code(1) + id), (id + 1) \
             from app.busy",
        )
        .await
        .unwrap();
    let found = scene.check("agent", &["app.busy"]).await;
    assert_eq!(found.failure, None, "the next check may be able to");
    let evidence = found.evidence.unwrap();
    let missed = &evidence.coverage[0].not_counted[0];
    assert_eq!(
        (missed.reason, missed.tables.as_slice()),
        (NotCountedReason::Locked, ["app.busy".to_owned()].as_slice())
    );
    assert!(!scene.ran_as("agent"));
}

#[tokio::test]
async fn a_change_that_waits_in_a_prepared_transaction_is_one() {
    let scene = Scene::start_with("max_prepared_transactions = 5\n").await;
    scene.own("create table app.busy as select 1 as id").await;
    scene
        .own(
            "begin; create statistics app.trap on (app.code(1) + id), (id + 1) from app.busy; \
             prepare transaction 'later'",
        )
        .await;
    let found = scene.check("agent", &[]).await;
    let missed = &found.evidence.as_ref().unwrap().coverage[0].not_counted;
    assert_eq!(missed[0].reason, NotCountedReason::Locked, "{missed:?}");
    assert!(!scene.ran_as("agent"));
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

/// What remains, measured: `cargo test --test agent -- --ignored --nocapture all_the_time`.
#[tokio::test]
#[ignore = "measures how often an owner succeeds who does nothing else"]
async fn an_owner_who_adds_and_removes_code_all_the_time() {
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
    let (mut counted, checks) = (0, 200);
    for _ in 0..checks {
        let found = scene.check("agent", &[]).await;
        let table = found.evidence.as_ref().unwrap().table("shop", "app.busy");
        counted += u32::from(table.unwrap().count == CountKind::Exact);
    }
    busy.abort();
    let log = fs::read_to_string(scene.server.file("log")).unwrap();
    let ran = log.matches("code ran as agent").count();
    println!("{checks} checks, counted in {counted}, code ran in {ran}");
}
