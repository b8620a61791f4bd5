//! The writes of the commands that confirm, accept or ask: with the time limit and the field manager of
//! every other write of the plugin.

use std::fmt::Debug;

use json_patch::Patch;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, CustomResourceExt, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connect::Cluster;
use super::error::{ClusterRequest, PluginError};
use crate::api::names::PLUGIN_MANAGER;
use crate::execute::{WriteError, Writer, within_time};

/// Patches exactly the object that was read: the tests in `body` are the preconditions.
pub async fn patch<K>(
    cluster: &Cluster,
    api: &Api<K>,
    metadata: &ObjectMeta,
    body: Patch,
    request: ClusterRequest,
) -> Result<(), PluginError>
where
    K: Clone + Debug + DeserializeOwned,
{
    let writer = Writer {
        client: cluster.client.clone(),
        manager: PLUGIN_MANAGER,
    };
    let doing = request.to_string();
    within_time(&doing, writer.patch(api, metadata, Some(body)))
        .await
        .map_err(|error| failed(request, error))
}

/// Creates an object of ours, whose name Kubernetes makes.
pub async fn create<K>(cluster: &Cluster, object: &K) -> Result<K, PluginError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + CustomResourceExt
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    create_as(cluster, object, false).await
}

/// What the API server would make of it, which stores nothing.
pub async fn try_create<K>(cluster: &Cluster, object: &K) -> Result<K, PluginError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + CustomResourceExt
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    create_as(cluster, object, true).await
}

async fn create_as<K>(cluster: &Cluster, object: &K, dry_run: bool) -> Result<K, PluginError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + CustomResourceExt
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let namespace = cluster.namespace.as_str();
    let request = ClusterRequest {
        verb: "create",
        ..ClusterRequest::list(K::crd_name(), Some(namespace), cluster.context.as_deref())
    };
    let parameters = PostParams {
        dry_run,
        field_manager: Some(PLUGIN_MANAGER.to_owned()),
    };
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let doing = request.to_string();
    within_time(&doing, api.create(&parameters, object))
        .await
        .map_err(|error| failed(request, error))
}

fn failed(request: ClusterRequest, error: WriteError) -> PluginError {
    match error {
        WriteError::Refused { source, .. } => request.failed(*source),
        other => request.failed(kube::Error::Service(Box::new(other))),
    }
}
