//! What the manifest says beside rows: what a restore needs, what was left out, what a dump can't have.

use std::collections::BTreeMap;

use holdfast::agent::{Interrupt, SetOrder, take_set};
use holdfast::api::reasons;
use holdfast::store::{Manifest, SetState};

use crate::backup_scene::{FOLDER, Scene};
use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::run;

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_says_what_a_restore_needs() {
    let mut scene = Scene::new(&["knowledge_os"], "agent", "secret");
    let postgres = &scene.postgres;
    postgres
        .execute(
            "postgres",
            "create role agent login password 'secret'; grant pg_read_all_settings, pg_read_all_data to \
             agent; create role keeper; create role reader; create role stranger;",
        )
        .await;
    postgres
        .execute(
            "postgres",
            "create database knowledge_os owner keeper connection limit 17 encoding 'LATIN1' \
             lc_collate 'C' lc_ctype 'C' template template0",
        )
        .await;
    postgres
        .execute("postgres", "create database left_out")
        .await;
    postgres
        .execute(
            "knowledge_os",
            "alter database knowledge_os set statement_timeout = '5min'; alter database knowledge_os set \
             app.jwt_secret = 'very secret'; alter role reader in database knowledge_os set work_mem = \
             '5MB'; revoke connect on database knowledge_os from public; grant connect on database \
             knowledge_os to agent; create table t (id serial); alter table t owner to keeper; grant \
             select on t to reader; create publication everything for table t; create subscription \
             mirror connection 'host=nowhere' publication p with (connect = false); create extension \
             if not exists plpgsql; create table \"caf\u{e9}\" (id int); insert into \"caf\u{e9}\" values (1);",
        )
        .await;
    scene.request.labels = BTreeMap::from([("app".to_owned(), "3.1".to_owned())]);
    scene.request.kubernetes_cluster = Some("uid-of-kube-system".to_owned());
    let order = SetOrder {
        image: Some("docker.io/library/postgres@sha256:1".to_owned()),
        ..scene.order()
    };
    let set = take_set(&order, &scene.says(), &Interrupt::by_hand().1).await;
    let manifest = set.unwrap().manifest;
    let text = serde_json::to_string(&manifest).unwrap();
    assert!(!text.contains("very secret"), "{text}");
    let database = &manifest.databases[0];
    let found = database.description.clone().unwrap();
    assert_eq!(found.unknown, Vec::<String>::new());
    assert_eq!(
        (
            found.encoding.as_str(),
            found.locale_provider.as_str(),
            found.collate.as_str(),
            found.owner.as_str(),
            found.connection_limit,
            found.sequences,
        ),
        ("LATIN1", "c", "C", "keeper", 17, 1)
    );
    assert!(found.acl.unwrap().contains("agent=c/keeper"));
    assert_eq!(found.roles, ["agent", "keeper", "reader"]);
    let settings: Vec<(Option<&str>, &str, Option<&str>)> = found
        .settings
        .iter()
        .map(|one| (one.role.as_deref(), one.name.as_str(), one.value.as_deref()))
        .collect();
    assert_eq!(
        settings,
        [
            (None, "app.jwt_secret", None),
            (None, "statement_timeout", Some("5min")),
            (Some("reader"), "work_mem", Some("5MB")),
        ]
    );
    assert_eq!(found.publications[0].name, "everything");
    assert_eq!(found.subscriptions[0].name, "mirror");
    assert_eq!(found.extensions[0].name, "plpgsql");
    assert!(
        database
            .warnings
            .iter()
            .any(|warning| warning.contains("subscriptions not dumped")),
        "{:?}",
        database.warnings
    );
    assert_eq!(manifest.databases_left_out, ["left_out", "postgres"]);
    assert_eq!(manifest.labels["app"], "3.1");
    assert_eq!(
        manifest.kubernetes_cluster.as_deref(),
        Some("uid-of-kube-system")
    );
    assert_eq!(
        manifest.image.as_deref(),
        Some("docker.io/library/postgres@sha256:1")
    );
    let names: Vec<&str> = database
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["café", "t"],
        "a name of a database in another encoding"
    );
    assert!(database.snapshot_time.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_left_out_are_named_and_their_tables_are_there() {
    let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute(
            "postgres",
            "create table kept (id int); insert into kept values (1); create table \"Log\" (id int); \
             insert into \"Log\" values (1), (2); create table events (id int) partition by range (id); \
             create table events_1 partition of events for values from (0) to (9); insert into events \
             values (3)",
        )
        .await;
    scene
        .postgres
        .execute("postgres", "create database restored")
        .await;
    scene.request.exclude_table_data = vec!["public.Log".to_owned(), "public.events".to_owned()];
    let manifest = scene.take(None).await.unwrap().manifest;
    assert_eq!(manifest.state, SetState::Good, "{:?}", manifest.why);
    let database = &manifest.databases[0];
    assert_eq!(
        database.without_rows,
        ["public.Log", "public.events", "public.events_1"]
    );
    let tables: Vec<(&str, u64)> = database
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.rows))
        .collect();
    assert_eq!(tables, [("kept", 1)]);
    let stored = scene.bucket.read(&format!("{FOLDER}/dump.pgc.zst"));
    let archive = scene.files.work.join("restored.pgc");
    std::fs::write(&archive, zstd::decode_all(stored.as_slice()).unwrap()).unwrap();
    run(TestPostgres::program("pg_restore")
        .args([
            "--exit-on-error",
            "--host=127.0.0.1",
            "--username=postgres",
            "--dbname=restored",
        ])
        .arg(format!("--port={}", scene.postgres.port()))
        .arg(&archive)
        .env("PGPASSWORD", PASSWORD));
    let restored = scene.postgres.superuser("restored").await;
    let counted = "select (select count(*) from kept) * 100 + (select count(*) from \"Log\") * 10 + \
        (select count(*) from events)";
    assert_eq!(
        restored
            .query_one(counted, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        100
    );
}

/// In a database of the encoding `SQL_ASCII` a name may be no text, and two may differ in such a byte alone.
#[tokio::test(flavor = "multi_thread")]
async fn tables_whose_names_differ_in_a_byte_that_is_no_text_are_told_apart() {
    let mut scene = Scene::new(&["plain"], "postgres", PASSWORD);
    let create = "create database plain encoding 'SQL_ASCII' template template0 locale 'C'";
    scene.postgres.execute("postgres", create).await;
    let tables = "do $$ begin for n in 1..2 loop execute format('create table %I as select \
        generate_series(1, %s) as id', 't' || chr(231 + n), n); end loop; end $$; create table readable as \
        select generate_series(1, 3) as id; create table parts (id int) partition by range (id); do $$ begin \
        execute format('create table %I partition of parts for values from (0) to (9)', 'p' || chr(233)); end \
        $$; insert into parts values (1), (2), (3), (4)";
    scene.postgres.execute("plain", tables).await;
    let rows = |manifest: &Manifest| -> Vec<(String, u64)> {
        let tables = manifest.databases[0].tables.iter();
        let mut rows: Vec<_> = tables
            .map(|table| (table.name.clone(), table.rows))
            .collect();
        rows.sort();
        rows
    };
    let expected = |all: &[(&str, u64)]| -> Vec<(String, u64)> {
        let all = all.iter();
        all.map(|(name, rows)| ((*name).to_owned(), *rows))
            .collect()
    };
    let odd = [("p\\xe9", 4), ("readable", 3), ("t\\xe8", 1), ("t\\xe9", 2)];
    let whole = scene.take_number(1).await.unwrap().manifest;
    assert_eq!(rows(&whole), expected(&odd));
    // Rows are only said to be left out where they are.
    scene.request.exclude_table_data = ["public.readable", "public.t\\xe9", "public.parts"]
        .map(ToOwned::to_owned)
        .to_vec();
    let manifest = scene.take_number(2).await.unwrap().manifest;
    let database = &manifest.databases[0];
    assert_eq!(database.without_rows, ["public.parts", "public.readable"]);
    let left = [odd[0], odd[2], odd[3]];
    assert_eq!(rows(&manifest), expected(&left));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_of_any_id_are_digested_one_by_one() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute(
            "postgres",
            "create table t (id int); insert into t values (1)",
        )
        .await;
    let ids = [1_u32, (1 << 31) - 1, 1 << 31, u32::MAX];
    for id in ids {
        scene
            .postgres
            .execute(
                "postgres",
                &format!("select lo_from_bytea({id}::bigint::oid, '{id}')"),
            )
            .await;
    }
    let manifest = scene.take(None).await.unwrap().manifest;
    let found = &manifest.databases[0].large_objects;
    let mut listed: Vec<(u32, String)> = found
        .listed
        .iter()
        .map(|object| (object.oid, object.blake3.clone()))
        .collect();
    listed.sort();
    let expected: Vec<(u32, String)> = ids
        .into_iter()
        .map(|id| {
            (
                id,
                blake3::hash(id.to_string().as_bytes()).to_hex().to_string(),
            )
        })
        .collect();
    assert_eq!((found.count, listed), (4, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_large_objects_are_counted_and_the_first_are_listed() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute(
            "postgres",
            "create table t (id int); insert into t values (1); select count(lo_from_bytea(0, \
             n::text::bytea)) from generate_series(1, 100000) n",
        )
        .await;
    let manifest = scene.take(None).await.unwrap().manifest;
    let found = &manifest.databases[0].large_objects;
    assert_eq!((found.count, found.listed.len()), (100_000, 10_000));
    assert_eq!(found.blake3.len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_read_by_its_frames_alone() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute(
            "postgres",
            &crate::backup_scene::bulky(crate::backup_scene::BULKY),
        )
        .await;
    scene
        .postgres
        .execute(
            "postgres",
            "create table zz_last (id int); insert into zz_last select generate_series(1, 100)",
        )
        .await;
    let manifest = scene.take(None).await.unwrap().manifest;
    let object = manifest
        .objects
        .iter()
        .find(|one| one.name == "dump.pgc.zst")
        .unwrap();
    let table = manifest.databases[0]
        .tables
        .iter()
        .find(|one| one.name == "zz_last")
        .unwrap();
    let offset = table.offset.unwrap();
    let (raw, stored) = *object
        .frames
        .iter()
        .rfind(|frame| frame.0 <= offset)
        .unwrap();
    assert!(raw > 20 << 20, "the large table is not in the way");
    let bytes = scene.bucket.read(&format!("{FOLDER}/dump.pgc.zst"));
    let tail = zstd::decode_all(&bytes[usize::try_from(stored).unwrap()..]).unwrap();
    let rows = &tail[usize::try_from(offset - raw).unwrap()..];
    let text = String::from_utf8_lossy(rows);
    assert!(
        text.contains("100\n") && text.ends_with("\\.\n\n\n\0\0\0\0\0"),
        "{text:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_newer_than_every_program_is_refused_by_name() {
    use holdfast::agent::{DumpPrograms, DumpedServer};
    use holdfast::postgres::Login;
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let login = Login::nobody(
        "127.0.0.1",
        scene.postgres.port(),
        holdfast::api::TlsMode::Disable,
    );
    let server = DumpedServer {
        version: "99.1",
        encrypted: false,
    };
    let failure = DumpPrograms::prepare(&login, &scene.files.work, server, "n")
        .await
        .unwrap_err();
    assert_eq!(
        failure.reason,
        reasons::CLIENT_TOO_OLD,
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains("Postgres 99"),
        "{}",
        failure.message
    );
}

#[test]
fn manifests_of_every_format_are_read() {
    for version in [1, 2, 3] {
        let path = format!(
            "{}/tests/fixtures/manifests/version-{version}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read(path).unwrap();
        let manifest: Manifest = serde_json::from_slice(&text).unwrap();
        assert_eq!(manifest.format_version, version);
        let written = serde_json::to_value(&manifest).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(written, read, "nothing of version {version} is lost");
    }
}

/// What stands in for an extension that is in no image of the tests: a name in the catalog.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_will_refuse_is_said_when_the_backup_is_taken() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute("postgres", "create table t (id int)")
        .await;
    let before = scene.take(None).await.unwrap().manifest;
    assert_eq!(before.databases[0].warnings, Vec::<String>::new());
    let rename = "update pg_extension set extname = 'timescaledb' where extname = 'plpgsql'";
    scene.postgres.execute("postgres", rename).await;
    let manifest = scene.take_number(1).await.unwrap().manifest;
    assert_eq!(manifest.state, SetState::Good);
    let warnings = &manifest.databases[0].warnings;
    assert!(
        warnings[0].contains("has the extension timescaledb, which can't be restored yet"),
        "{warnings:?}"
    );
    let problems = holdfast::agent::problems_of_manifest(&manifest);
    assert_eq!(
        problems,
        warnings[..1],
        "a restore refuses it by the same words"
    );
}
