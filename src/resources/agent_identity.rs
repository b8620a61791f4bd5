//! Who agents are and what they may do: a service account and a role binding in each namespace with
//! a ProtectedDatabase. Pure.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, RoleBinding, RoleRef, Subject};
use kube::api::ObjectMeta;

use crate::api::names;

/// The agents' service account of one namespace.
#[must_use]
pub fn build_agent_service_account(namespace: &str) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(namespace),
        ..ServiceAccount::default()
    }
}

/// Binds the agents' service account to their role, in one namespace only.
#[must_use]
pub fn build_agent_role_binding(namespace: &str) -> RoleBinding {
    RoleBinding {
        metadata: metadata(namespace),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "ClusterRole".to_owned(),
            name: names::AGENT_CLUSTER_ROLE.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: names::AGENT_SERVICE_ACCOUNT.to_owned(),
            namespace: Some(namespace.to_owned()),
            ..Subject::default()
        }]),
    }
}

/// What agents may do: read what they are about, and report. No Secrets: those are mounted.
#[must_use]
pub fn build_agent_cluster_role() -> ClusterRole {
    ClusterRole {
        metadata: ObjectMeta {
            name: Some(names::AGENT_CLUSTER_ROLE.to_owned()),
            ..ObjectMeta::default()
        },
        rules: Some(vec![
            rule(names::GROUP, &["protecteddatabases"], &["get"]),
            rule(names::GROUP, &["databasebackups"], &["get", "create"]),
            rule(
                names::GROUP,
                &["databasebackups/status", "databasechecks/status"],
                &["patch"],
            ),
            rule("", &["pods"], &["list"]),
        ]),
        aggregation_rule: None,
    }
}

fn metadata(namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(names::AGENT_SERVICE_ACCOUNT.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(
            [(
                names::MANAGED_BY_LABEL.to_owned(),
                names::OPERATOR_MANAGER.to_owned(),
            )]
            .into(),
        ),
        ..ObjectMeta::default()
    }
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}
