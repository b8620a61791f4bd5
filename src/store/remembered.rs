//! Finding the newest good set of a database in the bucket. What is there is not trusted: sizes are
//! bounded, and what is no manifest is passed over. Which set is newer the storage's clock says, and of
//! sets of one database cluster its write-ahead log; no clock of a node or of a database.

use std::cmp::Reverse;

use crate::api::WalPosition;

use super::catalog::{MANIFEST_LIMIT, fetch_standing};
use super::{
    FORMAT_VERSION, MANIFEST_NAME, Manifest, OLDEST_FORMAT_VERSION, S3Store, SetState, Standing,
    StoreError, StoreErrorKind, database_folder, root_directory,
};

/// How many manifests are read, those first that were stored last.
const SETS: usize = 50;
/// How many good ones are compared.
const GOOD_SETS: usize = 5;
/// How many other namespaces are read.
const NAMESPACES: usize = 50;

/// The path and the manifest of the newest set that is good. None if there is none for certain: where
/// a manifest could not be read, or more sets are there than are read, it is not known.
pub async fn fetch_newest_good(
    store: &S3Store,
    prefix: &str,
    namespace: &str,
    database: &str,
) -> Result<Option<(String, Manifest)>, StoreError> {
    let directory = database_folder(prefix, namespace, database);
    let mut stored: Vec<_> = store
        .list_objects(&directory)
        .await?
        .into_iter()
        .filter_map(|object| {
            let path = object.key.strip_suffix(MANIFEST_NAME)?.strip_suffix('/')?;
            let name = path.strip_prefix(&directory)?;
            // Deeper down is no set.
            (!name.contains('/')).then(|| (object.stored_at, path.to_owned()))
        })
        .collect();
    stored.sort_unstable_by_key(|set| Reverse(set.clone()));
    let (count, mut unread, mut good) = (stored.len(), None, Vec::new());
    for (_, path) in stored.into_iter().take(SETS) {
        let key = format!("{path}/{MANIFEST_NAME}");
        let manifest = match store.fetch(&key, MANIFEST_LIMIT).await {
            Ok((body, _)) => serde_json::from_slice::<Manifest>(&body)
                .map(|manifest| (manifest, body))
                .map_err(|error| format!("`{key}` is no manifest: {error}")),
            // It was deleted meanwhile.
            Err(error) if error.kind == StoreErrorKind::NotFound => continue,
            Err(error)
                if matches!(
                    error.kind,
                    StoreErrorKind::TooLarge | StoreErrorKind::Unreadable
                ) =>
            {
                Err(error.message)
            }
            Err(error) => return Err(error),
        };
        match manifest {
            Ok((manifest, body)) if is_good(&manifest, namespace, database) => {
                match fetch_standing(store, &path, &manifest, &body).await? {
                    (Standing::Demoted, _) => {}
                    // It may be a demotion.
                    (Standing::Unknown, why) => {
                        unread =
                            Some(why.unwrap_or_else(|| {
                                format!("whether `{path}` counts is not known")
                            }));
                    }
                    _ => good.push((path, manifest)),
                }
            }
            Ok(_) => {}
            Err(why) => {
                tracing::warn!("passed over: {why}");
                unread = Some(why);
            }
        }
        if good.len() == GOOD_SETS {
            break;
        }
    }
    match (newest_of(good), unread) {
        (Some(newest), _) => Ok(Some(newest)),
        (None, Some(why)) => Err(unknown(&directory, &why)),
        (None, None) if count > SETS => Err(unknown(
            &directory,
            &format!("the newest {SETS} of {count} sets do not count"),
        )),
        (None, None) => Ok(None),
    }
}

fn unknown(directory: &str, why: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unreadable,
        format!("which backup below `{directory}` is the newest good one is not known: {why}"),
    )
}

/// Of good sets, those first that were stored last, the one with the most of the write-ahead log of
/// the database cluster that was stored last.
fn newest_of(good: Vec<(String, Manifest)>) -> Option<(String, Manifest)> {
    let cluster = good.first()?.1.identity.system_identifier.clone();
    let position = |manifest: &Manifest| {
        let identity = &manifest.identity;
        WalPosition::parse(identity.timeline, &identity.wal_position)
    };
    good.into_iter()
        .filter(|(_, manifest)| manifest.identity.system_identifier == cluster)
        // The last of equal ones is taken, which must be the one that was stored last.
        .rev()
        .max_by_key(|(_, manifest)| position(manifest))
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
    for other in directories.iter().take(NAMESPACES) {
        if other == namespace || other.is_empty() {
            continue;
        }
        let found = match fetch_newest_good(store, prefix, other, database).await {
            Ok(found) => found,
            // What one namespace has says nothing about the others.
            Err(error) if error.kind == StoreErrorKind::Unreadable => continue,
            Err(error) => return Err(error),
        };
        if let Some((path, manifest)) = found {
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
        && (OLDEST_FORMAT_VERSION..=FORMAT_VERSION).contains(&manifest.format_version)
        && manifest.state == SetState::Good
        && !manifest.identity.in_recovery
}
