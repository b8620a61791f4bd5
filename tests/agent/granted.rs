//! The role of `kubectl holdfast grant-sql`: with what is printed, checks and backups work, and
//! with one grant less something does not.

use std::fs;
use std::process::Command;

use holdfast::agent::gather;

use crate::backup_scene::Scene;
use crate::check::check_request;
use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::run;

/// Two schemas that PUBLIC may not use, with rows and sequences. A dump reads a partitioned table by its
/// partitions, so row security of the whole hides nothing of it.
const FILL: &str = "create schema app authorization owner; create schema ours authorization owner; \
    set role owner; create table app.experts (id int generated always as identity, name text); \
    insert into app.experts (name) select 'x' from generate_series(1, 85); create table ours.nodes \
    (id serial, body text); insert into ours.nodes (body) select 'y' from generate_series(1, \
    1000); create table app.parted (id int) partition by range (id); create table app.part partition of \
    app.parted for values from (0) to (10); alter table app.parted enable row level security;";

struct Granted {
    scene: Scene,
    roles: u32,
}

impl Granted {
    async fn start() -> Self {
        let scene = Scene::new(&["knowledge_os"], "nobody", "secret");
        let postgres = &scene.postgres;
        postgres
            .execute("postgres", "create role owner login")
            .await;
        postgres
            .execute("postgres", "create database knowledge_os")
            .await;
        postgres
            .execute(
                "postgres",
                "revoke connect on database knowledge_os from public",
            )
            .await;
        postgres.execute("knowledge_os", FILL).await;
        Self { scene, roles: 0 }
    }

    /// Makes a role by what is printed, without what `left_out` says; returns what a check or a
    /// backup lacks.
    async fn lack(&mut self, flags: &[&str], left_out: impl Fn(&str) -> bool) -> Option<String> {
        self.roles += 1;
        let role = format!("agent \"{}\"", self.roles);
        let script = print(&role, flags)
            .lines()
            .filter(|line| !left_out(line))
            .collect::<Vec<_>>()
            .join("\n");
        self.run_by_psql(&script);
        let postgres = &self.scene.postgres;
        let quoted = role.replace('"', "\"\"");
        // Where a person types \password.
        postgres
            .execute(
                "postgres",
                &format!("alter role \"{quoted}\" password 'secret'"),
            )
            .await;
        // What comes later must be readable too.
        for schema in ["app", "ours"] {
            let table = format!("{schema}.later_{}", self.roles);
            postgres
                .execute(
                    "knowledge_os",
                    &format!(
                        "set role owner; create table {table} (id serial); insert into {table} \
                    values (1)"
                    ),
                )
                .await;
        }
        fs::write(
            self.scene.files.postgres_credentials.join("username"),
            &role,
        )
        .unwrap();
        let (request, _credentials) = postgres.request(&["knowledge_os"], &role, "secret");
        let later = format!("app.later_{}", self.roles);
        let mut asked = check_request(request, &["app.experts", "ours.nodes", &later]);
        asked.looks_ahead = true;
        let found = gather(&asked, &self.scene.files).await;
        if let Some(failure) = found.failure {
            return Some(format!("check: {}", failure.message));
        }
        let evidence = found.evidence.unwrap();
        if evidence.identity.data_directory.is_empty() {
            return Some("check: no data directory".to_owned());
        }
        let rows = i64::from(85 + 1_000 + 2 * self.roles);
        if evidence.total_rows != rows {
            return Some(format!("check: {} of {rows} rows", evidence.total_rows));
        }
        match self.scene.take_number(self.roles).await {
            Ok(set) => {
                assert_eq!(set.manifest.databases[0].rows, rows.unsigned_abs());
                assert_eq!(
                    found.backup_obstacle, None,
                    "a backup that fails was foretold"
                );
                None
            }
            // The check has seen it before.
            Err(failure) => {
                let foretold = found.backup_obstacle.map(|obstacle| obstacle.message);
                assert!(foretold.is_some(), "not foretold: {}", failure.message);
                Some(format!("backup: {} ({foretold:?})", failure.message))
            }
        }
    }

    fn run_by_psql(&self, script: &str) {
        let file = self.scene.files.work.join("grants.sql");
        fs::write(&file, script).unwrap();
        run(TestPostgres::program("psql")
            .args([
                "--no-psqlrc",
                "--quiet",
                "--host=127.0.0.1",
                "--username=postgres",
                "--dbname=postgres",
                "--output=/dev/null",
            ])
            .arg(format!("--port={}", self.scene.postgres.port()))
            .arg(format!("--file={}", file.display()))
            .env("PGPASSWORD", PASSWORD));
    }

    async fn assert_enough_and_nothing_superfluous(&mut self, flags: &[&str], grants: usize) {
        assert_eq!(
            Box::pin(self.lack(flags, |_| false)).await,
            None,
            "what is printed is enough"
        );
        let printed = print("x", flags);
        let count = printed.lines().filter(|line| is_grant(line)).count();
        assert_eq!(count, grants, "{printed}");
        for number in 0..count {
            let seen = std::cell::Cell::new(0);
            let is_it = |line: &str| is_grant(line) && seen.replace(seen.get() + 1) == number;
            let lacks = Box::pin(self.lack(flags, is_it)).await;
            let grant = printed
                .lines()
                .filter(|line| is_grant(line))
                .nth(number)
                .unwrap();
            assert!(lacks.is_some(), "nothing lacks without: {grant}");
            eprintln!("without {grant}\n  {}", lacks.unwrap());
        }
    }
}

/// Whether a line gives a right; the others make the role or limit it.
fn is_grant(line: &str) -> bool {
    ["GRANT ", "ALTER DEFAULT PRIVILEGES ", "SELECT format("]
        .iter()
        .any(|start| line.starts_with(start))
        || line.ends_with(" BYPASSRLS;")
}

fn print(role: &str, flags: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .args([
            "plugin",
            "grant-sql",
            "--database",
            "knowledge_os",
            "--role",
            role,
        ])
        .args(flags);
    // No cluster is asked.
    let output = command.env("KUBECONFIG", "/nonexistent").output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_can_check_and_back_up_and_has_no_right_to_spare() {
    let mut granted = Granted::start().await;
    Box::pin(granted.assert_enough_and_nothing_superfluous(&[], 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_for_servers_without_a_role_that_reads_everything() {
    let mut granted = Granted::start().await;
    // What is there before the script is read by rights of its own, what comes later by default
    // privileges.
    let flags = [
        "--server-version=13",
        "--schema=app",
        "--schema=ours",
        "--owner=owner",
    ];
    Box::pin(granted.assert_enough_and_nothing_superfluous(&flags, 2 + 2 * 5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_behind_policies_and_large_objects_need_rights_of_their_own() {
    let mut granted = Granted::start().await;
    let postgres = &granted.scene.postgres;
    postgres
        .execute(
            "knowledge_os",
            "alter table app.experts enable row level security; alter table ours.nodes enable row \
            level security",
        )
        .await;
    postgres
        .execute("knowledge_os", "select lo_from_bytea(0, 'large')")
        .await;
    Box::pin(
        granted.assert_enough_and_nothing_superfluous(
            &["--bypass-row-security", "--large-objects"],
            5,
        ),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_writes_nothing_and_is_nobody_without_a_password() {
    let granted = Granted::start().await;
    granted.run_by_psql(&print("agent", &[]));
    let postgres = &granted.scene.postgres;
    postgres
        .execute(
            "knowledge_os",
            "create table app.open (id int); grant usage on schema app to public; grant all on \
            app.open to public",
        )
        .await;
    let (request, _credentials) = postgres.request(&["knowledge_os"], "agent", "secret");
    let found = gather(&check_request(request, &[]), &granted.scene.files).await;
    assert!(found.failure.is_some(), "no password, no login");
    postgres
        .execute("postgres", "alter role agent password 'secret'")
        .await;
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(postgres.port())
        .user("agent")
        .password("secret")
        .dbname("knowledge_os");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let refused = client
        .batch_execute("insert into app.open values (1)")
        .await
        .unwrap_err();
    assert!(
        refused
            .as_db_error()
            .unwrap()
            .message()
            .contains("read-only transaction"),
        "{refused:?}"
    );
    let role = client
        .query_one(
            "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls \
             from pg_roles where rolname = 'agent'",
            &[],
        )
        .await;
    assert!(!role.unwrap().get::<_, bool>(0));
}
