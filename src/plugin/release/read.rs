//! Reads everything that carries marks, and what decides whether they may go. What may not be read is
//! noted: nothing is done to it.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt};

use super::found::{Found, Policy};
use crate::api::is_object_name;
use crate::api::names::{NAME_LABEL, NAME_VALUE, OPERATOR_SERVICE_ACCOUNT, PROTECTED_LABEL};
use crate::guard::PROTECTED_VALUE;
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::unlock::{KINDS, Kind, RESTORES};
use crate::world::{OwnerName, Reader};

/// The namespace that was named, if one was.
pub fn scope(cluster: &Cluster) -> Option<&str> {
    cluster
        .namespace_was_named
        .then_some(cluster.namespace.as_str())
}

/// The name of a pod of the operator that has not ended.
pub async fn fetch_operator(cluster: &Cluster) -> Result<Option<String>, PluginError> {
    let pods: Api<Pod> = Api::all(cluster.client.clone());
    let labelled = ListParams::default().labels(&format!("{NAME_LABEL}={NAME_VALUE}"));
    let request = ClusterRequest::list("pods", None, cluster.context.as_deref());
    let all = pods
        .list(&labelled)
        .await
        .map_err(|error| request.failed(error))?;
    let runs = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        let account = spec.and_then(|spec| spec.service_account_name.as_deref());
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        account == Some(OPERATOR_SERVICE_ACCOUNT) && !matches!(phase, Some("Succeeded" | "Failed"))
    };
    let running = all.items.iter().find(runs);
    Ok(running.map(|pod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any())))
}

/// Everything that carries marks: restores first, claims before their volumes, the ProtectedDatabases
/// last, so that an interrupted run is seen by what is left. And which kinds could not be read, and why.
pub async fn fetch_marked(cluster: &Cluster) -> (Vec<Found>, Vec<String>) {
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    let (last, kinds): (Vec<&'static Kind>, Vec<&'static Kind>) = KINDS
        .iter()
        .filter(|kind| kind.kind != "CustomResourceDefinition")
        .partition(|kind| kind.kind == "ProtectedDatabase");
    for kind in [&RESTORES].into_iter().chain(kinds).chain(last) {
        match fetch_kind(cluster, kind).await {
            Ok(of_kind) => found.extend(of_kind),
            Err(error) => unread.push(error.to_string()),
        }
    }
    (found, unread)
}

async fn fetch_kind(cluster: &Cluster, kind: &'static Kind) -> Result<Vec<Found>, PluginError> {
    let namespace = scope(cluster).filter(|_| kind.namespaced);
    let is_restore = kind.kind == RESTORES.kind;
    let labelled = ListParams::default().labels(&format!("{PROTECTED_LABEL}={PROTECTED_VALUE}"));
    let asked = if is_restore {
        ListParams::default()
    } else {
        labelled
    };
    let request = ClusterRequest::list(&kind.resource(), namespace, cluster.context.as_deref());
    let listed = api(cluster, kind, namespace).list(&asked).await;
    let listed = listed.map_err(|error| request.failed(error))?;
    let mut found = Vec::new();
    for object in listed.items {
        if !kind.namespaced && !is_in_scope(scope(cluster), &object) {
            continue;
        }
        let object = examine(cluster, kind, object).await;
        if object.carries_marks() {
            found.push(object);
        }
    }
    Ok(found)
}

/// An object with what decides about it, read now.
pub async fn examine(cluster: &Cluster, kind: &'static Kind, object: DynamicObject) -> Found {
    let policy = fetch_policy(cluster, kind, &object).await;
    let mut owners = Vec::new();
    if let Some(namespace) = object.metadata.namespace.as_deref() {
        let reader = Reader::new(cluster.client.clone(), namespace);
        for reference in object.metadata.owner_references.iter().flatten() {
            let state = reader.owner_state(reference).await;
            owners.push((OwnerName::of(reference), state));
        }
    }
    Found {
        kind,
        metadata: object.metadata,
        policy,
        owners,
    }
}

/// Whether an object without a namespace belongs to the one that was named.
fn is_in_scope(namespace: Option<&str>, object: &DynamicObject) -> bool {
    let Some(namespace) = namespace else {
        return true;
    };
    let of_claim = object.data.pointer("/spec/claimRef/namespace");
    let of_ledger = object.data.pointer("/spec/namespace");
    let of = of_claim.or(of_ledger).and_then(|of| of.as_str());
    of == Some(namespace) || (of.is_none() && object.name_any() == namespace)
}

/// The reclaim policy of a volume, or of the volume that a claim is bound to. One that is gone is not on
/// Delete.
async fn fetch_policy(cluster: &Cluster, kind: &Kind, object: &DynamicObject) -> Policy {
    let name = match kind.kind {
        "PersistentVolume" => object.name_any(),
        "PersistentVolumeClaim" => {
            let claim: Result<PersistentVolumeClaim, _> = object.clone().try_parse();
            let volume = match claim {
                Ok(claim) => claim.spec.and_then(|spec| spec.volume_name),
                Err(error) => return Policy::Unknown(error.to_string()),
            };
            match volume.filter(|name| !name.is_empty()) {
                Some(volume) => volume,
                None => return Policy::None,
            }
        }
        _ => return Policy::None,
    };
    // What is no name is in no command that a user copies.
    if !is_object_name(&name) {
        return Policy::Unknown("the name of the volume is none".to_owned());
    }
    let context = cluster.context.as_deref();
    let request = ClusterRequest::about("get", "persistentvolumes", &name, None, context);
    let volumes: Api<PersistentVolume> = Api::all(cluster.client.clone());
    match volumes.get_opt(&name).await {
        Ok(None) => Policy::None,
        Ok(Some(volume)) => {
            let policy = volume
                .spec
                .and_then(|spec| spec.persistent_volume_reclaim_policy);
            // What the API server takes it for.
            Policy::Is(name, policy.unwrap_or_else(|| "Retain".to_owned()))
        }
        Err(error) => Policy::Unknown(request.failed(error).to_string()),
    }
}

/// The objects of a kind, in a namespace or everywhere.
pub fn api(cluster: &Cluster, kind: &Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    let (client, resource) = (cluster.client.clone(), kind.api_resource());
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    }
}
