//! Reading the objects of a set back, to see that they are what was stored.

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::catalog::{MANIFEST_LIMIT, is_object_name};
use super::{MANIFEST_NAME, Manifest, ManifestObject, S3Store, StoreError, StoreErrorKind};

/// How much is read of an object that is too large to be read as a whole.
const SAMPLE: u64 = 1024 * 1024;
/// Pieces of an object that were read and not yet taken.
const PIECES: usize = 4;

/// What was read of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadBack {
    /// What is wrong with it.
    pub faults: Vec<String>,
    /// Bytes whose digest was compared.
    pub compared: u64,
    /// Bytes of all objects, as the manifest says.
    pub stored: u64,
}

/// What two reads of a whole set have shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WholeRead {
    /// Every object has the bytes that were stored.
    AsStored,
    /// Objects have other bytes, the same ones twice.
    Damaged(String),
    /// Two reads of an object gave different bytes, or the storage contradicts itself: what is stored is not
    /// known.
    Unsteady(String),
}

/// Reads every object of a set completely, and again if it has other bytes than were stored. What can't be
/// read is an error, and says nothing about the bytes. `manifest_sha256` is that of the manifest, in hex.
pub async fn read_whole(
    store: &S3Store,
    path: &str,
    manifest: &Manifest,
    manifest_sha256: &str,
) -> Result<WholeRead, StoreError> {
    let mut damaged = Vec::new();
    for object in &manifest.objects {
        let ManifestObject {
            name, size, sha256, ..
        } = object;
        if !is_object_name(name) {
            return Err(StoreError::new(
                StoreErrorKind::Unreadable,
                format!("`{name}` in the manifest of `{path}` is no name of an object"),
            ));
        }
        let key = format!("{path}/{name}");
        let stored = format!("SHA-256 {sha256}");
        let first = read_digest(store, &key, *size).await?;
        if first == stored {
            continue;
        }
        let second = read_digest(store, &key, *size).await?;
        if first != second {
            return Ok(WholeRead::Unsteady(format!(
                "two reads of `{name}` differ, so the storage, or the path to it, can't be relied on: stored \
                 with {stored}, read first with {first}, then with {second}"
            )));
        }
        if let Some(why) = find_doubt(store, (path, manifest_sha256), object, &first).await? {
            return Ok(WholeRead::Unsteady(format!(
                "the storage, or the path to it, can't be relied on: {why}. `{name}` was stored with {stored}, \
                 and read twice with {first}"
            )));
        }
        damaged.push(format!(
            "`{name}` was stored with {stored}, and has {first}"
        ));
    }
    Ok(if damaged.is_empty() {
        WholeRead::AsStored
    } else {
        WholeRead::Damaged(damaged.join("; "))
    })
}

/// Why the same other bytes, read twice, say nothing of what is stored: whatever answers in place of the
/// storage gives them for anything, or cuts what is long.
async fn find_doubt(
    store: &S3Store,
    (path, manifest_sha256): (&str, &str),
    object: &ManifestObject,
    found: &str,
) -> Result<Option<String>, StoreError> {
    let key = format!("{path}/{MANIFEST_NAME}");
    let (body, _) = store.fetch(&key, MANIFEST_LIMIT).await?;
    if hex::encode(Sha256::digest(&body)) != manifest_sha256 {
        let why = "the manifest, which was read a moment ago, has other bytes by now";
        return Ok(Some(why.to_owned()));
    }
    let head = store.head(&format!("{path}/{}", object.name)).await?;
    let size = head.content_length().map(i64::unsigned_abs);
    let is_cut = !found.starts_with("SHA-256 ") && size == Some(object.size);
    Ok(is_cut.then(|| "it says itself that the object has the size that was stored".to_owned()))
}

/// What an object has that should have a size: its SHA-256, or another size.
pub(super) async fn read_digest(
    store: &S3Store,
    key: &str,
    size: u64,
) -> Result<String, StoreError> {
    let (sender, mut receiver) = mpsc::channel(PIECES);
    let read = async move { store.send_object(key, size, &sender).await };
    let drained = async { while receiver.recv().await.is_some() {} };
    match tokio::join!(read, drained).0 {
        Ok(digest) => Ok(format!("SHA-256 {digest}")),
        Err(error) if error.kind == StoreErrorKind::OtherSize => {
            Ok(format!("another size: {}", error.message))
        }
        Err(error) => Err(error),
    }
}

/// Reads every object of a set and compares its digest with the manifest's. Returns what is wrong.
pub async fn verify_set(
    store: &S3Store,
    path: &str,
    manifest: &Manifest,
) -> Result<Vec<String>, StoreError> {
    let read = read_back(store, path, manifest, u64::MAX).await?;
    Ok(read.faults)
}

/// Reads the objects of a set and compares their digests with the manifest's, the smallest first and no more
/// than `most` bytes. Of each of the others only the beginning is read, which shows that it can be read.
pub async fn read_back(
    store: &S3Store,
    path: &str,
    manifest: &Manifest,
    most: u64,
) -> Result<ReadBack, StoreError> {
    let mut objects: Vec<&ManifestObject> = manifest.objects.iter().collect();
    objects.sort_by_key(|object| object.size);
    let mut read = ReadBack::default();
    for object in objects {
        read.stored = read.stored.saturating_add(object.size);
        if !is_object_name(&object.name) {
            let fault = format!("`{}` is no name of an object", object.name);
            read.faults.push(fault);
            continue;
        }
        let is_whole = read.compared.saturating_add(object.size) <= most;
        let fault = if is_whole {
            read.compared += object.size;
            compare(store, path, object).await
        } else {
            sample(store, path, object).await
        };
        match fault {
            Ok(fault) => read.faults.extend(fault),
            Err(error) if error.kind == StoreErrorKind::NotFound => {
                read.faults.push(format!("`{}` is missing", object.name));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

async fn compare(
    store: &S3Store,
    path: &str,
    object: &ManifestObject,
) -> Result<Option<String>, StoreError> {
    let ManifestObject {
        name, size, sha256, ..
    } = object;
    let key = format!("{path}/{name}");
    let (found, digest) = store.read_object(&key, |_| Ok(())).await?;
    Ok(if found != *size {
        Some(format!("`{name}` has {found} bytes instead of {size}"))
    } else if digest != *sha256 {
        Some(format!("`{name}` has other bytes than were stored"))
    } else {
        None
    })
}

async fn sample(
    store: &S3Store,
    path: &str,
    object: &ManifestObject,
) -> Result<Option<String>, StoreError> {
    let key = format!("{path}/{}", object.name);
    let mut seen = 0;
    let read = store.read_object(&key, |piece| {
        seen += piece.len() as u64;
        if seen < SAMPLE {
            Ok(())
        } else {
            Err(std::io::Error::other("that is enough"))
        }
    });
    match read.await {
        Err(_) if seen >= SAMPLE => Ok(None),
        Err(error) => Err(error),
        Ok((found, _)) if found != object.size => Ok(Some(format!(
            "`{}` has {found} bytes instead of {}",
            object.name, object.size
        ))),
        Ok(_) => Ok(None),
    }
}
