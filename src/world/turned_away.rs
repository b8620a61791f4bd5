//! Claims that are not taken into the guard, because their volumes would be kept for good beyond the number
//! that a namespace may keep. Pure.

use super::{ClaimFact, Observed, VolumeFact};
use crate::guard::{self, MarkState, Marks};

impl Observed {
    /// The volumes that the databases of the namespace keep, if this claim is not taken in for them: it is
    /// new, and its volume would be one more.
    #[must_use]
    pub fn turns_away(&self, claim: &ClaimFact) -> Option<&[String]> {
        // What is not known is no reason to leave data without a guard.
        let kept = self.kept_in_namespace.known()?;
        (kept.len() >= self.kept_volume_limit && self.is_new(claim)).then_some(kept)
    }

    /// Whether nothing of a claim was ever guarded, and guarding it would keep a volume that is not kept
    /// by itself. The claim's own marks say nothing: whoever creates it may write them. Marks of a volume,
    /// the ledger and the status only the operator writes, and administrators.
    fn is_new(&self, claim: &ClaimFact) -> bool {
        let owner = self.owner();
        let is_unmarked = |metadata| {
            matches!(
                guard::mark_state(metadata, &owner, Marks::Held),
                MarkState::Unmarked
            )
        };
        let Some(metadata) = &claim.metadata else {
            return false;
        };
        let status = self.database.status.iter();
        let mut guarded = status
            .flat_map(|status| &status.claims)
            .filter(|known| known.guarded);
        if guarded.any(|known| Some(&known.uid) == metadata.uid.as_ref()) {
            return false;
        }
        let Some(ledger) = self.ledger.known() else {
            return false;
        };
        let volumes = ledger.iter().filter_map(|fact| fact.ledger.status.as_ref());
        let mut volumes = volumes.flat_map(|status| &status.volumes);
        if volumes.any(|remembered| Some(&remembered.claim_uid) == metadata.uid.as_ref()) {
            return false;
        }
        match &claim.volume {
            VolumeFact::Found(volume) => is_unmarked(&volume.metadata) && !volume.is_retained(),
            VolumeFact::NotBound => true,
            VolumeFact::Gone(_) | VolumeFact::Unknown(_) => false,
        }
    }
}
