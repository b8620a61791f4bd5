//! An encrypted set: Debian's `age` reads it with the key of each recipient, nothing of a row is in the
//! bucket, and a wrong recipient makes nothing.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast::api::reasons;
use holdfast::store::{Manifest, ObjectEncryption, RolePasswords};
use sha2::{Digest, Sha256};

use crate::backup_scene::{FOLDER, Scene};
use crate::support::object_store::BUCKET;
use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::run;

/// What no stored object may have in it, in a row and in a large object.
const MARKER: &str = "row-of-nobody-7e2c4f";
/// What begins a frame of Zstandard.
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A key pair that Debian's `age-keygen` makes: the file of the private key, and the public one.
pub fn make_key(folder: &Path, name: &str) -> (PathBuf, String) {
    let file = folder.join(name);
    run(Command::new("age-keygen").arg("-o").arg(&file));
    let public = Command::new("age-keygen").arg("-y").arg(&file).output();
    let public = String::from_utf8(public.unwrap().stdout).unwrap();
    (file, public.trim().to_owned())
}

/// Runs what a user types. `age` is Debian's, `pg_restore` that of the tests' server.
fn shell(scene: &Scene, folder: &Path, line: &str) -> Output {
    let restore = TestPostgres::program("pg_restore");
    let paths = [Path::new(restore.get_program())];
    let mut path: Vec<String> = paths
        .iter()
        .filter_map(|program| Some(program.parent()?.display().to_string()))
        .collect();
    path.push(std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path.join(":"))
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", scene.postgres.port().to_string())
        .env("PGUSER", "postgres")
        .env("PGPASSWORD", PASSWORD)
        .output()
        .unwrap()
}

/// The output of what a user types; it must succeed.
pub fn said(scene: &Scene, folder: &Path, line: &str) -> String {
    let output = shell(scene, folder, line);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn filled_scene() -> Scene {
    let scene = Scene::new(&["postgres", "odd \u{f7} name"], "postgres", PASSWORD);
    let postgres = &scene.postgres;
    postgres
        .execute("postgres", "create database \"odd \u{f7} name\"")
        .await;
    postgres
        .execute("postgres", "create database restored")
        .await;
    postgres
        .execute(
            "postgres",
            "create role somebody login password 'open sesame'; create table experts (id int, name \
             text); insert into experts select n, 'expert ' || n from generate_series(1, 8500) n",
        )
        .await;
    let marked = format!(
        "insert into experts values (0, '{MARKER}'); select lo_from_bytea(77, '{MARKER}'::bytea)"
    );
    postgres.execute("postgres", &marked).await;
    postgres
        .execute(
            "odd \u{f7} name",
            "create table t (id int); insert into t values (1)",
        )
        .await;
    scene
}

/// What `holdfast backup` prints, or why it fails.
pub fn holdfast(scene: &Scene, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args([
            "backup",
            "--bucket",
            BUCKET,
            "--prefix",
            "prod",
            "--path-style",
        ])
        .args(["--endpoint", &format!("http://{}", scene.bucket.address())])
        .arg("--credentials")
        .arg(scene.bucket.credentials())
        .args(arguments)
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn debians_age_reads_an_encrypted_set_with_the_key_of_each_recipient() {
    let mut scene = filled_scene().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_, one) = make_key(folder, "one.key");
    let (_, other) = make_key(folder, "other.key");
    make_key(folder, "stranger.key");
    scene.request.age_recipients = vec![one.clone(), other.clone()];
    let manifest = scene.take(None).await.unwrap().manifest;
    assert_eq!(manifest.recipients, [one, other]);
    let names: Vec<&str> = manifest
        .objects
        .iter()
        .map(|object| object.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "globals.sql.zst.age",
            "dump.pgc.zst.age",
            "dump-odd%20%C3%B7%20name.pgc.zst.age",
        ]
    );
    for object in &manifest.objects {
        assert_eq!(object.encryption, Some(ObjectEncryption::Age));
        assert!(object.frames.is_empty(), "nothing but the whole is read");
        let stored = scene.bucket.read(&format!("{FOLDER}/{}", object.name));
        assert_eq!(object.sha256, hex::encode(Sha256::digest(&stored)));
    }

    // What the catalog says of it, and what it writes.
    assert!(holdfast(&scene, &["list"]).unwrap().contains(FOLDER));
    assert!(
        holdfast(&scene, &["verify", FOLDER])
            .unwrap()
            .contains("3 objects read")
    );
    let shown = holdfast(&scene, &["show", FOLDER]).unwrap();
    assert!(shown.contains(&manifest.recipients.join(", ")), "{shown}");
    let to = folder.join("set");
    let fetched = holdfast(&scene, &["fetch", FOLDER, "--to", to.to_str().unwrap()]).unwrap();
    assert!(
        fetched.contains("age -d -i KEY") && fetched.contains("dump.pgc.zst.age"),
        "{fetched}"
    );

    // With either key.
    for key in ["one.key", "other.key"] {
        let list = format!("age -d -i ../{key} dump.pgc.zst.age | zstd -d | pg_restore --list");
        let list = said(&scene, &to, &list);
        assert!(list.contains("TABLE DATA public experts"), "{list}");
    }
    let stranger = "age -d -i ../stranger.key dump.pgc.zst.age | zstd -d | pg_restore --list";
    let refused = shell(&scene, &to, stranger);
    assert!(!refused.status.success() && refused.stdout.is_empty());
    said(
        &scene,
        &to,
        "age -d -i ../one.key dump.pgc.zst.age | zstd -d | pg_restore --exit-on-error --dbname=restored",
    );
    let restored = scene.postgres.superuser("restored").await;
    let counted = "select count(*), count(*) filter (where name like 'row-of-%'), (select \
        count(*) from pg_largeobject_metadata) from experts";
    let row = restored.query_one(counted, &[]).await.unwrap();
    let table = &manifest.databases[0].tables[0];
    assert_eq!(
        (row.get::<_, i64>(0).unsigned_abs(), row.get::<_, i64>(1)),
        (table.rows, 1)
    );
    assert_eq!(table.rows, 8501);
    assert_eq!(row.get::<_, i64>(2), 1, "the large object");

    let globals = "age -d -i ../other.key globals.sql.zst.age | zstd -d";
    let globals = said(&scene, &to, globals);
    assert!(
        globals.contains("CREATE ROLE somebody") && globals.contains("PASSWORD 'SCRAM-SHA-256$"),
        "{globals}"
    );
    assert_eq!(manifest.role_passwords, Some(RolePasswords::Included));
}

/// The bytes, and what they are decompressed, wherever a frame may begin.
fn plaintexts(stored: &[u8]) -> Vec<Vec<u8>> {
    let mut texts = vec![stored.to_vec()];
    let begins = memchr::memmem::find_iter(stored, &ZSTANDARD);
    for begin in begins {
        let mut text = Vec::new();
        if let Ok(mut decoder) = zstd::Decoder::new(&stored[begin..]) {
            // Up to where it is no frame any more.
            decoder.read_to_end(&mut text).ok();
        }
        texts.push(text);
    }
    texts
}

/// The stored objects in which a row or the hash of a password can be read.
fn readable(scene: &Scene) -> Vec<String> {
    let mut found = scene.bucket.objects();
    found.retain(|key| {
        let texts = plaintexts(&scene.bucket.read(key));
        let secrets = [MARKER.as_bytes(), b"SCRAM-SHA-256$"];
        texts.iter().any(|text| {
            let mut secrets = secrets.iter();
            secrets.any(|secret| memchr::memmem::find(text, secret).is_some())
        })
    });
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_row_is_in_any_stored_object() {
    let mut scene = filled_scene().await;
    let folder = tempfile::tempdir().unwrap();
    let (_, one) = make_key(folder.path(), "one.key");
    scene.request.age_recipients = vec![one];
    scene.take(None).await.unwrap();
    assert_eq!(scene.bucket.objects().len(), 4);
    assert_eq!(readable(&scene), Vec::<String>::new());

    // The same search finds it in what is not encrypted.
    scene.request.age_recipients = Vec::new();
    scene.take_number(8).await.unwrap();
    let found = readable(&scene);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("/dump.pgc.zst"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_recipient_makes_nothing() {
    let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let folder = tempfile::tempdir().unwrap();
    let (file, good) = make_key(folder.path(), "one.key");
    let private = fs::read_to_string(file).unwrap();
    let private = private.lines().last().unwrap().to_owned();
    assert!(private.starts_with("AGE-SECRET-KEY-"), "a private key");
    let mut mistyped = good.clone();
    let last = if mistyped.pop() == Some('q') {
        'p'
    } else {
        'q'
    };
    mistyped.push(last);
    for wrong in [private, mistyped, String::new()] {
        scene.request.age_recipients = vec![good.clone(), wrong.clone()];
        let failure = scene.take(None).await.unwrap_err();
        assert_eq!(failure.reason, reasons::INVALID_SPEC);
        assert!(
            failure.message.contains("ageRecipients[1]")
                && (wrong.is_empty() || !failure.message.contains(&wrong)),
            "{}",
            failure.message
        );
        scene.assert_nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_left_out_where_the_role_may_not_read_them() {
    let mut scene = Scene::new(&["postgres"], "agent", "secret");
    scene
        .postgres
        .execute(
            "postgres",
            "create role agent login password 'secret'; grant pg_read_all_settings to agent; create \
             table t (id int); insert into t values (1); grant select on t to agent",
        )
        .await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_, one) = make_key(folder, "one.key");
    scene.request.age_recipients = vec![one];
    let manifest = scene.take(None).await.unwrap().manifest;
    assert_eq!(manifest.role_passwords, Some(RolePasswords::NotReadable));
    let stored = scene.bucket.read(&format!("{FOLDER}/globals.sql.zst.age"));
    fs::write(folder.join("globals.sql.zst.age"), stored).unwrap();
    let globals = "age -d -i one.key globals.sql.zst.age | zstd -d";
    let globals = said(&scene, folder, globals);
    assert!(
        globals.contains("CREATE ROLE agent") && !globals.contains("PASSWORD"),
        "{globals}"
    );
}

/// The most memory that this process had since it was asked to forget, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

async fn peak_of_a_backup(scene: &Scene, number: u32) -> (u64, Manifest) {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let set = scene.take_number(number).await.unwrap();
    (peak(), set.manifest)
}

/// Each test has a process of its own where `make test` runs it; elsewhere others are counted, too.
#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_what_is_encrypted() {
    let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let folder = tempfile::tempdir().unwrap();
    let (_, one) = make_key(folder.path(), "one.key");
    scene.request.age_recipients = vec![one];
    let grow = "insert into bulky select (select string_agg(gen_random_uuid()::text || n || m, '') \
        from generate_series(1, 30) m) from generate_series(1, 40000) n";
    let create = format!("create table bulky (data text); {grow}");
    scene.postgres.execute("postgres", &create).await;
    // The first one brings what every one needs.
    peak_of_a_backup(&scene, 1).await;
    let (small, _) = peak_of_a_backup(&scene, 2).await;
    for _ in 0..5 {
        scene.postgres.execute("postgres", grow).await;
    }
    let (large, manifest) = peak_of_a_backup(&scene, 3).await;
    scene.request.age_recipients = Vec::new();
    let (plain, _) = peak_of_a_backup(&scene, 4).await;
    let raw: u64 = manifest.objects.iter().map(|object| object.raw_size).sum();
    eprintln!("{small} KiB, then {large} KiB for {raw} bytes, {plain} KiB not encrypted");
    assert!(raw > 256 << 20, "{raw} bytes");
    let more = 24 << 10;
    assert!(
        large < small + more && large < plain + more,
        "{small} KiB for a sixth, {large} KiB for all of it, {plain} KiB not encrypted"
    );
}
