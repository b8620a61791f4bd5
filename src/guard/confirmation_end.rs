//! The admission policy that refuses what rests on a confirmation that has ended, also while no
//! operator runs. CEL has no clock. But every API server renews a Lease of its own each 10 s, and a
//! policy can have objects as parameters: the newest of these Leases is the time. Builders only.
//!
//! It is a policy of its own, so that the others need no parameters: where there is no such Lease,
//! or the API server has stopped to follow it (kubernetes issue 130887: after the last binding with
//! this kind of parameter was deleted, until it restarts), this one refuses nothing, the others still
//! do, and the operator removes what has ended.

use k8s_openapi::api::admissionregistration::v1::{
    ParamKind, ParamRef, ValidatingAdmissionPolicyBinding, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::GUARDED_RESOURCES;
use super::cel::{old_annotation, quote};
use super::changes::{guard_stays_on, marks_variables, metadata_changes, volume_variables};
use super::confirmed::{end, of_this, stated};
use super::of_nobody::of_nobody;
use super::orphans::loses_nothing;
use super::policy::{BoundPolicy, denying, only_where, policy, rule, select_guarded, variable};
use super::refusal::{Asks, refusal_variables};
use super::templates::data_volume_variables;
use crate::api::ConfirmedVerb;

/// Name of the policy, and of its binding, that refuses what rests on a confirmation that has ended.
pub const CONFIRMATION_END_POLICY: &str = "holdfast-confirmation-end";

/// The label of the Leases by which the API servers of a cluster know each other, and its value.
const IDENTITY: (&str, &str) = ("apiserver.kubernetes.io/identity", "kube-apiserver");

/// Refuses deletions and changes that the other policies let through, because the confirmation has
/// ended by the clock of the API server. With several API servers it is asked once for each Lease:
/// that of one which is gone says nothing new.
pub(super) fn build_confirmation_end_guard(operator_namespace: &str) -> BoundPolicy {
    let mut variables = refusal_variables();
    let others = [
        marks_variables(operator_namespace),
        volume_variables(),
        data_volume_variables(),
    ];
    // One policy for several kinds: the fields of one are unknown to the others.
    variables.extend(others.into_iter().flatten().map(untyped));
    variables.push(variable(
        "now",
        "timestamp(params.spec.?renewTime.orValue('1970-01-01T00:00:00Z'))".to_owned(),
    ));
    let deletion = Asks::For(ConfirmedVerb::Delete);
    let change = Asks::For(ConfirmedVerb::Change);
    let deletes = format!(
        "request.operation != 'DELETE' || {} || {} || {}",
        loses_nothing(),
        of_nobody(),
        lasts(ConfirmedVerb::Delete)
    );
    let finalizes = format!(
        "request.operation != 'UPDATE' || !variables.finalizes || {}",
        lasts(ConfirmedVerb::Delete)
    );
    let changes = format!(
        "request.operation != 'UPDATE' || {} || ({})",
        lasts(ConfirmedVerb::Change),
        [
            "(variables.by_operator || variables.of_nobody || \
             has(oldObject.metadata.deletionTimestamp) || (variables.labelled && variables.named && variables.held))",
            "(request.resource.resource != 'persistentvolumes' || (variables.kept && \
             variables.bound && variables.moved.size() == 0))",
            "(!(request.resource.resource in ['statefulsets', 'deployments']) || \
             (variables.missing == '' && variables.unmounted == '' && variables.covered == '' && \
             !variables.renumbered))",
            &format!("({})", guard_stays_on()),
        ]
        .join(" && ")
    );
    let validations = vec![
        ended(deletes, "delete", "delete it", deletion),
        ended(finalizes, "finalize", "finalize it", deletion),
        ended(changes, "change", "change it", change),
    ];
    let mut rules: Vec<_> = GUARDED_RESOURCES
        .iter()
        .map(|guarded| {
            rule(
                guarded.group,
                guarded.version,
                guarded.resource,
                &["DELETE"],
            )
        })
        .collect();
    rules.extend(metadata_changes());
    // What nobody has confirmed costs nothing here.
    let confirmed = ConfirmedVerb::ALL.map(|verb| {
        let annotation = old_annotation(verb.annotation());
        format!("{annotation} != ''")
    });
    let mut guard = only_where(
        policy(
            CONFIRMATION_END_POLICY,
            select_guarded(rules),
            variables,
            validations,
        ),
        "confirmed",
        confirmed.join(" || "),
    );
    if let Some(spec) = &mut guard.spec {
        spec.param_kind = Some(ParamKind {
            api_version: Some("coordination.k8s.io/v1".to_owned()),
            kind: Some("Lease".to_owned()),
        });
    }
    let (guard, binding) = denying(guard);
    (guard, by_the_clock(binding))
}

/// Gives a binding the Leases of the API servers as parameters.
fn by_the_clock(mut binding: ValidatingAdmissionPolicyBinding) -> ValidatingAdmissionPolicyBinding {
    let (key, value) = IDENTITY;
    binding.spec.param_ref = Some(ParamRef {
        namespace: Some("kube-system".to_owned()),
        selector: Some(LabelSelector {
            match_labels: Some([(key.to_owned(), value.to_owned())].into()),
            ..LabelSelector::default()
        }),
        parameter_not_found_action: Some("Allow".to_owned()),
        ..ParamRef::default()
    });
    binding
}

/// CEL that is true unless a confirmation of this object is known to have ended. That of a deletion
/// which is under way does not end.
fn lasts(verb: ConfirmedVerb) -> String {
    let value = stated(verb);
    let under_way = match verb {
        ConfirmedVerb::Delete => "has(oldObject.metadata.deletionTimestamp) || ",
        ConfirmedVerb::Change => "",
    };
    format!(
        "{under_way}!({}) || variables.now <= {}",
        of_this(&value),
        end(&value)
    )
}

fn ended(allowed: String, refused: &str, act: &str, asks: Asks) -> Validation {
    Validation {
        expression: allowed,
        message: Some(
            "Holdfast guards this object, and what was confirmed has ended: confirm again with \
             kubectl holdfast unlock"
                .to_owned(),
        ),
        message_expression: Some(format!(
            "{} + variables.target + ': it was confirmed, and that has ended; it is ' + \
             string(variables.now) + ' now.' + {}",
            quote(&format!("{}{refused} ", super::REFUSAL)),
            asks.way_on(act, &format!(", then {act} again"))
        )),
        reason: Some("Forbidden".to_owned()),
    }
}

/// The same variable, with objects of no particular kind.
fn untyped(variable: Variable) -> Variable {
    let expression = variable
        .expression
        .replace("oldObject.", "dyn(oldObject).")
        .replace("object.", "dyn(object).");
    Variable {
        expression,
        ..variable
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn the_guard_of_the_end_reads() {
        insta::assert_yaml_snapshot!(
            serde_json::to_value(build_confirmation_end_guard("holdfast-system")).unwrap()
        );
    }
}
