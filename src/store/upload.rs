//! An upload that is whole or not there: parts of one size, one in memory at a time, completed only
//! on request, aborted otherwise.

use sha2::{Digest, Sha256};

use super::{ObjectStore, PendingUpload, StoreError, StoreErrorKind, StoredPart};

/// The smallest part: S3 asks for 5 MiB, and fewer requests are faster.
pub const SMALLEST_PART: usize = 8 << 20;
/// The most parts of an upload, S3's limit.
const PART_LIMIT: i32 = 10_000;
/// A sealed object up to this size waits in memory and is stored by one request.
const KEPT_IN_MEMORY: usize = 1 << 20;
/// How often an abort is tried.
const ABORT_ATTEMPTS: u32 = 3;

/// A part size with which `expected` bytes fit twice into the number of parts that S3 allows.
#[must_use]
pub fn choose_part_size(expected: u64) -> usize {
    let mebibytes = (expected / 5_000).div_ceil(1 << 20).min(5 << 10);
    usize::try_from(mebibytes << 20)
        .unwrap_or(SMALLEST_PART)
        .max(SMALLEST_PART)
}

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
    part_size: usize,
    buffer: Vec<u8>,
    digest: Sha256,
    size: u64,
    pending: Option<PendingUpload>,
    parts: Vec<StoredPart>,
}

impl<S: ObjectStore> Upload<S> {
    /// Prepares an upload; nothing is sent yet.
    #[must_use]
    pub fn new(store: S, key: String, part_size: usize) -> Self {
        Self {
            store,
            key,
            part_size,
            buffer: Vec::new(),
            digest: Sha256::new(),
            size: 0,
            pending: None,
            parts: Vec::new(),
        }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes and sends every part that is full.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            // A full part waits for the next byte: what fits into one part is stored by one plain
            // request.
            if self.buffer.len() == self.part_size {
                self.send_part().await?;
            }
            let taken = (self.part_size - self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), StoreError> {
        let number = i32::try_from(self.parts.len()).unwrap_or(PART_LIMIT) + 1;
        if number > PART_LIMIT {
            return Err(StoreError::new(
                StoreErrorKind::UploadFailed,
                format!(
                    "`{}` has more than {PART_LIMIT} parts of {} bytes, the most that S3 takes: \
                     the database holds far more text than its size on disk says",
                    self.key, self.part_size
                ),
            ));
        }
        if self.pending.is_none() {
            self.pending = Some(self.store.begin(&self.key).await?);
        }
        let Some(pending) = &self.pending else {
            return Ok(());
        };
        let body = std::mem::replace(&mut self.buffer, Vec::with_capacity(self.part_size));
        let part = self.store.put_part(pending, number, body).await?;
        self.parts.push(part);
        Ok(())
    }

    /// Sends what is left, so that little stays in memory until [`Upload::complete`]. No more bytes
    /// may come.
    pub async fn seal(&mut self) -> Result<(), StoreError> {
        if self.pending.is_some() || self.buffer.len() > KEPT_IN_MEMORY {
            self.send_part().await?;
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Makes the object appear. Call it only when all bytes of the whole set are known to be right.
    pub async fn complete(&mut self) -> Result<StoredObject, StoreError> {
        if !self.buffer.is_empty() && self.pending.is_some() {
            self.send_part().await?;
        }
        let store_checksum = match &self.pending {
            Some(pending) => self.store.complete(pending, &self.parts).await?,
            None => {
                self.store
                    .put(&self.key, std::mem::take(&mut self.buffer))
                    .await?
            }
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
        if let Some(pending) = self.pending.take() {
            abort_pending(&self.store, &pending).await;
        }
    }
}

async fn abort_pending<S: ObjectStore>(store: &S, pending: &PendingUpload) {
    for attempt in 1..=ABORT_ATTEMPTS {
        match store.abort(pending).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(
                    key = pending.key,
                    upload = pending.id,
                    attempt,
                    "the upload could not be aborted, its parts take space: {error}"
                );
            }
        }
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
        // Where an end is expected, the abort is awaited; this is for unexpected ends.
        runtime.spawn(async move { abort_pending(&store, &pending).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_sizes_hold_what_is_expected_twice() {
        assert_eq!(choose_part_size(0), SMALLEST_PART);
        assert_eq!(choose_part_size(10 << 30), SMALLEST_PART);
        for expected in [100_u64 << 30, 1 << 40, 20 << 40] {
            assert!(
                choose_part_size(expected) as u64 * 10_000 >= expected * 2,
                "{expected}"
            );
        }
        assert!(
            choose_part_size(u64::MAX) <= 5 << 30,
            "S3 takes no part over 5 GiB"
        );
    }
}
