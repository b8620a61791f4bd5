//! Which verdict each check gets and which check is the baseline, from the checks alone. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::observed::Observed;
use super::Stall;
use super::readiness::list;
use crate::api::{AgentFailure, CheckOutcome, CheckTarget, CheckVerdict, DatabaseCheck, names, reasons};
use crate::verdict::{self, Verdict};

/// What the checks say.
#[derive(Debug, Default)]
pub struct Judged<'a> {
    /// The verdict of every check that has ended, by name.
    pub verdicts: BTreeMap<&'a str, JudgedCheck<'a>>,
    /// What new checks are compared with.
    pub baseline: Option<&'a DatabaseCheck>,
    /// Verdicts that are not yet in the status of their check.
    pub unwritten: Vec<(&'a str, CheckVerdict)>,
    /// Something only a person can change.
    pub stall: Option<Stall>,
}

/// A check that has ended and its verdict.
#[derive(Clone, Debug)]
pub struct JudgedCheck<'a> {
    /// The check.
    pub check: &'a DatabaseCheck,
    /// When it ended; when it was made if its agent never reported.
    pub ended: &'a Time,
    /// The verdict.
    pub verdict: Verdict,
}

impl<'a> Judged<'a> {
    /// The newest check that said Verified or Suspected, about whichever container.
    pub fn newest_definitive(&self) -> Option<&JudgedCheck<'a>> {
        self.verdicts
            .values()
            .filter(|judged| judged.verdict.outcome != CheckOutcome::Unverifiable)
            .max_by_key(|judged| order(judged.check))
    }

    /// The newest check that has ended.
    pub fn newest(&self) -> Option<&JudgedCheck<'a>> {
        self.verdicts.values().max_by_key(|judged| order(judged.check))
    }

    /// The newest check of one container start that said Verified or Suspected.
    pub fn newest_definitive_of(&self, pod_uid: &str, container_id: &str) -> Option<&JudgedCheck<'a>> {
        let definitive = self.verdicts.values().filter(|judged| judged.verdict.outcome != CheckOutcome::Unverifiable);
        definitive.filter(|judged| is_of(judged.check, pod_uid, container_id)).max_by_key(|judged| order(judged.check))
    }

    /// The newest check of one container start that has ended.
    pub fn newest_of(&self, pod_uid: &str, container_id: &str) -> Option<&JudgedCheck<'a>> {
        self.verdicts.values().filter(|judged| is_of(judged.check, pod_uid, container_id)).max_by_key(|judged| order(judged.check))
    }
}

/// Whether a check looks at that container start.
pub fn is_of(check: &DatabaseCheck, pod_uid: &str, container_id: &str) -> bool {
    check.spec.target.as_ref().is_some_and(|target| target.pod_uid == pod_uid && target.container_id == container_id)
}

/// The agent's report, if there is one: when it ended.
pub fn ended(check: &DatabaseCheck) -> Option<&Time> {
    let status = check.status.as_ref()?;
    if status.evidence.is_none() && status.failure.is_none() {
        return None;
    }
    status.completion_time.as_ref()
}

/// When a check ended, by a report or by a verdict without one; the time is then that at which it was made.
pub fn concluded(check: &DatabaseCheck) -> Option<&Time> {
    let is_judged = check.status.as_ref().is_some_and(|status| status.verdict.is_some());
    ended(check).or_else(|| check.metadata.creation_timestamp.as_ref().filter(|_| is_judged))
}

/// The order of checks: by the API server's clock, which no agent can set. Within one second by the agents' own, and by name.
pub fn order(check: &DatabaseCheck) -> (Option<Timestamp>, Option<Timestamp>, Option<&str>) {
    (check.metadata.creation_timestamp.as_ref().map(|time| time.0), ended(check).map(|time| time.0), check.metadata.name.as_deref())
}

/// Judges the checks in the order in which they were made.
pub fn judge_checks(observed: &Observed) -> Judged<'_> {
    let mut ended_checks: Vec<(&DatabaseCheck, &Time)> =
        list(&observed.checks).iter().filter_map(|check| Some((check, concluded(check)?))).collect();
    let remembered = remembered(observed);
    ended_checks.extend(remembered.and_then(|check| Some((check, concluded(check)?))));
    ended_checks.sort_by_key(|(check, _)| order(check));
    let accepted = observed.database.metadata.annotations.as_ref().and_then(|all| all.get(names::ACCEPT_CHECK_ANNOTATION));
    let mut judged = Judged { stall: accepted.and_then(|name| invalid_acceptance(observed, name)), ..Judged::default() };
    let mut lost_baseline = lost_baseline(observed);
    let newest_by_target = newest_by_target(&ended_checks);
    for (check, time) in ended_checks {
        if remembered.is_some_and(|remembered| std::ptr::eq(remembered, check)) {
            judged.baseline = Some(check);
            lost_baseline = None;
            continue;
        }
        let name = check.metadata.name.as_deref().unwrap_or_default();
        let status = check.status.as_ref();
        let stored = status.and_then(|status| status.verdict.as_ref());
        let evidence = status.and_then(|status| status.evidence.as_ref());
        let is_accepted =
            accepted.is_some_and(|accepted| accepted == name) && evidence.is_some_and(|evidence| !evidence.identity.in_recovery);
        let verdict = match stored {
            // Its agent never reported, so there is nothing to judge again.
            Some(stored) if ended(check).is_none() => from_stored(stored),
            Some(stored) if stored.outcome == CheckOutcome::Verified => from_stored(stored),
            Some(stored) if !is_accepted && !newest_by_target.contains(&name) => from_stored(stored),
            _ if is_accepted => Verdict {
                outcome: CheckOutcome::Verified,
                reason: reasons::VERIFIED,
                message: format!(
                    "accepted by the annotation {}; it is what later checks are compared with",
                    names::ACCEPT_CHECK_ANNOTATION
                ),
            },
            // What it was compared with is gone: the reset that was seen then stays seen.
            Some(stored) if stored.outcome == CheckOutcome::Suspected && lost_baseline.is_some() => from_stored(stored),
            // Whoever has a past must not be greeted as new because it could not be read.
            Some(stored) if observed.ledger.known().is_none() => from_stored(stored),
            None if observed.ledger.known().is_none() => continue,
            _ => judge_one(observed, check, judged.baseline, lost_baseline.as_deref()),
        };
        let compared_with = judged.baseline.and_then(|baseline| baseline.metadata.name.clone());
        if !stored.is_some_and(|stored| stored.outcome == verdict.outcome && stored.reason == verdict.reason) {
            judged.unwritten.push((
                name,
                CheckVerdict {
                    outcome: verdict.outcome,
                    reason: verdict.reason.to_owned(),
                    message: verdict.message.clone(),
                    baseline: compared_with,
                    declared_by: None,
                },
            ));
        }
        if verdict.outcome == CheckOutcome::Verified && evidence.is_some_and(|evidence| !evidence.identity.in_recovery) {
            judged.baseline = Some(check);
            lost_baseline = None;
        }
        judged.verdicts.insert(name, JudgedCheck { check, ended: time, verdict });
    }
    judged
}

/// The newest check of each container start: only these are judged again when the spec or the baseline changes.
fn newest_by_target<'a>(ended: &[(&'a DatabaseCheck, &Time)]) -> Vec<&'a str> {
    let mut newest: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (check, _) in ended {
        if let (Some(target), Some(name)) = (&check.spec.target, check.metadata.name.as_deref()) {
            newest.insert((&target.pod_uid, &target.container_id), name);
        }
    }
    newest.into_values().collect()
}

/// What the ledger remembers as good, while the check itself is not there: gone with its namespace, pruned, or deleted by hand.
fn remembered(observed: &Observed) -> Option<&DatabaseCheck> {
    let remembered = observed.ledger.known()?.as_ref()?.remembered.as_ref()?;
    let checks = observed.checks.known()?;
    let is_there = checks.iter().any(|check| check.metadata.name == remembered.metadata.name && ended(check) == ended(remembered));
    (!is_there).then_some(remembered)
}

fn from_stored(stored: &CheckVerdict) -> Verdict {
    Verdict { outcome: stored.outcome, reason: reasons::known(&stored.reason), message: stored.message.clone() }
}

/// The baseline that the status remembers, when its check is gone and none newer can take its place.
fn lost_baseline(observed: &Observed) -> Option<String> {
    let remembered = observed.database.status.as_ref()?.baseline.as_ref()?;
    let checks = observed.checks.known()?;
    // Also by its end: a start whose check was deleted gets another of the same name.
    let found = checks.iter().any(|check| {
        let has_evidence = check.status.as_ref().is_some_and(|status| status.evidence.is_some());
        check.metadata.name.as_ref() == Some(&remembered.check) && has_evidence && ended(check) == Some(&remembered.time)
    });
    if found { None } else { Some(remembered.check.clone()) }
}

fn judge_one(observed: &Observed, check: &DatabaseCheck, baseline: Option<&DatabaseCheck>, lost: Option<&str>) -> Verdict {
    let status = check.status.clone().unwrap_or_default();
    let target = check.spec.target.clone().unwrap_or_else(no_target);
    // Without evidence the agent's own reason says more, and there is nothing to accept.
    let missing = lost.filter(|_| status.evidence.is_some()).map(|lost| AgentFailure {
        reason: reasons::BASELINE_MISSING.to_owned(),
        message: format!(
            "DatabaseCheck {lost}, which held the last known good evidence, does not exist any more, so nothing can be compared. If the data is \
             as it should be, accept this check: kubectl -n {} annotate protdb {} {}={} --overwrite",
            observed.namespace_name(),
            observed.name(),
            names::ACCEPT_CHECK_ANNOTATION,
            check.metadata.name.as_deref().unwrap_or_default()
        ),
    });
    let evidence = if missing.is_some() { None } else { status.evidence.as_ref() };
    verdict::judge(&verdict::Case {
        namespace: observed.namespace_name(),
        database: observed.name(),
        check: check.metadata.name.as_deref().unwrap_or_default(),
        spec: &observed.database.spec,
        baseline: baseline.and_then(as_baseline),
        evidence,
        failure: missing.as_ref().or(status.failure.as_ref()),
        target: &target,
    })
}

fn as_baseline(check: &DatabaseCheck) -> Option<verdict::Baseline<'_>> {
    Some(verdict::Baseline {
        check: check.metadata.name.as_deref()?,
        volumes: check.spec.target.as_ref().map(|target| target.volumes.as_slice()).unwrap_or_default(),
        evidence: check.status.as_ref()?.evidence.as_ref()?,
    })
}

fn no_target() -> CheckTarget {
    CheckTarget {
        pod: String::new(),
        pod_uid: String::new(),
        container: String::new(),
        container_id: String::new(),
        attempt: 0,
        database_generation: 0,
        volumes: Vec::new(),
    }
}

fn invalid_acceptance(observed: &Observed, name: &str) -> Option<Stall> {
    let checks = observed.checks.known()?;
    let found = checks.iter().find(|check| check.metadata.name.as_deref() == Some(name));
    let why = match found {
        None => "does not exist for this database",
        Some(check) => match check.status.as_ref().and_then(|status| status.evidence.as_ref()) {
            None => "has no evidence",
            Some(evidence) if evidence.identity.in_recovery => "looked at a replica or a server that was still recovering",
            Some(_) => return None,
        },
    };
    let namespace = observed.namespace_name();
    Some(Stall {
        reason: reasons::ACCEPTED_CHECK_INVALID,
        message: format!(
            "metadata.annotations[{}]: DatabaseCheck {name} {why}, so nothing was accepted. See kubectl -n {namespace} get dbcheck, or take the \
             annotation off: kubectl -n {namespace} annotate protdb {} {}-",
            names::ACCEPT_CHECK_ANNOTATION,
            observed.name(),
            names::ACCEPT_CHECK_ANNOTATION
        ),
    })
}
