//! A set that was taken, and a server that it is restored into, with a look at everything that a restore
//! may or may not change.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast::agent::{
    Interrupt, MountedFiles, RestoreOrder, RestoreStep, RestoreWatcher, TakenSet, restore_set,
};
use holdfast::api::{AgentFailure, DataDisk, RestoreReport, RestoreRequest, RestoreTarget};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::backup_scene::Scene;
use crate::support::object_store::IMPATIENT;
use crate::support::postgres::{PASSWORD, TestPostgres};

/// UIDs of restores.
pub const UID: &str = "1c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11";
pub const OTHER_UID: &str = "2c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11";

/// Every step, in order.
pub const STEPS: [RestoreStep; 12] = [
    RestoreStep::LookedAhead,
    RestoreStep::RolesCreated,
    RestoreStep::Created,
    RestoreStep::Opened,
    RestoreStep::Restored,
    RestoreStep::Verified,
    RestoreStep::SwapAnnounced,
    RestoreStep::DoorClosed,
    RestoreStep::SessionsEnded,
    RestoreStep::PresentRenamed,
    RestoreStep::RestoredRenamed,
    RestoreStep::Committed,
];

type Acting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Sees every report and step, and may act after one.
pub struct Watch<'a> {
    pub reports: Mutex<Vec<RestoreReport>>,
    pub steps: Mutex<Vec<RestoreStep>>,
    act: Box<dyn Fn(RestoreStep) -> Acting + Send + Sync + 'a>,
}

impl<'a> Watch<'a> {
    pub fn quietly() -> Self {
        Self::acting(|_| Box::pin(std::future::ready(())))
    }

    pub fn acting(act: impl Fn(RestoreStep) -> Acting + Send + Sync + 'a) -> Self {
        Self {
            reports: Mutex::default(),
            steps: Mutex::default(),
            act: Box::new(act),
        }
    }

    /// Runs statements as superuser after a step.
    pub fn running(
        server: &'a TestPostgres,
        after: RestoreStep,
        database: &'a str,
        sql: &'a str,
    ) -> Self {
        Self::acting(move |step| {
            if step != after {
                return Box::pin(std::future::ready(()));
            }
            let (port, database, sql) = (server.port(), database.to_owned(), sql.to_owned());
            Box::pin(async move {
                let client = connect(port, &database).await.unwrap();
                client
                    .batch_execute(&sql)
                    .await
                    .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            })
        })
    }

    pub fn has_seen(&self, step: RestoreStep) -> bool {
        self.steps.lock().unwrap().contains(&step)
    }
}

impl RestoreWatcher for Watch<'_> {
    fn note(&self, report: &RestoreReport) {
        self.reports.lock().unwrap().push(report.clone());
    }

    async fn after(&self, step: RestoreStep) {
        self.steps.lock().unwrap().push(step);
        (self.act)(step).await;
    }
}

/// A session of the superuser that may fail.
pub async fn connect(
    port: u16,
    database: &str,
) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user("postgres")
        .password(PASSWORD)
        .dbname(database)
        .application_name("application");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// One restore of a set into a server.
pub struct Restore {
    pub request: RestoreRequest,
    pub files: MountedFiles,
    /// What its starts have reported, as the DatabaseRestore has it.
    pub known: Mutex<RestoreReport>,
    _credentials: TempDir,
}

impl Restore {
    /// Of the set that `Scene::take` takes.
    pub fn new(scene: &Scene, server: &TestPostgres, set: &TakenSet, into: RestoreTarget) -> Self {
        Self::as_role(scene, server, set, into, "postgres", PASSWORD)
    }

    /// The same as another role.
    pub fn as_role(
        scene: &Scene,
        server: &TestPostgres,
        set: &TakenSet,
        into: RestoreTarget,
        username: &str,
        password: &str,
    ) -> Self {
        let names: Vec<&str> = set
            .manifest
            .databases
            .iter()
            .map(|database| database.name.as_str())
            .collect();
        let (server, credentials) = server.request(&names, username, password);
        let request = RestoreRequest {
            namespace: "atra".to_owned(),
            database: "knowledge".to_owned(),
            database_uid: "uid-1".to_owned(),
            restore: "back".to_owned(),
            restore_uid: UID.to_owned(),
            server,
            claims: Vec::new(),
            storage: scene.bucket.storage(),
            path: scene.order().path.as_str().to_owned(),
            manifest_sha256: set.manifest_sha256.clone(),
            confirmed_only: false,
            into,
            dry_run: false,
            jobs: 2,
            tables: Vec::new(),
            identity_secret: None,
            disk: DataDisk {
                capacity_bytes: Some(1 << 40),
                ..DataDisk::default()
            },
            retry_seconds: 60,
            deadline_seconds: 600,
            drill: None,
            files: None,
        };
        let files = MountedFiles {
            postgres_credentials: credentials.path().to_path_buf(),
            work: credentials.path().to_path_buf(),
            ..scene.files.clone()
        };
        Self {
            request,
            files,
            known: Mutex::default(),
            _credentials: credentials,
        }
    }

    pub fn with_uid(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.request.restore_uid);
        self
    }

    pub fn order(&self) -> RestoreOrder<'_> {
        RestoreOrder {
            request: &self.request,
            files: &self.files,
            host: "127.0.0.1".to_owned(),
            presence: None,
            limits: IMPATIENT,
            system_identifier: self.known.lock().unwrap().system_identifier.clone(),
            known: Ok(self.known.lock().unwrap().databases.clone()),
        }
    }

    /// The last report of a start.
    fn keep_report(&self, watch: &Watch<'_>) {
        if let Some(report) = watch.reports.lock().unwrap().last() {
            self.known.lock().unwrap().clone_from(report);
        }
    }

    pub async fn run(&self) -> Result<RestoreReport, AgentFailure> {
        self.watched(&Watch::quietly()).await
    }

    pub async fn watched(&self, watch: &Watch<'_>) -> Result<RestoreReport, AgentFailure> {
        let order = self.order();
        let outcome = Box::pin(restore_set(&order, watch, &Interrupt::by_hand().1)).await;
        self.keep_report(watch);
        assert!(
            !self.files.work.join("pgpass").exists(),
            "the password file is gone"
        );
        outcome
    }

    /// Kills the restore after a step. False if it has ended before.
    pub async fn killed_after(&self, killed: RestoreStep) -> bool {
        let reached = Arc::new(Notify::new());
        let notify = reached.clone();
        let watch = Watch::acting(move |step| {
            let notify = notify.clone();
            Box::pin(async move {
                if step == killed {
                    notify.notify_one();
                    std::future::pending::<()>().await;
                }
            })
        });
        let (order, interrupt) = (self.order(), Interrupt::by_hand().1);
        let is_killed = tokio::select! {
            outcome = Box::pin(restore_set(&order, &watch, &interrupt)) => {
                outcome.unwrap();
                false
            }
            () = reached.notified() => true,
        };
        self.keep_report(&watch);
        is_killed
    }
}

/// The name that the shop of a restore is kept under.
pub fn kept_of(uid: &str) -> String {
    holdfast::agent::kept_name("shop", uid)
}

/// One text for a query's rows.
pub async fn ask(server: &TestPostgres, database: &str, query: &str) -> String {
    let client = server.superuser(database).await;
    let rows = client
        .simple_query(query)
        .await
        .unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let mut said = Vec::new();
    for row in rows {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = row {
            let columns = (0..row.len()).map(|index| row.get(index).unwrap_or("-"));
            said.push(columns.collect::<Vec<_>>().join("|"));
        }
    }
    said.join("\n")
}

/// The databases with their object ids.
pub async fn databases(server: &TestPostgres) -> String {
    ask(
        server,
        "template1",
        "select datname, oid from pg_database order by 1",
    )
    .await
}

/// All roles, byte for byte.
pub async fn roles(server: &TestPostgres) -> Vec<String> {
    let rows = ask(
        server,
        "template1",
        "select a.*, coalesce((select string_agg(s::text, ',') from pg_db_role_setting s where s.setrole \
         = a.oid and s.setdatabase = 0), '') from pg_authid a order by rolname",
    )
    .await;
    rows.lines().map(ToOwned::to_owned).collect()
}

/// What hangs on the object id of a database.
pub async fn properties(server: &TestPostgres, database: &str) -> String {
    ask(
        server,
        "template1",
        &format!(
            "select datdba::regrole, (select string_agg(a::text, ' ' order by a::text) from \
             unnest(coalesce(datacl, acldefault('d', datdba))) a), datconnlimit, datallowconn, encoding, \
             datcollate, datctype, shobj_description(oid, 'pg_database'), (select \
             string_agg(setrole::regrole::text || setconfig::text, ' ' order by setrole) from \
             pg_db_role_setting where setdatabase = d.oid) from pg_database d where datname = '{database}'"
        ),
    )
    .await
}

/// All of a database as `pg_dump` writes it in plain text: owners, permissions, rows, sequences, large
/// objects.
pub fn plain_dump(server: &TestPostgres, database: &str) -> String {
    dump_with(server, database, &[])
}

/// The same with options.
pub fn dump_with(server: &TestPostgres, database: &str, options: &[&str]) -> String {
    let output = TestPostgres::program("pg_dump")
        .args(["--host=127.0.0.1", "--username=postgres"])
        .arg(format!("--port={}", server.port()))
        .args(options)
        .arg(database)
        .env("PGPASSWORD", PASSWORD)
        .env("PGTZ", "UTC")
        .env("PGOPTIONS", "-c bytea_output=hex")
        .output()
        .expect("pg_dump runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Its words of the day.
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs what a message says is for psql.
pub fn psql(server: &TestPostgres, database: &str, script: &str) -> String {
    use std::io::Write as _;
    let mut child = TestPostgres::program("psql")
        .args([
            "--host=127.0.0.1",
            "--username=postgres",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
        ])
        .arg(format!("--port={}", server.port()))
        .arg(database)
        .env("PGPASSWORD", PASSWORD)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("psql runs");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The command of a message that follows these words.
pub fn command_after<'text>(message: &'text str, words: &str) -> &'text str {
    let (_, rest) = message
        .split_once(words)
        .unwrap_or_else(|| panic!("{words}: {message}"));
    let (_, rest) = rest.split_once('`').unwrap();
    rest.split_once('`').unwrap().0
}

/// A file of the bucket that is as it was again when this goes.
pub struct Changed {
    file: PathBuf,
    before: Vec<u8>,
}

impl Changed {
    pub fn new(file: PathBuf, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let before = std::fs::read(&file).unwrap();
        std::fs::write(&file, change(before.clone())).unwrap();
        Self { file, before }
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        std::fs::write(&self.file, &self.before).unwrap();
    }
}

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(std::time::Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A small database with two tables.
pub async fn small_shop(server: &TestPostgres) {
    server.execute("postgres", "create database shop").await;
    server
        .execute(
            "shop",
            "create table which (answer text); insert into which values ('backed up'); create table orders \
             (id serial primary key, what text); insert into orders (what) select 'order ' || n from \
             generate_series(1, 500) n",
        )
        .await;
}

/// A server with the database of the statements below.
pub async fn odd_scene() -> Scene {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", ODD_ROLES).await;
    scene.postgres.execute("postgres", ODD_DATABASE).await;
    scene.postgres.execute("shop", ODD_CONTENT).await;
    scene
}

/// A database with everything in it that a restore could lose.
pub const ODD_ROLES: &str =
    "create role keeper; create role reader login password 'r'; create role stranger";
pub const ODD_DATABASE: &str = "create database shop owner keeper connection limit 17 template template0 encoding \
    'UTF8' lc_collate 'C' lc_ctype 'C'";
const ODD_CONTENT: &str = r#"
    comment on database shop is 'the shop''s "own" words';
    alter database shop set timezone = 'Asia/Tokyo';
    alter database shop set bytea_output = 'escape';
    alter database shop set search_path = "$user", 'app', 'a, "b';
    alter database shop set app.secret = 'do not tell';
    alter role reader in database shop set work_mem = '5MB';
    revoke connect on database shop from public;
    grant connect on database shop to reader with grant option;
    create schema app authorization keeper;
    set search_path = app;
    create extension if not exists pg_trgm with schema public;
    create domain positive as int check (value > 0);
    create type mood as enum ('sad', 'happy');
    create table orders (id int generated always as identity primary key, at timestamptz default now(),
        what text, how mood default 'happy', raw bytea, many positive[], twice int generated always as (1 + 1) stored);
    insert into orders (at, what, raw, many) select '2026-03-29 00:30:00+00'::timestamptz + n * interval '1 hour',
        E'line\nbreak\t\\. \u00fc' || n, decode(md5(n::text), 'hex'), array[n, n + 1]::positive[]
        from generate_series(1, 2000) n;
    create index orders_what on orders using gin (what public.gin_trgm_ops);
    create table lines (order_id int references orders on delete cascade, note text);
    insert into lines select n, null from generate_series(1, 100) n;
    create table parts (id int, day date) partition by range (day);
    create table parts_old partition of parts for values from (minvalue) to ('2026-01-01');
    create table parts_new partition of parts default;
    insert into parts select n, date '2025-12-01' + n from generate_series(1, 60) n;
    create table nothing (); insert into nothing default values;
    create unlogged table cache (id int); insert into cache values (1);
    create materialized view sums as select count(*) from orders;
    create view seen as select * from orders;
    create sequence numbers start 40; select nextval('numbers'); select nextval('numbers');
    create function touch() returns trigger language plpgsql as $$ begin new.what := 'touched'; return new; end $$;
    create trigger touch before insert on orders for each row execute function touch();
    select lo_from_bytea(3000000000, 'some bytes'); select lo_from_bytea(4242, '');
    grant all on large object 4242 to reader;
    alter table orders owner to keeper; grant select on orders to reader;
    alter table lines enable row level security;
    create policy own on lines to reader using (order_id > 3);
    create publication news for table orders;
    create function noticed() returns event_trigger language plpgsql as $$ begin end $$;
    create event trigger watch on ddl_command_end execute function noticed();
"#;
