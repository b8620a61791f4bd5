//! Keeps what the guard stands on as it was built: admission policies and definitions that somebody
//! deletes or edits are restored at once, and an event says so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::mpsc::Sender;
use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType};

use super::definitions::{self, DefinitionDrift};
use super::policies::{self, PolicyDrift};
use super::shared::Repair;
use crate::api::reasons;
use crate::engine::Context;
use crate::engine::events::publish;
use crate::execute::{WriteError, within_time};
use crate::world::{Backoff, Fact, PolicyFact};

/// How often policies and definitions are read without a tick.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// The same while something could not be restored.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How long ticks are collected that belong together.
const TOGETHER: Duration = Duration::from_millis(200);
/// How long the API server takes to enforce a policy, as measured (0.7 s), with something to spare.
const ENFORCEMENT: Duration = Duration::from_millis(1500);

/// Something that is not as built.
enum Drift {
    Policy(Box<PolicyDrift>),
    Definition(Box<DefinitionDrift>),
}

/// What the operator was not permitted to restore, because its role for that was left out.
type NotPermitted = BTreeSet<String>;

impl Drift {
    fn fact(&self, not_permitted: &NotPermitted) -> PolicyFact {
        let what = self.difference().to_owned();
        let may_restore = !not_permitted.contains(&self.name());
        match self {
            _ if self.is_newer() => PolicyFact::Newer(what),
            Self::Policy(_) => PolicyFact::Missing { what, may_restore },
            Self::Definition(drift) if drift.is_confirmed => PolicyFact::DefinitionConfirmed(what),
            Self::Definition(_) => PolicyFact::DefinitionChanged { what, may_restore },
        }
    }

    /// Whether a newer version has installed it, as it says itself.
    fn is_newer(&self) -> bool {
        match self {
            Self::Policy(drift) => drift.is_newer,
            Self::Definition(drift) => drift.is_newer,
        }
    }

    /// Whether nothing is to be repaired: a user has confirmed it, or it is a newer version's.
    fn is_left(&self) -> bool {
        let is_confirmed = matches!(self, Self::Definition(drift) if drift.is_confirmed);
        is_confirmed || self.is_newer()
    }

    fn difference(&self) -> &str {
        match self {
            Self::Policy(drift) => &drift.difference,
            Self::Definition(drift) => &drift.difference,
        }
    }

    /// The object that events are about, and their reason.
    fn regarding(&self) -> (ObjectReference, &'static str) {
        match self {
            Self::Policy(drift) => (drift.policy.object_ref(&()), reasons::POLICY_MISSING),
            Self::Definition(drift) => (drift.built.object_ref(&()), reasons::DEFINITION_CHANGED),
        }
    }

    /// What is restored, by kind and name.
    fn name(&self) -> String {
        let (regarding, _) = self.regarding();
        let name = regarding.name.unwrap_or_default();
        format!("{} {name}", regarding.kind.unwrap_or_default())
    }

    /// The command that does by hand what the operator could not.
    fn by_hand(&self) -> &'static str {
        match self {
            Self::Policy(_) => {
                "Apply the installation manifest again: kubectl apply --server-side -f install.yaml"
            }
            Self::Definition(_) => {
                "Apply the definitions again: holdfast crd | kubectl apply --server-side \
                 --force-conflicts -f -"
            }
        }
    }
}

/// Repairs on every tick, and from time to time without one. Sends a tick to `databases` when what
/// they report of the guard may have changed.
pub async fn run_drift_repair(
    context: Arc<Context>,
    ticks: impl Stream<Item = ()> + Send,
    mut databases: Sender<()>,
) {
    let mut ticks = std::pin::pin!(ticks);
    let mut backoff = Backoff::default();
    let mut not_permitted = NotPermitted::new();
    loop {
        // What the operator may not restore somebody else does, and the watch says so.
        let pause = if context.disturbance.current().is_some() && not_permitted.is_empty() {
            TRY_AGAIN
        } else {
            LOOK_AGAIN
        };
        // Without a tick in time it is still read.
        if let Ok(None) = tokio::time::timeout(pause, ticks.next()).await {
            tokio::time::sleep(pause).await;
        }
        // Every watch begins with a tick, and one change gives several: one read answers them all.
        tokio::time::sleep(TOGETHER).await;
        while let Some(Some(())) = ticks.next().now_or_never() {}
        let drifts = match find_drifts(&context).await {
            Ok(drifts) => drifts,
            Err(error) => {
                tracing::warn!(%error, "could not read the admission policies and definitions");
                continue;
            }
        };
        not_permitted.retain(|name| drifts.iter().any(|drift| drift.name() == *name));
        let Some(first) = drifts.first() else {
            if context.disturbance.current().is_some() {
                context.disturbance.set(None);
                let _ = databases.try_send(());
            }
            continue;
        };
        // Databases are read again only where they have something else to say.
        let mut say = |fact: Option<PolicyFact>| {
            if context.disturbance.current() != fact {
                context.disturbance.set(fact);
                // A full channel holds a tick already.
                let _ = databases.try_send(());
            }
        };
        say(Some(first.fact(&not_permitted)));
        let (mut left, mut is_waiting) = (None, true);
        for drift in &drifts {
            let wait = backoff.wait(&drift.name(), Instant::now());
            is_waiting &= !wait.is_zero();
            let is_tried = wait.is_zero() && !drift.is_left();
            let outcome = if is_tried {
                repair(&context, drift, &mut backoff).await
            } else {
                Outcome::Left
            };
            if outcome == Outcome::NotPermitted {
                not_permitted.insert(drift.name());
            }
            if outcome != Outcome::Restored {
                left.get_or_insert_with(|| drift.fact(&not_permitted));
            }
        }
        if !is_waiting {
            tokio::time::sleep(ENFORCEMENT).await;
        }
        say(left);
    }
}

/// Whether the guard stands on what was built, or the first difference. Policies are read, once for
/// all passes of a moment; what is known of the definitions, which are large, is what was seen of
/// them last.
pub async fn fetch_policy(context: &Context, namespace: &str, name: &str) -> Fact<PolicyFact> {
    if let Some(what) = context.disturbance.read_for(namespace, name) {
        return Fact::Known(what);
    }
    if context.disturbance.has_good_reading() {
        return Fact::Known(PolicyFact::InForce);
    }
    let began = Instant::now();
    let drifts = policies::find_drifts(context).await;
    if drifts.as_ref().is_ok_and(Vec::is_empty) {
        context.disturbance.note_good_reading(began);
    }
    Fact::from_read("the admission policies", drifts).map(|drifts| {
        let drifts = drifts.into_iter();
        let drifts = in_order(drifts.map(|drift| Drift::Policy(Box::new(drift))).collect());
        let first = drifts.first();
        first.map_or(PolicyFact::InForce, |drift| {
            drift.fact(&NotPermitted::new())
        })
    })
}

/// What is known to be wrong comes before what can't be told.
fn in_order(mut drifts: Vec<Drift>) -> Vec<Drift> {
    drifts.sort_by_key(Drift::is_newer);
    drifts
}

async fn find_drifts(context: &Context) -> Result<Vec<Drift>, kube::Error> {
    let (policies, definitions) = tokio::try_join!(
        policies::find_drifts(context),
        definitions::find_drifts(context)
    )?;
    let policies = policies
        .into_iter()
        .map(|drift| Drift::Policy(Box::new(drift)));
    let definitions = definitions
        .into_iter()
        .map(|drift| Drift::Definition(Box::new(drift)));
    Ok(in_order(policies.chain(definitions).collect()))
}

/// What became of something that is not as built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Restored,
    /// It is not restored now.
    Left,
    /// The operator has no permission to.
    NotPermitted,
}

/// Restores one thing and writes an event.
async fn repair(context: &Context, drift: &Drift, backoff: &mut Backoff) -> Outcome {
    let put_back = async {
        match drift {
            Drift::Policy(drift) => policies::put_back(context, drift).await,
            Drift::Definition(drift) => definitions::put_back(context, drift).await,
        }
    };
    let repair = within_time("restore it", put_back).await;
    let is_done = matches!(repair, Ok(Repair::Done));
    if is_done {
        match drift {
            Drift::Policy(_) => context.metrics.count_repaired_policy(),
            Drift::Definition(_) => context.metrics.count_repaired_definition(),
        }
    }
    let (difference, by_hand) = (drift.difference(), drift.by_hand());
    let note = match &repair {
        Ok(Repair::Done) => match backoff.note(&drift.name(), Instant::now()) {
            None => {
                format!("{difference}. It was restored. The API server's audit log says who did it")
            }
            Some((times, pause)) => format!(
                "{difference}. It was restored {times} times in a row, and is not restored \
                 again before {} s: somebody changes it again and again, such as another version of \
                 Holdfast, or a tool that applies an older manifest. Until then the API server may not \
                 refuse deletions. The API server's audit log says who it is",
                pause.as_secs()
            ),
        },
        Ok(Repair::Impossible) => difference.to_owned(),
        Err(error @ WriteError::TimedOut { .. }) => {
            format!("{difference}. {error}; it is tried again")
        }
        Err(error) if error.is_not_permitted() => format!(
            "{difference}. Without the ClusterRole holdfast-repair and its binding it is watched and not \
             restored: {error}. {by_hand}"
        ),
        Err(error) => format!("{difference}. {error}. {by_hand}"),
    };
    tracing::warn!(note, "the guard was disarmed");
    let (regarding, reason) = drift.regarding();
    let event = Event {
        type_: EventType::Warning,
        reason: reason.to_owned(),
        note: Some(note),
        action: "Repair".to_owned(),
        secondary: None,
    };
    publish(context, event, &regarding).await;
    match repair {
        Ok(Repair::Done) => Outcome::Restored,
        Err(error) if error.is_not_permitted() => Outcome::NotPermitted,
        _ => Outcome::Left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard;

    fn drift(is_newer: bool) -> Drift {
        let (policy, binding) = guard::policies("holdfast-system").remove(0);
        Drift::Policy(Box::new(PolicyDrift {
            policy,
            binding,
            difference: "it is another one".to_owned(),
            is_newer,
        }))
    }

    #[test]
    fn what_is_a_newer_versions_is_left_to_it_and_said_last() {
        assert!(drift(true).is_left() && !drift(false).is_left());
        let none = NotPermitted::new();
        assert!(matches!(drift(true).fact(&none), PolicyFact::Newer(_)));
        let ordered = in_order(vec![drift(true), drift(false)]);
        let newer: Vec<bool> = ordered.iter().map(Drift::is_newer).collect();
        assert_eq!(newer, [false, true]);
    }

    #[test]
    fn what_the_operator_may_not_restore_is_said() {
        let changed = drift(false);
        let may_restore = |not_permitted: &NotPermitted| match changed.fact(not_permitted) {
            PolicyFact::Missing { may_restore, .. } => may_restore,
            other => panic!("{other:?}"),
        };
        assert!(may_restore(&NotPermitted::new()));
        assert!(!may_restore(&[changed.name()].into()));
    }
}
