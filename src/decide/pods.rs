//! Pods of others in messages: their names, what they belong to, and the command that stops one. Pure.

use crate::world::PodFact;

/// Names of pods, sorted.
pub fn list_pods(pods: &[&PodFact]) -> String {
    let mut names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    names.sort_unstable();
    names.join(" and ")
}

/// A pod and what controls it.
pub fn describe_pod(pod: &PodFact) -> String {
    match &pod.controller {
        Some(controller) => format!(
            "pod {} of {} {}",
            pod.name, controller.kind, controller.name
        ),
        None => format!("pod {}", pod.name),
    }
}

/// The command that stops a pod. One that is controlled would only be created again.
#[must_use]
pub fn stop_command(namespace: &str, pod: &PodFact) -> String {
    match &pod.controller {
        Some(controller) if matches!(controller.kind.as_str(), "statefulset" | "deployment") => {
            format!(
                "kubectl -n {namespace} scale {} {} --replicas=0",
                controller.kind, controller.name
            )
        }
        Some(controller) if controller.kind == "job" => {
            format!("kubectl -n {namespace} delete job {}", controller.name)
        }
        // It would be created again.
        Some(controller) => format!(
            "with the tool that runs {} {}, as a deleted pod is created again",
            controller.kind, controller.name
        ),
        None => format!("kubectl -n {namespace} delete pod {}", pod.name),
    }
}
