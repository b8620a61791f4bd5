//! Taking back what a run has stored of a set that failed: only its own objects, known by their mark, and never
//! while a manifest may make them a backup.

use super::look::MARK;
use super::{S3Store, StoreError, StoreErrorKind};

/// What became of an object that was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// It was there, and is gone.
    Gone,
    /// Nothing was there.
    Absent,
}

impl S3Store {
    /// Deletes an object that this very run has stored, and makes sure that it is gone. Whatever has not
    /// our mark, or may be locked, stays.
    pub async fn take_back(&self, key: &str) -> Result<TakenBack, StoreError> {
        let refused = |why: String| StoreError::new(StoreErrorKind::AlreadyExists, why);
        // What is deleted of a locked bucket only seems to be gone.
        if self.storage.object_lock.is_some() {
            return Err(refused(format!("`{key}` is locked")));
        }
        let budget = self.budget_of_aborts();
        let found = match self.head_within(key, budget).await {
            Ok(found) => found,
            Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(TakenBack::Absent),
            Err(error) => return Err(error),
        };
        let mark = found.metadata().and_then(|metadata| metadata.get(MARK));
        if mark.is_none_or(|mark| **mark != *self.mark) {
            return Err(refused(format!("`{key}` was not stored by this run")));
        }
        self.delete_within(key, budget).await?;
        match self.head_within(key, budget).await {
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(TakenBack::Gone),
            Ok(_) => Err(refused(format!(
                "the storage said that `{key}` is deleted, and yet it is there"
            ))),
            Err(error) => Err(error),
        }
    }
}
