//! `docs/runbooks/cluster-lost.md`, word by word: an encrypted set is restored into a new server with nothing
//! but the bucket and programs that everybody has. And what the page does about a damaged object.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use holdfast::store::{StoredVerdict, store_verdict};
use tempfile::TempDir;

use crate::backup_encrypted::make_key;
use crate::backup_scene::{FOLDER, Scene};
use crate::catalog::confirmed;
use crate::restored_scene::ask;
use crate::support::object_store::{ACCESS_KEY, BUCKET, SECRET_KEY};
use crate::support::page::{Page, fill};
use crate::support::postgres::{PASSWORD, TestPostgres};

const PAGE: &str = "docs/runbooks/cluster-lost.md";
const DATABASE: &str = "knowledge_os";

/// A set of a database with everything that a page could forget, and the reader's directory.
async fn lost_cluster() -> (Scene, TempDir) {
    let mut scene = Scene::new(&[DATABASE], "postgres", PASSWORD);
    let folder = tempfile::tempdir().unwrap();
    let (_, recipient) = make_key(folder.path(), "backup.key");
    scene.request.age_recipients = vec![recipient];
    let postgres = &scene.postgres;
    postgres
        .execute(
            "postgres",
            "create role keeper login password 'open sesame'; create role reader;",
        )
        .await;
    postgres
        .execute("postgres", "create database knowledge_os owner keeper")
        .await;
    postgres
        .execute(
            DATABASE,
            "set role keeper; create schema more; create table experts (id int primary key, name text); insert into \
             experts select n, 'expert ' || n from generate_series(1, 85) n; create table more.\"Odd name\" (id serial \
             primary key, expert int references experts); insert into more.\"Odd name\" (expert) select 1 + n % 85 \
             from generate_series(1, 1000) n; create table nothing (id int); create table parts (id int) partition \
             by range (id); create table parts_1 partition of parts for values from (0) to (10); insert into parts \
             values (1), (2); create view names as select name from experts; create materialized view counted as \
             select count(*) from experts; grant select on experts to reader; select lo_from_bytea(77, 'x')",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    let verdict = StoredVerdict::new(&confirmed(), &set.manifest_sha256);
    store_verdict(&scene.bucket.open(), FOLDER, &verdict)
        .await
        .unwrap();
    (scene, folder)
}

/// All commands of the page, as one shell runs them, and the file that it asks for.
fn type_page(scene: &Scene, folder: &Path, server: &TestPostgres) -> Output {
    let key_file = folder.join("backup.key").display().to_string();
    let endpoint = format!("http://{}", scene.bucket.address());
    let set = FOLDER.rsplit('/').next().unwrap();
    let values = [
        ("ENDPOINT", endpoint.as_str()),
        ("REGION", "us-east-1"),
        ("BUCKET", BUCKET),
        ("PREFIX", "prod"),
        ("NAMESPACE", "atra"),
        ("NAME", "knowledge"),
        ("ACCESS_KEY_ID", ACCESS_KEY),
        ("SECRET_ACCESS_KEY", SECRET_KEY),
        ("SET", set),
        ("KEY_FILE", key_file.as_str()),
        ("ENCODING", "UTF8"),
        ("COLLATE", "C.UTF-8"),
        ("CTYPE", "C.UTF-8"),
        ("OWNER", "keeper"),
        ("DATABASE", DATABASE),
    ];
    let page = Page::read(PAGE);
    let [config] = &page.below("1. The access key")[..] else {
        panic!("one file");
    };
    fs::write(folder.join("s3.conf"), fill(&config.text, &values)).unwrap();
    let commands: Vec<String> = page
        .blocks()
        .iter()
        .filter(|block| block.language == "sh")
        .map(|block| fill(&block.text, &values))
        .collect();
    assert!(commands.len() >= 9, "{commands:?}");
    let psql = TestPostgres::program("psql");
    let places = [Path::new(psql.get_program())];
    let mut path: Vec<String> = places
        .iter()
        .filter_map(|program| Some(program.parent()?.display().to_string()))
        .collect();
    path.push(std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands.concat()])
        .current_dir(folder)
        .env("PATH", path.join(":"))
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.port().to_string())
        .env("PGUSER", "postgres")
        .env("PGPASSWORD", PASSWORD)
        .output()
        .unwrap()
}

/// All that a program has printed.
pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_restored_by_the_commands_of_the_page_alone() {
    let (scene, folder) = lost_cluster().await;
    let server = TestPostgres::start();
    let output = type_page(&scene, folder.path(), &server);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    for wanted in [
        "confirmed\n",
        "dump.pgc.zst.age: OK",
        "every table has the rows of the manifest",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let asked = [
        ("select count(*), max(name) from experts", "85|expert 9"),
        ("select count(*) from more.\"Odd name\"", "1000"),
        ("select count(*) from parts", "2"),
        ("select count from counted", "85"),
        (
            "select pg_get_userbyid(relowner) from pg_class where relname = 'experts'",
            "keeper",
        ),
        (
            "select has_table_privilege('reader', 'experts', 'select')",
            "t",
        ),
        ("select count(*) from pg_largeobject_metadata", "1"),
        (
            "select pg_get_userbyid(datdba) from pg_database where datname = current_database()",
            "keeper",
        ),
    ];
    for (query, wanted) in asked {
        assert_eq!(ask(&server, DATABASE, query).await, wanted, "{query}");
    }
}

/// A byte of the dump was flipped: the page stops before anything is made in the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_ends_it_before_anything_is_made() {
    let (scene, folder) = lost_cluster().await;
    let dump = scene.bucket.file(&format!("{FOLDER}/dump.pgc.zst.age"));
    let mut bytes = fs::read(&dump).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&dump, bytes).unwrap();
    let server = TestPostgres::start();
    let output = type_page(&scene, folder.path(), &server);
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("dump.pgc.zst.age: FAILED"), "{said}");
    let query = "select count(*) from pg_database where datname = 'knowledge_os'";
    assert_eq!(ask(&server, "postgres", query).await, "0");
}
