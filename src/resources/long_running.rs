//! The containers of a pod that run as long as it does: a sidecar is an init container, and may run a
//! server. Pure.

use k8s_openapi::api::core::v1::{Container, PodSpec};

/// The containers of a pod, and the init containers that are started again, which Kubernetes calls
/// sidecar containers.
pub fn long_running(pod: &PodSpec) -> impl Iterator<Item = &Container> {
    let before = pod.init_containers.iter().flatten();
    let sidecars = before.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    pod.containers.iter().chain(sidecars)
}
