//! The few operations that an upload needs of a bucket.

use std::future::Future;

use super::StoreError;

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
    /// The storage's checksum of it.
    pub checksum: String,
}

/// A bucket. Nothing overwrites: an object at the key is an error.
pub trait ObjectStore: Clone + Send + Sync + 'static {
    /// Stores a small object and returns the storage's checksum.
    fn put(
        &self,
        key: &str,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<String, StoreError>> + Send;
    /// Begins an upload in parts.
    fn begin(&self, key: &str) -> impl Future<Output = Result<PendingUpload, StoreError>> + Send;
    /// Stores a part.
    fn put_part(
        &self,
        upload: &PendingUpload,
        number: i32,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<StoredPart, StoreError>> + Send;
    /// Makes the parts an object and returns the storage's checksum.
    fn complete(
        &self,
        upload: &PendingUpload,
        parts: &[StoredPart],
    ) -> impl Future<Output = Result<String, StoreError>> + Send;
    /// Throws the parts away. An upload that is gone already is no error.
    fn abort(&self, upload: &PendingUpload) -> impl Future<Output = Result<(), StoreError>> + Send;
}
