//! The catalog: every set of a database in the bucket, whether it counts, and whether its objects are
//! there. What is in the bucket is not trusted: sizes are bounded, and names are checked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::leftovers::Listed;
use super::verdicts::{VERDICT_LIMIT, is_verdict_name, standing_of};
use super::{
    FORMAT_VERSION, MANIFEST_NAME, Manifest, OLDEST_FORMAT_VERSION, S3Store, SetContents, SetFacts,
    SetOwner, SetRecord, Standing, StoreError, StoreErrorKind, Verdicts, database_folder,
    root_directory,
};
use crate::api::WalPosition;

/// The largest manifest that is read, in bytes: about 100,000 tables.
pub const MANIFEST_LIMIT: usize = 32 * 1024 * 1024;
/// The most verdicts of one set that are read, the newest first. With more, whether it counts is not
/// known.
const VERDICTS: usize = 64;

/// A set as it is in the bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogSet {
    /// What retention needs to know.
    pub facts: SetFacts,
    /// What the manifest says, and its SHA-256 in hex; none if there is none, or it can't be read.
    pub manifest: Option<(Manifest, String)>,
    /// What later checks say.
    pub verdicts: Verdicts,
    /// What is wrong with its objects, by the listing alone.
    pub faults: Vec<String>,
    /// Whether its manifest can't be read for what is no damage: it is archived, or of a newer version.
    pub is_out_of_reach: bool,
    /// Bytes of all its objects.
    pub stored_bytes: u64,
}

impl CatalogSet {
    /// Makes it what nobody can read here.
    fn unreadable(mut self, why: impl Into<String>) -> Self {
        self.facts.contents = SetContents::Unreadable(why.into());
        self
    }

    /// Forgets what is large in its manifest: many sets are held at once.
    fn without_details(mut self) -> Self {
        let databases = self.manifest.iter_mut();
        for database in databases.flat_map(|(manifest, _)| &mut manifest.databases) {
            database.tables = Vec::new();
            database.large_objects.listed = Vec::new();
            database.description = None;
        }
        self
    }
}

/// One directory of the listing: each object's size, and when the newest one was stored.
#[derive(Default)]
struct Listing {
    sizes: BTreeMap<String, u64>,
    stored_at: Option<Timestamp>,
}

impl Listing {
    fn take(&mut self, name: &str, object: &Listed) {
        self.sizes.insert(name.to_owned(), object.size);
        self.stored_at = self.stored_at.max(object.stored_at);
    }
}

/// The databases that have sets in the bucket, as namespace and name.
pub async fn fetch_databases(
    store: &S3Store,
    prefix: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let root = root_directory(prefix);
    let mut databases = Vec::new();
    for namespace in store.list_folders(&root).await? {
        for database in store.list_folders(&format!("{root}{namespace}/")).await? {
            databases.push((namespace.clone(), database));
        }
    }
    Ok(databases)
}

/// Every set of a database, by the names of their directories, without the tables of each. Where the
/// storage refuses to read every manifest it is an error.
pub async fn fetch_catalog(
    store: &S3Store,
    prefix: &str,
    namespace: &str,
    database: &str,
) -> Result<Vec<CatalogSet>, StoreError> {
    let directory = database_folder(prefix, namespace, database);
    let mut listings: BTreeMap<String, Listing> = BTreeMap::new();
    for object in store.list_objects(&directory).await? {
        let rest = object.key.strip_prefix(&directory).unwrap_or_default();
        let Some((set, name)) = rest.split_once('/') else {
            continue;
        };
        let listing = listings.entry(format!("{directory}{set}")).or_default();
        listing.take(name, &object);
    }
    let mut sets = Vec::new();
    let mut refused = Vec::new();
    for (path, listing) in listings {
        let (set, refusal) = fetch_set_as_listed(store, path, &listing).await?;
        sets.push(set.without_details());
        refused.extend(refusal);
    }
    let has_read = sets.iter().any(|set| set.manifest.is_some());
    match refused.pop() {
        Some(refusal) if !has_read => Err(refusal),
        _ => Ok(sets),
    }
}

/// One set by its directory.
pub async fn fetch_set(store: &S3Store, path: &str) -> Result<CatalogSet, StoreError> {
    let path = path.trim_end_matches('/');
    let listing = fetch_listing(store, path).await?;
    let read = fetch_set_as_listed(store, path.to_owned(), &listing).await;
    read.map(|(set, _)| set)
}

/// What checks have said since of a set whose manifest was read: it may hold only what a reset had left.
/// Why that is not known, if it is not.
pub(super) async fn fetch_standing(
    store: &S3Store,
    path: &str,
    manifest: &Manifest,
    body: &[u8],
) -> Result<(Standing, Option<String>), StoreError> {
    let listing = fetch_listing(store, path).await?;
    let mut verdicts = fetch_verdicts(store, path, &listing).await?;
    let sha256 = hex::encode(Sha256::digest(body));
    let standing = standing_of(manifest, &sha256, &verdicts, true);
    Ok((standing, verdicts.unread.pop()))
}

async fn fetch_listing(store: &S3Store, path: &str) -> Result<Listing, StoreError> {
    let directory = format!("{path}/");
    let mut listing = Listing::default();
    for object in store.list_objects(&directory).await? {
        listing.take(&object.key[directory.len()..], &object);
    }
    if listing.sizes.is_empty() {
        return Err(StoreError::new(
            StoreErrorKind::NotFound,
            format!("there is no object below `{path}/`"),
        ));
    }
    Ok(listing)
}

/// A set, and why the storage refused to read its manifest, if it did.
async fn fetch_set_as_listed(
    store: &S3Store,
    path: String,
    listing: &Listing,
) -> Result<(CatalogSet, Option<StoreError>), StoreError> {
    let mut set = CatalogSet {
        facts: SetFacts {
            path,
            stored_at: listing.stored_at,
            locked_until: None,
            contents: SetContents::Unfinished,
        },
        manifest: None,
        verdicts: Verdicts::default(),
        faults: Vec::new(),
        is_out_of_reach: false,
        stored_bytes: listing.sizes.values().sum(),
    };
    if !listing.sizes.contains_key(MANIFEST_NAME) {
        return Ok((set, None));
    }
    let key = format!("{}/{MANIFEST_NAME}", set.facts.path);
    let body = match store.fetch(&key, MANIFEST_LIMIT).await {
        Ok((body, _)) => body,
        // What one object says is of that set alone.
        Err(error) if is_of_the_object(error.kind) => {
            set.is_out_of_reach = error.kind == StoreErrorKind::Unreadable;
            let refused = (error.kind == StoreErrorKind::Denied).then(|| error.clone());
            return Ok((set.unreadable(error.message), refused));
        }
        Err(error) => return Err(error),
    };
    let manifest: Manifest = match serde_json::from_slice(&body) {
        Ok(manifest) => manifest,
        Err(error) => {
            return Ok((set.unreadable(format!("it is no manifest: {error}")), None));
        }
    };
    let format = manifest.format_version;
    if !(OLDEST_FORMAT_VERSION..=FORMAT_VERSION).contains(&format) {
        set.is_out_of_reach = format > FORMAT_VERSION;
        let why = format!(
            "its format is {format}, and this version of Holdfast reads {OLDEST_FORMAT_VERSION} to \
             {FORMAT_VERSION}"
        );
        return Ok((set.unreadable(why), None));
    }
    let sha256 = hex::encode(Sha256::digest(&body));
    set.faults = faults_of(&manifest, &listing.sizes);
    set.verdicts = fetch_verdicts(store, &set.facts.path, listing).await?;
    let identity = &manifest.identity;
    set.facts.contents = match WalPosition::parse(identity.timeline, &identity.wal_position) {
        Some(position) => SetContents::Set(SetRecord {
            owner: SetOwner {
                database_uid: manifest.protected_database.uid.clone(),
                kubernetes_cluster: manifest.kubernetes_cluster.clone(),
            },
            system_identifier: identity.system_identifier.clone(),
            position,
            snapshot_time: identity.snapshot_time.0,
            manifest_sha256: sha256.clone(),
            standing: standing_of(&manifest, &sha256, &set.verdicts, set.faults.is_empty()),
        }),
        None => SetContents::Unreadable(format!(
            "`{}` is no position in the write-ahead log",
            identity.wal_position
        )),
    };
    set.manifest = Some((manifest, sha256));
    Ok((set, None))
}

/// The verdicts beside a manifest, the newest first. One that can't be read is not passed over: it may say
/// that the set never counts.
async fn fetch_verdicts(
    store: &S3Store,
    path: &str,
    listing: &Listing,
) -> Result<Verdicts, StoreError> {
    let mut verdicts = Verdicts::default();
    let names: Vec<&String> = listing.sizes.keys().collect();
    // Their names begin with the time of their check.
    let newest_first = names.into_iter().rev().filter(|name| is_verdict_name(name));
    for (place, name) in newest_first.enumerate() {
        if place == VERDICTS {
            let why = format!("`{path}` has more than {VERDICTS} verdicts");
            verdicts.unread.push(why);
            break;
        }
        let key = format!("{path}/{name}");
        let read = match store.fetch(&key, VERDICT_LIMIT).await {
            Ok((body, _)) => serde_json::from_slice(&body).map_err(|error| error.to_string()),
            Err(error) if is_of_the_object(error.kind) => Err(error.message),
            Err(error) => return Err(error),
        };
        match read {
            Ok(verdict) => verdicts.read.push(verdict),
            Err(why) => {
                tracing::warn!(key, "a verdict can't be read: {why}");
                verdicts
                    .unread
                    .push(format!("the verdict `{key}` can't be read: {why}"));
            }
        }
    }
    Ok(verdicts)
}

/// Whether a failed read says something of this object alone, and others may be readable.
const fn is_of_the_object(kind: StoreErrorKind) -> bool {
    matches!(
        kind,
        StoreErrorKind::NotFound
            | StoreErrorKind::TooLarge
            | StoreErrorKind::Denied
            // Another key than that of the bucket may have encrypted it.
            | StoreErrorKind::WrongEncryption
            | StoreErrorKind::Unreadable
    )
}

/// The objects that the manifest names and that are missing, or have another size.
fn faults_of(manifest: &Manifest, sizes: &BTreeMap<String, u64>) -> Vec<String> {
    let fault = |name: &str, expected: u64| match sizes.get(name) {
        None => Some(format!("`{name}` is missing")),
        Some(size) if *size != expected => {
            Some(format!("`{name}` has {size} bytes instead of {expected}"))
        }
        Some(_) => None,
    };
    let objects = manifest.objects.iter();
    objects
        .filter_map(|object| fault(&object.name, object.size))
        .collect()
}

/// Whether a name of a manifest is one path element of a set, and nothing that leads elsewhere.
#[must_use]
pub fn is_object_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.%".contains(&byte);
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && name.bytes().all(is_allowed)
        && name != MANIFEST_NAME
}
