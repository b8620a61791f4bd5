//! The newest checks, of all and of one container start, and which of them still say something. Pure.

use super::judge::{Judged, JudgedCheck, is_of, order};
use crate::api::{CheckOutcome, DatabaseCheck, reasons};

/// What is suspected of the place of the data, and not of the data there.
const OTHER_PLACE: &[&str] = &[
    reasons::OTHER_VOLUME_UNREAD,
    reasons::OTHER_DATA_DIRECTORY,
    reasons::VOLUME_REPLACED,
    reasons::CLUSTER_REINITIALIZED,
    reasons::DATA_OFF_VOLUME,
];

impl<'a> Judged<'a> {
    /// The newest check that said Verified or Suspected, about whichever container.
    pub fn newest_definitive(&self) -> Option<&JudgedCheck<'a>> {
        self.verdicts
            .values()
            .filter(|judged| self.is_definitive(judged))
            .max_by_key(|judged| order(judged.check))
    }

    /// The newest check that has ended.
    pub fn newest(&self) -> Option<&JudgedCheck<'a>> {
        self.verdicts
            .values()
            .max_by_key(|judged| order(judged.check))
    }

    /// The newest check of one container start that said Verified or Suspected.
    pub fn newest_definitive_of(
        &self,
        pod_uid: &str,
        container_id: &str,
    ) -> Option<&JudgedCheck<'a>> {
        self.verdicts
            .values()
            .filter(|judged| is_of(judged.check, pod_uid, container_id))
            .filter(|judged| self.is_definitive(judged))
            .max_by_key(|judged| order(judged.check))
    }

    /// The newest check of one container start that has ended.
    pub fn newest_of(&self, pod_uid: &str, container_id: &str) -> Option<&JudgedCheck<'a>> {
        self.verdicts
            .values()
            .filter(|judged| is_of(judged.check, pod_uid, container_id))
            .max_by_key(|judged| order(judged.check))
    }

    /// Whether a check said Verified or Suspected, and that still holds.
    pub fn is_definitive(&self, judged: &JudgedCheck<'_>) -> bool {
        judged.verdict.outcome != CheckOutcome::Unverifiable && !self.has_become_replica(judged)
    }

    /// Whether a start was suspected only because its data seemed to be in another place, and was a
    /// replica of the known database cluster later: a replica has a volume of its own, and says
    /// nothing while it is made.
    fn has_become_replica(&self, suspected: &JudgedCheck<'_>) -> bool {
        let Some(target) = &suspected.check.spec.target else {
            return false;
        };
        let is_later_replica = |later: &JudgedCheck<'_>| {
            is_of(later.check, &target.pod_uid, &target.container_id)
                && order(later.check) > order(suspected.check)
                && asks_pod(later.check)
                && self.is_replica_of_known(later.check)
        };
        is_only_of_place(suspected) && self.verdicts.values().any(is_later_replica)
    }
}

/// Whether a check asked the pod itself: behind a host another one may answer.
pub fn asks_pod(check: &DatabaseCheck) -> bool {
    let target = check.spec.target.as_ref();
    target.is_some_and(|target| target.host.is_none())
}

/// Whether nothing but the place of the data is suspected, and nothing could be read there.
fn is_only_of_place(judged: &JudgedCheck<'_>) -> bool {
    let mut suspected = judged
        .verdict
        .findings
        .iter()
        .filter(|finding| finding.outcome() == CheckOutcome::Suspected);
    judged.verdict.outcome == CheckOutcome::Suspected
        && judged.check.evidence().is_none()
        && OTHER_PLACE.contains(&judged.verdict.reason)
        && suspected.all(|finding| OTHER_PLACE.contains(&finding.reason()))
}
