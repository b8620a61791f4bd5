//! Reading the objects of a set back, to see that they are what was stored.

use super::catalog::is_object_name;
use super::{Manifest, ManifestObject, S3Store, StoreError, StoreErrorKind};

/// How much is read of an object that is too large to be read as a whole.
const SAMPLE: u64 = 1024 * 1024;

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
