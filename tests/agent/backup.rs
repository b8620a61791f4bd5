//! A whole backup set from a real Postgres to a real S3 server, and that each thing that can be wrong
//! has its reason and leaves no backup.

use std::fs;

use holdfast::api::reasons;
use holdfast::store::{FORMAT_VERSION, Manifest, SetState};
use sha2::{Digest, Sha256};

use crate::backup_scene::{FOLDER, Scene};
use crate::login::make_client_certificate;
use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::{make_certificates, run};

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
        (&set.manifest, SetState::Good, FORMAT_VERSION)
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
    scene
        .postgres
        .execute(
            "postgres",
            "create table t (id int); insert into t values (1)",
        )
        .await;
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
