//! The Services of the namespace, down to which pods and which port each leads to.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::ListParams;

use super::{Fact, PodFact, Reader};

/// A Service that selects pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFact {
    pub name: String,
    /// The labels of the pods that it leads to.
    pub selector: BTreeMap<String, String>,
    /// Its ports; a headless one may have none.
    pub ports: Vec<ServicePortFact>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePortFact {
    /// What clients connect to.
    pub port: i32,
    /// The port of the pod.
    pub target: ServiceTarget,
}

/// The port of a pod that a Service leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceTarget {
    Number(i32),
    Name(String),
}

impl ServiceFact {
    /// Reads a Service; none if it selects no pods.
    #[must_use]
    pub fn of(service: &Service) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        let selector = spec.selector.clone().unwrap_or_default();
        let is_name_only = spec.type_.as_deref() == Some("ExternalName");
        (!selector.is_empty() && !is_name_only).then(|| Self {
            name: service.name_any(),
            selector,
            ports: spec.ports.iter().flatten().map(port_fact).collect(),
        })
    }

    /// Whether it leads to a pod.
    #[must_use]
    pub fn selects(&self, pod: &PodFact) -> bool {
        let has = |(key, value): (&String, &String)| pod.labels.get(key) == Some(value);
        self.selector.iter().all(has)
    }

    /// Whether it leads to the server of a pod, and not to another port of it.
    #[must_use]
    pub fn leads_to_server(&self, pod: &PodFact, port: u16) -> bool {
        let ports = pod.server.as_ref().map_or(&[][..], |server| &server.ports);
        let is_server = |target: &ServiceTarget| match target {
            ServiceTarget::Number(number) => {
                *number == i32::from(port) || ports.iter().any(|(_, known)| known == number)
            }
            // Where no port has a name, nobody says which one it is.
            ServiceTarget::Name(name) => {
                ports.is_empty() || ports.iter().any(|(known, _)| known == name)
            }
        };
        self.ports.is_empty() || self.ports.iter().any(|port| is_server(&port.target))
    }
}

impl Reader {
    /// Reads the Services of the namespace that select pods.
    pub async fn services(&self) -> Fact<Vec<ServiceFact>> {
        let services = self.list::<Service>(&ListParams::default()).await;
        services.map(|services| services.iter().filter_map(ServiceFact::of).collect())
    }
}

fn port_fact(port: &ServicePort) -> ServicePortFact {
    ServicePortFact {
        port: port.port,
        target: match &port.target_port {
            Some(IntOrString::Int(number)) => ServiceTarget::Number(*number),
            Some(IntOrString::String(name)) => ServiceTarget::Name(name.clone()),
            None => ServiceTarget::Number(port.port),
        },
    }
}
