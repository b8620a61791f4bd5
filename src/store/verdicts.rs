//! What later checks say about a set, beside its manifest: a manifest is never overwritten, so each
//! verdict is an object of its own, and a restore without a cluster sees it. Pure, except the write.

use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    MANIFEST_NAME, Manifest, ObjectStore as _, S3Store, SetState, Standing, StoreError,
    StoreErrorKind,
};
use crate::api::BackupVerdict;

/// Verdicts begin with this, and end with [`SUFFIX`].
const PREFIX: &str = "verdict-";
const SUFFIX: &str = ".json";
/// Hex digits of the digest in a name.
const DIGITS: usize = 8;
/// The largest verdict that is read, in bytes.
pub const VERDICT_LIMIT: usize = 16 * 1024;
/// The format that this version writes.
const VERDICT_FORMAT: u32 = 1;

/// What one check says about a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredVerdict {
    /// Version of this format.
    pub format_version: u32,
    /// Confirmed or demoted.
    pub verdict: VerdictKind,
    /// Why it was demoted, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Name of the `DatabaseCheck`.
    pub check: String,
    /// When that check was made, by the API server's clock.
    pub time: Time,
    /// SHA-256 of the manifest that it is about, in hex.
    pub manifest_sha256: String,
}

/// Whether a set counts from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    Confirmed,
    Demoted,
}

impl StoredVerdict {
    /// What the status of a `DatabaseBackup` says, as it is stored.
    #[must_use]
    pub fn new(verdict: &BackupVerdict, manifest_sha256: &str) -> Self {
        let (kind, reason, check, time) = match verdict {
            BackupVerdict::Confirmed(by) => (VerdictKind::Confirmed, None, &by.check, &by.time),
            BackupVerdict::Demoted(by) => (
                VerdictKind::Demoted,
                Some(by.reason.clone()),
                &by.check,
                &by.time,
            ),
        };
        Self {
            format_version: VERDICT_FORMAT,
            verdict: kind,
            reason,
            check: check.clone(),
            time: time.clone(),
            manifest_sha256: manifest_sha256.to_owned(),
        }
    }
}

/// Whether an object of a set is a verdict.
#[must_use]
pub fn is_verdict_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// The name of a verdict: by the time of its check and its own digest, so that none replaces another
/// and the same one is stored once.
fn verdict_name(time: Timestamp, body: &[u8]) -> String {
    let time = time.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
    let digest = hex::encode(Sha256::digest(body));
    format!("{PREFIX}{time}-{}{SUFFIX}", &digest[..DIGITS])
}

/// The verdicts beside a manifest, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Those that were read.
    pub read: Vec<StoredVerdict>,
    /// Why others could not be read. Each may say that the set never counts.
    pub unread: Vec<String>,
}

/// Whether a set counts, by its manifest, the verdicts beside it and whether its objects are whole.
/// Once demoted it never counts again; a verdict on another manifest says nothing; one that can't be read
/// may be a demotion.
#[must_use]
pub fn standing_of(
    manifest: &Manifest,
    manifest_sha256: &str,
    verdicts: &Verdicts,
    is_whole: bool,
) -> Standing {
    let says = |kind: VerdictKind| {
        let mut read = verdicts.read.iter();
        read.any(|one| one.verdict == kind && one.manifest_sha256 == manifest_sha256)
    };
    if manifest.state == SetState::Suspect {
        Standing::Suspect
    } else if says(VerdictKind::Demoted) {
        Standing::Demoted
    } else if !is_whole {
        Standing::Incomplete
    } else if !verdicts.unread.is_empty() {
        Standing::Unknown
    } else if says(VerdictKind::Confirmed) {
        Standing::Confirmed
    } else {
        Standing::Unconfirmed
    }
}

/// Stores a verdict beside the manifest of a set, unless it is there. Nothing is ever replaced, and
/// where there is no manifest nothing is stored.
pub async fn store_verdict(
    store: &S3Store,
    path: &str,
    verdict: &StoredVerdict,
) -> Result<(), StoreError> {
    let body = serde_json::to_vec_pretty(verdict).map_err(|error| {
        StoreError::new(
            StoreErrorKind::UploadFailed,
            format!("a verdict can't be written as JSON, which is a fault of Holdfast: {error}"),
        )
    })?;
    let key = format!("{path}/{}", verdict_name(verdict.time.0, &body));
    match store.head(&key).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind == StoreErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    store.head(&format!("{path}/{MANIFEST_NAME}")).await?;
    store.put(&key, body).await.map(drop)
}
