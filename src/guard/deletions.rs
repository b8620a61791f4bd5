//! The admission policies that refuse deletions, with the operator up or down: of guarded objects,
//! and of the `CustomResourceDefinition`s of Holdfast. Builders only.

use k8s_openapi::api::admissionregistration::v1::{MatchResources, ValidatingAdmissionPolicy};

use super::cel::{by_operator, map, old_annotation, quote};
use super::policy::{forbid_unless, only_where, policy, rule, select_guarded, variable};
use super::refusal::{confirmation_variables, refusal_variables, refuse_unless};
use super::{DEFINITION_CONSEQUENCE, GUARDED_RESOURCES};
use crate::api::names::{GROUP, LOSS_SUMMARY_ANNOTATION};

/// Name of the policy, and of its binding, that refuses to delete guarded objects.
pub const DELETION_POLICY: &str = "holdfast-deletion-guard";
/// Name of the policy, and of its binding, that refuses to delete the `CustomResourceDefinition`s
/// of Holdfast.
pub const DEFINITION_POLICY: &str = "holdfast-definition-guard";

/// Refuses DELETE of every labelled object of [`GUARDED_RESOURCES`].
///
/// The label is selected by the API server itself, before any CEL: on an object that does not carry
/// it the policy costs nothing and can't fail. Deletecollection arrives here item by item, without
/// `request.name`.
pub(super) fn build_deletion_guard() -> ValidatingAdmissionPolicy {
    let mut variables = refusal_variables();
    let consequences = map(GUARDED_RESOURCES
        .iter()
        .map(|resource| (resource.resource, resource.consequence)));
    variables.extend([
        variable("contents", old_annotation(LOSS_SUMMARY_ANNOTATION)),
        variable(
            "reason",
            "variables.contents == '' ? variables.guarded : 'it holds ' + variables.contents"
                .to_owned(),
        ),
        variable(
            "consequence",
            format!("{consequences}[?request.resource.resource].orValue('')"),
        ),
    ]);
    let rules = GUARDED_RESOURCES.iter().map(|guarded| {
        rule(
            guarded.group,
            guarded.version,
            guarded.resource,
            &["DELETE"],
        )
    });
    let validation = refuse_unless(
        "variables.confirmed",
        "'Holdfast refuses to delete ' + variables.target + ': ' + variables.reason + '. If it \
         were deleted, ' + variables.consequence",
        "delete it",
    );
    policy(
        DELETION_POLICY,
        select_guarded(rules.collect()),
        variables,
        vec![validation],
    )
}

/// Refuses DELETE of our `CustomResourceDefinition`s: with one, the API server deletes all objects
/// of its kind.
///
/// They are known by the group in their name, not by a label, so that removing a label disarms
/// nothing.
///
/// It also refuses the operator, in `operator_namespace`, definitions of any other group: it may
/// create, to recreate ours, and a role can't limit that to names. What others create is not
/// evaluated.
pub(super) fn build_definition_guard(operator_namespace: &str) -> ValidatingAdmissionPolicy {
    let ours = |object: &str| {
        format!(
            "{object}.metadata.name.endsWith({})",
            quote(&format!(".{GROUP}"))
        )
    };
    let mut variables = confirmation_variables();
    variables.push(variable(
        "status",
        "'kubectl get ' + oldObject.metadata.name + ' -A'".to_owned(),
    ));
    let delete = refuse_unless(
        "request.operation == 'CREATE' || variables.confirmed",
        &format!("'Holdfast refuses to delete ' + variables.target + ': {DEFINITION_CONSEQUENCE}'"),
        "delete it",
    );
    let create = forbid_unless(
        format!("request.operation != 'CREATE' || {}", ours("object")),
        "Holdfast's operator creates definitions of its own group only, to recreate deleted ones",
    );
    let constraints = MatchResources {
        resource_rules: Some(vec![rule(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            &["CREATE", "DELETE"],
        )]),
        ..MatchResources::default()
    };
    let guard = policy(
        DEFINITION_POLICY,
        constraints,
        variables,
        vec![delete, create],
    );
    only_where(
        guard,
        "ours",
        format!(
            "request.operation == 'CREATE' ? {} : {}",
            by_operator(operator_namespace),
            ours("oldObject")
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn the_deletion_guard_reads() {
        insta::assert_yaml_snapshot!(serde_json::to_value(build_deletion_guard()).unwrap());
    }
}
