//! Where the operator is: by the binding of its role, by the policies, and by Deployments that say that
//! they are one. Whoever may create Deployments may call one an operator, so that alone counts for
//! nothing. Pure.

use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use serde_json::Value;

use super::operator::Operator;
use crate::api::{is_namespace_name, names};

/// The namespace of an installation that says nothing else.
const DEFAULT: &str = "holdfast-system";

/// Where the operator is, and what contradicts that.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    pub namespace: String,
    pub findings: Vec<String>,
}

/// The namespace whose service account has the operator's role.
pub fn bound_namespace(binding: &ClusterRoleBinding) -> Option<String> {
    let subjects = binding.subjects.iter().flatten();
    let mut accounts = subjects.filter(|subject| {
        subject.kind == "ServiceAccount" && subject.name == names::OPERATOR_SERVICE_ACCOUNT
    });
    let namespace = accounts.find_map(|subject| subject.namespace.clone());
    namespace.filter(|name| is_namespace_name(name))
}

/// The namespace of the service account that a policy is about.
pub fn fenced_namespace(policy: &Value) -> Option<String> {
    let text = policy["spec"].to_string();
    let (_, rest) = text.split_once("system:serviceaccount:")?;
    let (namespace, rest) = rest.split_once(':')?;
    let is_own = rest.starts_with(names::OPERATOR_SERVICE_ACCOUNT);
    (is_own && is_namespace_name(namespace)).then(|| namespace.to_owned())
}

/// Which namespace it is, of those that say so. Where an operator is counts more than where none is.
pub fn settle(bound: Option<&str>, fenced: Option<&str>, operators: &[Operator]) -> Whereabouts {
    let runs_in = |namespace: &str| operators.iter().any(|found| found.namespace == namespace);
    let candidates = [bound, fenced, Some(DEFAULT)];
    let mut said = candidates.iter().flatten();
    let namespace = said
        .find(|namespace| runs_in(namespace))
        .or_else(|| candidates.iter().flatten().next())
        .map_or(DEFAULT, |namespace| *namespace)
        .to_owned();
    let mut findings = Vec::new();
    for (what, found) in [
        (
            format!("ClusterRoleBinding {}", names::OPERATOR_SERVICE_ACCOUNT),
            bound,
        ),
        ("the admission policies".to_owned(), fenced),
    ] {
        if let Some(found) = found.filter(|found| *found != namespace) {
            findings.push(format!(
                "{what} is for an operator in namespace {found}, and the operator is in {namespace}: \
                 see `kubectl get deployments -A -l {}={}`",
                names::NAME_LABEL,
                names::NAME_VALUE
            ));
        }
    }
    if !runs_in(&namespace) {
        let elsewhere = operators.iter().map(Operator::title);
        findings.extend(elsewhere.map(|title| {
            format!(
                "Deployment {title} says that it is an operator, and role and policies are not for its \
                 namespace, so it can do nothing; if it is yours, install this version for that \
                 namespace, else ask whose it is"
            )
        }));
    }
    Whereabouts {
        namespace,
        findings,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::super::operator::read_operator;
    use super::super::operator::tests::deployment;
    use super::*;
    use crate::guard;

    fn operator(namespace: &str) -> Operator {
        let mut deployment = deployment("holdfast:test", &json!([]));
        deployment.metadata.namespace = Some(namespace.to_owned());
        read_operator(&deployment).unwrap()
    }

    #[test]
    fn role_and_policies_say_where_and_a_deployment_alone_does_not() {
        let in_order = settle(Some("tools"), Some("tools"), &[operator("tools")]);
        assert_eq!(
            (in_order.namespace.as_str(), in_order.findings.len()),
            ("tools", 0)
        );
        // The binding is gone: the policies still say it.
        let unbound = settle(
            None,
            Some("tools"),
            &[operator("tools"), operator("tenant")],
        );
        assert_eq!(
            (unbound.namespace.as_str(), unbound.findings.len()),
            ("tools", 0)
        );
        // It was installed into another namespace, and one of the two was not applied.
        let moved = settle(Some("old"), Some("tools"), &[operator("tools")]);
        assert_eq!(moved.namespace, "tools");
        assert!(
            moved.findings[0]
                .contains("ClusterRoleBinding holdfast is for an operator in namespace old")
        );
        let stranger = settle(None, None, &[operator("tenant")]);
        assert_eq!(stranger.namespace, DEFAULT);
        assert!(
            stranger.findings[0].contains("tenant/holdfast"),
            "{stranger:?}"
        );
    }

    #[test]
    fn the_namespace_is_read_from_the_policies_themselves() {
        let policies = guard::policies("tools");
        let fence = policies.iter().find(|(policy, _)| {
            policy.metadata.name.as_deref() == Some(guard::OPERATOR_FENCE_POLICY)
        });
        let fence = serde_json::to_value(&fence.unwrap().0).unwrap();
        assert_eq!(fenced_namespace(&fence), Some("tools".to_owned()));
        assert_eq!(fenced_namespace(&json!({})), None);
    }
}
