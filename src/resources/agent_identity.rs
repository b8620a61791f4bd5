//! Who agents are and what they may do: a service account and a role binding in each namespace with
//! a ProtectedDatabase. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, RoleBinding, RoleRef, Subject};
use kube::api::ObjectMeta;

use super::agent_home::with_asked;
use crate::api::names;

/// Both objects of one namespace, with the labels that agents' objects are to have there: a policy that
/// wants labels may want them on these too.
#[must_use]
pub fn build_agent_identity(
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> (ServiceAccount, RoleBinding) {
    let mut account = build_agent_service_account(namespace);
    let mut binding = build_agent_role_binding(namespace);
    for metadata in [&mut account.metadata, &mut binding.metadata] {
        let own = metadata.labels.take().unwrap_or_default();
        metadata.labels = Some(with_asked(own, Some(labels)));
    }
    (account, binding)
}

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
            // A backup compares what it has counted with the last good check.
            rule(
                names::GROUP,
                &["protecteddatabases", "databasechecks"],
                &["get"],
            ),
            rule(
                names::GROUP,
                &["databasebackups"],
                &["get", "list", "create"],
            ),
            // A restore that goes on in another pod reads how far the one before was; what removes old
            // sets leaves those that a restore reads.
            rule(names::GROUP, &["databaserestores"], &["get", "list"]),
            rule(
                names::GROUP,
                &[
                    "databasebackups/status",
                    "databasechecks/status",
                    "databaserestores/status",
                ],
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
