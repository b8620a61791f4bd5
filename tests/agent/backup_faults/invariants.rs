//! What must hold whatever happened, by the storage's own folder, by `pg_restore` and by the server; not
//! by the agent's account.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use holdfast::store::{Manifest, ManifestDatabase, SetContents, Standing, fetch_catalog};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_postgres::Client;

use super::agent_process::Outcome;
use crate::backup_scene::Scene;
use crate::support::postgres::TestPostgres;

const MANIFEST: &str = "manifest.json";
/// How long the server may take to end what a set has left in it.
pub const SESSIONS_END: Duration = Duration::from_secs(5);
/// What our own sessions are called.
pub const OWN_SESSIONS: &str = "faults";

/// What is in the bucket.
pub struct Contents {
    /// The directories with a manifest; each is whole.
    pub sets: Vec<String>,
    /// The objects of the others.
    pub without_manifest: Vec<String>,
    /// The uploads that were neither completed nor aborted.
    pub uploads: usize,
}

/// Makes sure that every manifest tells the truth, and that readers take nothing else for a set.
pub async fn check_bucket(scene: &Scene) -> Result<Contents, String> {
    let objects = scene.bucket.objects();
    let mut directories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in &objects {
        let (directory, name) = object
            .rsplit_once('/')
            .ok_or("an object without directory")?;
        let names = directories.entry(directory.to_owned()).or_default();
        names.push(name.to_owned());
    }
    let mut contents = Contents {
        sets: Vec::new(),
        without_manifest: Vec::new(),
        uploads: 0,
    };
    for (directory, names) in directories {
        if names.iter().any(|name| name == MANIFEST) {
            check_set(scene, &directory, &names)
                .map_err(|what| format!("false success, `{directory}`: {what}"))?;
            contents.sets.push(directory);
        } else {
            let objects = names.iter().map(|name| format!("{directory}/{name}"));
            contents.without_manifest.extend(objects);
        }
    }
    let store = scene.bucket.open();
    let request = &scene.request;
    let (prefix, namespace) = (&request.storage.prefix, &request.namespace);
    let catalog = fetch_catalog(&store, prefix, namespace, &request.database)
        .await
        .map_err(|error| format!("the sets can't be listed: {error}"))?;
    for set in catalog {
        let path = &set.facts.path;
        let is_set = match &set.facts.contents {
            SetContents::Unfinished => false,
            SetContents::Set(record) if record.standing != Standing::Incomplete => true,
            other => {
                return Err(format!(
                    "a reader sees a part of a set, `{path}`: {other:?}"
                ));
            }
        };
        if is_set != contents.sets.contains(path) {
            return Err(format!(
                "a reader takes for a set what is none, or not: `{path}`"
            ));
        }
    }
    let uploads = store.fetch_unfinished("").await;
    let uploads = uploads.map_err(|error| format!("uploads can't be listed: {error}"))?;
    contents.uploads = uploads.len();
    Ok(contents)
}

fn check_set(scene: &Scene, directory: &str, names: &[String]) -> Result<(), String> {
    let manifest = scene.bucket.read(&format!("{directory}/{MANIFEST}"));
    let manifest: Manifest =
        serde_json::from_slice(&manifest).map_err(|error| format!("its manifest: {error}"))?;
    for object in &manifest.objects {
        if !names.contains(&object.name) {
            return Err(format!("{} is not there", object.name));
        }
        let stored = scene.bucket.read(&format!("{directory}/{}", object.name));
        if (stored.len() as u64, hex::encode(Sha256::digest(&stored)))
            != (object.size, object.sha256.clone())
        {
            return Err(format!("{} is another object", object.name));
        }
        let raw = zstd::decode_all(stored.as_slice())
            .map_err(|error| format!("{} is damaged: {error}", object.name))?;
        if raw.len() as u64 != object.raw_size {
            return Err(format!("{} has {} bytes", object.name, raw.len()));
        }
        let mut databases = manifest.databases.iter();
        if let Some(database) = databases.find(|database| database.object == object.name) {
            check_rows(scene, database, &raw)?;
        }
    }
    let expected = manifest.objects.len() + 1;
    let of_databases = scene.request.server.databases.len() + 2;
    if names.len() != expected || expected != of_databases {
        return Err(format!("its objects are {names:?}"));
    }
    Ok(())
}

/// Counts the rows of an archive as `pg_restore` writes them.
fn check_rows(scene: &Scene, database: &ManifestDatabase, archive: &[u8]) -> Result<(), String> {
    let file = scene.files.work.join("archive.pgc");
    fs::write(&file, archive).unwrap();
    let mut restore = TestPostgres::program("pg_restore")
        .args(["--data-only", "--file=-"])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    let mut table: Option<String> = None;
    for line in BufReader::new(restore.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match &table {
            None => {
                let copied = line
                    .strip_prefix("COPY ")
                    .filter(|_| line.ends_with(" FROM stdin;"));
                table = copied.map(|rest| rest.split(' ').next().unwrap_or_default().to_owned());
                if let Some(table) = &table {
                    counted.insert(table.clone(), 0);
                }
            }
            Some(_) if line == "\\." => table = None,
            Some(table) => *counted.entry(table.clone()).or_default() += 1,
        }
    }
    if !restore.wait().unwrap().success() {
        return Err(format!("pg_restore can't read {}", database.object));
    }
    let tables = database.tables.iter();
    let said: BTreeMap<String, u64> = tables
        .map(|table| (format!("{}.{}", table.schema, table.name), table.rows))
        .collect();
    if said != counted || said.values().sum::<u64>() != database.rows {
        return Err(format!(
            "{} has the rows {counted:?}, and the manifest says {said:?}",
            database.object
        ));
    }
    Ok(())
}

/// Makes sure that a backup's own account is true.
pub fn check_account(
    path: &str,
    outcome: Option<&Outcome>,
    contents: &Contents,
) -> Result<(), String> {
    let is_set = contents.sets.iter().any(|set| set == path);
    match outcome {
        Some(Outcome::Taken) if !is_set => {
            Err("false success: it says that the set is taken, and there is none".to_owned())
        }
        Some(Outcome::Failed(failure)) if is_set && !failure.message.contains("not known") => Err(
            format!("it says it failed, and the set is there: {failure:?}"),
        ),
        Some(Outcome::Failed(failure)) => {
            let mut left = contents.without_manifest.iter();
            let unnamed = left.find(|object| {
                let name = object.rsplit('/').next().unwrap_or_default();
                object.starts_with(path) && !failure.message.contains(name)
            });
            unnamed.map_or(Ok(()), |object| {
                Err(format!(
                    "it leaves `{object}` and does not say so: {failure:?}"
                ))
            })
        }
        _ => Ok(()),
    }
}

/// Makes sure that no session of a set is left after a while.
pub async fn check_sessions(observer: &Client, limit: Duration) -> Result<(), String> {
    let until = Instant::now() + limit;
    loop {
        let sessions = "select pid::text || ' ' || application_name || ': ' || coalesce(state, '') \
            || ' ' || left(query, 60) from pg_stat_activity where backend_type = 'client backend' and \
            application_name <> $1";
        let left = observer.query(sessions, &[&OWN_SESSIONS]).await.unwrap();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            let left: Vec<String> = left.iter().map(|row| row.get(0)).collect();
            return Err(format!(
                "sessions are left after {limit:?}: {}",
                left.join("; ")
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
