//! A whole backup set from a real Postgres to a real S3 server, and that every way to fail leaves
//! no backup.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use holdfast::agent::{
    DumpPrograms, Interrupt, MountedFiles, SetOrder, SuspicionSource, TakenSet, take_set,
};
use holdfast::api::{AgentFailure, BackupRequest, reasons};
use holdfast::postgres::Login;
use holdfast::store::{Manifest, SetPath, SetState, Upload};
use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::login::make_client_certificate;
use crate::support::object_store::TestObjectStore;
use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::{make_certificates, run};

/// What the ProtectedDatabase would say.
struct Says(Option<&'static str>);

impl SuspicionSource for Says {
    async fn fetch_suspicion(
        &self,
        _system_identifier: &str,
    ) -> Result<Option<String>, AgentFailure> {
        Ok(self.0.map(str::to_owned))
    }
}

pub struct Scene {
    pub postgres: TestPostgres,
    pub bucket: TestObjectStore,
    pub request: BackupRequest,
    pub files: MountedFiles,
    _credentials: TempDir,
}

impl Scene {
    pub fn new(databases: &[&str], username: &str, password: &str) -> Self {
        let (postgres, bucket) = (TestPostgres::start(), TestObjectStore::start());
        let (server, credentials) = postgres.request(databases, username, password);
        let request = BackupRequest {
            namespace: "atra".to_owned(),
            database: "knowledge".to_owned(),
            database_uid: "uid-1".to_owned(),
            server,
            storage: bucket.storage(),
            deadline_seconds: 600,
            check_seconds: 0,
        };
        let files = MountedFiles {
            postgres_credentials: credentials.path().to_path_buf(),
            postgres_ca: credentials.path().to_path_buf(),
            postgres_certificate: credentials.path().to_path_buf(),
            s3_credentials: bucket.credentials().to_path_buf(),
            s3_ca: bucket.authority(),
            work: credentials.path().to_path_buf(),
        };
        Self {
            postgres,
            bucket,
            request,
            files,
            _credentials: credentials,
        }
    }

    fn order(&self) -> SetOrder<'_> {
        self.order_number(7)
    }

    fn order_number(&self, number: u32) -> SetOrder<'_> {
        let path = SetPath::new(
            "prod",
            "atra",
            "knowledge",
            Timestamp::from_second(1_795_258_801).unwrap(),
            number,
        );
        SetOrder {
            request: &self.request,
            files: &self.files,
            host: "127.0.0.1".to_owned(),
            presence: None,
            backup: "knowledge-backup-1".to_owned(),
            path,
        }
    }

    pub async fn take(&self, says: Option<&'static str>) -> Result<TakenSet, AgentFailure> {
        take_set(&self.order(), &Says(says), &Interrupt::by_hand().1).await
    }

    /// Takes one set of several.
    pub async fn take_number(&self, number: u32) -> Result<TakenSet, AgentFailure> {
        take_set(
            &self.order_number(number),
            &Says(None),
            &Interrupt::by_hand().1,
        )
        .await
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(
            (self.bucket.objects(), self.bucket.unfinished_parts()),
            (Vec::new(), 0)
        );
        assert!(
            !self.files.work.join("pgpass").exists(),
            "the password file is gone"
        );
    }
}

const FOLDER: &str = "prod/atra/knowledge/20261121T110001Z-00000007";

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_what_a_count_by_hand_gives_and_the_dump_restores() {
    let scene = Scene::new(&["knowledge_os", "odd ÷ name"], "agent", "secr:et\\");
    let postgres = &scene.postgres;
    postgres
        .execute(
            "postgres",
            "create role agent login password 'secr:et\\'; grant pg_read_all_settings, pg_read_all_data to \
        agent;",
        )
        .await;
    for database in ["knowledge_os", "odd ÷ name", "restored"] {
        postgres
            .execute("postgres", &format!("create database \"{database}\""))
            .await;
    }
    postgres
        .execute(
            "knowledge_os",
            "create table experts (id int primary key, name text); insert into experts select n, \
             'expert ' || n from generate_series(1, 85) n; create table knowledge_nodes (id int, \
             body text); insert into knowledge_nodes select n, md5(n::text) || E'\\n' || \
             repeat('text ', 40) from generate_series(1, 26337) n;",
        )
        .await;
    postgres
        .execute(
            "odd ÷ name",
            "create table t (id int); insert into t values (1), (2)",
        )
        .await;
    let set = scene.take(None).await.unwrap();

    let names = [
        "dump-odd%20%C3%B7%20name.pgc.zst",
        "dump.pgc.zst",
        "globals.sql.zst",
        "manifest.json",
    ];
    assert_eq!(
        scene.bucket.objects(),
        names.map(|name| format!("{FOLDER}/{name}"))
    );
    let stored = scene.bucket.read(&format!("{FOLDER}/manifest.json"));
    assert_eq!(set.manifest_sha256, hex::encode(Sha256::digest(&stored)));
    let manifest: Manifest = serde_json::from_slice(&stored).unwrap();
    assert_eq!(
        (&manifest, manifest.state, manifest.format_version),
        (&set.manifest, SetState::Good, 1)
    );
    let text = String::from_utf8(stored).unwrap();
    assert!(
        !text.contains("\"/") && !text.contains("secr:et"),
        "no absolute path and no secret: {text}"
    );

    let client = postgres.superuser("knowledge_os").await;
    for table in &manifest.databases[0].tables {
        let counted: i64 = client
            .query_one(
                &format!("select count(*) from {}.{}", table.schema, table.name),
                &[],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(table.rows, counted.unsigned_abs(), "{}", table.name);
    }
    assert_eq!(
        (
            manifest.databases[0].rows,
            manifest.databases[0].tables.len(),
            manifest.databases[1].rows
        ),
        (85 + 26_337, 2, 2)
    );
    let identifier: i64 = client
        .query_one("select system_identifier from pg_control_system()", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(manifest.identity.system_identifier, identifier.to_string());
    for object in &manifest.objects {
        let bytes = scene.bucket.read(&format!("{FOLDER}/{}", object.name));
        assert_eq!(
            (object.size, &object.sha256),
            (bytes.len() as u64, &hex::encode(Sha256::digest(&bytes))),
            "{}",
            object.name
        );
        assert_eq!(
            zstd::decode_all(bytes.as_slice()).unwrap().len() as u64,
            object.raw_size
        );
    }
    let globals = zstd::decode_all(
        scene
            .bucket
            .read(&format!("{FOLDER}/globals.sql.zst"))
            .as_slice(),
    )
    .unwrap();
    let globals = String::from_utf8(globals).unwrap();
    assert!(
        globals.contains("CREATE ROLE agent") && !globals.contains("PASSWORD"),
        "{globals}"
    );

    let archive = scene.files.work.join("restored.pgc");
    fs::write(
        &archive,
        zstd::decode_all(
            scene
                .bucket
                .read(&format!("{FOLDER}/dump.pgc.zst"))
                .as_slice(),
        )
        .unwrap(),
    )
    .unwrap();
    run(TestPostgres::program("pg_restore")
        .args([
            "--exit-on-error",
            "--host=127.0.0.1",
            "--username=postgres",
            "--dbname=restored",
        ])
        .arg(format!("--port={}", postgres.port()))
        .arg(&archive)
        .env("PGPASSWORD", PASSWORD));
    let rows: i64 = postgres
        .superuser("restored")
        .await
        .query_one("select count(*) from knowledge_nodes", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 26_337);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_taken_while_the_data_looks_reset_is_suspect_and_says_why() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let set = scene
        .take(Some("the data looked reset (RowsDropped)"))
        .await
        .unwrap();
    assert_eq!(set.manifest.state, SetState::Suspect);
    assert_eq!(
        set.manifest.why.as_deref(),
        Some("the data looked reset (RowsDropped)")
    );
    assert!(
        scene
            .bucket
            .objects()
            .contains(&format!("{FOLDER}/manifest.json")),
        "evidence is kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_can_be_wrong_has_its_reason_and_leaves_nothing() {
    let mut scene = Scene::new(&["knowledge_os"], "postgres", PASSWORD);
    let failure = scene.take(None).await.unwrap_err();
    assert_eq!(
        failure.reason,
        reasons::DATABASE_NOT_FOUND,
        "{}",
        failure.message
    );
    scene.assert_nothing_is_left();

    scene.request.server.databases = vec!["postgres".to_owned()];
    scene.request.storage.bucket = "nowhere".to_owned();
    let failure = scene.take(None).await.unwrap_err();
    assert_eq!(
        failure.reason,
        reasons::BUCKET_NOT_FOUND,
        "{}",
        failure.message
    );

    scene.request.storage = scene.bucket.storage();
    fs::write(scene.files.postgres_credentials.join("password"), "wrong").unwrap();
    let failure = scene.take(None).await.unwrap_err();
    assert_eq!(
        failure.reason,
        reasons::AUTHENTICATION_FAILED,
        "{}",
        failure.message
    );
    scene.assert_nothing_is_left();

    fs::write(scene.files.postgres_credentials.join("password"), "secret").unwrap();
    fs::write(scene.files.postgres_credentials.join("username"), "weak").unwrap();
    scene
        .postgres
        .execute(
            "postgres",
            "create role weak login password 'secret'; create table t (id int)",
        )
        .await;
    let failure = scene.take(None).await.unwrap_err();
    assert_eq!(failure.reason, reasons::DUMP_FAILED);
    assert!(
        failure.message.contains("permission denied for table t"),
        "{}",
        failure.message
    );
    scene.assert_nothing_is_left();
}

/// Random text, so that compression leaves several parts to upload.
const BULKY: &str = "create table bulky (data text); insert into bulky select (select \
    string_agg(md5(random()::text || n || m), '') from generate_series(1, 30) m) from \
    generate_series(1, 60000) n;";

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_killed_midway_leaves_no_object_and_no_upload() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", BULKY).await;
    scene
        .postgres
        .execute("postgres", "create table zz_locked (id int)")
        .await;
    let (parts, failure) = tokio::join!(
        async {
            // Once parts are stored, the server ends the session of pg_dump: it exits with an error
            // after much good data.
            while scene.bucket.unfinished_parts() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let parts = scene.bucket.unfinished_parts();
            scene
                .postgres
                .execute(
                    "postgres",
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name \
                    = 'holdfast-backup'",
                )
                .await;
            parts
        },
        scene.take(None)
    );
    let failure = failure.unwrap_err();
    assert!(parts >= 2);
    assert_eq!(failure.reason, reasons::DUMP_FAILED, "{}", failure.message);
    scene.assert_nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_midway_leaves_no_object_and_no_upload() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", BULKY).await;
    let (sender, interrupt) = Interrupt::by_hand();
    let order = scene.order();
    let stop = AgentFailure {
        reason: reasons::TIMEOUT.to_owned(),
        message: "over".to_owned(),
    };
    let ((), outcome) = tokio::join!(
        async {
            while scene.bucket.unfinished_parts() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            sender.send_replace(Some(stop.clone()));
        },
        take_set(&order, &Says(None), &interrupt)
    );
    assert_eq!(outcome.unwrap_err(), stop);
    scene.assert_nothing_is_left();
    let sessions =
        "select count(*) from pg_stat_activity where application_name = 'holdfast-backup'";
    let client = scene.postgres.superuser("postgres").await;
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while client
        .query_one(sessions, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        > 0
    {
        assert!(std::time::Instant::now() < end, "pg_dump is gone");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `pg_dump` is told the address and, apart from it, the name in the certificate; it logs in by the
/// client certificate.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_taken_by_a_client_certificate_from_a_server_that_is_verified_by_name() {
    let mut server = TestPostgres::prepare(
        "ssl = on\nssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'\nssl_ca_file = \
         '../ca.crt'\n",
    );
    make_certificates(&server.file(""), "DNS:db.example");
    fs::write(
        server.file("data/pg_hba.conf"),
        "local all all trust\nhostssl all all 127.0.0.1/32 cert\n",
    )
    .unwrap();
    server.give_to_postgres();
    server.launch();
    let mut scene = Scene::new(&["postgres"], "postgres", "");
    let files = scene.files.work.clone();
    make_client_certificate(&server.file(""), "postgres", &files);
    fs::copy(server.file("ca.crt"), files.join("ca.crt")).unwrap();
    let request = &mut scene.request.server;
    request.port = server.port();
    request.tls_mode = holdfast::api::TlsMode::VerifyFull;
    request.tls_ca = true;
    request.tls_server_name = Some("db.example".to_owned());
    request.username = Some("postgres".to_owned());
    request.credentials_secret = String::new();
    request.certificate_secret = Some("pg-client".to_owned());
    scene.take(None).await.unwrap();
}

/// Runs a stand-in for `pg_dump` that misbehaves in the way the script says; `$REAL` is the real
/// one.
async fn dump_with(scene: &Scene, script: &str) -> AgentFailure {
    let program = scene.files.work.join("misbehaving");
    let real = holdfast::postgres::find_program("pg_dump").unwrap();
    fs::write(
        &program,
        format!("#!/bin/sh\nREAL={}\n{script}\n", real.display()),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let login = Login::read(
        &scene.request.server,
        "atra",
        "127.0.0.1",
        &scene.files.postgres_credentials,
        Path::new("/nowhere"),
        Path::new("/nowhere"),
    )
    .unwrap();
    let programs = DumpPrograms::prepare(&login, &scene.files.work, false)
        .unwrap()
        .with_dump_program(program);
    let mut upload = Upload::new(scene.bucket.open(), "dump".to_owned(), 5 << 20);
    let failure = programs
        .dump_database("postgres", "dump", &mut upload)
        .await
        .expect_err("no dump");
    upload.abort().await;
    drop(programs);
    scene.assert_nothing_is_left();
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_counts_only_when_it_ended_well_and_is_whole() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", BULKY).await;
    let cases = [
        (
            "\"$REAL\" \"$@\" | head -c 20000000",
            reasons::DUMP_INCOMPLETE,
        ),
        ("\"$REAL\" \"$@\"; exit 3", reasons::DUMP_FAILED),
        ("\"$REAL\" \"$@\"; echo extra", reasons::DUMP_INCOMPLETE),
        ("\"$REAL\" \"$@\"; kill -9 $$", reasons::DUMP_FAILED),
        (
            "while :; do echo this is no archive; done",
            reasons::DUMP_INCOMPLETE,
        ),
        ("exit 0", reasons::DUMP_INCOMPLETE),
        (
            "echo \"pg_dump: error: no way\" >&2; exit 1",
            reasons::DUMP_FAILED,
        ),
    ];
    for (script, reason) in cases {
        let failure = dump_with(&scene, script).await;
        assert_eq!(failure.reason, reason, "{script}: {}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_in_no_argument_and_no_environment() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let seen = scene.files.work.join("seen");
    let script = format!(
        "tr '\\0' '\\n' < /proc/$$/environ > {0}; echo \"$@\" >> {0}; stat -c %a \"$PGPASSFILE\" \
         >> {0}; exit 1",
        seen.display()
    );
    dump_with(&scene, &script).await;
    let seen = fs::read_to_string(seen).unwrap();
    assert!(
        seen.contains("PGUSER=postgres") && seen.ends_with("600\n"),
        "{seen}"
    );
    assert!(
        !seen.contains("pass:word") && !seen.contains("pass\\:word"),
        "{seen}"
    );
}
