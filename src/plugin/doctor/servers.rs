//! Whether a Postgres runs twice: two servers on one data directory, or a second one that clients reach
//! in its place. Pure.

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;

use super::{Cover, PostgresWorkload, WorkloadSeen, find_cover, find_cover_of_pods};
use crate::api::{DEFAULT_PORT, WorkloadKind};
use crate::decide::one_server_command;
use crate::world::{PodFact, ServiceFact, same_cluster};

/// The access mode with which the scheduler starts no second pod.
const ONE_POD: &str = "ReadWriteOncePod";

/// Databases that every server has.
const OF_EVERY_SERVER: &[&str] = &["postgres", "template1"];

/// What else of a namespace matters to its Postgres workloads.
#[derive(Debug, Default)]
pub struct Neighbourhood {
    /// Services that lead to pods, each with its namespace.
    pub services: Vec<(String, ServiceFact)>,
    /// Pods that mount claims or run a Postgres, each with its namespace.
    pub pods: Vec<(String, PodFact)>,
    /// Why something of it is not known.
    pub unknown: Vec<String>,
}

impl Neighbourhood {
    /// Keeps a Service.
    pub fn keep_service(&mut self, service: &Service) {
        let namespace = service.namespace().unwrap_or_default();
        let fact = ServiceFact::of(service);
        self.services.extend(fact.map(|fact| (namespace, fact)));
    }

    /// Adds the addresses that somebody has written for a Service that was kept.
    pub fn keep_slice(&mut self, slice: &EndpointSlice) {
        let namespace = slice.namespace().unwrap_or_default();
        let services = self.services.iter_mut();
        for (_, service) in services.filter(|(home, _)| *home == namespace) {
            service.add_slice(slice);
        }
    }

    /// Keeps a pod that mounts claims, or is of one of these workloads.
    pub fn keep_pod(&mut self, pod: &Pod, all: &[WorkloadSeen]) {
        let fact = PodFact::from(pod);
        let namespace = pod.namespace().unwrap_or_default();
        if !fact.claims.is_empty() || all.iter().any(|seen| is_of(seen, &namespace, &fact)) {
            self.pods.push((namespace, fact));
        }
    }

    /// Whether a Service leads to the server of a workload: to what its template describes, or by address
    /// to a pod of it.
    fn leads(&self, service: &ServiceFact, seen: &WorkloadSeen) -> bool {
        let port = seen.template.port.unwrap_or(DEFAULT_PORT);
        let live = self
            .pods
            .iter()
            .filter(|(namespace, pod)| is_of(seen, namespace, pod) && pod.is_on_node());
        let mut pods = live.map(|(_, pod)| pod).chain([&seen.pod]);
        service.leads_to_server(&seen.pod, port) && pods.any(|pod| service.selects(pod))
    }
}

/// Whether a workload controls a pod.
fn is_of(seen: &WorkloadSeen, namespace: &str, pod: &PodFact) -> bool {
    let kind = seen.kind.to_string().to_lowercase();
    let controller = pod.controller.as_ref();
    let is_its_own = controller.is_some_and(|found| found.kind == kind && found.name == seen.name);
    seen.namespace == namespace && is_its_own
}

/// Whether a workload starts a second server on the data directory of the first.
pub fn judge_servers(workload: &PostgresWorkload) -> Option<String> {
    let servers = &workload.servers;
    let is_for_one = |name: &&String| {
        let mut claims = workload.claims.iter();
        let found = claims.find(|claim| claim.name == **name);
        found.is_some_and(|claim| {
            let modes = &claim.access_modes;
            !modes.is_empty() && modes.iter().all(|mode| mode == ONE_POD)
        })
    };
    let shared = servers.shared_claims.iter();
    let shared: Vec<&str> = shared
        .filter(|name| !is_for_one(name))
        .map(String::as_str)
        .collect();
    let (kind, namespace, name) = (workload.kind, &workload.namespace, &workload.name);
    if shared.is_empty() {
        return None;
    }
    if !servers.overlaps && servers.replicas <= 1 {
        return (kind == WorkloadKind::Deployment)
            .then(|| replaced_at_once(namespace, name, &shared.join(", ")));
    }
    let why = if servers.replicas > 1 {
        format!("its {} replicas share the data directory", servers.replicas)
    } else {
        "its strategy is not Recreate, so at a change the new server may start before the old one has \
         stopped"
            .to_owned()
    };
    let command = one_server_command(kind, (namespace, name), servers.replicas, servers.overlaps);
    Some(format!(
        "two servers may run on the files of claim {}, which destroys them: {why}; change it: \
         {command}; with accessModes: [{ONE_POD}] in the claim the scheduler starts no second pod{}",
        shared.join(", "),
        match kind {
            WorkloadKind::Deployment =>
                "; Recreate covers changes only, not a pod that is deleted or evicted",
            WorkloadKind::StatefulSet => "",
        }
    ))
}

/// What a Deployment does that stops its pod first at a change.
fn replaced_at_once(namespace: &str, name: &str, claims: &str) -> String {
    format!(
        "two servers may run on the files of claim {claims}, which destroys them: Recreate covers \
         changes only, and the replacement of a pod that is deleted or evicted may start while that \
         one still runs; run it as a StatefulSet, or on a claim with accessModes: [{ONE_POD}]; until \
         then scale it to 0 before you restart it: kubectl -n {namespace} scale deployment {name} \
         --replicas=0"
    )
}

/// What is wrong between a workload and the others of its namespace.
pub fn judge_neighbours(
    seen: &WorkloadSeen,
    all: &[WorkloadSeen],
    covers: &[Cover],
    around: &Neighbourhood,
) -> Vec<String> {
    let others = all
        .iter()
        .filter(|other| other.namespace == seen.namespace && other.is_another(seen));
    let mut findings = Vec::new();
    findings.extend(judge_pods(seen, around));
    for other in others {
        findings.extend(judge_claims(seen, other));
        let is_split = is_writable(seen)
            && is_writable(other)
            && same_cluster(&seen.pod.labels, &other.pod.labels).is_none();
        let service = around.services.iter().find(|(namespace, service)| {
            let leads = |seen| around.leads(service, seen);
            *namespace == seen.namespace && leads(seen) && leads(other)
        });
        match service.filter(|_| is_split) {
            Some((namespace, service)) => findings.push(format!(
                "Service {} leads to it and to {} {}: what is written to one is not in the other; \
                 find out which has the data, and let the Service lead to it alone: kubectl -n \
                 {namespace} edit service {}",
                service.name, other.kind, other.name, service.name
            )),
            None if is_split => findings.extend(judge_second(seen, other, covers)),
            None => {}
        }
    }
    findings
}

/// Pods that have a data directory of the workload at once.
fn judge_pods(seen: &WorkloadSeen, around: &Neighbourhood) -> Option<String> {
    seen.data_claims.iter().find_map(|(claim, directory)| {
        let has_it = |(namespace, pod): &&(String, PodFact)| {
            *namespace == seen.namespace && pod.is_on_node() && pod.may_write_to(claim, directory)
        };
        let pods = around.pods.iter().filter(has_it);
        let names: Vec<&str> = pods.map(|(_, pod)| pod.name.as_str()).collect();
        (names.len() > 1).then(|| {
            format!(
                "pods {} have claim {claim} at once, and the data directory is on it: two servers \
                 on the same files destroy them; stop all but one: kubectl -n {} get pods -o wide",
                names.join(" and "),
                seen.namespace
            )
        })
    })
}

/// Two workloads that name the same claim for their data.
fn judge_claims(seen: &WorkloadSeen, other: &WorkloadSeen) -> Option<String> {
    let is_theirs = |claim: &str| {
        let mut theirs = other.data_claims.iter();
        theirs.any(|(candidate, _)| candidate == claim)
    };
    let mut claims = seen.data_claims.iter().map(|(claim, _)| claim.as_str());
    let shared = claims.find(|claim| is_theirs(claim))?;
    Some(format!(
        "{} {} has its data on claim {shared} too: two servers on the same files destroy them; remove \
         the claim from one of the two: kubectl -n {} edit {} {}",
        other.kind,
        other.name,
        seen.namespace,
        other.kind.to_string().to_lowercase(),
        other.name
    ))
}

/// A workload that seems to be the same database, made a second time under another name.
fn judge_second(seen: &WorkloadSeen, other: &WorkloadSeen, covers: &[Cover]) -> Option<String> {
    let cover = |seen: &WorkloadSeen| {
        find_cover(covers, &seen.namespace, seen.kind, &seen.name).is_some()
            || find_cover_of_pods(covers, &seen.namespace, &seen.pod.labels).is_some()
    };
    if cover(other) {
        return None;
    }
    let database = |seen: &WorkloadSeen| {
        let database = seen.template.database.clone();
        database.filter(|name| !OF_EVERY_SERVER.contains(&name.as_str()))
    };
    let is_same_database = cover(seen)
        && database(seen).is_some()
        && database(seen) == database(other)
        && !seen.found.is_other_component(&other.pod.labels);
    let what = if seen.found.is_same_part(&other.pod.labels) {
        "the same labels"
    } else if is_same_database {
        "the same database"
    } else {
        return None;
    };
    let namespace = &seen.namespace;
    let kind = other.kind.to_string().to_lowercase();
    if other.template.may_be_proxy {
        return Some(format!(
            "{} {} has {what}: a proxy that leads to this Postgres, or a second one in its place, whose \
             writes are not in this one; see which: kubectl -n {namespace} describe {kind} {}",
            other.kind, other.name, other.name
        ));
    }
    Some(format!(
        "{} {} has {what}: a second Postgres in its place, perhaps empty, whose writes are not in this \
         one; if it was made by mistake, stop it: kubectl -n {namespace} scale {kind} {} --replicas=0; \
         if it is a database of its own, protect it too",
        other.kind, other.name, other.name
    ))
}

/// Whether a workload runs servers that take writes.
fn is_writable(seen: &WorkloadSeen) -> bool {
    let is_replica = seen
        .pod
        .server
        .as_ref()
        .is_some_and(|server| server.is_replica);
    seen.found.replicas > 0 && !is_replica
}

#[cfg(test)]
#[path = "servers_tests.rs"]
mod tests;
