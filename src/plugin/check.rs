//! `kubectl holdfast check NAME`: asks the operator to check the data now, such as after a password
//! was corrected in a Secret, of which it knows nothing.

use clap::Args;
use kube::api::PostParams;
use kube::{Api, CustomResourceExt as _, ResourceExt as _};

use super::connect::Cluster;
use super::error::{ClusterRequest, PluginError};
use super::exit_status::ExitStatus;
use super::output::write_out;
use super::status::fetch_database;
use crate::api::names::PLUGIN_MANAGER;
use crate::api::{CheckTrigger, DatabaseCheck, DatabaseCheckSpec};
use crate::execute::{WriteError, within_time};

/// What `check` is asked.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Name of the ProtectedDatabase.
    name: String,
}

/// Runs `check`.
pub async fn run(cluster: &Cluster, arguments: &CheckArguments) -> Result<ExitStatus, PluginError> {
    let (namespace, name) = (&cluster.namespace, &arguments.name);
    // A check of a database that does not exist would never begin.
    fetch_database(cluster, namespace, name).await?;
    let api: Api<DatabaseCheck> = Api::namespaced(cluster.client.clone(), namespace);
    let request = ClusterRequest {
        name: None,
        ..ClusterRequest::about(
            "create",
            DatabaseCheck::crd_name(),
            name,
            Some(namespace),
            cluster.context.as_deref(),
        )
    };
    let parameters = PostParams {
        field_manager: Some(PLUGIN_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let doing = request.to_string();
    let made = within_time(&doing, api.create(&parameters, &build_check(name)))
        .await
        .map_err(|error| match error {
            WriteError::Refused { source, .. } => request.failed(*source),
            other => request.failed(kube::Error::Service(Box::new(other))),
        })?;
    let context = cluster.context_flag();
    write_out(&format!(
        "Asked for DatabaseCheck {check}. Its outcome: kubectl get dbcheck {check} -n \
         {namespace}{context}\n",
        check = made.name_any()
    ))?;
    Ok(ExitStatus::Done)
}

fn build_check(database: &str) -> DatabaseCheck {
    let spec = DatabaseCheckSpec {
        database: database.to_owned(),
        trigger: CheckTrigger::Manual,
        target: None,
    };
    let mut check = DatabaseCheck::new("", spec);
    check.metadata.name = None;
    check.metadata.generate_name = Some(format!("{database}-by-hand-"));
    check
}
