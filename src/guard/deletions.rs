//! The admission policies that refuse deletions, with the operator up or down: of guarded objects,
//! and of the `CustomResourceDefinition`s of Holdfast. Builders only.

use k8s_openapi::api::admissionregistration::v1::{MatchResources, ValidatingAdmissionPolicy};

use super::cel::{by_operator, map, old_annotation, quote};
use super::loss_text::{LOSS_LIMIT, LOSS_PATTERN};
use super::of_nobody::of_nobody;
use super::orphans::loses_nothing;
use super::policy::{forbid_unless, only_where, policy, rule, select_guarded, variable};
use super::refusal::{
    Asks, confirmation_variables, refusal_variables, refuse_bad_confirmations, refuse_unless,
};
use super::{DEFINITION_CONSEQUENCE, GUARDED_RESOURCES};
use crate::api::ConfirmedVerb;
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
/// `request.name`. A workload that goes without its guarded claims is let through, and what carries
/// marks of nobody.
pub(super) fn build_deletion_guard() -> ValidatingAdmissionPolicy {
    let mut variables = refusal_variables();
    let consequences = map(GUARDED_RESOURCES
        .iter()
        .map(|resource| (resource.resource, resource.consequence)));
    variables.extend([
        variable("contents", contents()),
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
    let asks = Asks::For(ConfirmedVerb::Delete);
    let validation = refuse_unless(
        &format!(
            "{} || {} || {}",
            asks.confirmed(),
            loses_nothing(),
            of_nobody()
        ),
        "'Holdfast refuses to delete ' + variables.target + ': ' + variables.reason + '. If it \
         were deleted, ' + variables.consequence",
        "delete it",
        asks,
    );
    policy(
        DELETION_POLICY,
        select_guarded(rules.collect()),
        variables,
        vec![validation],
    )
}

/// What the operator has noted that would be lost, or nothing where the text has not the form of its
/// note: anybody who may write the object may write the annotation.
fn contents() -> String {
    let text = old_annotation(LOSS_SUMMARY_ANNOTATION);
    format!(
        "size({text}) <= {LOSS_LIMIT} && {text}.matches({}) ? {text} : ''",
        quote(LOSS_PATTERN)
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
/// evaluated. An update of ours is evaluated for what it writes as a confirmation, and for nothing
/// else: an upgrade updates them.
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
    let asks = Asks::For(ConfirmedVerb::Delete);
    let mut validations = vec![refuse_unless(
        &format!("request.operation != 'DELETE' || {}", asks.confirmed()),
        &format!("'Holdfast refuses to delete ' + variables.target + ': {DEFINITION_CONSEQUENCE}'"),
        "delete it",
        asks,
    )];
    validations.push(forbid_unless(
        format!("request.operation != 'CREATE' || {}", ours("object")),
        "Holdfast's operator creates definitions of its own group only, to recreate deleted ones",
    ));
    for mut written in refuse_bad_confirmations() {
        written.expression = format!("request.operation != 'UPDATE' || {}", written.expression);
        validations.push(written);
    }
    let constraints = MatchResources {
        resource_rules: Some(vec![rule(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            &["CREATE", "UPDATE", "DELETE"],
        )]),
        ..MatchResources::default()
    };
    let guard = policy(DEFINITION_POLICY, constraints, variables, validations);
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
