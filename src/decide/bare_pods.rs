//! Pods that another operator runs without a StatefulSet: which of them is the primary, and the
//! messages while none runs or their owner is gone. Pure.

use super::area::Stall;
use super::pods::list_pods;
use super::running::Running;
use crate::api::reasons;
use crate::world::{ClaimOwner, Observed, OwnerName, OwnerState, PodFact, PodsFound};

/// What keeps the operator from working with the selected pods at all. That there are none is no
/// fault where there were some: a cluster may be stopped.
pub fn stalled_pods(observed: &Observed, found: &PodsFound) -> Option<Stall> {
    let called = observed.database.spec.workload.called();
    if found.containers.is_empty() {
        let claims = observed.claims.known()?;
        let had_some = claims.iter().any(|claim| claim.origin.marked);
        return (!had_some).then(|| nothing_selected(observed, found));
    }
    let wanted = observed.database.spec.workload.container.as_deref();
    let is_one = found.server_containers.len() <= 1;
    if is_one && observed.database_container(wanted).is_some() {
        return None;
    }
    let names: Vec<&str> = if is_one {
        let containers = found.containers.iter();
        containers
            .map(|container| container.name.as_str())
            .collect()
    } else {
        found.server_containers.iter().map(String::as_str).collect()
    };
    let names = names.join(", ");
    Some(Stall {
        reason: reasons::CONTAINER_NOT_FOUND,
        message: match wanted {
            Some(container) => format!(
                "spec.workload.container: no pod with the labels {called} has a container \
                 {container}; one has {names}. Name the one that runs Postgres"
            ),
            None if is_one => format!(
                "spec.workload.container: pods with the labels {called} have several containers \
                 ({names}) and none is called postgres; name the one that runs Postgres"
            ),
            None => format!(
                "spec.workload.container: pods with the labels {called} have different containers \
                 ({names}), and it is not known which of them run Postgres; name the one that does"
            ),
        },
    })
}

/// That no pod is one of the database, where none ever was.
fn nothing_selected(observed: &Observed, found: &PodsFound) -> Stall {
    let called = observed.database.spec.workload.called();
    let namespace = observed.namespace_name();
    if found.other_containers.is_empty() {
        return Stall {
            reason: reasons::WORKLOAD_NOT_FOUND,
            message: format!(
                "spec.workload.selector: no pod in namespace {namespace} has the labels {called}, so \
                 nothing can be guarded, verified or backed up. Correct the labels: kubectl -n \
                 {namespace} get pods --show-labels"
            ),
        };
    }
    let others = found.other_containers.join(", ");
    let wanted = observed.database.spec.workload.container.as_deref();
    let wanted = wanted.map_or_else(
        || "that runs Postgres".to_owned(),
        |wanted| format!("called {wanted}"),
    );
    Stall {
        reason: reasons::CONTAINER_NOT_FOUND,
        message: format!(
            "spec.workload.container: no pod with the labels {called} has a container {wanted}; they \
             have {others}, as poolers and exporters do. Start the database, or name the container \
             that runs Postgres"
        ),
    }
}

/// The pod that carries the labels of the primary.
pub enum Primary<'a> {
    /// The spec names no such labels, or the workload has a name.
    NotAsked,
    One(&'a PodFact),
    None,
    Several(Vec<&'a PodFact>),
}

/// Finds the pod that the labels of `spec.workload.primary` are on.
pub fn labelled_primary(observed: &Observed) -> Primary<'_> {
    let labels = observed
        .pods_found()
        .and_then(|found| found.primary.as_ref());
    let Some(labels) = labels else {
        return Primary::NotAsked;
    };
    let pods = observed.pods.known().into_iter().flatten();
    let pods = pods.filter(|pod| !pod.ended && !pod.terminating && labels.select(&pod.labels));
    let pods: Vec<&PodFact> = pods.collect();
    match pods.as_slice() {
        [] => Primary::None,
        [only] => Primary::One(only),
        _ => Primary::Several(pods),
    }
}

/// The starts that may speak for the database: all of them, or that of the pod with the labels of the
/// primary. None while no pod has them, or two have.
pub fn leading<'a>(observed: &Observed, running: &[Running<'a>]) -> Vec<Running<'a>> {
    match labelled_primary(observed) {
        Primary::NotAsked => running.to_vec(),
        Primary::One(pod) => {
            let starts = running.iter().filter(|start| start.pod.uid == pod.uid);
            starts.copied().collect()
        }
        Primary::None | Primary::Several(_) => Vec::new(),
    }
}

/// Whether the labels say that this start is the primary.
pub fn is_labelled(observed: &Observed, start: &Running<'_>) -> bool {
    matches!(labelled_primary(observed), Primary::One(pod) if pod.uid == start.pod.uid)
}

/// Why it is not known which pod is the primary, or why that one can't be checked.
pub fn not_known(observed: &Observed, leading: &[Running<'_>]) -> Option<(&'static str, String)> {
    let namespace = observed.namespace_name();
    let labels = || {
        let found = observed.pods_found();
        let labels = found.and_then(|found| found.primary.as_ref()?.query());
        labels.unwrap_or_else(|| "of spec.workload.primary".to_owned())
    };
    let see = format!("See the labels: kubectl -n {namespace} get pods --show-labels");
    match labelled_primary(observed) {
        Primary::One(pod) if leading.is_empty() => Some((
            reasons::NO_RUNNING_POD,
            format!(
                "pod {} has the labels of the primary, and its Postgres container does not run, so \
                 nothing can be checked",
                pod.name
            ),
        )),
        Primary::NotAsked | Primary::One(_) => None,
        Primary::None => Some((
            reasons::PRIMARY_NOT_KNOWN,
            format!(
                "no pod has the labels {} of the primary, so it is not known which one has the data \
                 that clients see. {see}",
                labels()
            ),
        )),
        Primary::Several(pods) => Some((
            reasons::PRIMARY_NOT_KNOWN,
            format!(
                "pods {} have the labels {} of the primary at once, so it is not known which one has \
                 the data that clients see. {see}",
                list_pods(&pods),
                labels()
            ),
        )),
    }
}

/// Says that no selected pod runs, and what that means for the claims.
pub fn no_pod(observed: &Observed) -> String {
    let called = observed.database.spec.workload.called();
    let gone = gone_owner(observed).map(|(_, gone)| gone);
    let gone = gone.or_else(|| unread_owner(observed));
    let gone = gone.map_or_else(String::new, |gone| format!(". {gone}"));
    format!(
        "no pod with the labels {called} has a running Postgres container, so nothing can be \
         checked{gone}"
    )
}

/// Says that nothing owns the claims any more, and that the garbage collector is refused. Also the reason.
pub fn gone_owner(observed: &Observed) -> Option<(&'static str, String)> {
    let owners = &observed.claim_owners;
    // One owner that is left is enough to keep a claim.
    let is_left = |claim: &str| {
        let mut of_claim = owners.iter().filter(|owner| owner.claim == claim);
        of_claim.any(|owner| matches!(owner.state, OwnerState::Exists | OwnerState::NotKnown))
    };
    let orphans: Vec<&ClaimOwner> = owners
        .iter()
        .filter(|owner| !is_left(&owner.claim))
        .collect();
    let first = orphans.first()?;
    let mut claims: Vec<&str> = orphans.iter().map(|orphan| orphan.claim.as_str()).collect();
    claims.dedup();
    let (namespace, names) = (observed.namespace_name(), claims.join(", "));
    let owner = first.owner.describe();
    if let OwnerState::Replaced(uid) = &first.state {
        let place = first.place;
        let message = format!(
            "The owner of {names}, {owner}, was deleted, and another one of that name was created since, \
             which does not own them: garbage collection tries to delete them and is refused, however \
             long it tries. If the new one is to have the data, give it each claim: kubectl -n {namespace} \
             patch pvc {} --type=json -p '[{{\"op\":\"replace\",\"path\":\
             \"/metadata/ownerReferences/{place}/uid\",\"value\":\"{uid}\"}}]'",
            claims[0]
        );
        return Some((reasons::OWNER_REPLACED, message));
    }
    let became = if first.state == OwnerState::Terminating {
        "is being deleted"
    } else {
        "is gone"
    };
    let message = format!(
        "The owner of {names}, {owner}, {became}: garbage collection tries to delete what it owned and \
         is refused, however long it tries. To end that, remove the owner from each claim: kubectl -n \
         {namespace} patch pvc {} --type=json -p \
         '[{{\"op\":\"remove\",\"path\":\"/metadata/ownerReferences\"}}]'",
        claims[0]
    );
    Some((reasons::OWNER_GONE, message))
}

/// Says what it would mean if an owner that can't be read were gone.
fn unread_owner(observed: &Observed) -> Option<String> {
    let mut owners = observed.claim_owners.iter();
    let unread = owners.find(|owner| owner.state == OwnerState::NotKnown)?;
    Some(format!(
        "Its claims are kept. It is not known whether {}, their owner, still exists: if it was \
         deleted, garbage collection tries to delete them and is refused",
        unread.owner.describe()
    ))
}

/// How the pods of an owner are stopped, as far as it is known.
pub fn stop_owner(namespace: &str, owner: Option<&OwnerName>, pods: &[&PodFact]) -> String {
    let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    match owner {
        None => format!(
            "Nothing controls them; delete them: kubectl -n {namespace} delete pod {}",
            names.join(" ")
        ),
        Some(owner) if owner.group == "postgresql.cnpg.io" && owner.kind == "Cluster" => format!(
            "{} controls them, and would start them again. Hibernate it, which keeps its claims: \
             kubectl -n {namespace} annotate clusters.postgresql.cnpg.io {} --overwrite \
             cnpg.io/hibernation=on",
            owner.describe(),
            owner.name
        ),
        Some(owner) => format!(
            "{} controls them, and would start them again. Stop them with its own tool",
            owner.describe()
        ),
    }
}
