//! Finding the newest good set of a database in the bucket. What is there is not trusted: sizes are
//! bounded, and what is no manifest is passed over.

use super::{
    FORMAT_VERSION, MANIFEST_NAME, Manifest, S3Store, SetState, StoreError, StoreErrorKind,
    database_folder, root_directory,
};

/// How many sets are read, the newest first, before it is reported that there is no good one.
const SETS: usize = 50;
/// How many other namespaces are looked into.
const NAMESPACES: usize = 50;
/// The largest manifest that is read, in bytes: about 100,000 tables.
const MANIFEST_LIMIT: usize = 32 * 1024 * 1024;

/// The path and the manifest of the newest set that is good.
pub async fn fetch_newest_good(
    store: &S3Store,
    prefix: &str,
    namespace: &str,
    database: &str,
) -> Result<Option<(String, Manifest)>, StoreError> {
    let mut directories = store
        .list_folders(&database_folder(prefix, namespace, database))
        .await?;
    // Their names begin with the time.
    directories.sort_unstable_by(|one, other| other.cmp(one));
    for directory in directories.into_iter().take(SETS) {
        let path = directory.trim_end_matches('/');
        let body = match store
            .fetch(&format!("{path}/{MANIFEST_NAME}"), MANIFEST_LIMIT)
            .await
        {
            Ok((body, _)) => body,
            // No manifest, no backup.
            Err(error) if error.kind == StoreErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match serde_json::from_slice::<Manifest>(&body) {
            Ok(manifest) if is_good(&manifest, namespace, database) => {
                return Ok(Some((path.to_owned(), manifest)));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(path, "passed over a manifest that can't be read: {error}");
            }
        }
    }
    Ok(None)
}

/// The namespace, the path and the manifest of the good set with the most rows that another
/// namespace has of a database of that name.
pub async fn fetch_elsewhere(
    store: &S3Store,
    prefix: &str,
    namespace: &str,
    database: &str,
) -> Result<Option<(String, String, Manifest)>, StoreError> {
    let root = root_directory(prefix);
    let directories = store.list_folders(&root).await?;
    let mut most = None;
    for directory in directories.iter().take(NAMESPACES) {
        let other = directory.trim_start_matches(&root).trim_end_matches('/');
        if other == namespace || other.is_empty() {
            continue;
        }
        if let Some((path, manifest)) = fetch_newest_good(store, prefix, other, database).await? {
            let is_more = most
                .as_ref()
                .is_none_or(|(_, _, before)| rows_of(&manifest) > rows_of(before));
            if is_more {
                most = Some((other.to_owned(), path, manifest));
            }
        }
    }
    Ok(most)
}

/// Rows of all databases of a set.
pub fn rows_of(manifest: &Manifest) -> u64 {
    let rows = manifest.databases.iter().map(|database| database.rows);
    rows.fold(0, u64::saturating_add)
}

fn is_good(manifest: &Manifest, namespace: &str, database: &str) -> bool {
    let of = &manifest.protected_database;
    let is_ours = of.namespace == namespace && of.name == database;
    is_ours
        && manifest.format_version == FORMAT_VERSION
        && manifest.state == SetState::Good
        && !manifest.identity.in_recovery
}
