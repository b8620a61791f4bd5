//! The few operations that an upload needs of a bucket.

use std::future::Future;

use bytes::Bytes;

use super::{PartRules, StoreError};

/// An upload in parts that has been begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpload {
    /// Key that the object will have.
    pub key: String,
    /// The storage's name for the upload.
    pub id: String,
}

/// A part that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its number, from 1.
    pub number: i32,
    /// The storage's checksum of it, as it was given.
    pub tag: String,
    /// CRC64NVME of its bytes.
    pub crc64: u64,
}

/// What the parts of an upload are together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Bytes.
    pub size: u64,
    /// CRC64NVME of them.
    pub crc64: u64,
}

/// A bucket. Nothing overwrites: an object at the key is an error. Each operation is repeated as
/// long as it makes sense, and has failed when it returns an error.
pub trait ObjectStore: Clone + Send + Sync + 'static {
    /// How many parts an upload may have.
    fn part_rules(&self) -> PartRules;
    /// Stores a small object and returns the storage's checksum.
    fn put(
        &self,
        key: &str,
        body: impl Into<Bytes> + Send,
    ) -> impl Future<Output = Result<String, StoreError>> + Send;
    /// Begins an upload in parts.
    fn begin(&self, key: &str) -> impl Future<Output = Result<PendingUpload, StoreError>> + Send;
    /// Stores a part.
    fn put_part(
        &self,
        upload: &PendingUpload,
        number: i32,
        body: Bytes,
    ) -> impl Future<Output = Result<StoredPart, StoreError>> + Send;
    /// Makes the parts an object and returns the storage's checksum.
    fn complete(
        &self,
        upload: &PendingUpload,
        parts: &[StoredPart],
        whole: Whole,
    ) -> impl Future<Output = Result<String, StoreError>> + Send;
    /// Throws the parts away. An upload that is gone already is no error.
    fn abort(&self, upload: &PendingUpload) -> impl Future<Output = Result<(), StoreError>> + Send;
}
