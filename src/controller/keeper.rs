//! Keeps the guard's admission policies as they were built: what somebody takes off or edits is put back at once, and said.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::channel::mpsc::Sender;
use futures::{Stream, StreamExt};
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::PostParams;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource};

use super::act::WRITE_TIMEOUT;
use super::{Context, events::publish};
use crate::api::{names, reasons};
use crate::guard;

/// How often the policies are looked at without being told.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// How long the API server takes to enforce a policy, as measured (0.7 s), with something to spare.
const ENFORCEMENT: Duration = Duration::from_millis(1500);

/// What was wrong with the policies a moment ago; until they are enforced again no database is called guarded.
#[derive(Clone, Debug, Default)]
pub struct Disturbance(Arc<Mutex<Option<String>>>);

impl Disturbance {
    /// What was wrong, if the API server may not enforce the policies yet.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        self.0.lock().map_or_else(|poisoned| poisoned.into_inner().clone(), |held| held.clone())
    }

    fn set(&self, what: Option<String>) {
        match self.0.lock() {
            Ok(mut held) => *held = what,
            Err(poisoned) => *poisoned.into_inner() = what,
        }
    }
}

/// A policy, its binding, and what of them is not as built.
struct Drift {
    policy: ValidatingAdmissionPolicy,
    binding: ValidatingAdmissionPolicyBinding,
    difference: String,
}

/// Mends the policies on every tick, and from time to time without one. Tells `databases` when what they say of the guard may have changed.
pub async fn keep(context: Arc<Context>, ticks: impl Stream<Item = ()> + Send, mut databases: Sender<()>) {
    let mut ticks = std::pin::pin!(ticks);
    loop {
        // Without a tick in time it is looked at all the same.
        if let Ok(None) = tokio::time::timeout(LOOK_AGAIN, ticks.next()).await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let drifts = match find_drifts(&context).await {
            Ok(drifts) => drifts,
            Err(error) => {
                tracing::warn!(%error, "could not read the admission policies");
                continue;
            }
        };
        let Some(first) = drifts.first() else { continue };
        context.disturbance.set(Some(first.difference.clone()));
        // A full channel holds a tick already.
        let _ = databases.try_send(());
        for drift in &drifts {
            mend(&context, drift).await;
        }
        tokio::time::sleep(ENFORCEMENT).await;
        context.disturbance.set(None);
        let _ = databases.try_send(());
    }
}

/// Whether the policies are what was built: `None`, or the first difference.
///
/// # Errors
/// One could not be read.
pub async fn find_difference(context: &Context) -> Result<Option<String>, kube::Error> {
    if let Some(what) = context.disturbance.current() {
        return Ok(Some(what));
    }
    Ok(find_drifts(context).await?.into_iter().next().map(|drift| drift.difference))
}

async fn find_drifts(context: &Context) -> Result<Vec<Drift>, kube::Error> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(context.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(context.client.clone());
    let built = guard::policies(&context.settings.operator_namespace).into_iter();
    let guards = built.filter(|(policy, _)| policy.metadata.name.as_deref().is_some_and(|name| guard::GUARD_POLICIES.contains(&name)));
    let looked = guards.map(async |(policy, binding)| {
        let name = policy.metadata.name.clone().unwrap_or_default();
        let (present_policy, present_binding) = tokio::try_join!(policies.get_opt(&name), bindings.get_opt(&name))?;
        let difference = match (&present_policy, &present_binding) {
            (None, _) => Some(format!("ValidatingAdmissionPolicy {name} does not exist")),
            (_, None) => Some(format!("ValidatingAdmissionPolicyBinding {name} does not exist")),
            (Some(present_policy), Some(present_binding)) => {
                guard::policy_difference((present_policy, present_binding), (&policy, &binding)).map(|changed| match changed {
                    guard::Changed::Policy => {
                        told(&format!("ValidatingAdmissionPolicy {name}"), guard::last_other_manager(&present_policy.metadata))
                    }
                    guard::Changed::Binding => {
                        told(&format!("ValidatingAdmissionPolicyBinding {name}"), guard::last_other_manager(&present_binding.metadata))
                    }
                })
            }
        };
        Ok::<_, kube::Error>(difference.map(|difference| Drift { policy, binding, difference }))
    });
    Ok(futures::future::try_join_all(looked).await?.into_iter().flatten().collect())
}

fn told(what: &str, who: Option<String>) -> String {
    let who = who.map_or_else(String::new, |who| format!("; the last change on record is by {who}"));
    format!("{what} is not the one that this version installs{who}")
}

async fn mend(context: &Context, drift: &Drift) {
    let applied = async {
        apply(context, &drift.policy).await?;
        apply(context, &drift.binding).await
    };
    let note = match tokio::time::timeout(WRITE_TIMEOUT, applied).await {
        Ok(Ok(())) => {
            context.metrics.count_mended_policy();
            format!("{}. It was put back. Who did it is in the API server's audit log", drift.difference)
        }
        Ok(Err(error)) => format!(
            "{}, and it could not be put back: {error}. Apply the installation manifest again: kubectl apply --server-side -f install.yaml",
            drift.difference
        ),
        Err(_) => format!("{}, and the API server did not answer when it was to be put back; it is tried again", drift.difference),
    };
    tracing::warn!(note, "the guard was disarmed");
    let regarding: ObjectReference = drift.policy.object_ref(&());
    let event = Event {
        type_: EventType::Warning,
        reason: reasons::POLICY_MISSING.to_owned(),
        note: Some(note),
        action: "Mend".to_owned(),
        secondary: None,
    };
    publish(context, event, &regarding).await;
}

async fn apply<K>(context: &Context, object: &K) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::all(context.client.clone());
    let name = object.meta().name.clone().unwrap_or_default();
    // Replaced, not applied: what somebody added must go too.
    let parameters = PostParams { field_manager: Some(names::OPERATOR_MANAGER.to_owned()), ..PostParams::default() };
    let Some(present) = api.get_opt(&name).await? else {
        return api.create(&parameters, object).await.map(drop);
    };
    let mut wanted = object.clone();
    wanted.meta_mut().clone_from(present.meta());
    wanted.meta_mut().managed_fields = None;
    api.replace(&name, &parameters, &wanted).await.map(drop)
}
