//! The agents' role binding, when somebody has changed it: what they may do is repaired, and said. Pure.

use std::time::Duration;

use super::gap::Gap;
use super::held_by;
use crate::api::{names, reasons};
use crate::plan::{Plan, Step};
use crate::world::{AgentIdentity, Observed};

/// How long until it is read again whether a role binding that is being deleted is gone.
const HELD_PAUSE: Duration = Duration::from_secs(15);

/// Repairs a role binding that is not what it should be. One that is not there is created when an agent
/// is to start.
pub fn repair(observed: &Observed, plan: &mut Plan) -> Option<Gap> {
    let binding = format!(
        "RoleBinding {} in namespace {}",
        names::AGENT_SERVICE_ACCOUNT,
        observed.namespace_name()
    );
    let found = match observed.agent_identity.known()? {
        AgentIdentity::AsItShouldBe | AgentIdentity::Missing => return None,
        AgentIdentity::OtherSubjects => {
            format!("{binding} was for other subjects than the agents of Holdfast; it is repaired")
        }
        // It goes with its last finalizer; until then there is nothing to do.
        AgentIdentity::OtherRole { binding: read, .. } if read.deletion_timestamp.is_some() => {
            let waits = held_by::say_waits_for(read).unwrap_or_default();
            plan.read_again_after(HELD_PAUSE);
            return Some(Gap {
                reason: reasons::AGENT_PERMISSIONS_CHANGED,
                message: format!(
                    "{binding} gives another role and is being deleted; {waits}. Agents can't report \
                     until it is gone. See it: kubectl -n {} get rolebinding {} -o yaml",
                    observed.namespace_name(),
                    names::AGENT_SERVICE_ACCOUNT
                ),
            });
        }
        AgentIdentity::OtherRole {
            binding: read,
            role,
        } => {
            plan.steps.push(Step::DeleteRoleBinding(read.clone()));
            format!(
                "{binding} gave {} in place of ClusterRole {}; it is deleted and created again, as a \
                 role can't be changed in place",
                role.as_deref().unwrap_or("another role"),
                names::AGENT_CLUSTER_ROLE
            )
        }
    };
    plan.steps.push(Step::EnsureAgentIdentity);
    Some(Gap {
        reason: reasons::AGENT_PERMISSIONS_CHANGED,
        message: format!(
            "{found}. See who may write role bindings there: kubectl auth can-i update rolebindings -n \
             {} --as=USER",
            observed.namespace_name()
        ),
    })
}
