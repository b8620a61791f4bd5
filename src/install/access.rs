//! Who may do what: the operator's roles, no wider than what it does, and the roles that add our
//! kinds to `view`, `edit` and `admin`.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject};
use kube::api::ObjectMeta;
use serde_json::Value;

use super::InstallError;
use crate::api::names::{
    AGENT_CLUSTER_ROLE, AGENT_SERVICE_ACCOUNT, GROUP, OPERATOR_SERVICE_ACCOUNT,
};
use crate::guard::{GUARD_POLICIES, definition_names};

/// Name of the operator's service account, roles and Deployment.
pub const OPERATOR: &str = OPERATOR_SERVICE_ACCOUNT;
/// Name of the role that a DatabaseRestore needs.
pub const RESTORE: &str = "holdfast-restore";
/// Name of the role that the readiness gate needs.
pub const GATE: &str = "holdfast-gate";
/// Name of the role that restores the guard itself: what no admission policy can fence in.
pub const REPAIR: &str = "holdfast-repair";
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const EXTENSIONS_GROUP: &str = "apiextensions.k8s.io";
const ADMISSION_GROUP: &str = "admissionregistration.k8s.io";
const POLICIES: &[&str] = &[
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
];
const WRITES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const DEFINITIONS: &str = "customresourcedefinitions";

/// A role that an installation may leave out, with its binding.
pub struct OptionalRole {
    /// Its name.
    pub name: &'static str,
    /// The value of the chart below `roles`.
    pub value: &'static str,
    /// What does not work without it.
    pub without: &'static str,
}

/// The roles that an installation may leave out.
pub const OPTIONAL_ROLES: &[OptionalRole] = &[
    OptionalRole {
        name: RESTORE,
        value: "restore",
        without: "no DatabaseRestore is carried out",
    },
    OptionalRole {
        name: GATE,
        value: "gate",
        without: "no readiness gate opens, so pods that have it never become Ready",
    },
    OptionalRole {
        name: REPAIR,
        value: "repair",
        without: "admission policies and CRDs are watched and not restored; if one is changed, apply the \
            installation manifest again: `kubectl apply --server-side -f install.yaml`",
    },
];

/// All roles and bindings, for an operator in `namespace`.
pub fn build_access(namespace: &str) -> Result<Vec<Value>, InstallError> {
    let subject = Subject {
        kind: "ServiceAccount".to_owned(),
        name: OPERATOR.to_owned(),
        namespace: Some(namespace.to_owned()),
        ..Subject::default()
    };
    let binding = |role: &str| ClusterRoleBinding {
        metadata: named(role),
        role_ref: RoleRef {
            api_group: Some(RBAC_GROUP.to_owned()),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![subject.clone()]),
    };
    Ok(vec![
        serde_json::to_value(cluster_role(OPERATOR, operator_rules()))?,
        serde_json::to_value(binding(OPERATOR))?,
        serde_json::to_value(cluster_role(RESTORE, restore_rules()))?,
        serde_json::to_value(binding(RESTORE))?,
        serde_json::to_value(cluster_role(
            GATE,
            vec![rule("", &["pods/status"], &["patch"])],
        ))?,
        serde_json::to_value(binding(GATE))?,
        serde_json::to_value(cluster_role(REPAIR, repair_rules()))?,
        serde_json::to_value(binding(REPAIR))?,
        serde_json::to_value(aggregated(
            "holdfast-view",
            &["view", "edit", "admin"],
            view_rules(),
        ))?,
        serde_json::to_value(aggregated(
            "holdfast-edit",
            &["edit", "admin"],
            edit_rules(),
        ))?,
        serde_json::to_value(aggregated("holdfast-admin", &["admin"], admin_rules()))?,
    ])
}

/// What the operator does. It reads no Secret, writes no pod, and deletes nothing that holds data.
///
/// `create` stands beside `patch` wherever server-side apply makes an object; it can't be limited
/// to a name.
fn operator_rules() -> Vec<PolicyRule> {
    vec![
        // Deleted as a dry run only, which must be refused: without a user's confirmation the guard
        // refuses the operator too.
        rule(
            GROUP,
            &["protecteddatabases"],
            &["get", "list", "watch", "patch", "delete"],
        ),
        rule(
            GROUP,
            &["databasechecks"],
            &["get", "list", "watch", "create", "patch", "delete"],
        ),
        rule(GROUP, &["databasebackups"], &["get", "list", "watch"]),
        // Its finalizer, while a restore has stopped a workload, or its Job restores a backup. The spec can't
        // be changed. Those of drills are created when they are due, and the oldest deleted:
        // `holdfast-operator-fence` refuses it all other ones.
        rule(
            GROUP,
            &["databaserestores"],
            &["get", "list", "watch", "patch", "create", "delete"],
        ),
        // A backup that could not start has nobody else to report it. One whose set retention has removed
        // from the bucket goes; to delete the object deletes nothing in the bucket.
        rule(GROUP, &["databasebackups"], &["create", "delete"]),
        rule(
            GROUP,
            &["databaseledgers"],
            &["get", "list", "watch", "create", "patch"],
        ),
        rule(
            GROUP,
            &[
                "protecteddatabases/status",
                "databasechecks/status",
                "databasebackups/status",
                "databaserestores/status",
                "databaseledgers/status",
            ],
            &["patch"],
        ),
        rule(
            "",
            &["persistentvolumeclaims", "persistentvolumes"],
            &["get", "list", "watch", "patch"],
        ),
        rule("", &["namespaces"], &["get", "list", "watch", "patch"]),
        rule("", &["pods"], &["get", "list", "watch"]),
        // To see who else the Services of a database lead to.
        rule("", &["services"], &["list", "watch"]),
        // The same of Services without a selector, as Patroni writes them.
        rule("discovery.k8s.io", &["endpointslices"], &["list"]),
        rule(
            "apps",
            &["statefulsets", "deployments"],
            &["get", "list", "watch", "patch"],
        ),
        rule("apps", &["replicasets"], &["list"]),
        // To see whether what owns claims still exists: without it garbage collection wants them.
        rule("postgresql.cnpg.io", &["clusters"], &["get"]),
        // Deleted when its agent has not begun, or has ended and another container of its pod runs on;
        // `holdfast-operator-fence` refuses it all other Jobs.
        rule("batch", &["jobs"], &["list", "watch", "create", "delete"]),
        // Why a Job has no pod, or a pod does not start.
        rule("", &["events"], &["list"]),
        rule(
            "batch",
            &["cronjobs"],
            &["get", "list", "watch", "create", "patch", "delete"],
        ),
        rule("", &["serviceaccounts"], &["create"]),
        rule_for(
            "",
            &["serviceaccounts"],
            &[AGENT_SERVICE_ACCOUNT],
            &["get", "patch"],
        ),
        rule(RBAC_GROUP, &["rolebindings"], &["create"]),
        rule_for(
            RBAC_GROUP,
            &["rolebindings"],
            &[AGENT_SERVICE_ACCOUNT],
            &["get", "patch", "delete"],
        ),
        rule_for(
            RBAC_GROUP,
            &["clusterroles"],
            &[AGENT_CLUSTER_ROLE],
            &["bind"],
        ),
        // What the guard stands on is watched; to restore it is a role of its own.
        rule_for(
            ADMISSION_GROUP,
            POLICIES,
            GUARD_POLICIES,
            &["get", "list", "watch"],
        ),
        rule_for(
            EXTENSIONS_GROUP,
            &[DEFINITIONS],
            &definition_names(),
            &["get", "list", "watch"],
        ),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ]
}

/// What a DatabaseRestore needs in addition. Without this role a restore reports that it is not
/// allowed to continue, and everything else works.
///
/// The guard's rules hold here too: a guarded claim is deleted only when a DatabaseRestore in its
/// namespace confirmed it, a volume never.
fn restore_rules() -> Vec<PolicyRule> {
    vec![
        rule("", &["persistentvolumeclaims"], &["create", "delete"]),
        rule("", &["persistentvolumes"], &["create"]),
    ]
}

/// What restores admission policies and definitions that somebody has deleted or changed. The API server
/// asks no admission policy about admission policies, so whoever has the operator's token could change
/// them too, the fence around that token among them. Without this role they are watched and not restored.
fn repair_rules() -> Vec<PolicyRule> {
    vec![
        rule_for(ADMISSION_GROUP, POLICIES, GUARD_POLICIES, &["update"]),
        rule(ADMISSION_GROUP, POLICIES, &["create"]),
        // What a policy has as parameters whoever writes the policy must be able to read. A Lease
        // contains a name and a time.
        rule("coordination.k8s.io", &["leases"], &["get", "list"]),
        rule_for(
            EXTENSIONS_GROUP,
            &[DEFINITIONS],
            &definition_names(),
            &["update"],
        ),
        // The policy `holdfast-definition-guard` refuses definitions of other groups to it.
        rule(EXTENSIONS_GROUP, &[DEFINITIONS], &["create"]),
    ]
}

fn view_rules() -> Vec<PolicyRule> {
    let read = [
        "protecteddatabases",
        "databasechecks",
        "databasebackups",
        "databaserestores",
        "databaseledgers",
    ];
    vec![rule(GROUP, &read, &["get", "list", "watch"])]
}

fn edit_rules() -> Vec<PolicyRule> {
    let written = ["protecteddatabases", "databasechecks", "databasebackups"];
    vec![rule(GROUP, &written, WRITES)]
}

/// A DatabaseRestore stops a database and replaces its claims with the operator's permissions, which
/// `edit` does not include.
fn admin_rules() -> Vec<PolicyRule> {
    vec![rule(GROUP, &["databaserestores"], WRITES)]
}

fn cluster_role(name: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole {
        metadata: named(name),
        rules: Some(rules),
        aggregation_rule: None,
    }
}

fn aggregated(name: &str, into: &[&str], rules: Vec<PolicyRule>) -> ClusterRole {
    let mut role = cluster_role(name, rules);
    let label = |role: &&str| {
        (
            format!("{RBAC_GROUP}/aggregate-to-{role}"),
            "true".to_owned(),
        )
    };
    role.metadata.labels = Some(into.iter().map(label).collect());
    role
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

fn rule_for(group: &str, resources: &[&str], names: &[&str], verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        resource_names: Some(owned(names)),
        ..rule(group, resources, verbs)
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_may_replace_a_claim_and_no_volume() {
        let may_delete = |resource: &str| {
            restore_rules().iter().any(|rule| {
                rule.resources
                    .iter()
                    .flatten()
                    .any(|listed| listed == resource)
                    && rule.verbs.iter().any(|verb| verb == "delete")
            })
        };
        assert!(may_delete("persistentvolumeclaims") && !may_delete("persistentvolumes"));
        let verbs = restore_rules()
            .into_iter()
            .flat_map(|rule| rule.verbs)
            .collect::<Vec<_>>();
        assert!(
            verbs
                .iter()
                .all(|verb| verb == "create" || verb == "delete"),
            "{verbs:?}"
        );
    }

    #[test]
    fn only_the_role_for_repairs_writes_what_no_policy_can_fence_in() {
        let writes = |rules: Vec<PolicyRule>| {
            rules.into_iter().any(|rule| {
                let groups = rule.api_groups.unwrap_or_default();
                let is_of_guard = groups
                    .iter()
                    .any(|group| group == ADMISSION_GROUP || group == EXTENSIONS_GROUP);
                let mut verbs = rule.verbs.iter();
                is_of_guard && verbs.any(|verb| !["get", "list", "watch"].contains(&verb.as_str()))
            })
        };
        assert!(writes(repair_rules()));
        for rules in [operator_rules(), restore_rules(), admin_rules()] {
            assert!(!writes(rules));
        }
    }

    #[test]
    fn only_admin_writes_restores_beside_the_right_to_edit() {
        let writes = |rules: Vec<PolicyRule>| {
            let mut resources = rules.into_iter().filter_map(|rule| rule.resources);
            resources.any(|resources| resources.iter().any(|name| name == "databaserestores"))
        };
        assert!(!writes(edit_rules()) && writes(admin_rules()));
        let roles = build_access("holdfast-system").unwrap_or_default();
        let role = roles
            .iter()
            .find(|role| role["metadata"]["name"] == "holdfast-admin");
        let labels = role.map(|role| role["metadata"]["labels"].clone());
        let only_admin =
            serde_json::json!({"rbac.authorization.k8s.io/aggregate-to-admin": "true"});
        assert_eq!(labels, Some(only_admin));
    }

    #[test]
    fn the_operator_reads_no_secret_deletes_nothing_that_holds_data_and_uses_no_wildcard() {
        let keepers = [
            "persistentvolumeclaims",
            "persistentvolumes",
            "namespaces",
            "statefulsets",
            "deployments",
        ];
        for rule in operator_rules() {
            let resources = rule.resources.unwrap_or_default();
            assert!(
                !resources
                    .iter()
                    .any(|resource| resource == "secrets" || resource == "*"),
                "{resources:?}"
            );
            assert!(
                !rule
                    .verbs
                    .iter()
                    .any(|verb| verb == "*" || verb == "escalate" || verb == "deletecollection"),
                "{resources:?}"
            );
            if resources
                .iter()
                .any(|resource| keepers.contains(&resource.as_str()))
            {
                assert!(
                    !rule.verbs.iter().any(|verb| verb == "delete"),
                    "{resources:?}"
                );
            }
        }
    }
}
