//! What was last known good, from wherever it is remembered. Pure.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::api::{BestCount, DatabaseCheck, Evidence, MountedVolume, WithoutLogin};
use crate::verdict;
use crate::world::Observed;

/// What was last known good.
#[derive(Clone, Debug)]
pub struct KnownGood<'a> {
    /// Kind and name of where that is known from.
    pub source: String,
    /// Name of the check, or path of the backup.
    pub name: &'a str,
    /// The volumes that it saw.
    pub volumes: &'a [MountedVolume],
    /// Where its container mounted something else than a claim.
    pub other_mounts: &'a [String],
    /// What was there.
    pub evidence: Cow<'a, Evidence>,
    /// Tables that had more rows within the last 7 days.
    pub best: Vec<BestCount>,
    /// When the check was created, by the API server's clock; none for a backup.
    pub created: Option<Timestamp>,
    /// What the server said before a login.
    pub without_login: Option<WithoutLogin>,
}

impl KnownGood<'_> {
    /// The same for the verdict of a check; `best` are the counts that still matter at its time.
    pub fn as_baseline<'b>(&'b self, best: &'b [BestCount]) -> verdict::Baseline<'b> {
        verdict::Baseline {
            source: &self.source,
            volumes: self.volumes,
            other_mounts: self.other_mounts,
            evidence: &self.evidence,
            best,
            without_login: self.without_login.as_ref(),
        }
    }
}

/// What a backup says was there, as the agent read it because nothing else remembers. Of another
/// cluster than the status remembers it says nothing.
pub fn from_backup<'a>(observed: &'a Observed, check: &'a DatabaseCheck) -> Option<KnownGood<'a>> {
    let remembered = check.status.as_ref()?.backup_evidence.as_ref()?;
    let said = observed
        .database
        .status
        .as_ref()
        .and_then(|status| status.baseline.as_ref());
    if said.is_some_and(|said| {
        said.system_identifier != remembered.evidence.identity.system_identifier
    }) {
        return None;
    }
    Some(KnownGood {
        source: format!("the backup {}", remembered.path),
        name: &remembered.path,
        volumes: &[],
        other_mounts: &[],
        evidence: Cow::Borrowed(&remembered.evidence),
        best: Vec::new(),
        created: None,
        without_login: Some(WithoutLogin {
            cluster_digest: remembered.cluster_digest.clone(),
            ..WithoutLogin::default()
        }),
    })
}
