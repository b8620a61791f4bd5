//! Copies a set from one bucket to another: every object by its digest, the manifest last. Nothing that is
//! there is overwritten, and what an earlier copy has left is gone on with.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::catalog::{MANIFEST_LIMIT, is_object_name};
use super::verify::read_digest;
use super::{
    MANIFEST_NAME, Manifest, ManifestObject, ObjectStore as _, S3Store, StoreError, StoreErrorKind,
    StoredVerdict, Upload, store_verdict,
};

/// Pieces of an object that were read from one bucket and not yet sent to the other.
const PIECES: usize = 4;

/// Which set is copied, and where to.
#[derive(Clone, Debug)]
pub struct CopyOrder<'a> {
    /// The set's directory in its own bucket.
    pub from: &'a str,
    /// The directory of the copy.
    pub to: &'a str,
    /// SHA-256 of the manifest, in hex.
    pub manifest_sha256: &'a str,
    /// What a check has said of it since.
    pub verdict: Option<&'a StoredVerdict>,
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopiedSet {
    /// Objects that were sent, with the manifest.
    pub sent: usize,
    /// Objects that an earlier copy had sent.
    pub found: usize,
    /// Bytes of all objects but the manifest.
    pub bytes: u64,
}

/// Copies a set. There is no set at the other place before every object of it is there.
pub async fn copy_set(
    source: &S3Store,
    target: &S3Store,
    order: &CopyOrder<'_>,
) -> Result<CopiedSet, StoreError> {
    let (manifest, body) = fetch_manifest(source, order).await?;
    let directory = format!("{}/", order.to);
    abort_unfinished(target, &directory).await;
    refuse_one_bucket(source, target, &directory).await?;
    let listed = target.list_objects(&directory).await?;
    let there: BTreeMap<&str, u64> = listed
        .iter()
        .filter_map(|object| Some((object.key.strip_prefix(&directory)?, object.size)))
        .collect();
    let is_there = there.contains_key(MANIFEST_NAME);
    if is_there {
        let key = format!("{directory}{MANIFEST_NAME}");
        let (found, _) = target.fetch(&key, MANIFEST_LIMIT).await?;
        if found != body {
            return Err(in_the_way(&directory, MANIFEST_NAME));
        }
    }
    let mut copied = CopiedSet::default();
    for object in &manifest.objects {
        copied.bytes = copied.bytes.saturating_add(object.size);
        match there.get(object.name.as_str()) {
            None => {
                Box::pin(copy_object(source, target, order, object)).await?;
                copied.sent += 1;
            }
            Some(size) => {
                // With its manifest it was compared when that was written.
                let is_same =
                    *size == object.size && (is_there || is_ours(target, order, object).await?);
                if !is_same {
                    return Err(in_the_way(&directory, &object.name));
                }
                copied.found += 1;
            }
        }
    }
    if is_there {
        copied.found += 1;
    } else {
        target
            .put(&format!("{directory}{MANIFEST_NAME}"), body)
            .await?;
        copied.sent += 1;
    }
    if let Some(verdict) = order.verdict {
        store_verdict(target, order.to, verdict).await?;
    }
    Ok(copied)
}

/// Aborts what an earlier copy has begun: one Job at a time makes a copy, so nobody will complete it. A key that
/// may not list uploads can copy nevertheless.
async fn abort_unfinished(target: &S3Store, directory: &str) {
    let found = target.fetch_unfinished(directory).await;
    for unfinished in found.unwrap_or_else(|error| {
        tracing::warn!("whether an earlier copy has left uploads behind is not known: {error}");
        Vec::new()
    }) {
        if let Err(error) = target.abort(&unfinished.upload).await {
            tracing::warn!(
                key = unfinished.upload.key,
                "an old upload is left: {error}"
            );
        }
    }
}

/// The same bucket by another name is no second place: a copy in it is lost together with the set. An upload that is
/// begun in the one and seen in the other shows it, and leaves nothing. A key that may not list uploads can copy
/// nevertheless.
async fn refuse_one_bucket(
    source: &S3Store,
    target: &S3Store,
    directory: &str,
) -> Result<(), StoreError> {
    let begun = target.begin(&format!("{directory}{MANIFEST_NAME}")).await?;
    let seen = source.fetch_unfinished(directory).await;
    if let Err(error) = target.abort(&begun).await {
        tracing::warn!(key = begun.key, "an upload is left: {error}");
    }
    match seen {
        Ok(seen) if seen.iter().any(|one| one.upload == begun) => Err(StoreError::new(
            StoreErrorKind::SameBucket,
            "this is the bucket that the set is in, by another name: a copy here would be lost together with the \
             set. Name a bucket of another storage, or remove this copy"
                .to_owned(),
        )),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!("whether the two are one bucket is not known: {error}");
            Ok(())
        }
    }
}

/// The manifest of the set that is meant, and no other one at its place.
async fn fetch_manifest(
    source: &S3Store,
    order: &CopyOrder<'_>,
) -> Result<(Manifest, Vec<u8>), StoreError> {
    let key = format!("{}/{MANIFEST_NAME}", order.from);
    let (body, _) = source.fetch(&key, MANIFEST_LIMIT).await?;
    let not_copied = |why: String| {
        StoreError::new(
            StoreErrorKind::Damaged,
            format!("{why}, so the set was not copied. See what is wrong with the first bucket"),
        )
    };
    if hex::encode(Sha256::digest(&body)) != order.manifest_sha256 {
        return Err(not_copied(format!(
            "`{key}` is another manifest than was stored"
        )));
    }
    let manifest: Manifest = serde_json::from_slice(&body)
        .map_err(|error| not_copied(format!("`{key}` is no manifest: {error}")))?;
    let mut names = manifest.objects.iter().map(|object| &object.name);
    match names.find(|name| !is_object_name(name)) {
        Some(name) => Err(not_copied(format!(
            "`{name}` in `{key}` is no name of an object"
        ))),
        None => Ok((manifest, body)),
    }
}

/// Whether an object that is there without a manifest is the one of the set.
async fn is_ours(
    target: &S3Store,
    order: &CopyOrder<'_>,
    object: &ManifestObject,
) -> Result<bool, StoreError> {
    let key = format!("{}/{}", order.to, object.name);
    let found = read_digest(target, &key, object.size).await?;
    Ok(found == format!("SHA-256 {}", object.sha256))
}

fn in_the_way(directory: &str, name: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::AlreadyExists,
        format!(
            "at `{directory}{name}` is another object than that of the set, and nothing was overwritten. See \
             who has stored it, and delete it"
        ),
    )
}

/// Sends one object while it is read. It appears only if all of it has the digest of the manifest.
async fn copy_object(
    source: &S3Store,
    target: &S3Store,
    order: &CopyOrder<'_>,
    object: &ManifestObject,
) -> Result<(), StoreError> {
    let from = format!("{}/{}", order.from, object.name);
    let to = format!("{}/{}", order.to, object.name);
    let mut upload = Upload::new(target.clone(), to, object.size);
    let (sender, receiver) = mpsc::channel(PIECES);
    // Where nothing is taken any more, nothing more is read.
    let (key, size) = (&from, object.size);
    let read = async move { source.send_object(key, size, &sender).await };
    let (read, sent) = tokio::join!(read, send(&mut upload, receiver));
    let outcome = match (sent, read) {
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(digest)) if digest != object.sha256 => Err(StoreError::new(
            StoreErrorKind::Damaged,
            format!(
                "`{from}` has other bytes than were stored: SHA-256 {digest} instead of {}. Nothing of it \
                 was copied; see what is wrong with the first bucket",
                object.sha256
            ),
        )),
        (Ok(()), Ok(_)) => Ok(()),
    };
    match outcome {
        Ok(()) => upload.complete().await.map(drop),
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

async fn send(
    upload: &mut Upload<S3Store>,
    mut receiver: mpsc::Receiver<Bytes>,
) -> Result<(), StoreError> {
    while let Some(piece) = receiver.recv().await {
        upload.write(&piece).await?;
    }
    Ok(())
}
