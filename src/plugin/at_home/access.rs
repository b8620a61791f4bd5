//! Who may do what: the roles of operator and agents, and what you may do yourself. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding, Subject};

use crate::api::names;
use crate::install::OPTIONAL_ROLES;
use crate::resources;
use crate::wording::quoted_line;

/// The most characters of a list that are quoted.
const QUOTED: usize = 300;

/// Compares a role with the one that this version installs.
pub fn judge_role(
    built: &ClusterRole,
    present: Option<&ClusterRole>,
    install: &str,
) -> Result<String, String> {
    let name = built.metadata.name.as_deref().unwrap_or_default();
    let Some(present) = present else {
        return Err(format!(
            "ClusterRole {name} does not exist; install this version again: {install}"
        ));
    };
    let (missing, more) = (
        permitted_less(built, present),
        permitted_less(present, built),
    );
    let labels = |role: &ClusterRole| role.metadata.labels.clone().unwrap_or_default();
    let has = labels(present);
    let unlabelled = labels(built)
        .into_iter()
        .find(|(key, value)| has.get(key) != Some(value));
    let quoted = |permissions: &[String]| quoted_line(&permissions.join(", "), QUOTED);
    if !missing.is_empty() {
        return Err(format!(
            "ClusterRole {name} does not permit {}; install this version again: {install}",
            quoted(&missing)
        ));
    }
    if let Some((key, _)) = unlabelled {
        return Err(format!(
            "ClusterRole {name} lacks the label {key}; install this version again: {install}"
        ));
    }
    if !more.is_empty() {
        return Err(format!(
            "ClusterRole {name} permits more than this version installs: {}; install this version \
             again: {install}",
            quoted(&more)
        ));
    }
    Ok(format!(
        "ClusterRole {name} permits what this version needs, and no more"
    ))
}

/// Compares the binding of a role with the one that this version installs.
pub fn judge_binding(
    built: &ClusterRoleBinding,
    present: Option<&ClusterRoleBinding>,
    install: &str,
) -> Result<String, String> {
    let name = built.metadata.name.as_deref().unwrap_or_default();
    let Some(present) = present else {
        return Err(format!(
            "ClusterRoleBinding {name} does not exist; install this version again: {install}"
        ));
    };
    let subjects = |binding: &ClusterRoleBinding| -> BTreeSet<String> {
        binding.subjects.iter().flatten().map(describe).collect()
    };
    let (wanted, found) = (subjects(built), subjects(present));
    let joined = |names: &BTreeSet<String>| {
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        quoted_line(&all.join(", "), QUOTED)
    };
    if built.role_ref.name != present.role_ref.name || built.role_ref.kind != present.role_ref.kind
    {
        return Err(format!(
            "ClusterRoleBinding {name} is of {} {}, which can't be changed; delete it, then install this \
             version again: {install}",
            present.role_ref.kind,
            quoted_line(&present.role_ref.name, QUOTED)
        ));
    }
    if wanted != found {
        return Err(format!(
            "ClusterRoleBinding {name} is for {}, not for {}; install this version again: {install}",
            if found.is_empty() {
                "nobody".to_owned()
            } else {
                joined(&found)
            },
            joined(&wanted)
        ));
    }
    Ok(format!(
        "ClusterRoleBinding {name} is for {}",
        joined(&wanted)
    ))
}

fn describe(subject: &Subject) -> String {
    match &subject.namespace {
        Some(namespace) => format!("{} {namespace}/{}", subject.kind, subject.name),
        None => format!("{} {}", subject.kind, subject.name),
    }
}

/// Whether a role was left out on purpose: with its binding.
pub fn left_out(name: &str, has_role: bool, has_binding: bool) -> Option<String> {
    let role = OPTIONAL_ROLES.iter().find(|role| role.name == name)?;
    (!has_role && !has_binding).then(|| {
        format!(
            "ClusterRole {name} and its binding are left out: {}",
            role.without
        )
    })
}

/// One permission: group, resource, name of the object, verb.
fn permissions(role: &ClusterRole) -> Vec<(String, String, Option<String>, String)> {
    let rules = role.rules.iter().flatten();
    let all = rules.flat_map(|rule| {
        let groups = rule.api_groups.iter().flatten();
        groups.flat_map(move |group| {
            let resources = rule.resources.iter().flatten();
            resources.flat_map(move |resource| {
                let limits = rule.resource_names.iter().flatten().cloned().map(Some);
                let mut names: Vec<Option<String>> = limits.collect();
                if names.is_empty() {
                    names.push(None);
                }
                names.into_iter().flat_map(move |name| {
                    let verbs = rule.verbs.iter();
                    verbs.map(move |verb| {
                        (group.clone(), resource.clone(), name.clone(), verb.clone())
                    })
                })
            })
        })
    });
    all.collect()
}

/// What one role permits and another does not.
fn permitted_less(built: &ClusterRole, present: &ClusterRole) -> Vec<String> {
    let has = permissions(present);
    let missing = permissions(built).into_iter().filter(|needed| {
        let (group, resource, name, verb) = needed;
        !has.iter()
            .any(|(has_group, has_resource, has_name, has_verb)| {
                let is = |has: &str, needed: &str| has == "*" || has == needed;
                is(has_group, group)
                    && is(has_resource, resource)
                    && is(has_verb, verb)
                    && (has_name.is_none() || has_name == name)
            })
    });
    let mut said: Vec<String> = missing
        .map(|(group, resource, name, verb)| {
            let group = if group.is_empty() {
                group
            } else {
                format!(".{group}")
            };
            let name = name.map_or_else(String::new, |name| format!(" {name}"));
            format!("{verb} {resource}{group}{name}")
        })
        .collect();
    said.dedup();
    said
}

/// Whether the agents of a namespace have their identity, and no other.
pub fn judge_identity(
    namespace: &str,
    has_account: bool,
    binding: Option<&RoleBinding>,
) -> Result<String, String> {
    let account = names::AGENT_SERVICE_ACCOUNT;
    let remedy = format!(
        "the operator creates it with the next check: `kubectl -n {namespace} get \
         serviceaccount,rolebinding {account}`"
    );
    if !has_account {
        return Err(format!("ServiceAccount {account} does not exist; {remedy}"));
    }
    let Some(binding) = binding else {
        return Err(format!("RoleBinding {account} does not exist; {remedy}"));
    };
    let built = resources::build_agent_role_binding(namespace);
    if binding.role_ref == built.role_ref && binding.subjects == built.subjects {
        Ok(format!("ServiceAccount and RoleBinding {account} exist"))
    } else {
        Err(format!(
            "RoleBinding {account} is not the one that Holdfast creates; see `kubectl -n {namespace} \
             get rolebinding {account} -o yaml`, and delete it: it is created again"
        ))
    }
}

/// Something that whoever installs or protects must be allowed to do: verb, group, resource, whether in
/// a namespace.
pub type Needed = (&'static str, &'static str, &'static str);

/// What an installation needs.
pub const TO_INSTALL: &[Needed] = &[
    ("create", "", "namespaces"),
    (
        "create",
        "apiextensions.k8s.io",
        "customresourcedefinitions",
    ),
    (
        "create",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
    ),
    (
        "create",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
    ),
    ("create", "rbac.authorization.k8s.io", "clusterroles"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    // Of each the installation is applied again at an upgrade, which is a patch.
    ("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
    (
        "patch",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
    ),
    ("patch", "rbac.authorization.k8s.io", "clusterroles"),
    // The roles permit what you may not do yourself.
    ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
    ("create", "", "serviceaccounts"),
    ("create", "apps", "deployments"),
];

/// What is to be reported of something that you may do or not.
pub fn judge_needed((verb, group, resource): Needed, is_allowed: bool) -> Result<String, String> {
    let group = if group.is_empty() {
        String::new()
    } else {
        format!(".{group}")
    };
    if is_allowed {
        Ok(format!("you may {verb} {resource}{group}"))
    } else {
        Err(format!(
            "you may not {verb} {resource}{group}, which the installation needs; ask an \
             administrator of the cluster: `kubectl auth can-i {verb} {resource}{group}`"
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use k8s_openapi::api::rbac::v1::PolicyRule;

    use super::*;

    #[test]
    fn a_role_that_permits_less_is_found() {
        let built = resources::build_agent_cluster_role();
        let judge = |present: Option<&ClusterRole>| judge_role(&built, present, "kubectl apply");
        assert!(judge(Some(&built)).is_ok());
        assert!(judge(None).unwrap_err().contains("does not exist"));
        let mut less = built.clone();
        less.rules.as_mut().unwrap().pop();
        let said = judge(Some(&less)).unwrap_err();
        assert!(said.contains("does not permit list pods;"), "{said}");
        let mut more = built.clone();
        let rules = more.rules.as_mut().unwrap();
        rules.clear();
        rules.push(PolicyRule {
            api_groups: Some(vec!["*".to_owned()]),
            resources: Some(vec!["*".to_owned()]),
            verbs: vec!["*".to_owned()],
            ..PolicyRule::default()
        });
        let said = judge(Some(&more)).unwrap_err();
        assert!(
            said.contains("permits more than this version installs: * *.*"),
            "{said}"
        );
        let mut of_one = built.clone();
        for rule in of_one.rules.iter_mut().flatten() {
            rule.resource_names = Some(vec!["one".to_owned()]);
        }
        let said = judge(Some(&of_one)).unwrap_err();
        assert!(said.contains("does not permit"), "{said}");
        let mut labelled = built.clone();
        let label = ("aggregate".to_owned(), "true".to_owned());
        labelled.metadata.labels = Some([label].into());
        let said = judge_role(&labelled, Some(&built), "kubectl apply").unwrap_err();
        assert!(said.contains("lacks the label aggregate"), "{said}");
    }

    #[test]
    fn a_binding_that_is_gone_or_another_is_found() {
        let built: ClusterRoleBinding = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "holdfast"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "holdfast"},
            "subjects": [{"kind": "ServiceAccount", "name": "holdfast", "namespace": "tools"}],
        }))
        .unwrap();
        let judge =
            |present: Option<&ClusterRoleBinding>| judge_binding(&built, present, "install");
        assert!(
            judge(Some(&built))
                .unwrap()
                .contains("ServiceAccount tools/holdfast")
        );
        assert!(judge(None).unwrap_err().contains("does not exist"));
        let mut other = built.clone();
        other.subjects.as_mut().unwrap()[0].namespace = Some("old".to_owned());
        let said = judge(Some(&other)).unwrap_err();
        assert!(
            said.contains("is for ServiceAccount old/holdfast, not for"),
            "{said}"
        );
        other.subjects = None;
        assert!(judge(Some(&other)).unwrap_err().contains("is for nobody"));
        let mut role = built.clone();
        role.role_ref.name = "cluster-admin".to_owned();
        assert!(judge(Some(&role)).unwrap_err().contains("delete it"));
    }

    #[test]
    fn only_what_is_optional_is_left_out_and_only_whole() {
        assert!(left_out("holdfast-gate", false, false).is_some());
        assert!(left_out("holdfast-gate", true, false).is_none());
        assert!(left_out("holdfast-gate", false, true).is_none());
        assert!(left_out("holdfast", false, false).is_none());
        let said = left_out("holdfast-repair", false, false).unwrap();
        assert!(said.contains("are watched and not restored"), "{said}");
    }

    #[test]
    fn an_identity_that_is_missing_or_another_is_found() {
        let built = resources::build_agent_role_binding("atra");
        assert!(judge_identity("atra", true, Some(&built)).is_ok());
        assert!(judge_identity("atra", false, Some(&built)).is_err());
        assert!(judge_identity("atra", true, None).is_err());
        let mut wider = built.clone();
        wider.role_ref.name = "cluster-admin".to_owned();
        let said = judge_identity("atra", true, Some(&wider)).unwrap_err();
        assert!(said.contains("is not the one"), "{said}");
        let mut of_others = built.clone();
        of_others.subjects.as_mut().unwrap()[0].name = "default".to_owned();
        assert!(judge_identity("atra", true, Some(&of_others)).is_err());
    }

    #[test]
    fn what_you_may_not_do_is_said_with_its_command() {
        for needed in TO_INSTALL {
            assert!(judge_needed(*needed, true).is_ok());
            let said = judge_needed(*needed, false).unwrap_err();
            assert!(said.contains("kubectl auth can-i "), "{said}");
        }
    }
}
