//! "Restore by hand" of docs/backup.md, typed word by word: a real set, plain and encrypted, comes back into
//! an empty server with the programs of Debian and Postgres, and nothing of Holdfast.

use std::path::Path;
use std::process::{Command, Output};

use crate::backup_encrypted::make_key;
use crate::backup_scene::{FOLDER, Scene};
use crate::support::object_store::{ACCESS_KEY, BUCKET, SECRET_KEY};
use crate::support::page::{Page, fill};
use crate::support::postgres::{PASSWORD, TestPostgres};

/// The steps of the section, in order.
const STEPS: usize = 7;
/// The step that is for encrypted sets only, and the one that compares the rows, from 0.
const DECRYPT: usize = 3;
const COMPARE: usize = 6;

async fn filled_scene() -> Scene {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let postgres = &scene.postgres;
    postgres
        .execute(
            "postgres",
            "create role keeper login password 'open sesame'",
        )
        .await;
    postgres
        .execute(
            "postgres",
            "create database shop template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'",
        )
        .await;
    let tables = "create table orders (id int primary key, what text not null);
        insert into orders select n, 'order ' || n || E'\\n\\t\\\\' from generate_series(1, 5000) n;
        alter table orders owner to keeper;
        create schema \"odd \"\"schema\";
        create table \"odd \"\"schema\".\"Odd table\" (t text);
        insert into \"odd \"\"schema\".\"Odd table\" values (null), ('\u{f7}');
        create table parted (id int) partition by range (id);
        create table parted_1 partition of parted for values from (0) to (10);
        insert into parted select generate_series(0, 9);
        create table nothing (id int)";
    postgres.execute("shop", tables).await;
    scene
}

/// All that a reader may compare of a table.
const CONTENT: &str =
    "select count(*)::text || coalesce(md5(string_agg(x::text, '|' order by x::text)), '') from ";
const TABLES: [&str; 4] = [
    "orders x",
    "\"odd \"\"schema\".\"Odd table\" x",
    "parted x",
    "nothing x",
];

async fn contents(server: &TestPostgres, database: &str) -> Vec<String> {
    let client = server.superuser(database).await;
    let mut found = Vec::new();
    for table in TABLES {
        let row = client.query_one(&format!("{CONTENT}{table}"), &[]).await;
        found.push(row.unwrap().get(0));
    }
    found
}

/// The commands as a reader fills them in, by step.
fn steps(scene: &Scene, into: &TestPostgres, key: &Path) -> Vec<String> {
    let page = Page::read("docs/backup.md");
    let blocks = page.below("Restore by hand");
    let (endpoint, port) = (
        format!("http://{}", scene.bucket.address()),
        into.port().to_string(),
    );
    let (prefix, set) = FOLDER.split_once("/atra/knowledge/").unwrap();
    let key = key.display().to_string();
    // As a reader quotes it.
    let password = format!("'{}'", PASSWORD.replace('\'', "'\\''"));
    let values = [
        ("ENDPOINT", endpoint.as_str()),
        ("REGION", "us-east-1"),
        ("ACCESS_KEY", ACCESS_KEY),
        ("SECRET_KEY", SECRET_KEY),
        ("HOST", "127.0.0.1"),
        ("PORT", &port),
        ("USER", "postgres"),
        ("PASSWORD", &password),
        ("BUCKET", BUCKET),
        ("PREFIX", prefix),
        ("NAMESPACE", "atra"),
        ("NAME", "knowledge"),
        ("SET", set),
        ("PRIVATE_KEY", &key),
        ("RESTORED", "restored"),
    ];
    let steps: Vec<String> = blocks
        .iter()
        .map(|block| fill(&block.text, &values))
        .collect();
    assert_eq!(steps.len(), STEPS, "{steps:#?}");
    let all = steps.concat();
    assert!(
        !all.contains("holdfast"),
        "nothing of Holdfast is used: {all}"
    );
    steps
}

/// A shell in which the programs of Debian and of Postgres are found, and no other program is needed.
fn type_in(folder: &Path, script: &str) -> Output {
    let of_debian = [("rclone", "usr/bin/rclone")];
    let mut path: Vec<String> = of_debian
        .iter()
        .map(|(package, program)| testbed::program_of(package, program).unwrap())
        .chain([TestPostgres::program("psql").get_program().into()])
        .filter_map(|program| Some(program.parent()?.display().to_string()))
        .collect();
    path.push(std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", script])
        .current_dir(folder)
        // What the machine has set for other clients of S3 is none of the page's.
        .env_clear()
        .env("PATH", path.join(":"))
        .env("HOME", folder)
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

async fn restore_by_hand(scene: &Scene, key: &Path, is_encrypted: bool) {
    let before = contents(&scene.postgres, "shop").await;
    let into = TestPostgres::start();
    let folder = tempfile::tempdir().unwrap();
    let mut steps = steps(scene, &into, key);
    let (access, compare) = (steps[0].clone(), steps[COMPARE].clone());
    if !is_encrypted {
        steps.remove(DECRYPT);
    }
    let typed = type_in(folder.path(), &steps.concat());
    let (out, error) = said(&typed);
    assert!(typed.status.success(), "{out}\n{error}");
    let set = FOLDER.rsplit('/').next().unwrap();
    assert!(out.contains(set) && out.contains("manifest.json"), "{out}");
    for object in &scene.bucket.objects() {
        let name = object.rsplit('/').next().unwrap();
        if name != "manifest.json" {
            assert!(out.contains(&format!("{name}: OK")), "{name}: {out}");
        }
    }
    assert!(!out.contains("instead of"), "{out}");
    assert_eq!(contents(&into, "restored").await, before);
    let client = into.superuser("restored").await;
    let owner = "select tableowner from pg_tables where tablename = 'orders'";
    let owner: String = client.query_one(owner, &[]).await.unwrap().get(0);
    assert_eq!(owner, "keeper", "the role came with the set");
    let collate = "select datcollate from pg_database where datname = 'restored'";
    let collate: String = client.query_one(collate, &[]).await.unwrap().get(0);
    assert_eq!(
        collate, "C",
        "as the database was, and not as the server is by default"
    );
    // That a row is missing would have been printed.
    into.execute("restored", "delete from orders where id = 1")
        .await;
    let again = format!("{access}cd restored-set\n{compare}");
    let (out, error) = said(&type_in(folder.path(), &again));
    assert_eq!(
        out, "public.orders has 4999 rows instead of 5000\n",
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_set_comes_back_by_the_commands_of_the_page() {
    let scene = filled_scene().await;
    scene.take(None).await.unwrap();
    restore_by_hand(&scene, Path::new("none"), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_set_comes_back_by_the_commands_of_the_page() {
    let mut scene = filled_scene().await;
    let folder = tempfile::tempdir().unwrap();
    let (file, public) = make_key(folder.path(), "backup.key");
    scene.request.age_recipients = vec![public];
    scene.take(None).await.unwrap();
    restore_by_hand(&scene, &file, true).await;
}
