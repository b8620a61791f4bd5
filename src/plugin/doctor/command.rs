//! Walks the cluster's StatefulSets and Deployments, and reports on those that run a Postgres.

use clap::Args;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::CustomResourceExt as _;

use super::volumes::fetch_claims;
use super::{
    Cover, Neighbourhood, PostgresReport, PostgresWorkload, WorkloadSeen, build_cover,
    build_doctor_table, describe_reports, find_cover, judge, judge_neighbours, read_deployment,
    read_stateful_set,
};
use crate::api::ProtectedDatabase;
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::{ListFormat, build_json, build_yaml, write_out};
use crate::plugin::paging::fetch_pages;

/// The arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// The whole cluster; the default, unless -n names a namespace.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// json, yaml or table instead of text.
    #[arg(short, long)]
    output: Option<ListFormat>,
    /// Only the manifests that would protect what nothing protects, for `kubectl apply -f -`. Read
    /// them first.
    #[arg(long, conflicts_with = "output")]
    manifests: bool,
}

/// Runs `doctor`.
pub async fn run(
    cluster: &Cluster,
    arguments: &DoctorArguments,
) -> Result<ExitStatus, PluginError> {
    let namespace = (cluster.namespace_was_named && !arguments.all_namespaces)
        .then_some(cluster.namespace.as_str());
    let covers = fetch_covers(cluster, namespace).await?;
    let mut reports = Vec::new();
    let all = fetch_postgres(cluster, namespace).await?;
    let around = if all.is_empty() {
        Neighbourhood::default()
    } else {
        fetch_neighbourhood(cluster, namespace).await
    };
    for seen in &all {
        let mut report = fetch_report(cluster, seen.clone(), &covers).await;
        let between = judge_neighbours(seen, &all, &covers, &around);
        report.findings.extend(between);
        report.not_known.extend(around.unknown.iter().cloned());
        reports.push(report);
    }
    let place = namespace.map_or_else(
        || "in this cluster".to_owned(),
        |namespace| format!("in namespace {namespace}"),
    );
    let flags = namespace
        .map(|namespace| format!(" -n {namespace}"))
        .unwrap_or_default()
        + &cluster.context_flag();
    let text = match arguments.output {
        _ if arguments.manifests => reports
            .iter()
            .filter_map(|report| report.manifest.as_deref())
            .collect(),
        Some(ListFormat::Json) => build_json(&reports)?,
        Some(ListFormat::Yaml) => build_yaml(&reports)?,
        Some(ListFormat::Table) if !reports.is_empty() => build_doctor_table(&reports),
        _ => describe_reports(&reports, &place, &flags),
    };
    write_out(&text)?;
    Ok(if reports.iter().all(|report| report.findings.is_empty()) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    })
}

/// Everything that runs a Postgres. Of all other workloads nothing is kept, so memory follows the
/// number of databases.
async fn fetch_postgres(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<Vec<WorkloadSeen>, PluginError> {
    let failed = |resource| {
        move |error| {
            ClusterRequest::list(resource, namespace, cluster.context.as_deref()).failed(error)
        }
    };
    let mut seen = Vec::new();
    fetch_pages::<StatefulSet>(cluster, namespace, async |page| {
        seen.extend(page.iter().filter_map(read_stateful_set));
    })
    .await
    .map_err(failed("statefulsets.apps"))?;
    fetch_pages::<Deployment>(cluster, namespace, async |page| {
        seen.extend(page.iter().filter_map(read_deployment));
    })
    .await
    .map_err(failed("deployments.apps"))?;
    Ok(seen)
}

/// What of the namespaces may lead to a Postgres, or mount its claims. What can't be read is reported.
async fn fetch_neighbourhood(cluster: &Cluster, namespace: Option<&str>) -> Neighbourhood {
    let mut around = Neighbourhood::default();
    let services = fetch_pages::<Service>(cluster, namespace, async |page| {
        page.iter().for_each(|service| around.keep_service(service));
    });
    let services = services.await;
    let pods = fetch_pages::<Pod>(cluster, namespace, async |page| {
        page.iter().for_each(|pod| around.keep_pod(pod));
    });
    let pods = pods.await;
    for (resource, read) in [("services", services), ("pods", pods)] {
        if let Err(error) = read {
            let request = ClusterRequest::list(resource, namespace, cluster.context.as_deref());
            around.unknown.push(request.failed(error).to_string());
        }
    }
    around
}

/// What covers which workload. In a cluster without Holdfast nothing does.
async fn fetch_covers(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<Vec<Cover>, PluginError> {
    let mut covers = Vec::new();
    match fetch_pages::<ProtectedDatabase>(cluster, namespace, async |page| {
        covers.extend(page.iter().map(build_cover));
    })
    .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            eprintln!(
                "Holdfast is not installed in this cluster, so nothing is protected; \
                 docs/install.md says how to install it."
            );
            Ok(covers)
        }
        Err(error) => Err(ClusterRequest::list(
            ProtectedDatabase::crd_name(),
            namespace,
            cluster.context.as_deref(),
        )
        .failed(error)),
        Ok(()) => Ok(covers),
    }
}

async fn fetch_report(cluster: &Cluster, seen: WorkloadSeen, covers: &[Cover]) -> PostgresReport {
    let claims = fetch_claims(cluster, &seen.namespace, &seen.claim_names).await;
    let cover = find_cover(covers, &seen.namespace, seen.kind, &seen.name);
    let workload = PostgresWorkload {
        servers: seen.servers(),
        kind: seen.kind,
        namespace: seen.namespace,
        name: seen.name,
        template: seen.template,
        claims_deleted_when: seen.claims_deleted_when,
        claims,
    };
    judge(workload, cover)
}
