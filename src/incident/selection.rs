//! Which checks matter: what was last known good, the newest that said anything definite, the newest
//! of all. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::facts::Facts;
use super::model::CheckEntry;
use crate::api::{
    CheckOutcome, CheckVerdict, DatabaseCheck, Evidence, Finding, LedgerBaseline, MountedVolume,
    ProtectedDatabaseSpec, ProtectedDatabaseStatus,
};
use crate::verdict;

/// One check as it was read.
#[derive(Clone, Debug)]
pub(super) struct CheckView<'a> {
    pub name: &'a str,
    pub source: String,
    pub time: Time,
    pub verdict: Option<&'a CheckVerdict>,
    pub volumes: &'a [MountedVolume],
    pub evidence: Option<&'a Evidence>,
}

/// What was read, with the checks that matter picked out of it.
pub(super) struct Selection<'a> {
    pub facts: &'a Facts,
    /// The checks, oldest first.
    pub checks: Vec<&'a DatabaseCheck>,
    pub expected: Option<CheckView<'a>>,
    pub found: Option<CheckView<'a>>,
    pub newest: Option<CheckView<'a>>,
}

impl<'a> Selection<'a> {
    /// Picks the checks.
    pub fn of(facts: &'a Facts) -> Self {
        let mut checks: Vec<&DatabaseCheck> = facts.checks.known().into_iter().flatten().collect();
        checks.sort_by_key(|check| (time_of(check), check.metadata.name.clone()));
        let judged = |check: &&&DatabaseCheck| verdict_of(check).is_some();
        let definite = |check: &&&DatabaseCheck| {
            verdict_of(check).is_some_and(|verdict| verdict.outcome != CheckOutcome::Unverifiable)
        };
        let found = checks
            .iter()
            .rev()
            .find(definite)
            .map(|check| CheckView::of(check));
        let newest = checks
            .iter()
            .rev()
            .find(judged)
            .map(|check| CheckView::of(check));
        let newest =
            newest.filter(|newest| found.as_ref().is_none_or(|found| found.name != newest.name));
        let mut selection = Self {
            facts,
            checks,
            expected: None,
            found,
            newest,
        };
        selection.expected = selection.find_expected();
        selection
    }

    /// The check that the status names, else what the ledger remembers of it. Where that is the
    /// newest check itself, the one that it was compared with.
    fn find_expected(&self) -> Option<CheckView<'a>> {
        let named = self
            .status()
            .and_then(|status| status.baseline.as_ref())
            .and_then(|baseline| self.find(&baseline.check));
        let named = named.map(|named| self.with_last_counts(named));
        let expected = named
            .or_else(|| self.remembered().map(|baseline| self.of_ledger(baseline)))
            .or_else(|| self.of_backup());
        let found = self.found.as_ref().filter(|found| {
            expected
                .as_ref()
                .is_some_and(|expected| expected.name == found.name)
        });
        let before = found
            .and_then(|found| found.verdict?.baseline.as_deref())
            .and_then(|before| self.find(before));
        before.or(expected)
    }

    fn find(&self, name: &str) -> Option<CheckView<'a>> {
        self.checks
            .iter()
            .find(|check| check.metadata.name.as_deref() == Some(name))
            .map(|check| CheckView::of(check))
    }

    /// What a check could only estimate, the ledger remembers as it was counted last, and that is
    /// what later checks are compared with.
    fn with_last_counts(&self, named: CheckView<'a>) -> CheckView<'a> {
        match self.remembered().filter(|baseline| {
            baseline.check == named.name && Some(&baseline.evidence) != named.evidence
        }) {
            Some(baseline) => CheckView {
                source: format!(
                    "{}, with the last counts of the DatabaseLedger",
                    named.source
                ),
                evidence: Some(&baseline.evidence),
                ..named
            },
            None => named,
        }
    }

    /// What a check has read in the bucket, because nothing else remembers.
    fn of_backup(&self) -> Option<CheckView<'a>> {
        let remembered = self
            .checks
            .iter()
            .rev()
            .find_map(|check| check.status.as_ref()?.backup_evidence.as_ref())?;
        Some(CheckView {
            name: &remembered.path,
            source: format!("the manifest of the backup {}", remembered.path),
            time: remembered.evidence.observed_at.clone(),
            verdict: None,
            volumes: &[],
            evidence: Some(&remembered.evidence),
        })
    }

    fn of_ledger(&self, baseline: &'a LedgerBaseline) -> CheckView<'a> {
        CheckView {
            name: &baseline.check,
            source: format!(
                "DatabaseLedger {}, status.baseline",
                crate::api::names::ledger(&self.facts.namespace, &self.facts.name)
            ),
            time: baseline.time.clone(),
            verdict: None,
            volumes: &baseline.volumes,
            evidence: Some(&baseline.evidence),
        }
    }

    fn remembered(&self) -> Option<&'a LedgerBaseline> {
        self.facts
            .ledger
            .known()?
            .as_ref()?
            .status
            .as_ref()?
            .baseline
            .as_ref()
    }

    /// The findings of the newest definite check.
    pub fn findings(&self) -> &'a [Finding] {
        self.found
            .as_ref()
            .and_then(|found| found.verdict)
            .map(|verdict| verdict.findings.as_slice())
            .unwrap_or_default()
    }

    /// Whether that check has read tables and lists what it found: an older version did not, and one that
    /// found nothing need not.
    pub fn has_counted(&self) -> bool {
        let Some((found, verdict)) = self
            .found
            .as_ref()
            .and_then(|found| Some((found, found.verdict?)))
        else {
            return false;
        };
        let has_tables = found
            .evidence
            .is_some_and(|evidence| !evidence.tables.is_empty());
        verdict.outcome == CheckOutcome::Verified || (has_tables && !verdict.findings.is_empty())
    }

    /// The volume that the data was on, if it was found to be on another one now, or on none.
    pub fn moved_from(&self) -> Option<&'a MountedVolume> {
        self.findings().iter().find_map(|finding| match finding {
            Finding::VolumeReplaced { before, .. }
            | Finding::DataOffVolume { before, .. }
            | Finding::OtherVolumeUnread { before, .. }
            | Finding::VolumeChanged { before, .. } => before.volume.as_ref(),
            _ => None,
        })
    }

    /// Whether another database cluster was found.
    pub fn is_other_cluster(&self) -> bool {
        self.findings().iter().any(|finding| {
            matches!(
                finding,
                Finding::ClusterReinitialized { .. }
                    | Finding::VolumeReplaced { .. }
                    | Finding::DataOffVolume { .. }
                    | Finding::OtherDataDirectory { .. }
            )
        })
    }

    /// What the operator says.
    pub fn status(&self) -> Option<&'a ProtectedDatabaseStatus> {
        self.facts.database.known()?.as_ref()?.status.as_ref()
    }

    /// What the user asks for.
    pub fn spec(&self) -> Option<&'a ProtectedDatabaseSpec> {
        self.facts
            .database
            .known()?
            .as_ref()
            .map(|database| &database.spec)
    }

    /// A command of kubectl in the database's namespace.
    pub fn kubectl(&self, words: &str) -> String {
        format!(
            "kubectl -n {}{} {words}",
            self.facts.namespace, self.facts.context_flag
        )
    }

    /// A command of kubectl outside of namespaces.
    pub fn kubectl_cluster(&self, words: &str) -> String {
        format!("kubectl{} {words}", self.facts.context_flag)
    }

    /// A command of the plugin about this database.
    pub fn holdfast(&self, words: &str) -> String {
        let Facts {
            name,
            namespace,
            context_flag,
            ..
        } = self.facts;
        let (command, flags) = words.split_once(' ').unwrap_or((words, ""));
        let flags = if flags.is_empty() {
            String::new()
        } else {
            format!(" {flags}")
        };
        format!("kubectl holdfast {command} {name} -n {namespace}{context_flag}{flags}")
    }
}

impl<'a> CheckView<'a> {
    fn of(check: &'a DatabaseCheck) -> Self {
        Self {
            name: check.metadata.name.as_deref().unwrap_or_default(),
            source: format!(
                "DatabaseCheck {}",
                check.metadata.name.as_deref().unwrap_or_default()
            ),
            time: Time(time_of(check)),
            verdict: verdict_of(check),
            volumes: volumes_of(check),
            evidence: check.evidence(),
        }
    }

    /// The volume that the data is on, as far as the evidence says.
    pub fn data_volume(&self) -> Option<&'a MountedVolume> {
        data_volume(self.volumes, self.evidence)
    }

    /// The check as it is listed.
    pub fn entry(&self) -> CheckEntry {
        CheckEntry {
            check: self.name.into(),
            source: self.source.as_str().into(),
            time: self.time.clone(),
            outcome: self.verdict.map(|verdict| verdict.outcome),
            reason: self
                .verdict
                .map(|verdict| verdict.reason.as_str())
                .unwrap_or_default()
                .into(),
            message: self
                .verdict
                .map(|verdict| verdict.message.as_str())
                .unwrap_or_default()
                .into(),
            rows: self.evidence.map(|evidence| evidence.total_rows),
            tables: self.evidence.map(|evidence| evidence.table_count),
        }
    }
}

/// When a check ended, else when it was asked for.
pub(super) fn time_of(check: &DatabaseCheck) -> Timestamp {
    let ended = check
        .status
        .as_ref()
        .and_then(|status| status.completion_time.as_ref());
    ended
        .or(check.metadata.creation_timestamp.as_ref())
        .map(|time| time.0)
        .unwrap_or_default()
}

/// The operator's judgement of a check.
pub(super) fn verdict_of(check: &DatabaseCheck) -> Option<&CheckVerdict> {
    check.status.as_ref()?.verdict.as_ref()
}

/// What a check's container mounted.
pub(super) fn volumes_of(check: &DatabaseCheck) -> &[MountedVolume] {
    check
        .spec
        .target
        .as_ref()
        .map(|target| target.volumes.as_slice())
        .unwrap_or_default()
}

/// The volume under the data directory; where no check saw the directory, the only volume that
/// there is.
pub(super) fn data_volume<'a>(
    volumes: &'a [MountedVolume],
    evidence: Option<&'a Evidence>,
) -> Option<&'a MountedVolume> {
    match (
        evidence.map(|evidence| evidence.identity.data_directory.as_str()),
        volumes,
    ) {
        (Some(directory), _) if !directory.is_empty() => {
            let mounts = verdict::Mounts {
                claims: volumes,
                image: verdict::image_volumes(
                    evidence.and_then(|evidence| evidence.image.as_ref()),
                ),
                ..verdict::Mounts::default()
            };
            mounts.claim_under(directory)
        }
        (_, [only]) => Some(only),
        _ => None,
    }
}

/// A volume with all that helps to find it again.
pub(super) fn describe_data_volume(volume: Option<&MountedVolume>) -> String {
    let Some(volume) = volume else {
        return "no PersistentVolumeClaim, as far as is known".to_owned();
    };
    format!("volume {} of claim {}", volume.volume, volume.claim)
}
