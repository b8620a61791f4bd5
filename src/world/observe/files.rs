//! Reading where the claims are whose files are looked for. Asks nothing when there are no such
//! rules.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use super::workload::pod_claims;
use crate::api::ProtectedDatabase;
use crate::world::Fact;
use crate::world::FilePlace;

/// The claims of `spec.verification.files` that exist, and on which node a pod has them.
pub async fn fetch_file_places(
    client: &Client,
    namespace: &str,
    database: &ProtectedDatabase,
) -> Fact<Vec<FilePlace>> {
    let rules = &database.spec.verification.files;
    if rules.is_empty() {
        return Fact::Known(Vec::new());
    }
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let everything = ListParams::default();
    let (claims, pods) = tokio::join!(claims.list_metadata(&everything), pods.list(&everything));
    let read = claims.and_then(|claims| pods.map(|pods| (claims, pods)));
    Fact::from_read("the claims of spec.verification.files", read).map(|(claims, pods)| {
        let is_named = |claim: &String| rules.iter().any(|rule| rule.claim == *claim);
        let claims = claims
            .items
            .iter()
            .map(ResourceExt::name_any)
            .filter(is_named);
        claims
            .map(|claim| FilePlace {
                node: node_of(&pods.items, &claim),
                claim,
            })
            .collect()
    })
}

/// The node of a pod that has the claim and has not ended.
fn node_of(pods: &[Pod], claim: &str) -> Option<String> {
    let mut specs = pods
        .iter()
        .filter(|pod| !has_ended(pod))
        .filter_map(|pod| pod.spec.as_ref());
    specs.find_map(|spec| {
        let has_claim = pod_claims(spec)
            .iter()
            .any(|(_, candidate)| candidate == claim);
        spec.node_name.clone().filter(|_| has_claim)
    })
}

fn has_ended(pod: &Pod) -> bool {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .is_some_and(|phase| phase == "Succeeded" || phase == "Failed")
}
