//! Whether two servers may run on one data directory: by how the workload is set up, or because pods
//! have the claim now. Postgres itself does not notice a second one in another container. Pure.

use super::gap::{Gap, unknown};
use super::pods::{list_pods, stop_command};
use crate::api::{WorkloadKind, reasons};
use crate::world::{ClaimFact, Observed, PodFact, WorkloadFound};

/// The access mode with which the scheduler starts no second pod.
const ONE_POD: &str = "ReadWriteOncePod";

/// Says which pods have the data directory of the database at once.
pub fn mounted_twice(observed: &Observed) -> Vec<Gap> {
    let (true, Some(pods)) = (observed.has_workload(), observed.pods.known()) else {
        return Vec::new();
    };
    let Some(others) = observed.other_pods.known() else {
        return unknown(observed.other_pods.unknown()).into_iter().collect();
    };
    let mut places = data_places(observed, pods);
    places.sort_unstable();
    places.dedup();
    let gaps = places.into_iter().filter_map(|(claim, directory)| {
        let has_it = |pod: &&PodFact| pod.is_on_node() && pod.may_write_to(claim, directory);
        let ours: Vec<&PodFact> = pods.iter().filter(has_it).collect();
        let theirs: Vec<&PodFact> = others.iter().filter(has_it).collect();
        (ours.len() + theirs.len() > 1).then(|| at_once(observed, claim, &ours, &theirs))
    });
    gaps.collect()
}

/// Where pods of the workload have the data directory: the claim, and the directory of it.
fn data_places<'a>(observed: &'a Observed, pods: &'a [PodFact]) -> Vec<(&'a str, &'a str)> {
    let wanted = observed.database.spec.workload.container.as_deref();
    let Some(container) = observed.database_container(wanted) else {
        return Vec::new();
    };
    let data = observed.data_mounts(wanted);
    let mounts = pods.iter().flat_map(|pod| &pod.mounts);
    let of_data = mounts.filter(|mount| {
        let is_data = data.iter().any(|data| data.mount_path == mount.path);
        mount.container == container.name && !mount.read_only && is_data
    });
    of_data
        .map(|mount| (mount.claim.as_str(), mount.sub_path.as_str()))
        .collect()
}

fn at_once(observed: &Observed, claim: &str, ours: &[&PodFact], theirs: &[&PodFact]) -> Gap {
    let namespace = observed.namespace_name();
    let all: Vec<&PodFact> = ours.iter().chain(theirs).copied().collect();
    let leaving = ours.iter().find(|pod| pod.terminating);
    let workload = observed.workload_found();
    let is_one = workload.is_none_or(|workload| workload.replicas <= 1 && !workload.overlaps);
    let remedy = match (theirs.first(), leaving) {
        (Some(other), _) => format!(
            "Stop what does not belong there: {}",
            stop_command(namespace, other)
        ),
        (None, Some(leaving)) if is_one => format!(
            "Pod {} is being deleted; wait until it has stopped: kubectl -n {namespace} get pods",
            leaving.name
        ),
        (None, _) => match workload {
            Some(workload) => format!("Let only one run: {}", one_server(observed, workload)),
            None => format!(
                "Let only one run. See what they are: kubectl -n {namespace} describe pod {}",
                all[0].name
            ),
        },
    };
    Gap {
        reason: reasons::CLAIM_MOUNTED_TWICE,
        message: format!(
            "pods {} have PersistentVolumeClaim {claim} at once, and the data directory is on it: \
             two servers on the same files destroy them. {remedy}. With accessModes: [{ONE_POD}] \
             in the claim the scheduler starts no second pod",
            list_pods(&all)
        ),
    }
}

/// The claims with the data directory that more than one pod may mount.
fn shared_claims(observed: &Observed) -> Vec<&str> {
    let wanted = observed.database.spec.workload.container.as_deref();
    let claims = observed.claims_by_name();
    let is_for_one = |claim: &str| claims.get(claim).is_some_and(|claim| is_for_one_pod(claim));
    let mut shared = observed.shared_data_claims(wanted);
    shared.retain(|claim| !is_for_one(claim));
    shared
}

/// Says how the workload would start a second server on the data directory of the first.
pub fn may_overlap(observed: &Observed) -> Option<Gap> {
    let workload = observed.workload_found()?;
    let is_many = workload.replicas > 1;
    if !workload.overlaps && !is_many {
        return None;
    }
    let shared = shared_claims(observed);
    if shared.is_empty() {
        return None;
    }
    let (kind, name) = (workload.kind, workload.name());
    let why = if is_many {
        format!(
            "has {} replicas, and each of them mounts PersistentVolumeClaim {}, which has the data \
             directory",
            workload.replicas,
            shared.join(", ")
        )
    } else {
        format!(
            "has a strategy other than Recreate, and the data directory is on \
             PersistentVolumeClaim {}: at a change the new server may start before the old one \
             has stopped",
            shared.join(", ")
        )
    };
    Some(Gap {
        reason: reasons::SERVERS_MAY_OVERLAP,
        message: format!(
            "{kind} {name} {why}. Two servers on the same files destroy them. Change it, also where \
             you keep it: {}. With accessModes: [{ONE_POD}] in the claim the scheduler starts no \
             second pod{}",
            one_server(observed, workload),
            match workload.kind {
                WorkloadKind::Deployment => {
                    "; Recreate covers changes only, not a pod that is deleted or evicted"
                }
                WorkloadKind::StatefulSet => "",
            }
        ),
    })
}

/// Says that a Deployment which stops its pod first at a change does not do so otherwise: its
/// `ReplicaSet` replaces a pod as soon as that is being deleted. No gap, because nothing is wrong yet
/// and nobody can do more than to know it, or to use something else.
pub fn replaced_at_once(observed: &Observed) -> Option<String> {
    let workload = observed.workload_found()?;
    let shared = shared_claims(observed);
    if workload.kind != WorkloadKind::Deployment || shared.is_empty() {
        return None;
    }
    let (namespace, name) = (observed.namespace_name(), workload.name());
    Some(format!(
        "Deployment {name} stops its old pod first only at a change. The replacement of a pod that is \
         deleted or evicted may start while that one still runs, on the same files of {}, which \
         destroys them; a StatefulSet, or accessModes: [{ONE_POD}] in the claim, prevents that. To \
         restart it, scale it to 0 and wait: kubectl -n {namespace} scale deployment {name} \
         --replicas=0",
        shared.join(", ")
    ))
}

/// The command with which the workload runs one server at a time.
fn one_server(observed: &Observed, workload: &WorkloadFound) -> String {
    one_server_command(
        workload.kind,
        (observed.namespace_name(), workload.name()),
        workload.replicas,
        workload.overlaps,
    )
}

/// The command with which a workload (namespace and name) runs one server at a time. One that `overlaps`
/// starts the new pod before the old one has stopped.
#[must_use]
pub fn one_server_command(
    kind: WorkloadKind,
    (namespace, name): (&str, &str),
    replicas: i32,
    overlaps: bool,
) -> String {
    let replicas = if replicas > 1 { "\"replicas\":1," } else { "" };
    match kind {
        WorkloadKind::Deployment if overlaps => format!(
            "kubectl -n {namespace} patch deployment {name} --type=merge -p \
             '{{\"spec\":{{{replicas}\"strategy\":{{\"type\":\"Recreate\",\
             \"rollingUpdate\":null}}}}}}'"
        ),
        kind => format!(
            "kubectl -n {namespace} scale {} {name} --replicas=1",
            kind.to_string().to_lowercase()
        ),
    }
}

fn is_for_one_pod(claim: &ClaimFact) -> bool {
    let modes = claim.manifest["spec"]["accessModes"].as_array();
    modes.is_some_and(|modes| !modes.is_empty() && modes.iter().all(|mode| mode == ONE_POD))
}
