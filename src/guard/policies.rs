//! Every admission policy of an installation. Who installs them is in `install`.
//!
//! A policy's selection decides which objects its rules are evaluated for at all: others are never
//! slowed, and an error in a rule closes for the selected ones only.

use super::adoption::{ADOPTION_POLICY, build_adoption_guard};
use super::changes::{MARKS_POLICY, VOLUME_POLICY, build_marks_guard, build_volume_guard};
use super::claim_fence::{CLAIM_FENCE_POLICY, build_claim_fence};
use super::confirmation_end::{CONFIRMATION_END_POLICY, build_confirmation_end_guard};
use super::deletions::{
    DEFINITION_POLICY, DELETION_POLICY, build_definition_guard, build_deletion_guard,
};
use super::fence::{FENCE_POLICY, build_agent_fence};
use super::gated_host::build_gated_host_warning;
use super::guard_off::build_guard_off_warning;
use super::operator_fence::{OPERATOR_FENCE_POLICY, build_operator_fence};
use super::orphans::build_orphaned_workload_warning;
use super::other_server::build_other_server_warning;
use super::policy::{BoundPolicy, denying, warning};
use super::templates::{TEMPLATE_POLICY, build_other_claim_warning, build_template_guard};
use super::two_servers::build_two_servers_warning;
use super::version::set_version;

/// Names of the policies, and of their bindings, without which nothing is refused.
pub const GUARD_POLICIES: &[&str] = &[
    DELETION_POLICY,
    DEFINITION_POLICY,
    MARKS_POLICY,
    VOLUME_POLICY,
    TEMPLATE_POLICY,
    CONFIRMATION_END_POLICY,
    FENCE_POLICY,
    OPERATOR_FENCE_POLICY,
    CLAIM_FENCE_POLICY,
    ADOPTION_POLICY,
];

/// Every policy with its binding, in the order in which they are installed, for an operator in
/// `operator_namespace`. A new policy is one entry.
#[must_use]
pub fn policies(operator_namespace: &str) -> Vec<BoundPolicy> {
    let all = vec![
        denying(build_deletion_guard()),
        denying(build_definition_guard(operator_namespace)),
        denying(build_marks_guard(operator_namespace)),
        denying(build_volume_guard()),
        denying(build_template_guard()),
        build_confirmation_end_guard(operator_namespace),
        denying(build_agent_fence()),
        denying(build_operator_fence(operator_namespace)),
        denying(build_claim_fence(operator_namespace)),
        denying(build_adoption_guard()),
        warning(build_other_claim_warning()),
        warning(build_other_server_warning()),
        warning(build_two_servers_warning()),
        warning(build_orphaned_workload_warning()),
        warning(build_gated_host_warning()),
        warning(build_guard_off_warning()),
    ];
    // An older operator leaves those of a newer version alone.
    let versioned = all.into_iter().map(|(mut policy, mut binding)| {
        set_version(&mut policy.metadata);
        set_version(&mut binding.metadata);
        (policy, binding)
    });
    versioned.collect()
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
