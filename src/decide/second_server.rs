//! Whether clients may reach a second Postgres in place of the protected one: a Service that leads to
//! both, or a second workload with the same database. The protected one is green meanwhile, and what
//! is written to the other is not in it. Pure.

use super::gap::{Gap, unknown};
use super::instances::{is_instance, protector};
use super::pods::{describe_pod, stop_command};
use crate::api::reasons;
use crate::resources::{ImageKind, image_kind};
use crate::world::{ClaimFact, Observed, PodFact, ServiceFact};

/// Databases that every server has.
const OF_EVERY_SERVER: &[&str] = &["postgres", "template1"];

/// Says where a Service leads to, in addition to the protected pods or in their place.
pub fn selected_too(observed: &Observed) -> Vec<Gap> {
    let (true, Some(pods), Some(others)) = (
        observed.has_workload(),
        observed.pods.known(),
        observed.other_pods.known(),
    ) else {
        return Vec::new();
    };
    let Some(services) = observed.services.known() else {
        return unknown(observed.services.unknown()).into_iter().collect();
    };
    let port = observed.database.spec.connection.port;
    let host = host_service(observed, services);
    let ours: Vec<&PodFact> = pods.iter().filter(|pod| !pod.ended).collect();
    let gaps = services.iter().filter_map(|service| {
        let mut reached = ours.iter().filter(|pod| service.selects(pod));
        let is_host = host.as_deref() == Some(service.name.as_str());
        let reaches_us = reached.any(|pod| is_host || service.leads_to_server(pod, port));
        if !reaches_us && !is_host {
            return None;
        }
        // An instance of the same cluster has the same data, and must not be stopped.
        let mut servers = others
            .iter()
            .filter(|pod| is_writable(observed, pod) && !is_instance(observed, pod));
        let other = servers.find(|pod| service.selects(pod))?;
        Some(leads_to(observed, service, other, reaches_us))
    });
    gaps.collect()
}

/// Says that a second workload of the namespace seems to be the same database.
pub fn second_workload(observed: &Observed) -> Option<Gap> {
    if !observed.has_workload() {
        return None;
    }
    let workload = observed.workload_found();
    let database = observed.database.spec.connection.database.as_str();
    observed.neighbours.known()?;
    let mut others = observed.other_pods.known()?.iter().filter(|pod| {
        is_writable(observed, pod)
            && protector(observed, pod).is_none()
            && !is_instance(observed, pod)
    });
    let (other, why) = others.find_map(|pod| {
        if workload.is_some_and(|workload| workload.is_same_part(&pod.labels)) {
            return Some((pod, "the labels of".to_owned()));
        }
        let theirs = pod.server.as_ref()?.database.as_deref()?;
        let is_same = theirs == database && !OF_EVERY_SERVER.contains(&theirs);
        let is_other = workload.is_some_and(|workload| workload.is_other_component(&pod.labels));
        (is_same && !is_other).then(|| (pod, format!("database {database}, like")))
    })?;
    let namespace = observed.namespace_name();
    let called = workload.map_or_else(
        || format!("the pods {}", observed.database.spec.workload.called()),
        |workload| format!("{} {}", workload.kind, workload.name()),
    );
    if may_be_proxy(other) {
        return Some(Gap {
            reason: reasons::SECOND_SERVER,
            message: format!(
                "{} listens on the port of Postgres with {why} {called}, and has no claim: it may be a \
                 proxy that leads to the protected one, or a second Postgres, of which nothing is \
                 guarded. The data is on {}. If it is a proxy, give it other labels. See what it runs: \
                 kubectl -n {namespace} describe pod {}",
                describe_pod(other),
                data_claims(observed),
                other.name
            ),
        });
    }
    Some(Gap {
        reason: reasons::SECOND_SERVER,
        message: format!(
            "{} is a second Postgres with {why} {called}: what is written to it is not in the protected \
             one, and nothing guards it. The data is on {}. If the other one was made by mistake, \
             stop it: {}. If it is a database of its own, protect it too: kubectl holdfast doctor \
             -n {namespace} --manifests",
            describe_pod(other),
            data_claims(observed),
            stop_command(namespace, other)
        ),
    })
}

/// Whether a pod is a server that takes writes.
fn is_writable(observed: &Observed, pod: &PodFact) -> bool {
    let is_server = match &pod.server {
        Some(server) => !server.is_replica,
        None => runs_our_image(observed, pod),
    };
    is_server && !pod.ended && !pod.terminating
}

/// Whether a pod may be a proxy that leads to a server. Then the message has no command that stops it.
fn may_be_proxy(pod: &PodFact) -> bool {
    pod.server
        .as_ref()
        .is_some_and(|server| server.may_be_proxy)
}

/// Whether a pod runs the image of the protected server, whose name says nothing of Postgres. Agents
/// run it, too.
fn runs_our_image(observed: &Observed, pod: &PodFact) -> bool {
    let wanted = observed.database.spec.workload.container.as_deref();
    let container = observed.database_container(wanted);
    let is_of_job = pod
        .controller
        .as_ref()
        .is_some_and(|controller| controller.kind == "job");
    container.is_some_and(|container| {
        let mut running = pod.running.iter();
        !is_of_job
            && image_kind(&container.image) == ImageKind::Unknown
            && running.any(|running| running.image == container.image)
    })
}

/// How many names that stand for another one are followed.
const ALIASES: usize = 4;

/// The Service of this namespace that `spec.connection.host` names, if it is one, also by another name
/// for it.
fn host_service(observed: &Observed, services: &[ServiceFact]) -> Option<String> {
    let mut host = observed.database.spec.connection.host.clone()?;
    for _ in 0..ALIASES {
        let name = service_name(&host, observed.namespace_name())?;
        let alias = services
            .iter()
            .find(|service| service.name == name)
            .and_then(|service| service.alias.clone());
        let Some(alias) = alias else {
            return Some(name);
        };
        host = alias;
    }
    None
}

/// The Service of a namespace that a host name is of, if it is one.
fn service_name(host: &str, here: &str) -> Option<String> {
    let mut parts = host.trim_end_matches('.').split('.');
    let (name, namespace) = (parts.next()?, parts.next());
    let rest: Vec<&str> = parts.collect();
    let is_here = namespace.is_none_or(|namespace| namespace == here);
    let is_service = rest.is_empty() || rest[0] == "svc";
    (is_here && is_service).then(|| name.to_owned())
}

fn leads_to(observed: &Observed, service: &ServiceFact, other: &PodFact, reaches_us: bool) -> Gap {
    let namespace = observed.namespace_name();
    let how = if reaches_us {
        "leads to the protected pods and"
    } else {
        "does not lead to the protected pods, but"
    };
    let what_to_do = match protector(observed, other) {
        Some(neighbour) => format!(
            "ProtectedDatabase {} protects it. Let the Service lead to the pods with the data only",
            neighbour.name
        ),
        None => format!(
            "Nothing guards it. Unless it follows the protected one, stop it: {}. Or let the Service \
             lead to the pods with the data",
            stop_command(namespace, other)
        ),
    };
    if may_be_proxy(other) && protector(observed, other).is_none() {
        return Gap {
            reason: reasons::OTHER_SERVER_SELECTED,
            message: format!(
                "Service {} {how} to {}, which has the port of Postgres and no claim. It may be a proxy \
                 that leads to the protected one, or another Postgres, whose writes are not in it. The \
                 data is on {}. See what it runs: kubectl -n {namespace} describe pod {}. If it is a \
                 proxy, {}",
                service.name,
                describe_pod(other),
                data_claims(observed),
                other.name,
                if reaches_us {
                    "give it a Service and labels of its own"
                } else {
                    "set spec.connection.host to a Service that leads to the pods with the data"
                }
            ),
        };
    }
    Gap {
        reason: reasons::OTHER_SERVER_SELECTED,
        message: format!(
            "Service {} {how} to {}, another Postgres: what is written to it is not in the protected \
             one. The data is on {}. {what_to_do}: kubectl -n {namespace} edit service {}",
            service.name,
            describe_pod(other),
            data_claims(observed),
            service.name
        ),
    }
}

/// The claims that the protected pods mount, with their volumes.
fn data_claims(observed: &Observed) -> String {
    let mounted = |claim: &&ClaimFact| claim.origin.pod || claim.origin.template;
    let claims = observed.claims.known().into_iter().flatten();
    let named: Vec<String> = claims
        .filter(mounted)
        .map(|claim| match &claim.volume_name {
            Some(volume) => format!("PersistentVolumeClaim {} (volume {volume})", claim.name),
            None => format!("PersistentVolumeClaim {}", claim.name),
        })
        .collect();
    if named.is_empty() {
        return "the claims of the protected workload".to_owned();
    }
    named.join(", ")
}
