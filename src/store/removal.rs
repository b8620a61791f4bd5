//! Removing sets: the manifest first, so that what is half removed is never a set; and nothing that has
//! changed since it was planned, or that is locked.

use aws_sdk_s3::types::ObjectLockLegalHoldStatus;
use jiff::Timestamp;

use super::catalog::{CatalogSet, fetch_set};
use super::verdicts::is_verdict_name;
use super::{MANIFEST_NAME, S3Store, SetContents, StoreError, StoreErrorKind};

/// Why a set that was to be removed is left, as a whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftSet {
    /// What happened.
    pub why: String,
    /// Whether its manifest is gone: what is left of it is no set, and is removed by the next run.
    pub is_begun: bool,
}

impl LeftSet {
    fn whole(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_begun: false,
        }
    }
}

/// Until when the storage refuses to remove one of these sets' objects: the longest lock. A legal hold has
/// no end. Where objects are locked when they are stored, one of which the storage says nothing is an error:
/// the key may not see its lock.
pub async fn fetch_lock(store: &S3Store, path: &str) -> Result<Option<Timestamp>, StoreError> {
    let mut longest = None;
    for object in store.list_objects(&format!("{path}/")).await? {
        let head = match store.head(&object.key).await {
            Ok(head) => head,
            Err(error) if error.kind == StoreErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let until = head
            .object_lock_retain_until_date()
            .map(|until| Timestamp::from_second(until.secs()).unwrap_or(Timestamp::MAX));
        if until.is_none() && store.storage.object_lock.is_some() {
            return Err(StoreError::new(
                StoreErrorKind::Unreadable,
                format!(
                    "the storage does not say how long `{}` is locked: the key needs \
                     s3:GetObjectRetention, or it was stored before objectLock was set",
                    object.key
                ),
            ));
        }
        let is_held = head.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On);
        let until = if is_held { Some(Timestamp::MAX) } else { until };
        longest = longest.max(until);
    }
    Ok(longest)
}

/// Removes a set, or a directory without a manifest, if it is still as it was when that was decided. It is
/// read again right before.
pub async fn remove_set(store: &S3Store, planned: &CatalogSet) -> Result<(), LeftSet> {
    let path = &planned.facts.path;
    let present = match fetch_set(store, path).await {
        Ok(present) => present,
        Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LeftSet::whole(error.message)),
    };
    if let Some(what) = changed(planned, &present) {
        return Err(LeftSet::whole(format!("{what} since it was read")));
    }
    let directory = format!("{path}/");
    let listed = store.list_objects(&directory).await;
    let listed = listed.map_err(|error| LeftSet::whole(error.message))?;
    match fetch_lock(store, path).await {
        Ok(until) if until == planned.facts.locked_until => {}
        Ok(_) => return Err(LeftSet::whole("its lock has changed since it was read")),
        Err(error) => {
            let why = format!("whether it is locked is not known: {error}");
            return Err(LeftSet::whole(why));
        }
    }
    if matches!(present.facts.contents, SetContents::Unfinished) {
        expect_no_manifest(store, path).await?;
    } else {
        remove_manifest(store, path).await?;
    }
    // Verdicts last: as long as there is something left they say whose it was.
    let (verdicts, objects): (Vec<_>, Vec<_>) = listed
        .iter()
        .map(|object| object.key.as_str())
        .filter(|key| *key != format!("{directory}{MANIFEST_NAME}"))
        .partition(|key| is_verdict_name(&key[directory.len()..]));
    for key in objects.into_iter().chain(verdicts) {
        store.delete(key).await.map_err(|error| LeftSet {
            why: format!("`{key}` could not be removed: {error}"),
            is_begun: true,
        })?;
    }
    Ok(())
}

/// Makes sure that a directory is none of a set: a listing may be behind.
async fn expect_no_manifest(store: &S3Store, path: &str) -> Result<(), LeftSet> {
    match store.head(&format!("{path}/{MANIFEST_NAME}")).await {
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(()),
        Ok(_) => Err(LeftSet::whole("it has a manifest since it was read")),
        Err(error) => Err(LeftSet::whole(error.message)),
    }
}

/// Removes the manifest, and makes sure that it is gone before anything else goes.
async fn remove_manifest(store: &S3Store, path: &str) -> Result<(), LeftSet> {
    let key = format!("{path}/{MANIFEST_NAME}");
    if let Err(error) = store.delete(&key).await {
        // Whether it went nevertheless the next run sees.
        return Err(LeftSet {
            why: format!("its manifest could not be removed: {error}"),
            is_begun: true,
        });
    }
    match store.head(&key).await {
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(()),
        Ok(_) => Err(LeftSet::whole(
            "the storage said that its manifest is removed, and yet it is there",
        )),
        Err(error) => Err(LeftSet {
            why: error.message,
            is_begun: true,
        }),
    }
}

/// What of a set is not as it was when its removal was decided.
fn changed(planned: &CatalogSet, present: &CatalogSet) -> Option<&'static str> {
    let sha256 = |set: &CatalogSet| set.manifest.as_ref().map(|(_, sha256)| sha256.clone());
    if sha256(planned) != sha256(present) {
        Some("its manifest has changed")
    } else if planned.facts.contents != present.facts.contents {
        Some("what checks report of it has changed")
    } else if planned.facts.stored_at != present.facts.stored_at {
        Some("something was stored in it")
    } else {
        None
    }
}
