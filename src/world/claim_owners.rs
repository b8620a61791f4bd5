//! Whether the owners of the claims still exist: without them the garbage collector tries to delete
//! the claims, again and again.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt};

use super::{ClaimFact, OwnerName, Reader};

/// The most owners that are asked for in one pass.
const OWNER_LIMIT: usize = 8;

/// A claim and an owner that its metadata names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimOwner {
    /// Name of the claim.
    pub claim: String,
    pub owner: OwnerName,
    /// Its place among the owners of the claim.
    pub place: usize,
    pub state: OwnerState,
}

/// What became of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerState {
    /// It exists.
    Exists,
    /// It is being deleted.
    Terminating,
    /// It does not exist any more.
    Gone,
    /// It does not exist any more, and another object, with this UID, has its name.
    Replaced(String),
    /// It could not be read: of most kinds the operator may read nothing.
    NotKnown,
}

impl Reader {
    /// Reads what became of the owners of claims. An answer that does not say it is no answer.
    pub(super) async fn claim_owners(&self, claims: &[ClaimFact]) -> Vec<ClaimOwner> {
        let mut known: BTreeMap<String, OwnerState> = BTreeMap::new();
        let mut owners = Vec::new();
        for claim in claims {
            let metadata = claim.metadata.as_ref();
            let references = metadata.and_then(|metadata| metadata.owner_references.as_ref());
            for (place, reference) in references.into_iter().flatten().enumerate() {
                let Some(owner) = OwnerName::of(reference) else {
                    continue;
                };
                let state = match known.get(&reference.uid) {
                    Some(state) => state.clone(),
                    None if known.len() >= OWNER_LIMIT => OwnerState::NotKnown,
                    None => self.owner_state(reference).await,
                };
                known.insert(reference.uid.clone(), state.clone());
                owners.push(ClaimOwner {
                    claim: claim.name.clone(),
                    owner,
                    place,
                    state,
                });
            }
        }
        owners
    }

    /// Reads what became of an owner of an object in this namespace.
    pub async fn owner_state(&self, reference: &OwnerReference) -> OwnerState {
        let (group, version) = reference
            .api_version
            .split_once('/')
            .unwrap_or(("", &reference.api_version));
        // The plural is a guess: an answer about the kind, and not about this object, says nothing.
        let kind = GroupVersionKind::gvk(group, version, &reference.kind);
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        match api.get_metadata(&reference.name).await {
            Ok(found) if found.uid().as_deref() != Some(reference.uid.as_str()) => {
                OwnerState::Replaced(found.uid().unwrap_or_default())
            }
            Ok(found) if found.metadata.deletion_timestamp.is_some() => OwnerState::Terminating,
            Ok(_) => OwnerState::Exists,
            Err(kube::Error::Api(status)) => {
                let details = status.details.as_ref();
                let is_about_it = details.is_some_and(|details| details.name == reference.name);
                if status.code == 404 && is_about_it {
                    OwnerState::Gone
                } else {
                    OwnerState::NotKnown
                }
            }
            Err(_) => OwnerState::NotKnown,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::{Request, Response};
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// A reader to whom the API server gives this answer each time, and how often it was asked.
    fn answered(code: u16, answer: &Value) -> (Reader, Arc<AtomicUsize>) {
        let text = answer.to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut response = Response::new(Body::from(text.clone().into_bytes()));
            *response.status_mut() = code.try_into().unwrap();
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        (Reader::new(Client::new(service, "atra"), "atra"), asked)
    }

    fn claim(number: usize) -> ClaimFact {
        let claim: PersistentVolumeClaim = serde_json::from_value(json!({"metadata": {
            "name": format!("data-{number}"), "uid": format!("claim-{number}"),
            "ownerReferences": [{
                "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "knowledge",
                "uid": format!("u-{number}"), "controller": true,
            }],
        }}))
        .unwrap();
        ClaimFact::from(&claim)
    }

    fn not_found(details: &Value) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
            "code": 404, "message": "it does not exist", "metadata": {}, "details": details,
        })
    }

    /// Of a kind that nobody serves the answer is 404 too.
    #[tokio::test]
    async fn only_an_answer_about_the_object_says_that_it_is_gone() {
        for (details, expected) in [
            (json!({"name": "knowledge"}), OwnerState::Gone),
            (json!({"name": "another"}), OwnerState::NotKnown),
            (json!({}), OwnerState::NotKnown),
        ] {
            let (reader, _) = answered(404, &not_found(&details));
            let owners = reader.claim_owners(&[claim(1)]).await;
            assert_eq!(owners[0].state, expected, "{details}");
        }
    }

    /// Whoever may write claims may write any number of owners.
    #[tokio::test]
    async fn only_some_owners_are_asked_for_in_a_pass() {
        let gone = not_found(&json!({"name": "knowledge"}));
        let (reader, asked) = answered(404, &gone);
        let claims: Vec<ClaimFact> = (0..OWNER_LIMIT + 4).map(claim).collect();
        let owners = reader.claim_owners(&claims).await;
        assert_eq!(asked.load(Ordering::Relaxed), OWNER_LIMIT);
        assert_eq!(owners[0].state, OwnerState::Gone);
        assert_eq!(owners[OWNER_LIMIT].state, OwnerState::NotKnown);
    }
}
