//! An upload that is whole or not there: several parts on their way at the same time in bounded
//! memory, completed only on request, aborted otherwise.

use std::time::Duration;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ObjectStore, PartSizes, PendingUpload, StoreError, StoreErrorKind, StoredPart, Whole};

/// A sealed object up to this size waits in memory and is stored by one request.
const KEPT_IN_MEMORY: usize = 1 << 20;
/// How long parts that are on their way are waited for before their upload is aborted. A pod that ends
/// has 30 s.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(5);

/// An object that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them, in hex.
    pub sha256: String,
    /// The storage's own checksum.
    pub store_checksum: String,
}

/// An object on its way. Dropped without [`Upload::complete`] it is aborted.
#[derive(Debug)]
pub struct Upload<S: ObjectStore> {
    store: S,
    key: String,
    sizes: PartSizes,
    /// Number of the part that is filled now, and its bytes so far.
    number: i32,
    buffer: Vec<u8>,
    digest: Sha256,
    crc64: Crc,
    size: u64,
    pending: Option<PendingUpload>,
    on_their_way: JoinSet<Result<StoredPart, StoreError>>,
    parts: Vec<StoredPart>,
}

impl<S: ObjectStore> Upload<S> {
    /// Prepares an upload of which `expected` bytes are expected, 0 if few; nothing is sent yet. It
    /// may become larger.
    #[must_use]
    pub fn new(store: S, key: String, expected: u64) -> Self {
        let sizes = PartSizes::new(store.part_rules(), expected);
        Self {
            store,
            key,
            sizes,
            number: 1,
            buffer: Vec::new(),
            digest: Sha256::new(),
            crc64: Crc::new(CrcAlgorithm::Crc64Nvme),
            size: 0,
            pending: None,
            on_their_way: JoinSet::new(),
            parts: Vec::new(),
        }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes and sends every part that is full. Waits while as many parts are on
    /// their way as fit into memory.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.digest.update(bytes);
        self.crc64.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let part_size = self.part_size()?;
            // A full part waits for the next byte: what fits into one part is stored by one plain
            // request.
            if self.buffer.len() >= part_size {
                self.send_part().await?;
                continue;
            }
            let taken = (part_size - self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn part_size(&self) -> Result<usize, StoreError> {
        self.sizes.of(self.number).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::WrongParts,
                format!(
                    "`{}` has more than {} parts, the most that the storage takes: the database \
                     holds far more text than its size on disk says. Nothing is at the final key. \
                     If the storage takes more or larger parts, name its kind in \
                     `spec.backup.storage.s3.profile`",
                    self.key,
                    self.number - 1
                ),
            )
        })
    }

    async fn send_part(&mut self) -> Result<(), StoreError> {
        let pending = if let Some(pending) = &self.pending {
            pending.clone()
        } else {
            let begun = self.store.begin(&self.key).await?;
            self.pending.insert(begun).clone()
        };
        let most = PartSizes::in_flight(self.buffer.len().max(1));
        while self.on_their_way.len() >= most {
            self.await_part().await?;
        }
        let (number, store) = (self.number, self.store.clone());
        let body = Bytes::from(std::mem::take(&mut self.buffer));
        self.on_their_way
            .spawn(async move { store.put_part(&pending, number, body).await });
        self.number += 1;
        Ok(())
    }

    /// Waits for any of the parts that are on their way.
    async fn await_part(&mut self) -> Result<(), StoreError> {
        match self.on_their_way.join_next().await {
            Some(Ok(part)) => self.parts.push(part?),
            Some(Err(error)) => {
                return Err(StoreError::new(
                    StoreErrorKind::UploadFailed,
                    format!("a part was not sent, which is a fault of Holdfast: {error}"),
                ));
            }
            None => {}
        }
        Ok(())
    }

    /// Sends what is left, so that little stays in memory until [`Upload::complete`]. No more bytes
    /// may come.
    pub async fn seal(&mut self) -> Result<(), StoreError> {
        if self.pending.is_some() || self.buffer.len() > KEPT_IN_MEMORY {
            if !self.buffer.is_empty() {
                self.send_part().await?;
            }
            while !self.on_their_way.is_empty() {
                self.await_part().await?;
            }
        }
        Ok(())
    }

    /// Makes the object appear. Call it only when all bytes of the whole set are known to be right.
    pub async fn complete(&mut self) -> Result<StoredObject, StoreError> {
        let store_checksum = if self.pending.is_some() {
            self.seal().await?;
            self.parts.sort_unstable_by_key(|part| part.number);
            let whole = Whole {
                size: self.size,
                crc64: self.crc64.finalize(),
            };
            match &self.pending {
                Some(pending) => self.store.complete(pending, &self.parts, whole).await?,
                None => String::new(),
            }
        } else {
            let body = Bytes::from(std::mem::take(&mut self.buffer));
            self.store.put(&self.key, body).await?
        };
        self.pending = None;
        Ok(StoredObject {
            size: self.size,
            sha256: hex::encode(self.digest.clone().finalize()),
            store_checksum,
        })
    }

    /// Throws away what was sent. What can't be thrown away is named in the log.
    pub async fn abort(mut self) {
        end_parts(&mut self.on_their_way).await;
        if let Some(pending) = self.pending.take() {
            abort_pending(&self.store, &pending).await;
        }
    }
}

/// Ends the parts that are on their way. One that is given up while the storage takes it may be stored
/// after the abort, so each gets the time to arrive.
async fn end_parts(on_their_way: &mut JoinSet<Result<StoredPart, StoreError>>) {
    let all = async { while on_their_way.join_next().await.is_some() {} };
    if timeout(ARRIVAL_LIMIT, all).await.is_err() {
        on_their_way.shutdown().await;
    }
}

async fn abort_pending<S: ObjectStore>(store: &S, pending: &PendingUpload) {
    if let Err(error) = store.abort(pending).await {
        tracing::warn!(
            key = pending.key,
            upload = pending.id,
            "the upload could not be aborted, its parts take space until the next backup aborts \
             it: {error}"
        );
    }
}

impl<S: ObjectStore> Drop for Upload<S> {
    fn drop(&mut self) {
        let (Some(pending), Ok(runtime)) =
            (self.pending.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let store = self.store.clone();
        let mut on_their_way = std::mem::take(&mut self.on_their_way);
        // Where an end is expected, the abort is awaited; this is for unexpected ends.
        runtime.spawn(async move {
            end_parts(&mut on_their_way).await;
            abort_pending(&store, &pending).await;
        });
    }
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
