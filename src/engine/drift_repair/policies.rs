//! The admission policies and their bindings: read, compared with what was built, restored.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::{Api, Resource};

use super::shared::{Repair, say_changed, say_newer, writer};
use crate::engine::Context;
use crate::guard;

/// A policy, its binding, and what of them is not as built.
pub struct PolicyDrift {
    /// The policy as built.
    pub policy: ValidatingAdmissionPolicy,
    /// Its binding as built.
    pub binding: ValidatingAdmissionPolicyBinding,
    /// What is not so.
    pub difference: String,
    /// Whether it is a newer version's to restore.
    pub is_newer: bool,
}

/// The policies that are not as built.
pub async fn find_drifts(context: &Context) -> Result<Vec<PolicyDrift>, kube::Error> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(context.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(context.client.clone());
    let built = guard::policies(&context.settings.operator_namespace).into_iter();
    let guards = built.filter(|(policy, _)| {
        policy
            .metadata
            .name
            .as_deref()
            .is_some_and(|name| guard::GUARD_POLICIES.contains(&name))
    });
    let looked = guards.map(async |(policy, binding)| {
        let name = policy.metadata.name.clone().unwrap_or_default();
        let (present_policy, present_binding) =
            tokio::try_join!(policies.get_opt(&name), bindings.get_opt(&name))?;
        let mut is_newer = false;
        let difference = match (&present_policy, &present_binding) {
            (None, _) => Some(format!("ValidatingAdmissionPolicy {name} does not exist")),
            (_, None) => Some(format!(
                "ValidatingAdmissionPolicyBinding {name} does not exist"
            )),
            (Some(present_policy), Some(present_binding)) => {
                guard::policy_difference((present_policy, present_binding), (&policy, &binding))
                    .map(|changed| match changed {
                        guard::Changed::Newer => {
                            is_newer = true;
                            say_newer(
                                &format!("ValidatingAdmissionPolicy {name}"),
                                &present_policy.metadata,
                                "refuses",
                            )
                        }
                        guard::Changed::Policy => say_changed(
                            &format!("ValidatingAdmissionPolicy {name}"),
                            &present_policy.metadata,
                        ),
                        guard::Changed::Binding => say_changed(
                            &format!("ValidatingAdmissionPolicyBinding {name}"),
                            &present_binding.metadata,
                        ),
                    })
            }
        };
        Ok::<_, kube::Error>(difference.map(|difference| PolicyDrift {
            policy,
            binding,
            difference,
            is_newer,
        }))
    });
    Ok(futures::future::try_join_all(looked)
        .await?
        .into_iter()
        .flatten()
        .collect())
}

/// Restores a policy and its binding, each only where it is not a newer version's.
pub async fn put_back(context: &Context, drift: &PolicyDrift) -> Result<Repair, kube::Error> {
    put_back_one(context, &drift.policy, guard::policy_differs).await?;
    put_back_one(context, &drift.binding, guard::binding_differs).await?;
    Ok(Repair::Done)
}

async fn put_back_one<K>(
    context: &Context,
    built: &K,
    differs: impl Fn(&K, &K) -> bool,
) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::all(context.client.clone());
    let present = api
        .get_opt(built.meta().name.as_deref().unwrap_or_default())
        .await?;
    if present
        .as_ref()
        .is_some_and(|present| !differs(present, built))
    {
        return Ok(());
    }
    let mut wanted = built.clone();
    if let Some(present) = &present {
        wanted.meta_mut().clone_from(present.meta());
        wanted.meta_mut().managed_fields = None;
        let versions = built.meta().annotations.clone().unwrap_or_default();
        let annotations = &mut wanted.meta_mut().annotations;
        annotations.get_or_insert_default().extend(versions);
    }
    writer(context)
        .replace(&api, present.as_ref(), &wanted)
        .await
}
