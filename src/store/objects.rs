//! Reading a whole object in pieces, and deleting one.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::answer::{Again, Answer};
use super::s3::{S3Store, answered};
use super::wait_budget::WaitBudget;
use super::{StoreError, StoreErrorKind};

impl S3Store {
    /// Passes an object on in pieces and returns its size and its SHA-256, in hex. It is not read again where the connection
    /// breaks: pieces were passed on.
    pub async fn read_object(
        &self,
        key: &str,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()> + Send,
    ) -> Result<(u64, String), StoreError> {
        const DOING: &str = "reading an object of";
        let request = self
            .client
            .get_object()
            .bucket(&self.storage.bucket)
            .key(key);
        let ask = || async { answered(request.clone().send().await) };
        let mut answer = self.persist(&self.budget, DOING, ask).await?;
        let (mut size, mut digest) = (0, Sha256::new());
        loop {
            match answer.body.try_next().await {
                Ok(Some(piece)) => {
                    size += piece.len() as u64;
                    digest.update(&piece);
                    take(&piece).map_err(|error| {
                        StoreError::new(
                            StoreErrorKind::Unreadable,
                            format!("`{key}` was read and could not be written: {error}"),
                        )
                    })?;
                }
                Ok(None) => return Ok((size, hex::encode(digest.finalize()))),
                Err(error) => {
                    let broken = Answer {
                        kind: StoreErrorKind::Unreachable,
                        again: Again::No,
                        text: format!("the connection broke while `{key}` was read: {error}"),
                        was_answered: true,
                    };
                    return Err(self.explain(&broken, DOING, 1));
                }
            }
        }
    }

    /// Passes an object of a known size on in pieces, and returns its SHA-256, in hex; it ends early
    /// where nobody listens any more. Where the connection breaks it goes on behind what was read,
    /// within the budget: only the digest says whether all of it is one object.
    pub async fn send_object(
        &self,
        key: &str,
        size: u64,
        sender: &mpsc::Sender<Bytes>,
    ) -> Result<String, StoreError> {
        const DOING: &str = "reading an object of";
        let (mut read, mut digest) = (0, Sha256::new());
        let mut wait = self.budget.begin();
        loop {
            let request = self
                .client
                .get_object()
                .bucket(&self.storage.bucket)
                .key(key)
                .set_range((read > 0).then(|| format!("bytes={read}-")));
            let ask = || async { answered(request.clone().send().await) };
            let mut answer = self.persist(&self.budget, DOING, ask).await?;
            let why = loop {
                match answer.body.try_next().await {
                    Ok(Some(piece)) => {
                        wait = self.budget.begin();
                        read += piece.len() as u64;
                        digest.update(&piece);
                        if read > size {
                            return Err(other_size(key, size, &format!("more than {size} bytes")));
                        }
                        if sender.send(piece).await.is_err() {
                            return Ok(hex::encode(digest.finalize()));
                        }
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                }
            };
            match why {
                _ if read == size => return Ok(hex::encode(digest.finalize())),
                None => return Err(other_size(key, size, &format!("{read} bytes"))),
                Some(why) => {
                    let broken = Answer {
                        kind: StoreErrorKind::Unreachable,
                        again: Again::WithinBudget,
                        text: format!("the connection broke while `{key}` was read: {why}"),
                        was_answered: true,
                    };
                    if !wait.pause(broken.again).await {
                        return Err(self.explain(&broken, DOING, wait.attempts()));
                    }
                    tracing::warn!(key, read, "reading goes on: {}", broken.text);
                }
            }
        }
    }

    /// Asks what the storage says of an object.
    pub(super) async fn head(&self, key: &str) -> Result<HeadObjectOutput, StoreError> {
        self.head_within(key, &self.budget).await
    }

    pub(super) async fn head_within(
        &self,
        key: &str,
        budget: &WaitBudget,
    ) -> Result<HeadObjectOutput, StoreError> {
        let request = self
            .client
            .head_object()
            .bucket(&self.storage.bucket)
            .key(key);
        let ask = || async { answered(request.clone().send().await) };
        self.persist(budget, "looking at an object of", ask).await
    }

    /// Deletes an object. One that is gone already is no error.
    pub(super) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.delete_within(key, &self.budget).await
    }

    pub(super) async fn delete_within(
        &self,
        key: &str,
        budget: &WaitBudget,
    ) -> Result<(), StoreError> {
        let request = self
            .client
            .delete_object()
            .bucket(&self.storage.bucket)
            .key(key);
        let ask = || async { answered(request.clone().send().await).map(drop) };
        self.persist(budget, "deleting an object of", ask).await
    }
}

fn other_size(key: &str, size: u64, found: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::OtherSize,
        format!("`{key}` has {found} instead of the {size} that were stored"),
    )
}
