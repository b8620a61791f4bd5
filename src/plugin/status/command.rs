//! Reads ProtectedDatabases and writes what they say.

use clap::Args;
use jiff::Timestamp;
use kube::CustomResourceExt as _;

use super::{build_status_table, describe_database};
use crate::api::ProtectedDatabase;
use crate::incident::{DatabaseOverview, build_overview};
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::{ListFormat, build_json, build_yaml, write_out};
use crate::plugin::paging::fetch_pages;
use crate::world::Reader;

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Name of one ProtectedDatabase. Default: all of the namespace.
    name: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "name")]
    all_namespaces: bool,
    /// json, yaml or table instead of one block of text each.
    #[arg(short, long)]
    output: Option<ListFormat>,
}

/// Runs `status`.
pub async fn run(
    cluster: &Cluster,
    arguments: &StatusArguments,
) -> Result<ExitStatus, PluginError> {
    let now = Timestamp::now();
    let reports = match &arguments.name {
        Some(name) => vec![build_overview(
            fetch_database(cluster, &cluster.namespace, name).await?,
        )],
        None => {
            fetch_overviews(
                cluster,
                (!arguments.all_namespaces).then_some(cluster.namespace.as_str()),
            )
            .await?
        }
    };
    let text = match arguments.output {
        Some(ListFormat::Json) if arguments.name.is_some() => build_json(&reports.first())?,
        Some(ListFormat::Yaml) if arguments.name.is_some() => build_yaml(&reports.first())?,
        Some(ListFormat::Json) => build_json(&reports)?,
        Some(ListFormat::Yaml) => build_yaml(&reports)?,
        _ if reports.is_empty() => nothing_found(cluster, arguments.all_namespaces),
        Some(ListFormat::Table) => build_status_table(&reports, now),
        None => reports
            .iter()
            .map(|report| describe_database(report, now))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    write_out(&text)?;
    Ok(if reports.iter().all(|report| report.ready) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    })
}

/// Reads one ProtectedDatabase.
pub async fn fetch_database(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<ProtectedDatabase, PluginError> {
    let request = ClusterRequest::about(
        "get",
        ProtectedDatabase::crd_name(),
        name,
        Some(namespace),
        cluster.context.as_deref(),
    );
    let reader = Reader::new(cluster.client.clone(), namespace);
    match reader.find(name).await {
        Ok(Some(database)) => Ok(database),
        Ok(None) => Err(request.absent()),
        Err(error) => Err(request.failed(error)),
    }
}

/// Reads what all ProtectedDatabases say, of one namespace or of all; of each only what is shown is
/// kept.
pub async fn fetch_overviews(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<Vec<DatabaseOverview>, PluginError> {
    let mut reports = Vec::new();
    fetch_pages(cluster, namespace, async |page| {
        reports.extend(page.into_iter().map(build_overview));
    })
    .await
    .map_err(|error| {
        ClusterRequest::list(
            ProtectedDatabase::crd_name(),
            namespace,
            cluster.context.as_deref(),
        )
        .failed(error)
    })?;
    Ok(reports)
}

fn nothing_found(cluster: &Cluster, everywhere: bool) -> String {
    let (place, scope) = if everywhere {
        ("in this cluster".to_owned(), String::new())
    } else {
        (
            format!("in namespace {}", cluster.namespace),
            format!(" -n {}", cluster.namespace),
        )
    };
    format!(
        "There is no ProtectedDatabase {place}. To find databases that nothing protects: \
         kubectl holdfast doctor{scope}{}\n",
        cluster.context_flag()
    )
}
