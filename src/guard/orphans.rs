//! Deletions of a workload that lose nothing: it leaves its pods, or has none, or the operator that
//! controls it deletes it. That is how operators replace a StatefulSet and fail over, and how volumes are
//! enlarged. With guarded claims it is let through with a warning. Builders only.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, Validation};

use super::PROTECTED_VALUE;
use super::cel::{old_label, quote};
use super::policy::{failing_open, policy, rule, select_guarded};
use crate::api::names::CLAIMS_GUARDED_LABEL;

/// Name of the policy, and of its binding, that warns about a workload that goes without its pods.
pub const ORPHANED_WORKLOAD_POLICY: &str = "holdfast-orphaned-workload";

/// CEL: its pods are to stay.
const LEAVES_PODS: &str = "(request.?options.?propagationPolicy.orValue('') == 'Orphan' || \
    request.?options.?orphanDependents.orValue(false))";
/// CEL: it has no pods, and is to have none.
const HAS_NO_PODS: &str = "(dyn(oldObject).spec.?replicas.orValue(1) == 0 && \
    dyn(oldObject).?status.?replicas.orValue(0) == 0)";

/// CEL: the operator that controls it asks, by its service account. Garbage collection does not count:
/// the owner may have been deleted by mistake. Its controllers are in `kube-system`.
///
/// An operator that fails over by this (kubegres) does not ask whether it was done: it promotes another
/// instance, and where the old one runs on, there are two primaries, and what is written to one of them is
/// lost. Stopping pods has never been refused: the same operator may scale to 0, or delete each pod.
const BY_ITS_OPERATOR: &str = "(request.userInfo.username.startsWith('system:serviceaccount:') && \
    !request.userInfo.username.startsWith('system:serviceaccount:kube-system:') && \
    oldObject.metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false)))";

/// CEL that is true where the deletion of a workload loses nothing: its claims stay, and the operator's
/// label says that all of them are guarded, by refusal, finalizer and Retain of their own; and its pods
/// stay (orphan propagation), or there are none, or it is for the operator that controls it to say when
/// they stop.
///
/// A StatefulSet whose claims are to go with it owns them. Kubernetes removes the owner reference of
/// those that it knows of by then; one that it adds at the same time may stay, and the claim would be
/// collected. So that one is refused.
pub(super) fn loses_nothing() -> String {
    format!(
        "(request.operation == 'DELETE' && request.resource.resource in ['statefulsets', \
         'deployments'] && {} == {} && \
         dyn(oldObject).spec.?persistentVolumeClaimRetentionPolicy.?whenDeleted.orValue('Retain') != \
         'Delete' && ({LEAVES_PODS} || {HAS_NO_PODS} || {BY_ITS_OPERATOR}))",
        old_label(CLAIMS_GUARDED_LABEL),
        quote(PROTECTED_VALUE),
    )
}

/// Says, when such a workload goes, what stays without it.
pub(super) fn build_orphaned_workload_warning() -> ValidatingAdmissionPolicy {
    let rules = ["statefulsets", "deployments"]
        .map(|resource| rule("apps", "v1", resource, &["DELETE"]))
        .to_vec();
    let warning = Validation {
        expression: format!("!{}", loses_nothing()),
        message: Some("the claims of this workload stay without it".to_owned()),
        message_expression: Some(format!(
            "'Holdfast warns: ' + request.kind.kind + ' ' + oldObject.metadata.name + ({LEAVES_PODS} ? \
             ' goes without its pods and claims, which are guarded. Nothing restarts the pods until it \
             is there again. Create it again under the same name, with the same selector: it takes over \
             the pods that run, and is guarded within seconds' : {HAS_NO_PODS} ? ' goes, and has no \
             pods. Its claims stay, and are guarded. Create it again under the same name: it starts with \
             the same data, and is guarded within seconds' : ' goes with its pods, as its operator asks \
             for it. Its claims stay, and are guarded') + '. See it: kubectl get protdb -n ' + \
             oldObject.metadata.namespace"
        )),
        ..Validation::default()
    };
    failing_open(policy(
        ORPHANED_WORKLOAD_POLICY,
        select_guarded(rules),
        Vec::new(),
        vec![warning],
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn the_warning_about_an_orphaned_workload_reads() {
        insta::assert_yaml_snapshot!(
            serde_json::to_value(build_orphaned_workload_warning()).unwrap()
        );
    }
}
