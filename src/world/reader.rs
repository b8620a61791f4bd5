//! Asks the API server, one question at a time. Every answer is a fact, also when there was none.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::Fact;

/// Reads what belongs to one namespace, and what belongs to none.
#[derive(Clone)]
pub struct Reader {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl Reader {
    /// A reader with the permissions of `client`.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
        }
    }

    /// The objects of a kind in the namespace.
    pub(super) fn namespaced<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The objects of a kind that belong to no namespace.
    pub(super) fn cluster<K>(&self) -> Api<K>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    /// Reads one object of the namespace, if it exists, for those who say in words of their own why
    /// it could not be read.
    pub async fn find<K>(&self, name: &str) -> Result<Option<K>, kube::Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.namespaced::<K>().get_opt(name).await
    }

    /// Reads one object that belongs to no namespace, likewise.
    pub async fn find_cluster<K>(&self, name: &str) -> Result<Option<K>, kube::Error>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.cluster::<K>().get_opt(name).await
    }

    /// Reads one object of the namespace, if it exists.
    pub async fn get<K>(&self, name: &str) -> Fact<Option<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let what = format!("{} {name}", K::kind(&()));
        Fact::from_read(&what, self.find::<K>(name).await)
    }

    /// Reads one object that belongs to no namespace, if it exists.
    pub async fn get_cluster<K>(&self, name: &str) -> Fact<Option<K>>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let what = format!("{} {name}", K::kind(&()));
        Fact::from_read(&what, self.find_cluster::<K>(name).await)
    }

    /// Reads the metadata of one object that belongs to no namespace, if it exists.
    pub async fn get_cluster_metadata<K>(&self, name: &str) -> Fact<Option<ObjectMeta>>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let what = format!("{} {name}", K::kind(&()));
        let found = self.cluster::<K>().get_metadata_opt(name).await;
        Fact::from_read(&what, found.map(|found| found.map(|found| found.metadata)))
    }

    /// Reads the selected objects of the namespace.
    pub async fn list<K>(&self, selected: &ListParams) -> Fact<Vec<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let what = format!("the {}s of the namespace", K::kind(&()));
        let list = self.namespaced::<K>().list(selected).await;
        Fact::from_read(&what, list.map(|list| list.items))
    }
}
