//! Which verdict each check gets and which check is the baseline, from the checks alone. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::accept::{Acceptance, acceptance};
use super::known_good::{KnownGood, from_backup};
use super::ready::list;
use super::restored;
use crate::api::{
    AgentFailure, CheckOutcome, CheckVerdict, DatabaseCheck, Finding, LedgerBaseline,
    MountedVolume, names, reasons,
};
use crate::resources::SpecParts;
use crate::verdict::{self, Verdict};
use crate::world::Observed;

/// What the checks say.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The verdict of every check that has ended, by name.
    pub verdicts: BTreeMap<&'a str, JudgedCheck<'a>>,
    /// The newest good check.
    pub baseline: Option<&'a DatabaseCheck>,
    /// What new checks are compared with: what that check found, and the last counts of what it
    /// only estimated.
    pub known_good: Option<KnownGood<'a>>,
    /// Verdicts that are not yet in the status of their check.
    pub unwritten: Vec<(&'a str, CheckVerdict)>,
    /// The volumes on which replicas of it were seen.
    pub replica_volumes: Vec<&'a MountedVolume>,
    /// What a user has accepted.
    pub acceptance: Acceptance<'a>,
    /// The spec, read once for the whole pass.
    pub spec: SpecParts,
}

/// A check that has ended and its verdict.
#[derive(Clone, Debug)]
pub struct JudgedCheck<'a> {
    pub check: &'a DatabaseCheck,
    /// When it ended; when it was created, if its agent never reported.
    pub ended: &'a Time,
    pub verdict: Verdict,
}

/// Whether a check looks at that container start.
pub fn is_of(check: &DatabaseCheck, pod_uid: &str, container_id: &str) -> bool {
    check
        .spec
        .target
        .as_ref()
        .is_some_and(|target| target.pod_uid == pod_uid && target.container_id == container_id)
}

/// The agent's report, if there is one: when it ended.
pub fn ended(check: &DatabaseCheck) -> Option<&Time> {
    let status = check.status.as_ref()?;
    if status.evidence.is_none() && status.failure.is_none() {
        return None;
    }
    status.completion_time.as_ref()
}

/// When a check ended, by a report or by a verdict without one; the time is then that at which it
/// was made.
pub fn concluded(check: &DatabaseCheck) -> Option<&Time> {
    let is_judged = check
        .status
        .as_ref()
        .is_some_and(|status| status.verdict.is_some());
    ended(check).or_else(|| {
        check
            .metadata
            .creation_timestamp
            .as_ref()
            .filter(|_| is_judged)
    })
}

/// Whether a check has ended, by a report or by a verdict without one.
pub fn has_outcome(check: &DatabaseCheck) -> bool {
    concluded(check).is_some()
}

/// The order of checks: by the API server's clock, which no agent can set. Within one second by the
/// agents' own, and by name.
pub fn order(check: &DatabaseCheck) -> (Option<Timestamp>, Option<Timestamp>, Option<&str>) {
    (
        check
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0),
        ended(check).map(|time| time.0),
        check.metadata.name.as_deref(),
    )
}

/// Judges the checks in the order in which they were made.
pub fn judge_checks(observed: &Observed) -> Judged<'_> {
    let mut ended_checks: Vec<(&DatabaseCheck, &Time)> = list(&observed.checks)
        .iter()
        .filter_map(|check| Some((check, concluded(check)?)))
        .collect();
    let remembered = remembered(observed);
    ended_checks.extend(remembered.and_then(|check| Some((check, concluded(check)?))));
    ended_checks.sort_by_key(|(check, _)| order(check));
    let mut judged = Judged {
        verdicts: BTreeMap::new(),
        baseline: None,
        known_good: None,
        unwritten: Vec::new(),
        replica_volumes: Vec::new(),
        acceptance: acceptance(observed),
        spec: SpecParts::of(&observed.database),
    };
    // A database with a past must not be treated as new because that past could not be read, and
    // nothing is judged by rules that can't be read.
    let is_held = observed.ledger.known().is_none() || judged.spec.has_unusable_rules();
    let mut lost_baseline = lost_baseline(observed);
    let newest_by_target = newest_by_target(&ended_checks);
    for (check, time) in ended_checks {
        if remembered.is_some_and(|remembered| std::ptr::eq(remembered, check)) {
            judged.take_for_good(observed, check, false);
            lost_baseline = None;
            continue;
        }
        let name = check.metadata.name.as_deref().unwrap_or_default();
        let stored = check
            .status
            .as_ref()
            .and_then(|status| status.verdict.as_ref());
        if judged.known_good.is_none()
            && stored.is_none_or(|stored| stored.outcome != CheckOutcome::Verified)
        {
            judged.known_good = from_backup(observed, check);
            lost_baseline = lost_baseline.filter(|_| judged.known_good.is_none());
        }
        let mut declared_by = stored.and_then(|stored| stored.declared_by.clone());
        let verdict = match stored {
            // Its agent never reported, so there is nothing to judge again.
            Some(stored) if ended(check).is_none() => from_stored(stored),
            Some(stored) if stored.outcome == CheckOutcome::Verified => from_stored(stored),
            _ if judged.acceptance.accepts(check) => Verdict {
                outcome: CheckOutcome::Verified,
                reason: reasons::VERIFIED,
                message: format!(
                    "accepted by the annotation {}; later checks are compared with this one",
                    names::ACCEPT_CHECK_ANNOTATION
                ),
                findings: stored.map(known_findings).unwrap_or_default(),
            },
            Some(stored) if has_forgotten_others(check, stored) => from_stored(stored),
            Some(stored) if !newest_by_target.contains(&name) => from_stored(stored),
            // What it was compared with is gone: the reset that was reported then stays.
            Some(stored)
                if stored.outcome == CheckOutcome::Suspected && lost_baseline.is_some() =>
            {
                from_stored(stored)
            }
            Some(stored) if is_held => from_stored(stored),
            None if is_held => continue,
            _ => {
                let (verdict, declared) = judge_one(
                    observed,
                    check,
                    judged.known_good.as_ref(),
                    lost_baseline.as_deref(),
                    &judged.replica_volumes,
                    &judged.acceptance,
                );
                declared_by = declared;
                verdict
            }
        };
        let compared_with = judged
            .known_good
            .as_ref()
            .map(|known| known.name.to_owned());
        if !stored.is_some_and(|stored| {
            // The verdict on a first part is written again for the whole.
            let is_of_first_part = stored.partial && ended(check).is_some();
            stored.outcome == verdict.outcome
                && stored.reason == verdict.reason
                && !is_of_first_part
        }) {
            let (reason, message) = (verdict.reason.to_owned(), verdict.message.clone());
            let unwritten = CheckVerdict {
                outcome: verdict.outcome,
                reason,
                message,
                findings: verdict.findings.clone(),
                baseline: compared_with,
                declared_by,
                partial: false,
            };
            judged.unwritten.push((name, unwritten));
        }
        if judged.is_replica_of_known(check) {
            let seen = check.spec.target.iter().flat_map(|target| &target.volumes);
            judged.replica_volumes.extend(seen);
        }
        let is_primary = check
            .evidence()
            .is_some_and(|evidence| !evidence.identity.in_recovery);
        if verdict.outcome == CheckOutcome::Verified && is_primary {
            // Good in spite of what was found: somebody has accepted it, now or before.
            let is_accepted = judged.acceptance.accepts(check)
                || verdict
                    .findings
                    .iter()
                    .any(|finding| finding.outcome() == CheckOutcome::Suspected);
            judged.take_for_good(observed, check, is_accepted);
            lost_baseline = None;
        }
        judged.verdicts.insert(
            name,
            JudgedCheck {
                check,
                ended: time,
                verdict,
            },
        );
    }
    judged
}

impl<'a> Judged<'a> {
    /// Judges a check that has not ended.
    pub fn judge_now(&self, observed: &Observed, check: &DatabaseCheck) -> Verdict {
        let (known, acceptance) = (self.known_good.as_ref(), &self.acceptance);
        judge_one(
            observed,
            check,
            known,
            None,
            &self.replica_volumes,
            acceptance,
        )
        .0
    }

    /// Whether a check has seen a replica of the database cluster that is known to be good.
    pub(super) fn is_replica_of_known(&self, check: &DatabaseCheck) -> bool {
        let found = check.own_evidence().map(|evidence| &evidence.identity);
        self.known_good
            .as_ref()
            .zip(found)
            .is_some_and(|(known, found)| {
                found.in_recovery
                    && found.system_identifier == known.evidence.identity.system_identifier
            })
    }

    /// Makes a check what later ones are compared with.
    fn take_for_good(
        &mut self,
        observed: &'a Observed,
        check: &'a DatabaseCheck,
        is_accepted: bool,
    ) {
        let (Some(name), Some(found)) = (check.metadata.name.as_deref(), check.evidence()) else {
            return;
        };
        let is_other_cluster = |known: &KnownGood<'_>| {
            known.evidence.identity.system_identifier != found.identity.system_identifier
        };
        // What was counted before belongs to what an accepted check, or another cluster, replaces.
        let is_anew = is_accepted || self.known_good.as_ref().is_some_and(is_other_cluster);
        let created = check
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0);
        let best = match (in_ledger(observed, check), &self.known_good) {
            _ if is_anew => Vec::new(),
            (Some(ledger), _) => verdict::recent(&ledger.best, created),
            (None, Some(before)) => verdict::carry_best(
                &verdict::recent(&before.best, created),
                &before.evidence,
                before.created,
                found,
            ),
            (None, None) => Vec::new(),
        };
        let known = match (in_ledger(observed, check), &self.known_good) {
            _ if is_anew => Cow::Borrowed(found),
            // The checks with the counts that this one did not repeat may be gone: the ledger has
            // what was carried over from them.
            (Some(ledger), _) => Cow::Borrowed(&ledger.evidence),
            (None, Some(before)) => Cow::Owned(verdict::carry_counts(&before.evidence, found)),
            (None, None) => Cow::Borrowed(found),
        };
        let without_login = verdict::carry_cluster_digest(
            check.without_login(),
            self.known_good
                .as_ref()
                .filter(|known| !is_other_cluster(known))
                .and_then(|known| known.without_login.as_ref()),
        );
        self.known_good = Some(KnownGood {
            source: format!("DatabaseCheck {name}"),
            name,
            volumes: check
                .spec
                .target
                .as_ref()
                .map(|target| target.volumes.as_slice())
                .unwrap_or_default(),
            other_mounts: check
                .spec
                .target
                .as_ref()
                .map(|target| target.other_mounts.as_slice())
                .unwrap_or_default(),
            evidence: known,
            best,
            created,
            without_login,
        });
        self.baseline = Some(check);
    }
}

/// What the ledger has of that very check.
fn in_ledger<'a>(observed: &'a Observed, check: &DatabaseCheck) -> Option<&'a LedgerBaseline> {
    let baseline = observed
        .ledger
        .known()?
        .as_ref()?
        .ledger
        .status
        .as_ref()?
        .baseline
        .as_ref()?;
    (Some(&baseline.check) == check.metadata.name.as_ref() && ended(check) == Some(&baseline.time))
        .then_some(baseline)
}

/// The newest check of each container start: only these are judged again when the spec or the
/// baseline changes.
fn newest_by_target<'a>(ended: &[(&'a DatabaseCheck, &Time)]) -> Vec<&'a str> {
    let mut newest: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (check, _) in ended {
        if let (Some(target), Some(name)) = (&check.spec.target, check.metadata.name.as_deref()) {
            newest.insert((&target.pod_uid, &target.container_id), name);
        }
    }
    newest.into_values().collect()
}

/// What the ledger remembers as good, while the check itself is not there: gone with its namespace,
/// pruned, or deleted by hand.
fn remembered(observed: &Observed) -> Option<&DatabaseCheck> {
    let remembered = observed.ledger.known()?.as_ref()?.remembered.as_ref()?;
    let checks = observed.checks.known()?;
    let is_there = checks.iter().any(|check| {
        check.metadata.name == remembered.metadata.name && ended(check) == ended(remembered)
    });
    (!is_there).then_some(remembered)
}

fn from_stored(stored: &CheckVerdict) -> Verdict {
    Verdict {
        outcome: stored.outcome,
        reason: reasons::known(&stored.reason),
        message: stored.message.clone(),
        findings: known_findings(stored),
    }
}

/// Whether backups of others were found by a version that wrote it elsewhere: judged again, the check would know
/// of none, and what is unknown would be good.
fn has_forgotten_others(check: &DatabaseCheck, stored: &CheckVerdict) -> bool {
    let status = check.status.as_ref();
    status.is_none_or(|status| status.other_backups.is_none())
        && [reasons::MORE_ROWS_ELSEWHERE, reasons::OTHERS_BACKUPS].contains(&stored.reason.as_str())
}

/// What another version found can't be written again.
fn known_findings(stored: &CheckVerdict) -> Vec<Finding> {
    let is_known = |finding: &&Finding| **finding != Finding::Unknown;
    stored.findings.iter().filter(is_known).cloned().collect()
}

/// The baseline that the status remembers, when its check is gone and no newer one can replace it.
fn lost_baseline(observed: &Observed) -> Option<String> {
    let remembered = observed.database.status.as_ref()?.baseline.as_ref()?;
    let checks = observed.checks.known()?;
    // Also by its end: a start whose check was deleted gets another of the same name.
    let found = checks.iter().any(|check| {
        let has_evidence = check
            .status
            .as_ref()
            .is_some_and(|status| status.evidence.is_some());
        check.metadata.name.as_ref() == Some(&remembered.check)
            && has_evidence
            && ended(check) == Some(&remembered.time)
    });
    if found {
        None
    } else {
        Some(remembered.check.clone())
    }
}

/// Judges one check; also returns the declaration by which it is good, if a user declared the
/// change beforehand.
fn judge_one(
    observed: &Observed,
    check: &DatabaseCheck,
    known_good: Option<&KnownGood<'_>>,
    lost: Option<&str>,
    replica_volumes: &[&MountedVolume],
    acceptance: &Acceptance<'_>,
) -> (Verdict, Option<String>) {
    let status = check.status.clone().unwrap_or_default();
    let target = check.spec.target.clone().unwrap_or_default();
    // Without evidence the agent's own reason says more, and there is nothing to accept.
    let missing = lost
        .filter(|_| status.evidence.is_some())
        .map(|lost| AgentFailure {
            reason: reasons::BASELINE_MISSING.to_owned(),
            message: format!(
                "DatabaseCheck {lost}, the last good check, does not exist any more, so there is \
             nothing to compare the data with. If the data is right, accept this check: kubectl -n \
             {} annotate protdb {} {}={} --overwrite",
                observed.namespace_name(),
                observed.name(),
                names::ACCEPT_CHECK_ANNOTATION,
                check.metadata.name.as_deref().unwrap_or_default()
            ),
        });
    let evidence = if missing.is_some() {
        None
    } else {
        status.evidence.as_ref()
    };
    let created = check
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|time| time.0);
    let best = known_good.map(|known| verdict::recent(&known.best, created));
    let input = verdict::Input {
        namespace: observed.namespace_name(),
        database: observed.name(),
        check: check.metadata.name.as_deref().unwrap_or_default(),
        spec: &observed.database.spec,
        baseline: known_good.map(|known| known.as_baseline(best.as_deref().unwrap_or_default())),
        evidence,
        failure: missing.as_ref().or(status.failure.as_ref()),
        other_backups: status.other_backups,
        without_login: status.without_login.as_ref(),
        image: check.image(),
        replica_volumes,
        target: &target,
    };
    let verdict = verdict::judge(&input);
    // What a restore has put there is other data by its user's confirmation.
    let is_own = evidence.is_some() && check.own_evidence().is_some();
    let may_be_explained =
        verdict.outcome == CheckOutcome::Suspected || verdict.reason == reasons::OTHERS_BACKUPS;
    let verdict = if may_be_explained && is_own {
        restored::judge(observed, check, known_good, verdict)
    } else {
        verdict
    };
    // Nobody can have meant a change of what nobody could read, or of what another server has.
    if verdict.outcome == CheckOutcome::Suspected && is_own {
        acceptance.apply(&input, check, verdict)
    } else {
        (verdict, None)
    }
}
