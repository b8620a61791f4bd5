//! Whether an object is there, and whether it is ours: what an answer alone does not say. A write
//! whose answer is doubtful has failed only after somebody has looked.

use super::answer::{Again, Answer};
use super::s3::{S3Store, answered, bare_checksum};
use super::{StoreError, StoreErrorKind};

/// Name of the metadata that marks our objects, without `x-amz-meta-`.
pub(super) const MARK: &str = "holdfast-set";

/// Says what a failure leaves that came after the storage's word that an object is stored.
pub(super) fn stored_and_unseen(key: &str) -> String {
    format!(
        "The storage said before that it stored `{key}`; whether that is there and whole is not known"
    )
}

/// What is at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Our object, whole; the storage's checksum.
    Ours(String),
    /// An object of the right size; the storage keeps no metadata, or it is another's.
    Unmarked,
    /// Ours, but of another size.
    Damaged(u64),
    Others,
}

impl S3Store {
    /// Sends a write of a whole object until it is known what became of it. `send` is given whether
    /// to send the condition that nothing is at the key, and returns the storage's checksum.
    pub(super) async fn settle<Send, Sent>(
        &self,
        key: &str,
        size: u64,
        doing: &str,
        send: Send,
    ) -> Result<String, StoreError>
    where
        Send: Fn(bool) -> Sent,
        Sent: Future<Output = Result<String, Answer>>,
    {
        if !self.is_conditional() {
            self.expect_nothing(key, size).await?;
        }
        let mut wait = self.budget.begin();
        loop {
            let mut answer = match send(self.is_conditional()).await {
                Ok(checksum) => return self.confirm(key, size).await.map(|()| checksum),
                Err(answer) => answer,
            };
            tracing::warn!(key, "{doing} the bucket is doubtful: {}", answer.text);
            let failed = |answer: &Answer, attempts: u32| self.explain(answer, doing, attempts);
            match self.look(key, size).await {
                Ok(Found::Nothing) => {}
                Ok(Found::Ours(checksum)) => return Ok(checksum),
                Ok(Found::Damaged(stored)) => return Err(self.damaged(key, size, stored)),
                Ok(Found::Others) => {
                    answer.kind = StoreErrorKind::AlreadyExists;
                    return Err(failed(&answer, wait.attempts()));
                }
                Ok(Found::Unmarked) => {
                    return Err(failed(&answer, wait.attempts()).and(&format!(
                        "An object of the right size is at `{key}`, but without our mark in \
                         `x-amz-meta-{MARK}`, so it is not known whose it is"
                    )));
                }
                Err(unseen) => {
                    return Err(failed(&answer, wait.attempts()).and(&format!(
                        "Whether an object is at `{key}` is not known, since it could not be \
                         looked at: {unseen}"
                    )));
                }
            }
            let is_about_condition = matches!(
                answer.kind,
                StoreErrorKind::Unsupported | StoreErrorKind::AlreadyExists
            );
            if is_about_condition && self.is_conditional() {
                // Nothing is at the key: that was just seen.
                self.give_up_condition(&answer.text);
                continue;
            }
            if answer.kind == StoreErrorKind::AlreadyExists {
                answer.kind = StoreErrorKind::Unsupported;
            }
            if !wait.pause(answer.again).await {
                return Err(failed(&answer, wait.attempts())
                    .and(&format!("Nothing is at the final key `{key}`")));
            }
        }
    }

    /// Makes sure that what the storage says it stored is there and whole.
    async fn confirm(&self, key: &str, size: u64) -> Result<(), StoreError> {
        let mut wait = self.budget.begin();
        loop {
            let found = self.look(key, size).await;
            let found = found.map_err(|unseen| unseen.and(&stored_and_unseen(key)))?;
            match found {
                Found::Ours(_) | Found::Unmarked => return Ok(()),
                Found::Damaged(stored) => return Err(self.damaged(key, size, stored)),
                Found::Others => {
                    return Err(StoreError::new(
                        StoreErrorKind::AlreadyExists,
                        format!("another object is at `{key}`, which somebody stored meanwhile"),
                    ));
                }
                Found::Nothing => {}
            }
            if !wait.pause(Again::FewTimes).await {
                return Err(StoreError::new(
                    StoreErrorKind::UploadFailed,
                    format!(
                        "the storage said that `{key}` is stored, and yet there is no such object. \
                         It can't be relied on; see what is wrong with it"
                    ),
                ));
            }
        }
    }

    /// Makes sure that the bucket locks objects, if they are to be locked: some servers ignore a lock
    /// that the bucket does not have.
    pub(super) async fn expect_lock(&self) -> Result<(), StoreError> {
        if self.storage.object_lock.is_none() {
            return Ok(());
        }
        let request = self
            .client
            .get_object_lock_configuration()
            .bucket(&self.storage.bucket);
        let ask = || async {
            let answer = answered(request.clone().send().await)?;
            let configuration = answer.object_lock_configuration();
            let enabled = configuration.and_then(|found| found.object_lock_enabled());
            if enabled.is_some() {
                return Ok(());
            }
            Err(Answer {
                kind: StoreErrorKind::WrongLock,
                again: Again::No,
                text: "Object Lock is not enabled".to_owned(),
                was_answered: true,
            })
        };
        let doing = "asking for the locks of";
        match self.persist(&self.budget, doing, ask).await {
            // A key that may lock objects but not read how the bucket does.
            Err(error) if error.kind == StoreErrorKind::Denied => {
                tracing::warn!("whether the bucket locks objects is not known: {error}");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Makes sure that objects may be looked at: a key that may only write can't know what it wrote.
    pub(super) async fn expect_readable(&self, key: &str) -> Result<(), StoreError> {
        self.look(key, 0).await.map(drop)
    }

    async fn expect_nothing(&self, key: &str, size: u64) -> Result<(), StoreError> {
        match self.look(key, size).await? {
            Found::Nothing => Ok(()),
            _ => Err(StoreError::new(
                StoreErrorKind::AlreadyExists,
                format!(
                    "an object already exists at `{key}` in the bucket `{}`; nothing was \
                     overwritten. Take another backup",
                    self.storage.bucket
                ),
            )),
        }
    }

    async fn look(&self, key: &str, size: u64) -> Result<Found, StoreError> {
        let head = match self.head(key).await {
            Ok(head) => head,
            Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let stored = head.content_length().unwrap_or_default().unsigned_abs();
        let mark = head.metadata().and_then(|metadata| metadata.get(MARK));
        Ok(match mark {
            Some(mark) if **mark == *self.mark && stored == size => {
                Found::Ours(bare_checksum(head.e_tag()))
            }
            Some(mark) if **mark == *self.mark => Found::Damaged(stored),
            None if stored == size => Found::Unmarked,
            _ => Found::Others,
        })
    }

    fn damaged(&self, key: &str, size: u64, stored: u64) -> StoreError {
        StoreError::new(
            StoreErrorKind::Damaged,
            format!(
                "the object at `{key}` in the bucket `{}` has {stored} bytes, and {size} were sent. \
                 Without a manifest it is no backup; delete it, and see what is wrong with the \
                 storage",
                self.storage.bucket
            ),
        )
    }
}
