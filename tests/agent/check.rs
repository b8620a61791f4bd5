//! What a check finds, and that the owner of a database can't make it find something else.

use holdfast::agent::{Gathered, MountedFiles, gather};
use holdfast::api::{
    CheckRequest, CountKind, EVIDENCE_TABLE_LIMIT, KnownTable, Origin, ServerRequest,
    TableEvidence, TableName, TableRule, reasons,
};
use tempfile::TempDir;

use crate::support::postgres::{PASSWORD, TestPostgres};

fn rule(name: &str) -> TableRule {
    TableRule {
        name: name.to_owned(),
        min_rows: Some(1),
        ..TableRule::default()
    }
}

pub fn check_request(server: ServerRequest, rules: &[&str]) -> CheckRequest {
    CheckRequest {
        namespace: "atra".to_owned(),
        database: "knowledge".to_owned(),
        check: "knowledge-1".to_owned(),
        server,
        tables: rules.iter().map(|name| rule(name)).collect(),
        count_all_tables: true,
        known_tables: Vec::new(),
        timeout_seconds: 30,
        counting_milliseconds: 10_000,
        remembered_in: None,
        origin: Origin::default(),
        looks_ahead: false,
        exclude_table_data: Vec::new(),
        ask_default_port: false,
        configured_directory: String::new(),
    }
}

pub fn mounted(credentials: &TempDir) -> MountedFiles {
    MountedFiles {
        postgres_credentials: credentials.path().to_path_buf(),
        postgres_ca: credentials.path().to_path_buf(),
        postgres_certificate: credentials.path().to_path_buf(),
        work: credentials.path().to_path_buf(),
        ..MountedFiles::default()
    }
}

async fn check(
    server: &TestPostgres,
    databases: &[&str],
    role: &str,
    password: &str,
    rules: &[&str],
) -> Gathered {
    let (request, credentials) = server.request(databases, role, password);
    gather(&check_request(request, rules), &mounted(&credentials)).await
}

fn table<'found>(found: &'found Gathered, name: &str) -> &'found TableEvidence {
    let tables = &found.evidence.as_ref().expect("evidence").tables;
    tables
        .iter()
        .find(|table| table.name == name)
        .unwrap_or_else(|| panic!("{name} is not among {tables:?}"))
}

const AGENT: &str = "create role agent login password 'secret'; grant pg_read_all_settings, pg_read_all_data to agent;";

/// In a cluster that has IPv6 only, a pod has such an address and no other.
#[tokio::test]
async fn a_server_that_has_only_an_ipv6_address_is_checked_there() {
    let mut server = TestPostgres::prepare("listen_addresses = '::1'");
    server.launch();
    let (mut request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let mut elsewhere = check_request(request.clone(), &[]);
    elsewhere.timeout_seconds = 2;
    let found = gather(&elsewhere, &mounted(&credentials)).await;
    assert_eq!(found.evidence, None, "nothing listens on IPv4");
    request.host = Some("::1".to_owned());
    let found = gather(&check_request(request, &[]), &mounted(&credentials)).await;
    assert_eq!(found.failure, None);
    let evidence = found.evidence.expect("evidence");
    assert_eq!(evidence.server_address, "::1");
}

#[tokio::test]
async fn rows_and_identity_are_those_of_the_server() {
    let server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    server
        .execute("postgres", "create database knowledge_os")
        .await;
    server
        .execute(
            "knowledge_os",
            "create table experts (id int); insert into experts select generate_series(1, 85); \
             create table empty (id int); create schema \"we ird\"; create table \"we \
             ird\".\"ta\"\"ble; drop table experts --Ü\" (id int); insert into \"we \
             ird\".\"ta\"\"ble; drop table experts --Ü\" values (1), (2); create temp table gone \
             (id int); create view shown as select * from experts; create materialized view kept \
             as select * from experts;",
        )
        .await;
    let found = check(
        &server,
        &["knowledge_os", "metrics"],
        "agent",
        "secret",
        &["public.experts"],
    )
    .await;
    assert_eq!(found.failure, None);
    let evidence = found.evidence.clone().unwrap();
    assert_eq!(
        (
            table(&found, "public.experts").rows,
            table(&found, "public.experts").count
        ),
        (85, CountKind::Exact)
    );
    assert_eq!(
        table(&found, "we ird.ta\"ble; drop table experts --Ü").rows,
        2
    );
    assert_eq!(
        (
            evidence.table_count,
            evidence.total_rows,
            evidence.tables.len()
        ),
        (3, 87, 3)
    );
    assert_eq!(
        evidence
            .databases
            .iter()
            .map(|database| database.name.as_str())
            .collect::<Vec<_>>(),
        ["knowledge_os", "postgres"]
    );
    let row = server
        .superuser("postgres")
        .await
        .query_one(
            "select system_identifier, (select setting from pg_settings where name = \
             'data_directory') from pg_control_system()",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        evidence.identity.system_identifier,
        row.get::<_, i64>(0).to_string()
    );
    assert_eq!(evidence.identity.data_directory, row.get::<_, String>(1));
    assert!(!evidence.identity.in_recovery && evidence.identity.wal_position.contains('/'));
    assert_eq!(evidence.server_address, "127.0.0.1");
    let age = evidence
        .observed_at
        .0
        .duration_since(evidence.identity.initialized_at.0)
        .as_secs();
    assert!((0..120).contains(&age), "initdb was {age} s before");
}

#[tokio::test]
async fn a_hostile_owner_can_forge_no_count() {
    let server = TestPostgres::start();
    server
        .execute("postgres", &format!("{AGENT} create role owner login;"))
        .await;
    server
        .execute("postgres", "create database victim owner owner")
        .await;
    server
        .execute(
            "victim",
            "set role owner; create schema evil; create function evil.forged_state(bigint) returns \
             bigint language sql as 'select 999::bigint'; create function evil.forged_step(bigint) \
             returns bigint language sql as 'select 999::bigint'; create aggregate evil.count(*) \
             (sfunc = evil.forged_step, stype = bigint, initcond = '0'); create table \
             evil.pg_class (relname name, oid oid); create table nodes (id int); insert into nodes \
             select generate_series(1, 100); create view looks_like_a_table as select \
             generate_series(1, 1000000) as id;",
        )
        .await;
    server
        .execute(
            "postgres",
            "alter database victim set search_path = evil, pg_catalog, public; alter role agent \
            set row_security = on;",
        )
        .await;
    let client = server.superuser("victim").await;
    let forged: i64 = client
        .query_one("select count(*) from public.nodes", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(forged, 999, "the forgery works on those who ask plainly");
    let found = check(
        &server,
        &["victim"],
        "agent",
        "secret",
        &["public.nodes", "public.looks_like_a_table"],
    )
    .await;
    assert_eq!(found.failure, None);
    assert_eq!(
        (
            table(&found, "public.nodes").rows,
            table(&found, "public.nodes").count
        ),
        (100, CountKind::Exact)
    );
    let tables = found.evidence.unwrap().tables;
    assert!(
        tables
            .iter()
            .all(|table| !table.name.contains("looks_like")),
        "a view is no table"
    );
}

#[tokio::test]
async fn row_security_and_missing_rights_are_failures_that_name_the_table_and_the_command() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            &format!("{AGENT} create role weak login password 'secret';"),
        )
        .await;
    server
        .execute(
            "postgres",
            "create table hidden (id int); insert into hidden values (1); alter table hidden \
             enable row level security; create table open (id int); insert into open values (1), \
             (2);",
        )
        .await;
    let found = check(
        &server,
        &["postgres"],
        "agent",
        "secret",
        &["public.hidden", "public.open"],
    )
    .await;
    let failure = found.failure.clone().unwrap();
    assert_eq!(failure.reason, reasons::ROW_SECURITY);
    assert!(
        failure.message.contains("public.hidden") && failure.message.contains("BYPASSRLS"),
        "{}",
        failure.message
    );
    assert_eq!(
        (
            table(&found, "public.open").rows,
            table(&found, "public.hidden").count
        ),
        (2, CountKind::Estimated)
    );

    let unlisted = check(&server, &["postgres"], "agent", "secret", &["public.open"]).await;
    assert_eq!(
        unlisted.failure, None,
        "a table without a rule is only estimated"
    );

    let found = check(&server, &["postgres"], "weak", "secret", &["public.open"]).await;
    let failure = found.failure.unwrap();
    assert_eq!(failure.reason, reasons::PERMISSION_DENIED);
    assert!(
        failure.message.contains("public.open")
            && failure
                .message
                .contains("GRANT pg_read_all_data TO \"weak\""),
        "{}",
        failure.message
    );
    assert_eq!(
        found.evidence.unwrap().identity.data_directory,
        "",
        "the role may not see it"
    );
}

#[tokio::test]
async fn partitions_are_counted_once_and_summed_where_a_rule_names_their_parent() {
    let server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    server
        .execute(
            "postgres",
            "create table events (id int) partition by range (id); create table events_low \
             partition of events for values from (0) to (100); create table events_high partition \
             of events for values from (100) to (1000) partition by range (id); create table \
             events_high_a partition of events_high for values from (100) to (500); create table \
             events_high_b partition of events_high for values from (500) to (1000); insert into \
             events select generate_series(0, 599); create table parent (id int); create table \
             child () inherits (parent); insert into parent values (1); insert into child values \
             (2), (3);",
        )
        .await;
    let found = check(
        &server,
        &["postgres"],
        "agent",
        "secret",
        &["public.events"],
    )
    .await;
    assert_eq!(
        (
            table(&found, "public.events").rows,
            table(&found, "public.events").count
        ),
        (600, CountKind::Exact)
    );
    let evidence = found.evidence.as_ref().unwrap();
    let names: Vec<&str> = evidence
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["public.events", "public.parent"],
        "one table each, those with rules first"
    );
    assert_eq!(
        table(&found, "public.parent").rows,
        3,
        "with the rows of the table that inherits"
    );
    assert_eq!((evidence.total_rows, evidence.table_count), (603, 2));

    // The oldest partition goes and a new one comes: the table is there as before.
    server
        .execute(
            "postgres",
            "drop table events_low; create table events_next partition of events for values from \
            (1000) to (2000)",
        )
        .await;
    let rotated = check(
        &server,
        &["postgres"],
        "agent",
        "secret",
        &["public.events"],
    )
    .await;
    assert_eq!(
        (
            rotated.failure.clone(),
            table(&rotated, "public.events").rows
        ),
        (None, 500)
    );
    let part = check(
        &server,
        &["postgres"],
        "agent",
        "secret",
        &["public.events_high_a"],
    )
    .await;
    assert_eq!(
        (
            table(&part, "public.events_high_a").rows,
            table(&part, "public.events").rows
        ),
        (400, 500),
        "a rule may name a part"
    );
}

fn known(name: &str) -> KnownTable {
    KnownTable {
        database: "postgres".to_owned(),
        name: name.to_owned(),
        rows: None,
    }
}

fn named(name: &str) -> TableName {
    TableName {
        database: "postgres".to_owned(),
        name: name.to_owned(),
    }
}

#[tokio::test]
async fn tables_that_were_known_are_looked_for_among_ten_thousand_others() {
    let server = TestPostgres::start();
    let tables = "create table known (id int); insert into known values (1), (2); create table \
                  large (id int); insert into large select generate_series(1, 5000)";
    server.execute("postgres", tables).await;
    // In portions: a transaction keeps a lock for every table that it makes.
    for portion in 0..20 {
        let create = format!("execute format('create table t_%s_{portion} as select 1 as id', n)");
        server
            .execute(
                "postgres",
                &format!("do $$ begin for n in 1..500 loop {create}; end loop; end $$"),
            )
            .await;
    }
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let mut request = check_request(request, &[]);
    request.known_tables = vec![known("public.known"), known("public.dropped")];
    let found = gather(&request, &mounted(&credentials)).await;
    assert_eq!(found.failure, None);
    let evidence = found.evidence.as_ref().unwrap();
    assert_eq!(
        (evidence.table_count, evidence.tables.len()),
        (10_002, EVIDENCE_TABLE_LIMIT)
    );
    assert_eq!(
        (
            table(&found, "public.known").rows,
            table(&found, "public.known").count
        ),
        (2, CountKind::Exact)
    );
    assert_eq!(
        (
            table(&found, "public.large").rows,
            table(&found, "public.large").count
        ),
        (5000, CountKind::Exact),
        "the largest are told"
    );
    assert_eq!(evidence.missing_tables, Some(vec![named("public.dropped")]));
}

#[tokio::test]
async fn what_does_not_fit_into_the_budget_is_estimated_and_a_small_table_is_counted_all_the_same()
{
    let server = TestPostgres::start();
    // Nothing was analyzed, so only the files tell which table is large.
    server
        .execute(
            "postgres",
            "create table huge (id int, filler text); insert into huge select n, repeat('x', 900) \
             from generate_series(1, 300000) n; create table small (id int); insert into small \
             select generate_series(1, 7); create table locked (id int); insert into locked values \
             (1)",
        )
        .await;
    let holder = server.superuser("postgres").await;
    holder
        .batch_execute("begin; lock table locked in access exclusive mode")
        .await
        .unwrap();
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let mut request = check_request(request, &[]);
    request.counting_milliseconds = 0;
    let hurried = gather(&request, &mounted(&credentials)).await;
    assert_eq!(
        hurried.failure, None,
        "a table without a rule that was not counted is no failure"
    );
    assert_eq!(table(&hurried, "public.huge").count, CountKind::Estimated);
    assert_eq!(
        table(&hurried, "public.small").count,
        CountKind::Exact,
        "what is small is counted whatever the budget"
    );
    request.counting_milliseconds = 20_000;
    let found = gather(&request, &mounted(&credentials)).await;
    assert_eq!(
        (
            table(&found, "public.small").rows,
            table(&found, "public.small").count
        ),
        (7, CountKind::Exact),
        "beside a locked one"
    );
    assert_eq!(
        (
            table(&found, "public.huge").rows,
            table(&found, "public.huge").count
        ),
        (300_000, CountKind::Exact)
    );
    assert_eq!(table(&found, "public.locked").count, CountKind::Estimated);
    assert!(
        found.evidence.unwrap().superuser,
        "which is said, so that it can be mended"
    );
}

#[tokio::test]
async fn a_table_that_is_dropped_while_others_are_counted_is_not_told() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create table kept (id int); create table dropped (id int)",
        )
        .await;
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let mut request = check_request(request, &["public.dropped", "public.kept"]);
    request.known_tables = vec![known("public.dropped")];
    let dropper = server.superuser("postgres").await;
    dropper
        .batch_execute("begin; drop table dropped")
        .await
        .unwrap();
    let files = mounted(&credentials);
    let looking = tokio::spawn(async move { gather(&request, &files).await });
    // It is listed, and its count waits for the lock. Another session looks: within a transaction
    // the view stays as it was first seen.
    let observer = server.superuser("postgres").await;
    let waiting = "select count(*) from pg_stat_activity where application_name = 'holdfast-check' \
        and wait_event_type = 'Lock'";
    while observer
        .query_one(waiting, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        == 0
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    dropper.batch_execute("commit").await.unwrap();
    let found = looking.await.unwrap();
    assert_eq!(found.failure, None);
    let evidence = found.evidence.unwrap();
    assert_eq!(
        evidence
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect::<Vec<_>>(),
        ["public.kept"]
    );
    assert_eq!(evidence.missing_tables, Some(vec![named("public.dropped")]));
}

#[tokio::test]
async fn a_missing_database_leaves_the_identity_as_evidence() {
    let server = TestPostgres::start();
    server.execute("postgres", "create database metrics").await;
    server
        .execute(
            "metrics",
            "create table points (id int); insert into points values (1)",
        )
        .await;
    for databases in [&["knowledge_os"][..], &["knowledge_os", "metrics"]] {
        let found = check(
            &server,
            databases,
            "postgres",
            PASSWORD,
            &["public.experts"],
        )
        .await;
        assert_eq!(found.failure, None);
        let evidence = found.evidence.unwrap();
        assert_eq!(
            evidence
                .databases
                .iter()
                .map(|database| database.name.as_str())
                .collect::<Vec<_>>(),
            ["metrics", "postgres"]
        );
        assert_eq!(evidence.tables.len(), databases.len() - 1);
    }
}

#[tokio::test]
async fn what_does_not_fit_into_the_time_is_estimated() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create table small (id int); insert into small values (1); create table locked (id \
             int); insert into locked values (1)",
        )
        .await;
    let holder = server.superuser("postgres").await;
    holder
        .batch_execute("begin; lock table locked in access exclusive mode")
        .await
        .unwrap();
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let mut request = check_request(request, &["public.locked", "public.small"]);
    request.timeout_seconds = 8;
    let found = gather(&request, &mounted(&credentials)).await;
    assert_eq!(found.failure, None, "the operator tells estimates apart");
    assert_eq!(
        (
            table(&found, "public.locked").count,
            table(&found, "public.small").count
        ),
        (CountKind::Estimated, CountKind::Exact)
    );
}

#[tokio::test]
async fn only_tables_with_rules_are_counted_when_the_others_are_off() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create table listed (id int); insert into listed select generate_series(1, 5); create \
             table other (id int); insert into other values (1); create table huge (id int); \
             insert into huge select generate_series(1, 1200000); analyze huge;",
        )
        .await;
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let mut request = check_request(request, &["public.listed", "public.huge"]);
    request.count_all_tables = false;
    request.tables[1].min_rows = Some(1000);
    let found = gather(&request, &mounted(&credentials)).await;
    assert_eq!(
        (
            table(&found, "public.listed").rows,
            table(&found, "public.listed").count
        ),
        (5, CountKind::Exact)
    );
    assert_eq!(table(&found, "public.other").count, CountKind::Estimated);
    assert_eq!(
        (
            table(&found, "public.huge").rows,
            table(&found, "public.huge").count
        ),
        (1000, CountKind::LowerBound)
    );
    assert_eq!(found.evidence.unwrap().total_rows, 5);
}
