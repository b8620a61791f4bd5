//! Long lists in pages, so that a command's memory does not grow with the cluster.

use std::fmt::Debug;

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::connect::Cluster;

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// Reads all objects of a namespace, or of all namespaces, and passes each page on before the next
/// is read.
pub async fn fetch_pages<K>(
    cluster: &Cluster,
    namespace: Option<&str>,
    page: impl AsyncFnMut(Vec<K>),
) -> Result<(), kube::Error>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    K::DynamicType: Default,
{
    let client = cluster.client.clone();
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    read_pages(&api, page).await
}

/// The same for objects that belong to no namespace.
pub async fn fetch_cluster_pages<K>(
    cluster: &Cluster,
    page: impl AsyncFnMut(Vec<K>),
) -> Result<(), kube::Error>
where
    K: Resource<Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
    K::DynamicType: Default,
{
    read_pages(&Api::all(cluster.client.clone()), page).await
}

async fn read_pages<K>(api: &Api<K>, mut page: impl AsyncFnMut(Vec<K>)) -> Result<(), kube::Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&parameters).await?;
        let next = list.metadata.continue_.filter(|token| !token.is_empty());
        page(list.items).await;
        match next {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(()),
        }
    }
}
