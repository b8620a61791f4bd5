//! What a backup leaves behind that was killed: uploads that no listing of objects shows. Found by the
//! directory of one database, and never another's.

use aws_sdk_s3::primitives::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::answer::Again;
use super::layout::is_set_of;
use super::s3::{LOOKING, S3Store, answered};
use super::wait_budget::WaitBudget;
use super::{ObjectStore as _, PendingUpload, SetPath, StoreError, StoreErrorKind};

/// Longer than any backup may take: the longest deadline, and time to end.
pub const LONGEST_BACKUP: SignedDuration = SignedDuration::from_hours(7 * 24 + 1);
/// Name of the upload that is begun and aborted, to see whether the storage takes one.
const REHEARSAL_NAME: &str = "rehearsal";

/// An upload in parts that was begun, and neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// Its key and id.
    pub upload: PendingUpload,
    /// When it was begun, by the storage's clock.
    pub initiated: Option<Timestamp>,
}

/// What a rehearsal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// The unfinished uploads of this database, without those of the set itself.
    pub unfinished: Vec<UnfinishedUpload>,
    /// The time by the storage's clock.
    pub now: Option<Timestamp>,
}

impl Rehearsed {
    /// The uploads that nobody will complete: those of this very `ProtectedDatabase` if none of its
    /// other backups runs, and all that are older than any backup may take.
    #[must_use]
    pub fn left_over(
        &self,
        directory: &str,
        database_uid: &str,
        is_alone: bool,
    ) -> Vec<PendingUpload> {
        let is_old = |found: &&UnfinishedUpload| {
            let age = self.now.zip(found.initiated);
            age.is_some_and(|(now, begun)| now.duration_since(begun) > LONGEST_BACKUP)
        };
        let is_ended = |found: &&UnfinishedUpload| {
            let set = found.upload.key.strip_prefix(directory);
            let set = set.and_then(|rest| rest.split('/').next());
            is_alone && set.is_some_and(|set| is_set_of(set, database_uid))
        };
        self.unfinished
            .iter()
            .filter(|found| is_old(found) || is_ended(found))
            .map(|found| found.upload.clone())
            .collect()
    }
}

/// An object of a listing.
pub(super) struct Listed {
    pub key: String,
    pub size: u64,
    /// By the storage's clock.
    pub stored_at: Option<Timestamp>,
}

impl S3Store {
    /// Tries what the backup will need before hours are spent on a dump: begins an upload in the
    /// set's directory, stores one byte, looks for an object, and aborts. Also lists the unfinished
    /// uploads of the database.
    pub async fn rehearse(&self, directory: &str, path: &SetPath) -> Result<Rehearsed, StoreError> {
        let upload = self.begin(&path.key(REHEARSAL_NAME)).await?;
        let stored = self.put_part(&upload, 1, bytes::Bytes::from_static(b"?"));
        let outcome = match stored.await {
            Ok(_) => self.expect_readable(&upload.key).await,
            Err(error) => Err(error),
        };
        let found = self.fetch_unfinished(directory).await;
        let aborted = self.abort_whole(&upload).await;
        outcome.and(aborted)?;
        let found = found.unwrap_or_else(|error| {
            tracing::warn!("whether earlier backups left uploads behind is not known: {error}");
            Vec::new()
        });
        let now = found
            .iter()
            .find(|found| found.upload == upload)
            .and_then(|found| found.initiated);
        let own = path.key("");
        let unfinished = found
            .into_iter()
            .filter(|found| !found.upload.key.starts_with(&own))
            .collect();
        Ok(Rehearsed { unfinished, now })
    }

    /// The unfinished uploads below a directory.
    pub async fn fetch_unfinished(
        &self,
        directory: &str,
    ) -> Result<Vec<UnfinishedUpload>, StoreError> {
        let mut found = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let request = self
                .client
                .list_multipart_uploads()
                .bucket(&self.storage.bucket)
                .prefix(directory)
                .set_key_marker(key.take())
                .set_upload_id_marker(id.take());
            let ask = || async { answered(request.clone().send().await) };
            let page = self.persist(&self.budget, LOOKING, ask).await?;
            found.extend(page.uploads().iter().filter_map(|upload| {
                let pending = PendingUpload {
                    key: upload.key()?.to_owned(),
                    id: upload.upload_id()?.to_owned(),
                };
                // A storage that does not heed the prefix must not show us those of others.
                pending
                    .key
                    .starts_with(directory)
                    .then(|| UnfinishedUpload {
                        upload: pending,
                        initiated: upload.initiated().and_then(time_of),
                    })
            }));
            key = page.next_key_marker().map(ToOwned::to_owned);
            id = page.next_upload_id_marker().map(ToOwned::to_owned);
            if page.is_truncated() != Some(true) || key.is_none() {
                return Ok(found);
            }
        }
    }

    /// Aborts every upload of the key but this one.
    pub(super) async fn abort_others(&self, kept: &PendingUpload) {
        let found = match self.fetch_unfinished(&kept.key).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(
                    key = kept.key,
                    "whether an upload was begun twice is not known: {error}"
                );
                return;
            }
        };
        for UnfinishedUpload { upload, .. } in found {
            if upload.key != kept.key || upload.id == kept.id {
                continue;
            }
            if let Err(error) = self.abort_whole(&upload).await {
                tracing::warn!(
                    key = upload.key,
                    "an upload that was begun twice is left: {error}"
                );
            }
        }
    }

    /// Aborts an upload until the storage keeps none of its parts: one that was on its way may
    /// arrive after the first abort.
    pub(super) async fn abort_whole(&self, upload: &PendingUpload) -> Result<(), StoreError> {
        let budget = self.budget_of_aborts();
        let mut wait = budget.begin();
        loop {
            let request = self
                .client
                .abort_multipart_upload()
                .bucket(&self.storage.bucket)
                .key(&upload.key)
                .upload_id(&upload.id);
            let ask = || async { answered(request.clone().send().await).map(drop) };
            let aborted = self.persist(budget, "aborting an upload to", ask).await;
            if let Err(error) = aborted
                && !is_gone(&error)
            {
                return Err(error);
            }
            if !self.has_parts(upload, budget).await? {
                return Ok(());
            }
            if !wait.pause(Again::WithinBudget).await {
                return Err(StoreError::new(
                    StoreErrorKind::UploadFailed,
                    format!(
                        "the storage keeps parts of the upload of `{}` although it was aborted {} \
                         times; they take space until it is aborted again",
                        upload.key,
                        wait.attempts()
                    ),
                ));
            }
        }
    }

    async fn has_parts(
        &self,
        upload: &PendingUpload,
        budget: &WaitBudget,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .list_parts()
            .bucket(&self.storage.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .max_parts(1);
        let ask = || async { answered(request.clone().send().await) };
        match self.persist(budget, LOOKING, ask).await {
            Ok(answer) => Ok(!answer.parts().is_empty()),
            Err(error) if is_gone(&error) => Ok(false),
            // A storage, or a key, that can't list parts: the answer to the abort has to do.
            Err(error)
                if matches!(
                    error.kind,
                    StoreErrorKind::Unsupported | StoreErrorKind::Denied
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn list_objects(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut found = Vec::new();
        self.list_pages(prefix, None, |page| {
            found.extend(page.contents().iter().filter_map(|object| {
                let key = object.key().filter(|key| key.starts_with(prefix))?;
                Some(Listed {
                    key: key.to_owned(),
                    size: object.size().unwrap_or_default().unsigned_abs(),
                    stored_at: object.last_modified().and_then(time_of),
                })
            }));
        })
        .await?;
        Ok(found)
    }
}

fn is_gone(error: &StoreError) -> bool {
    matches!(
        error.kind,
        StoreErrorKind::UploadGone | StoreErrorKind::NotFound
    )
}

fn time_of(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::super::{database_folder, set_suffix};
    use super::*;

    fn unfinished(key: &str, hours: i64) -> UnfinishedUpload {
        UnfinishedUpload {
            upload: PendingUpload {
                key: key.to_owned(),
                id: "id".to_owned(),
            },
            initiated: Some(Timestamp::from_second(1_000_000_000 - hours * 3600).unwrap()),
        }
    }

    #[test]
    fn only_what_nobody_will_complete_is_left_over() {
        let directory = database_folder("prod", "atra", "knowledge");
        let key = |uid: &str, seed: &str| {
            let time = Timestamp::from_second(999_000_000).unwrap();
            let suffix = set_suffix(uid, seed);
            SetPath::new("prod", "atra", "knowledge", time, suffix).key("dump.pgc.zst")
        };
        let (own, others) = (key("uid-1", "a"), key("uid-2", "a"));
        let rehearsed = Rehearsed {
            unfinished: vec![
                unfinished(&own, 1),
                unfinished(&others, 1),
                unfinished(&others, 7 * 24 + 2),
                unfinished(&format!("{directory}not-a-set"), 1),
            ],
            now: Some(Timestamp::from_second(1_000_000_000).unwrap()),
        };
        let keys = |is_alone: bool| -> Vec<String> {
            let found = rehearsed.left_over(&directory, "uid-1", is_alone);
            found.into_iter().map(|upload| upload.key).collect()
        };
        assert_eq!(keys(true), [own, others.clone()]);
        assert_eq!(keys(false), [others], "another backup of ours may run");
        let timeless = Rehearsed {
            now: None,
            ..rehearsed
        };
        assert!(timeless.left_over(&directory, "uid-1", false).is_empty());
    }
}
