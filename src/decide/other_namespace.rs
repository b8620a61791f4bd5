//! A namespace whose name was used before: what is of the one before holds everything, until somebody
//! who may write it says that it is the same owner's. Pure.

use super::area::Stall;
use super::gap::Gap;
use crate::api::{names, reasons};
use crate::guard;
use crate::world::{ClaimFact, Observed, VolumeFact, VolumeFound};

/// Why nothing is compared, checked or backed up: the ledger is of another namespace of the name, or a
/// volume that is mounted is.
pub fn stall(observed: &Observed) -> Option<Stall> {
    let reason = reasons::NAMESPACE_REPLACED;
    if let Some(other) = &observed.other_namespace {
        let message = other.describe();
        return Some(Stall { reason, message });
    }
    let mut claims = observed.claims.known().into_iter().flatten();
    claims.find_map(|claim| match &claim.volume {
        VolumeFact::Found(volume) if observed.is_of_other_namespace(&volume.metadata) => {
            let message = gap(observed, &claim.name, volume.name()).message;
            Some(Stall { reason, message })
        }
        _ => None,
    })
}

/// A volume of another namespace is behind a claim.
pub fn gap(observed: &Observed, claim: &str, volume: &str) -> Gap {
    let namespace = observed.namespace_name();
    Gap {
        reason: reasons::NAMESPACE_REPLACED,
        message: format!(
            "PersistentVolume {volume} of claim {claim} is of another Namespace {namespace}, which was \
             deleted; the name is used again. Its data may be another owner's, so it is not compared, \
             shown or restored, and its marks are not changed. If it is the same owner's, say so: \
             kubectl annotate pv {volume} --overwrite {}={}",
            names::NAMESPACE_UID_ANNOTATION,
            observed.namespace_uid().unwrap_or_default()
        ),
    }
}

/// The UID to note on a volume: of one that has marks but no UID, only where it is bound to this very
/// claim. Marks alone do not say in which namespace of the name they were set.
pub fn uid_to_note<'a>(
    observed: &'a Observed,
    claim: &ClaimFact,
    volume: &VolumeFound,
) -> Option<&'a str> {
    let metadata = &volume.metadata;
    let is_bound = volume.claim_uid().is_some() && volume.claim_uid() == claim.uid();
    let is_noted = guard::noted_namespace(metadata).is_some();
    let may_be = is_bound || is_noted || !guard::is_labelled(metadata);
    observed.uid_to_note().filter(|_| may_be)
}
