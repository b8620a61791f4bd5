//! Who the agents of a namespace are, as it is there: their service account, and the role binding that
//! says what they may do. Pure.

use k8s_openapi::api::rbac::v1::{RoleBinding, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::is_object_name;
use crate::resources::build_agent_role_binding;

/// The agents' service account and role binding.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentIdentity {
    /// Both are there, and as they should be.
    AsItShouldBe,
    /// One of them is not there.
    Missing,
    /// The role binding is for others than the agents, too or instead.
    OtherSubjects,
    /// The role binding gives another role. That can't be changed: it has to be created again.
    OtherRole {
        /// The binding.
        binding: Box<ObjectMeta>,
        /// The role that it gives, if that is a name.
        role: Option<String>,
    },
}

impl AgentIdentity {
    /// Judges what was read in a namespace.
    #[must_use]
    pub fn new(has_account: bool, binding: Option<RoleBinding>, namespace: &str) -> Self {
        let Some(binding) = binding else {
            return Self::Missing;
        };
        let desired = build_agent_role_binding(namespace);
        if (&binding.role_ref.kind, &binding.role_ref.name)
            != (&desired.role_ref.kind, &desired.role_ref.name)
        {
            let role = format!("{} {}", binding.role_ref.kind, binding.role_ref.name);
            return Self::OtherRole {
                role: is_object_name(&binding.role_ref.name).then_some(role),
                binding: Box::new(binding.metadata),
            };
        }
        if !is_same(binding.subjects.as_deref(), desired.subjects.as_deref()) {
            return Self::OtherSubjects;
        }
        if has_account {
            Self::AsItShouldBe
        } else {
            Self::Missing
        }
    }
}

fn is_same(found: Option<&[Subject]>, desired: Option<&[Subject]>) -> bool {
    fn who(subject: &Subject) -> (&str, &str, Option<&str>) {
        (&subject.kind, &subject.name, subject.namespace.as_deref())
    }
    let found = found.unwrap_or_default().iter().map(who);
    found.eq(desired.unwrap_or_default().iter().map(who))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn judge(change: &Value) -> AgentIdentity {
        let mut binding = serde_json::to_value(build_agent_role_binding("atra")).unwrap();
        json_patch::merge(&mut binding, change);
        let binding = serde_json::from_value(binding).unwrap();
        AgentIdentity::new(true, Some(binding), "atra")
    }

    #[test]
    fn what_the_builder_makes_is_as_it_should_be() {
        assert_eq!(judge(&json!({})), AgentIdentity::AsItShouldBe);
        let binding = Some(build_agent_role_binding("atra"));
        assert_eq!(
            AgentIdentity::new(false, binding, "atra"),
            AgentIdentity::Missing
        );
        assert_eq!(
            AgentIdentity::new(true, None, "atra"),
            AgentIdentity::Missing
        );
    }

    #[test]
    fn another_role_and_other_subjects_are_seen() {
        for (change, said) in [
            (
                json!({"roleRef": {"name": "cluster-admin"}}),
                Some("ClusterRole cluster-admin"),
            ),
            (
                json!({"roleRef": {"kind": "Role"}}),
                Some("Role holdfast-agent"),
            ),
            (json!({"roleRef": {"name": "x; reboot"}}), None),
        ] {
            match judge(&change) {
                AgentIdentity::OtherRole { role, .. } => assert_eq!(role.as_deref(), said),
                other => panic!("{change}: {other:?}"),
            }
        }
        let agent =
            json!({"kind": "ServiceAccount", "name": "holdfast-agent", "namespace": "atra"});
        for subjects in [
            json!([]),
            json!([agent, {"kind": "ServiceAccount", "name": "default", "namespace": "atra"}]),
            json!([{"kind": "ServiceAccount", "name": "holdfast-agent", "namespace": "other"}]),
            json!([{"kind": "User", "name": "holdfast-agent", "namespace": "atra"}]),
        ] {
            let found = judge(&json!({"subjects": subjects}));
            assert_eq!(found, AgentIdentity::OtherSubjects, "{subjects}");
        }
    }
}
