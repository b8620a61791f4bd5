//! The admission policy that lets the operator delete no claim but one that a DatabaseRestore of its
//! namespace has confirmed, and that is not another database's. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicy, Variable,
};

use super::cel::{by_operator, new_annotation, old_annotation};
use super::confirmed::{confirmed, confirmed_variables};
use super::policy::{forbid_unless, only_where, policy, rule, variable};
use crate::api::ConfirmedVerb;
use crate::api::names::{
    CONFIRM_DELETION_ANNOTATION, CONFIRMED_FOR_ANNOTATION, CONFIRMED_FOR_DATABASE_ANNOTATION,
    PROTECTED_BY_ANNOTATION,
};

/// Name of the policy, and of its binding, that fences in which claims the operator deletes.
pub const CLAIM_FENCE_POLICY: &str = "holdfast-claim-fence";

/// Refuses the operator, in `operator_namespace`, to delete a claim, guarded or not, that no
/// DatabaseRestore has confirmed by its UID, and to confirm one that another database has marked. What
/// others do is not evaluated.
pub(super) fn build_claim_fence(operator_namespace: &str) -> ValidatingAdmissionPolicy {
    let mut variables = confirmed_variables();
    variables.extend([
        variable("prefix", "oldObject.metadata.namespace + '/'".to_owned()),
        // A mark of a database of another namespace came with a copy, and is none.
        variable(
            "owner",
            format!(
                "{owner}.startsWith(variables.prefix) ? {owner} : ''",
                owner = old_annotation(PROTECTED_BY_ANNOTATION)
            ),
        ),
        variable("restore", by_operation(CONFIRMED_FOR_ANNOTATION)),
        variable("database", by_operation(CONFIRMED_FOR_DATABASE_ANNOTATION)),
        asks_for_deletion(),
    ]);
    let validations = vec![
        forbid_unless(
            format!(
                "request.operation != 'DELETE' || {}",
                confirmed(ConfirmedVerb::Delete)
            ),
            "Holdfast refuses to delete this claim: its operator deletes only one whose deletion is \
             confirmed by its UID",
        ),
        forbid_unless(
            "!variables.asks || variables.restore.startsWith(variables.prefix)".to_owned(),
            "Holdfast refuses to delete this claim, and its operator can't confirm that: no \
             DatabaseRestore of its namespace has",
        ),
        forbid_unless(
            "!variables.asks || (variables.database.startsWith(variables.prefix) && \
             (variables.owner == '' || variables.owner == variables.database))"
                .to_owned(),
            "Holdfast refuses to delete this claim, and its operator can't confirm that: another \
             ProtectedDatabase guards it than the one that is restored",
        ),
    ];
    let constraints = MatchResources {
        resource_rules: Some(vec![rule(
            "",
            "v1",
            "persistentvolumeclaims",
            &["UPDATE", "DELETE"],
        )]),
        ..MatchResources::default()
    };
    only_where(
        policy(CLAIM_FENCE_POLICY, constraints, variables, validations),
        "operator",
        by_operator(operator_namespace),
    )
}

/// Whether the claim is deleted, or its deletion confirmed. To remove a confirmation deletes nothing.
fn asks_for_deletion() -> Variable {
    variable(
        "asks",
        format!(
            "request.operation == 'DELETE' || ({new} != '' && {new} != {})",
            old_annotation(CONFIRM_DELETION_ANNOTATION),
            new = new_annotation(CONFIRM_DELETION_ANNOTATION),
        ),
    )
}

/// The value of an annotation: as stored where the claim is deleted, as it would be where it is
/// confirmed.
fn by_operation(key: &str) -> String {
    format!(
        "request.operation == 'DELETE' ? {} : {}",
        old_annotation(key),
        new_annotation(key)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn the_claim_fence_reads() {
        insta::assert_yaml_snapshot!(
            serde_json::to_value(build_claim_fence("holdfast-system")).unwrap()
        );
    }
}
