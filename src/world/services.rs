//! The Services of the namespace, down to which pods and which port each leads to: by labels, by the
//! addresses that somebody else writes for it, beside labels or instead, or by another name.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::ListParams;

use super::{Fact, PodFact, Reader};

/// The label with the name of the Service that an `EndpointSlice` is of.
const SLICE_OF: &str = "kubernetes.io/service-name";
/// The label with what keeps an `EndpointSlice`.
const KEPT_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// What writes the addresses of the pods that a Service selects, and removes what others write in its
/// name.
const SELECTING: &str = "endpointslice-controller.k8s.io";

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFact {
    pub name: String,
    /// The labels of the pods that it leads to; none where `addresses` alone say it.
    pub selector: BTreeMap<String, String>,
    /// The addresses that somebody else writes for it, as Patroni does. It leads to them too where it
    /// has a selector.
    pub addresses: Vec<String>,
    /// The name that it stands for (`ExternalName`), instead of leading anywhere itself.
    pub alias: Option<String>,
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
    /// Reads a Service, without the addresses of one that selects no pods.
    #[must_use]
    pub fn of(service: &Service) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        let is_name_only = spec.type_.as_deref() == Some("ExternalName");
        let selector = spec.selector.clone().unwrap_or_default();
        Some(Self {
            name: service.name_any(),
            selector: if is_name_only {
                BTreeMap::new()
            } else {
                selector
            },
            addresses: Vec::new(),
            alias: spec.external_name.clone().filter(|_| is_name_only),
            ports: spec.ports.iter().flatten().map(port_fact).collect(),
        })
    }

    /// Adds the addresses of an `EndpointSlice` of its namespace, if that is of it: where it has a selector
    /// only of one that others have written, because its labels say the rest.
    pub fn add_slice(&mut self, slice: &EndpointSlice) {
        let label = |key: &str| slice.labels().get(key).map(String::as_str);
        let is_of_it = self.alias.is_none() && label(SLICE_OF) == Some(self.name.as_str());
        if is_of_it && (self.is_written_by_hand() || label(KEPT_BY) != Some(SELECTING)) {
            let endpoints = slice.endpoints.iter().flatten();
            let addresses = endpoints.flat_map(|endpoint| endpoint.addresses.iter().cloned());
            self.addresses.extend(addresses);
        }
    }

    /// Whether only `EndpointSlice`s say where it leads to.
    fn is_written_by_hand(&self) -> bool {
        self.selector.is_empty() && self.alias.is_none()
    }

    /// Whether it leads to a pod.
    #[must_use]
    pub fn selects(&self, pod: &PodFact) -> bool {
        let has = |(key, value): (&String, &String)| pod.labels.get(key) == Some(value);
        let mut own = pod.own_addresses.iter();
        let is_selected = !self.selector.is_empty() && self.selector.iter().all(has);
        is_selected || own.any(|address| self.addresses.contains(address))
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
    /// Reads the Services of the namespace. Of `EndpointSlice`s those that the API server's own controller
    /// writes for a selector are read only where a Service has none: it leaves them as they were.
    pub async fn services(&self) -> Fact<Vec<ServiceFact>> {
        let services = self.list::<Service>(&ListParams::default()).await;
        let mut facts: Vec<ServiceFact> = match services {
            Fact::Known(services) => services.iter().filter_map(ServiceFact::of).collect(),
            Fact::Unknown(why) => return Fact::Unknown(why),
        };
        if facts.iter().any(|fact| fact.alias.is_none()) {
            let all = ListParams::default();
            let wanted = if facts.iter().any(ServiceFact::is_written_by_hand) {
                all
            } else {
                all.labels(&format!("{KEPT_BY}!={SELECTING}"))
            };
            match self.list::<EndpointSlice>(&wanted).await {
                Fact::Known(slices) => add_addresses(&mut facts, &slices),
                Fact::Unknown(why) => return Fact::Unknown(why),
            }
        }
        Fact::Known(facts)
    }
}

/// Adds the addresses of `EndpointSlice`s to the Services that they are of.
fn add_addresses(facts: &mut [ServiceFact], slices: &[EndpointSlice]) {
    for fact in facts {
        for slice in slices {
            fact.add_slice(slice);
        }
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

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn fact(name: &str, spec: &Value) -> ServiceFact {
        let service = json!({"metadata": {"name": name}, "spec": spec});
        ServiceFact::of(&serde_json::from_value(service).unwrap()).unwrap()
    }

    #[test]
    fn a_service_leads_to_what_it_selects_and_to_the_addresses_that_others_write_for_it() {
        let slice = |service: &str, address: &str, keeper: &str| -> EndpointSlice {
            serde_json::from_value(json!({
                "metadata": {"name": address, "labels": {SLICE_OF: service, KEPT_BY: keeper}},
                "addressType": "IPv4", "endpoints": [{"addresses": [address]}],
            }))
            .unwrap()
        };
        let mut facts = [
            fact("by-hand", &json!({"ports": [{"port": 5432}]})),
            fact("by-labels", &json!({"selector": {"app": "db"}})),
            fact(
                "alias",
                &json!({"type": "ExternalName", "externalName": "db.example.com"}),
            ),
        ];
        let slices = [
            slice("by-hand", "10.0.0.7", SELECTING),
            slice("by-labels", "10.0.0.8", SELECTING),
            slice("by-labels", "10.0.0.10", "somebody"),
            slice("alias", "10.0.0.9", "somebody"),
        ];
        add_addresses(&mut facts, &slices);
        let [by_hand, by_labels, alias] = facts;
        assert_eq!(by_hand.addresses, ["10.0.0.7"]);
        assert_eq!(by_labels.addresses, ["10.0.0.10"]);
        assert!(alias.addresses.is_empty());
        assert_eq!(alias.alias.as_deref(), Some("db.example.com"));
        let labelled = |app: &str, address: &str, host_network: bool| -> PodFact {
            let pod: k8s_openapi::api::core::v1::Pod = serde_json::from_value(json!({
                "metadata": {"name": "db-0", "labels": {"app": app}},
                "spec": {"containers": [], "hostNetwork": host_network},
                "status": {"podIP": address, "podIPs": [{"ip": address}, {"ip": "fd00::7"}]},
            }))
            .unwrap();
            PodFact::from(&pod)
        };
        let pod = |address: &str, host_network| labelled("db", address, host_network);
        assert!(by_hand.selects(&pod("10.0.0.7", false)));
        assert!(!by_hand.selects(&pod("10.0.0.8", false)));
        // The address of the node is that of many pods.
        assert!(!by_hand.selects(&pod("10.0.0.7", true)));
        assert!(by_labels.selects(&pod("10.0.0.1", true)));
        // By the slice beside the selector, whatever its labels.
        assert!(by_labels.selects(&labelled("empty", "10.0.0.10", false)));
        assert!(!by_labels.selects(&labelled("empty", "10.0.0.8", false)));
        assert!(!alias.selects(&pod("10.0.0.9", false)));
        assert_eq!(
            pod("10.0.0.7", false).own_addresses,
            ["10.0.0.7", "fd00::7"]
        );
    }
}
