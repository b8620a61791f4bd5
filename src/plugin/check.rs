//! `kubectl holdfast check NAME`: asks the operator to check the data now, such as after a password
//! was corrected in a Secret, of which it knows nothing. Without a name it checks Holdfast itself.

use clap::Args;
use kube::ResourceExt as _;

use super::at_home;
use super::connect::Cluster;
use super::error::PluginError;
use super::exit_status::ExitStatus;
use super::output::{DataFormat, write_out};
use super::status::fetch_database;
use super::write::create;
use crate::api::{CheckTrigger, DatabaseCheck, DatabaseCheckSpec};

/// What `check` is asked.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Name of a ProtectedDatabase: asks the operator to check its data now, and nothing else.
    #[arg(conflicts_with_all = ["pre", "all_namespaces", "output"])]
    name: Option<String>,
    /// Before the installation: whether cluster and namespace fit.
    #[arg(long, conflicts_with = "all_namespaces")]
    pre: bool,
    /// The ProtectedDatabases of all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// json or yaml instead of text.
    #[arg(short, long)]
    output: Option<DataFormat>,
}

/// Runs `check`.
pub async fn run(cluster: &Cluster, arguments: &CheckArguments) -> Result<ExitStatus, PluginError> {
    if let Some(name) = &arguments.name {
        return ask(cluster, name).await;
    }
    let CheckArguments {
        pre,
        all_namespaces,
        output,
        ..
    } = arguments;
    Box::pin(at_home::run(cluster, *pre, *all_namespaces, *output)).await
}

async fn ask(cluster: &Cluster, name: &str) -> Result<ExitStatus, PluginError> {
    let namespace = &cluster.namespace;
    // A check of a database that does not exist would never begin.
    fetch_database(cluster, namespace, name).await?;
    let made = create(cluster, &build_check(name)).await?;
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
