//! Finding the newest good set of a database in the bucket. What is there is not trusted: sizes are
//! bounded, and what is no manifest is passed over. Which set is newer the storage's clock says, and of
//! sets of one database cluster its write-ahead log; no clock of a node or of a database. Names are used
//! again, by other clusters and by other owners: whose a set is say the UIDs in its manifest.

use std::cmp::Reverse;

use crate::api::{Origin, OtherBackups, WalPosition};

use super::catalog::{MANIFEST_LIMIT, fetch_standing};
use super::layout::is_set_of;
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

/// What is in the directory of a database.
#[derive(Debug, Default, PartialEq)]
pub struct NewestGood {
    /// The path and the manifest of the newest good set that is its own.
    pub own: Option<(String, Manifest)>,
    /// Whose the other sets are, where none is known to be its own and good.
    pub others: Option<OtherBackups>,
}

/// The newest set that is good and of the very database. None if there is none for certain: where a
/// manifest could not be read, or more sets are there than are read, it is not known.
pub async fn fetch_newest_good(
    store: &S3Store,
    prefix: &str,
    (namespace, database): (&str, &str),
    origin: &Origin,
) -> Result<NewestGood, StoreError> {
    fetch_newest(store, prefix, (namespace, database), Some(origin)).await
}

/// The same; without an origin all sets are taken for the database's own.
async fn fetch_newest(
    store: &S3Store,
    prefix: &str,
    (namespace, database): (&str, &str),
    origin: Option<&Origin>,
) -> Result<NewestGood, StoreError> {
    let directory = database_folder(prefix, namespace, database);
    let mut stored: Vec<_> = store
        .list_objects(&directory)
        .await?
        .into_iter()
        .filter_map(|object| {
            let path = object.key.strip_suffix(MANIFEST_NAME)?.strip_suffix('/')?;
            let name = path.strip_prefix(&directory)?;
            // Deeper down is no set.
            (!name.contains('/')).then(|| {
                // Those of others may be many: they must not hide its own.
                let is_own = origin.is_some_and(|origin| is_set_of(name, &origin.database_uid));
                (is_own, object.stored_at, path.to_owned())
            })
        })
        .collect();
    stored.sort_unstable_by_key(|set| Reverse(set.clone()));
    let (count, mut unread, mut good) = (stored.len(), None, Vec::new());
    let mut others = None;
    for (is_own, _, path) in stored.into_iter().take(SETS) {
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
            // Nobody who writes a set of his own here holds up what is known by one of this database.
            Err(error) if !is_own && !good.is_empty() => Err(error.message),
            Err(error) => return Err(error),
        };
        match manifest {
            Ok((manifest, _)) if !is_named(&manifest, namespace, database) => {}
            Ok((manifest, body)) => {
                if let Some(whose) = origin.and_then(|origin| whose(origin, &manifest)) {
                    others.get_or_insert(whose);
                    continue;
                }
                if !is_good(&manifest) {
                    continue;
                }
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
            Err(why) => {
                tracing::warn!("passed over: {why}");
                unread = Some(why);
            }
        }
        if good.len() == GOOD_SETS {
            break;
        }
    }
    let own = newest_of(good);
    match unread {
        _ if own.is_some() => Ok(NewestGood { own, others: None }),
        Some(why) => Err(unknown(&directory, &why)),
        // That there are others holds, too, and says more.
        None if count > SETS && others.is_none() => Err(unknown(
            &directory,
            &format!("the newest {SETS} of {count} sets do not count"),
        )),
        None => Ok(NewestGood { own, others }),
    }
}

/// Whose a set is that is not the database's own.
fn whose(origin: &Origin, manifest: &Manifest) -> Option<OtherBackups> {
    let of = &manifest.protected_database;
    let clusters = origin.kubernetes_cluster.as_deref();
    let clusters = clusters.zip(manifest.kubernetes_cluster.as_deref());
    if clusters.is_some_and(|(ours, theirs)| ours != theirs) {
        return Some(OtherBackups::AnotherCluster);
    }
    if !of.uid.is_empty() && of.uid == origin.database_uid {
        return None;
    }
    // Created again under its name, in the same namespace.
    let uid = of.namespace_uid.as_deref().filter(|uid| !uid.is_empty());
    let (Some(uid), false) = (uid, origin.namespace_uids.is_empty()) else {
        return Some(OtherBackups::NotSaid);
    };
    let is_ours = origin.namespace_uids.iter().any(|ours| ours == uid);
    (!is_ours).then_some(OtherBackups::AnotherNamespace)
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

/// The rows of the good set with the most of them that another namespace has of a database of that
/// name.
pub async fn fetch_rows_elsewhere(
    store: &S3Store,
    prefix: &str,
    namespace: &str,
    database: &str,
) -> Result<Option<u64>, StoreError> {
    let root = root_directory(prefix);
    let directories = store.list_folders(&root).await?;
    let mut most = None;
    for other in directories.iter().take(NAMESPACES) {
        if other == namespace || other.is_empty() {
            continue;
        }
        let found = match fetch_newest(store, prefix, (other, database), None).await {
            Ok(found) => found.own,
            // What one namespace has says nothing about the others.
            Err(error) if error.kind == StoreErrorKind::Unreadable => continue,
            Err(error) => return Err(error),
        };
        most = most.max(found.map(|(_, manifest)| rows_of(&manifest)));
    }
    Ok(most)
}

/// Rows of all databases of a set.
pub fn rows_of(manifest: &Manifest) -> u64 {
    let rows = manifest.databases.iter().map(|database| database.rows);
    rows.fold(0, u64::saturating_add)
}

fn is_named(manifest: &Manifest, namespace: &str, database: &str) -> bool {
    let of = &manifest.protected_database;
    of.namespace == namespace && of.name == database
}

fn is_good(manifest: &Manifest) -> bool {
    (OLDEST_FORMAT_VERSION..=FORMAT_VERSION).contains(&manifest.format_version)
        && manifest.state == SetState::Good
        && !manifest.identity.in_recovery
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    /// Names say nothing: whose a set is say UIDs, and where they can't, it is not known to be ours.
    #[test]
    fn whose_a_set_is_say_uids_and_no_names() {
        use OtherBackups::{AnotherCluster, AnotherNamespace, NotSaid};
        let ours = |namespaces: &[&str], cluster: Option<&str>| Origin {
            database_uid: "uid-1".to_owned(),
            namespace_uids: namespaces.iter().map(ToString::to_string).collect(),
            kubernetes_cluster: cluster.map(ToOwned::to_owned),
        };
        let here = ours(&["ns-1"], Some("here"));
        let accepted = ours(&["ns-2", "ns-1"], Some("here"));
        let nowhere = ours(&["ns-1"], None);
        let unread = ours(&[], Some("here"));
        let other = "uid-2";
        for (origin, uid, namespace, cluster, wanted) in [
            (&here, "uid-1", Some("ns-1"), Some("here"), None),
            // Of a version that did not say more.
            (&here, "uid-1", None, None, None),
            (&here, "uid-1", None, Some("here"), None),
            // Released and protected again.
            (&here, other, Some("ns-1"), Some("here"), None),
            (&accepted, other, Some("ns-1"), Some("here"), None),
            (
                &here,
                other,
                Some("ns-2"),
                Some("here"),
                Some(AnotherNamespace),
            ),
            (&here, other, Some("ns-2"), None, Some(AnotherNamespace)),
            (
                &here,
                other,
                Some("ns-2"),
                Some("there"),
                Some(AnotherCluster),
            ),
            // A copy of everything, also of the UIDs.
            (
                &here,
                "uid-1",
                Some("ns-1"),
                Some("there"),
                Some(AnotherCluster),
            ),
            (&here, other, None, Some("here"), Some(NotSaid)),
            (&here, other, Some(""), Some("here"), Some(NotSaid)),
            (&here, "", None, None, Some(NotSaid)),
            (&unread, other, Some("ns-1"), Some("here"), Some(NotSaid)),
            (&nowhere, other, Some("ns-1"), Some("there"), None),
            (
                &nowhere,
                other,
                Some("ns-2"),
                Some("there"),
                Some(AnotherNamespace),
            ),
            (&Origin::default(), "", Some(""), None, Some(NotSaid)),
        ] {
            let mut manifest = sample();
            uid.clone_into(&mut manifest.protected_database.uid);
            manifest.protected_database.namespace_uid = namespace.map(ToOwned::to_owned);
            manifest.kubernetes_cluster = cluster.map(ToOwned::to_owned);
            let found = whose(origin, &manifest);
            assert_eq!(found, wanted, "{origin:?} {uid} {namespace:?} {cluster:?}");
        }
    }

    fn sample() -> Manifest {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/manifests/version-3.json"
        );
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }
}
