//! Checks for what is worth knowing and is no loss. None of them changes the outcome.

use crate::api::Finding;

use super::input::Input;
use super::volumes::{DataVolumes, cluster_state};

/// Make sure that the known database cluster is on the volume on which it was.
pub(super) fn volume_changed(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (baseline, evidence) = (input.baseline?, input.evidence?);
    let volumes = DataVolumes::compare(input, &baseline)?;
    let is_same_cluster =
        baseline.evidence.identity.system_identifier == evidence.identity.system_identifier;
    (volumes.moved && is_same_cluster).then(|| Finding::VolumeChanged {
        before: cluster_state(baseline.evidence, volumes.before),
        now: cluster_state(evidence, volumes.now),
    })
}

/// Make sure that the role of the checks is not a superuser.
pub(super) fn superuser_role(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    input
        .evidence?
        .superuser
        .then_some(Finding::SuperuserRole {})
}
