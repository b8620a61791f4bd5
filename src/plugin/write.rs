//! The one write of a command that confirms or accepts: with the time limit and the field manager of
//! every other write of the plugin.

use std::fmt::Debug;

use json_patch::Patch;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
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
        .map_err(|error| match error {
            WriteError::Refused { source, .. } => request.failed(*source),
            other => request.failed(kube::Error::Service(Box::new(other))),
        })
}
