//! Whether everything that the workload's data is on is guarded: then the workload may go without its
//! pods, and loses nothing. Pure.

use super::gap::Gap;
use crate::api::{ClaimStatus, reasons};
use crate::world::{ClaimFact, Observed, VolumeFact};

/// What says nothing about the claims, or passes within this pass or the next.
const NO_LOSS: [&str; 5] = [
    reasons::GUARDING,
    reasons::CLAIM_NOT_BOUND,
    reasons::CLAIM_MOUNTED_TWICE,
    reasons::OTHER_SERVER_SELECTED,
    reasons::SECOND_SERVER,
];

/// Whether all claims are guarded, by what was read and the gaps that are known. None while that
/// changes or could not be read: what the workload says stays.
pub fn are_claims_guarded(
    observed: &Observed,
    claims: &[ClaimStatus],
    gaps: &[Gap],
) -> Option<bool> {
    let read = observed.claims.known()?;
    let is_lost = |gap: &Gap| !NO_LOSS.contains(&gap.reason);
    if read.is_empty() || gaps.iter().any(is_lost) {
        return Some(false);
    }
    let is_guarded = |claim: &ClaimFact| {
        let mut said = claims.iter().filter(|said| said.name == claim.name);
        // One that was never bound holds nothing.
        (matches!(claim.volume, VolumeFact::NotBound) && claim.phase != "Lost")
            || said.any(|said| said.guarded)
    };
    read.iter().all(is_guarded).then_some(true)
}
