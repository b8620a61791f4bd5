//! What the user, the installation and the database's own pod want of an agent's pod: where it runs,
//! what it may use, what the namespace asks of it. Pure.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvVar, LocalObjectReference, PodSpec, PodTemplateSpec,
    ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::agent_settings::AgentPodSettings;
use super::quantity::{compare, written};
use crate::api::{AgentResources, Agents, PROXY_VARIABLE, RESERVED_KEYS, RESERVED_VARIABLES};

/// No sidecar of a service mesh: an agent reaches the server without, and a sidecar would run on when
/// the agent has ended. Istio and Kuma go by labels, older ones by annotations.
const NO_MESH_LABELS: &[(&str, &str)] = &[
    ("kuma.io/sidecar-injection", "disabled"),
    ("sidecar.istio.io/inject", "false"),
];
/// The same, and what keeps the cluster autoscaler and Karpenter from ending a backup for the sake of
/// a node that is not full.
const ANNOTATIONS: &[(&str, &str)] = &[
    ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
    ("consul.hashicorp.com/connect-inject", "false"),
    ("karpenter.sh/do-not-disrupt", "true"),
    ("kuma.io/sidecar-injection", "disabled"),
    ("linkerd.io/inject", "disabled"),
    ("sidecar.istio.io/inject", "false"),
];
/// Our programs and those of the database's image are for Linux.
const SYSTEM: (&str, &str) = ("kubernetes.io/os", "linux");

/// The variables that name a proxy, also in lower case.
const PROXIES: &[&str] = &["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];

type Pairs = BTreeMap<String, String>;

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn is_reserved(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// What was asked for, without what only Holdfast and Kubernetes set.
fn asked(pairs: Option<&Pairs>) -> impl Iterator<Item = (String, String)> {
    pairs
        .into_iter()
        .flatten()
        .filter(|(key, _)| !is_reserved(key, RESERVED_KEYS))
        .map(|(key, value)| (key.clone(), value.clone()))
}

/// The labels of an object that is made for agents: those asked for, and over them our own.
pub(super) fn with_labels(own: Pairs, agents: &Agents) -> Pairs {
    with_asked(own, agents.labels.as_ref())
}

/// The same, by the labels that were asked for.
pub(super) fn with_asked(own: Pairs, labels: Option<&Pairs>) -> Pairs {
    let mut all: Pairs = asked(labels).collect();
    all.extend(own);
    all
}

/// The annotations of an object that is made for agents: those asked for.
pub(super) fn annotations(agents: &Agents) -> Option<Pairs> {
    let all: Pairs = asked(agents.annotations.as_ref()).collect();
    Some(all).filter(|all| !all.is_empty())
}

/// Makes a pod at home in its namespace.
pub(super) fn settle(template: &mut PodTemplateSpec, settings: &AgentPodSettings) {
    let agents = &settings.agents;
    let metadata = template.metadata.get_or_insert_default();
    let mut labels = pairs(NO_MESH_LABELS);
    let own = metadata.labels.take().unwrap_or_default();
    labels.extend(with_labels(own, agents));
    metadata.labels = Some(labels);
    let mut noted = pairs(ANNOTATIONS);
    noted.extend(annotations(agents).unwrap_or_default());
    metadata.annotations = Some(noted);
    let pod = template.spec.get_or_insert_default();
    place(pod, settings);
    if let Some(affinity) = &agents.affinity {
        pod.affinity = Some(with_affinity(affinity.clone(), pod.affinity.take()));
    }
    pod.topology_spread_constraints = agents
        .topology_spread_constraints
        .clone()
        .filter(|constraints| !constraints.is_empty());
    for container in pod
        .containers
        .iter_mut()
        .chain(pod.init_containers.iter_mut().flatten())
    {
        let own = container.resources.take().unwrap_or_default();
        container.resources = Some(with_resources(own, agents.resources.as_ref()));
    }
    // The container that copies our program asks nobody for anything.
    for container in &mut pod.containers {
        add_variables(container, agents);
    }
}

/// Where it runs and how its images are pulled: as asked for, else as the database's own pod.
fn place(pod: &mut PodSpec, settings: &AgentPodSettings) {
    let (agents, placement) = (&settings.agents, &settings.placement);
    let mut selector = agents
        .node_selector
        .clone()
        .unwrap_or_else(|| placement.node_selector.clone());
    selector.insert(SYSTEM.0.to_owned(), SYSTEM.1.to_owned());
    pod.node_selector = Some(selector);
    let tolerations = agents
        .tolerations
        .clone()
        .unwrap_or_else(|| placement.tolerations.clone());
    pod.tolerations = Some(tolerations).filter(|tolerations| !tolerations.is_empty());
    let named = |asked: &Option<String>, taken_over: &Option<String>| {
        let name = asked.clone().or_else(|| taken_over.clone());
        name.filter(|name| !name.is_empty())
    };
    pod.priority_class_name = named(&agents.priority_class_name, &placement.priority_class_name);
    pod.runtime_class_name = named(&agents.runtime_class_name, &placement.runtime_class_name);
    let mut secrets = agents.image_pull_secrets.clone().unwrap_or_default();
    for name in &placement.image_pull_secrets {
        let secret = LocalObjectReference { name: name.clone() };
        if !secrets.contains(&secret) {
            secrets.push(secret);
        }
    }
    pod.image_pull_secrets = Some(secrets).filter(|secrets| !secrets.is_empty());
}

/// What was asked for, and our own preference for the node that has the claim.
fn with_affinity(mut asked: Affinity, own: Option<Affinity>) -> Affinity {
    let preferred = own
        .and_then(|own| own.node_affinity)
        .and_then(|own| own.preferred_during_scheduling_ignored_during_execution);
    if let Some(preferred) = preferred {
        asked
            .node_affinity
            .get_or_insert_default()
            .preferred_during_scheduling_ignored_during_execution
            .get_or_insert_default()
            .extend(preferred);
    }
    asked
}

/// Our own amounts, and over them those asked for. An amount that nobody asked for gives way to the one
/// that was: no pod can come from a request above its limit.
pub(super) fn with_resources(
    own: ResourceRequirements,
    asked: Option<&AgentResources>,
) -> ResourceRequirements {
    let Some(asked) = asked else { return own };
    let amounts = |asked: &BTreeMap<String, IntOrString>| {
        asked
            .iter()
            .map(|(name, asked)| (name.clone(), Quantity(written(asked))))
            .collect::<BTreeMap<_, _>>()
    };
    let is_more =
        |left: &Quantity, right: &Quantity| compare(&left.0, &right.0) == Some(Ordering::Greater);
    let (asked_limits, asked_requests) = (amounts(&asked.limits), amounts(&asked.requests));
    let mut limits = own.limits.unwrap_or_default();
    let mut requests = own.requests.unwrap_or_default();
    for (name, limit) in &mut limits {
        if let Some(request) = asked_requests
            .get(name)
            .filter(|asked| is_more(asked, limit))
        {
            limit.clone_from(request);
        }
    }
    for (name, request) in &mut requests {
        if let Some(limit) = asked_limits
            .get(name)
            .filter(|asked| is_more(request, asked))
        {
            request.clone_from(limit);
        }
    }
    limits.extend(asked_limits);
    requests.extend(asked_requests);
    ResourceRequirements {
        limits: Some(limits),
        requests: Some(requests),
        ..own
    }
}

fn add_variables(container: &mut Container, agents: &Agents) {
    let asked = agents.env.iter().flatten();
    let variables = asked
        .filter(|variable| {
            !is_reserved(&variable.name, RESERVED_VARIABLES) && variable.name != "PATH"
        })
        .map(|variable| EnvVar {
            name: variable.name.clone(),
            value: Some(escape(&variable.value)),
            ..EnvVar::default()
        });
    let environment = container.env.get_or_insert_default();
    environment.extend(variables);
    let names_proxy = |variable: &EnvVar| {
        PROXIES
            .iter()
            .any(|name| variable.name.eq_ignore_ascii_case(name))
    };
    if environment.iter().any(names_proxy) {
        environment.push(EnvVar {
            name: PROXY_VARIABLE.to_owned(),
            value: Some("true".to_owned()),
            ..EnvVar::default()
        });
    }
}

/// The kubelet reads a dollar in a variable as the beginning of another variable's name; a doubled
/// one is a dollar. Names of tables may have one.
pub(super) fn escape(value: &str) -> String {
    value.replace('$', "$$")
}

#[cfg(test)]
#[path = "agent_home_tests.rs"]
mod tests;
