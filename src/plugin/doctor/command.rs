//! Walks the cluster's StatefulSets, Deployments and pods, and reports on those that run a Postgres.

use clap::Args;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{CustomResourceExt as _, ResourceExt};

use super::volumes::fetch_claims;
use super::{
    Cover, EnvSources, Neighbourhood, NotJudged, PodsSeen, PostgresReport, PostgresWorkload,
    VolumesSeen, WorkloadSeen, build_cover, build_doctor_table, describe_not_judged,
    describe_reports, fetch_bare_reports, find_cover, find_cover_of_pods, judge, judge_neighbours,
    read_deployment, read_stateful_set,
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
    let mut walk = Walk::default();
    let all = fetch_postgres(cluster, namespace, &mut walk).await?;
    let around = fetch_neighbourhood(cluster, namespace, &all, &mut walk.pods).await;
    let volumes = VolumesSeen::fetch(cluster).await;
    for seen in &all {
        let mut report = fetch_report(cluster, seen.clone(), &covers, &volumes).await;
        let between = judge_neighbours(seen, &all, &covers, &around);
        report.findings.extend(between);
        report.not_known.extend(around.unknown.iter().cloned());
        reports.push(report);
    }
    let Walk {
        pods,
        mut sources,
        mut not_judged,
    } = walk;
    let read = (&pods, &volumes);
    let bare = fetch_bare_reports(cluster, read, &mut sources, &covers, &mut not_judged);
    reports.extend(bare.await);
    if reports.is_empty() {
        not_judged.unread.extend(around.unknown);
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
        _ => describe_reports(&reports, &not_judged, &place, &flags),
    };
    let is_told = !arguments.manifests
        && (arguments.output.is_none()
            || (reports.is_empty() && matches!(arguments.output, Some(ListFormat::Table))));
    if !is_told {
        // An empty list must not look like an answer.
        let mut notes = String::new();
        describe_not_judged(&mut notes, &not_judged);
        eprint!("{notes}");
    }
    write_out(&text)?;
    Ok(if reports.iter().all(|report| report.findings.is_empty()) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    })
}

/// What is found on the way.
#[derive(Debug, Default)]
struct Walk {
    /// Pods, and the names of what may control them.
    pods: PodsSeen,
    /// What `envFrom` leads to.
    sources: EnvSources,
    /// What may be a Postgres.
    not_judged: NotJudged,
}

impl Walk {
    /// The template with the variables of `envFrom`.
    async fn fill_in(
        &mut self,
        cluster: &Cluster,
        metadata: &ObjectMeta,
        template: Option<&mut PodTemplateSpec>,
    ) -> Vec<String> {
        let namespace = metadata.namespace.clone();
        let name = metadata.name.clone().unwrap_or_default();
        self.pods.keep_workload(namespace.clone(), name);
        let Some(spec) = template.and_then(|template| template.spec.as_mut()) else {
            return Vec::new();
        };
        let namespace = namespace.unwrap_or_default();
        let (filled, unread) = self.sources.fill_in(cluster, &namespace, spec).await;
        *spec = filled;
        unread
    }

    /// Keeps what was recognised, or what could not be judged.
    fn keep(
        &mut self,
        seen: Option<WorkloadSeen>,
        (kind, metadata): (&str, &ObjectMeta),
        (spec, claim_templates): (Option<&PodSpec>, &[String]),
        unread: Vec<String>,
    ) -> Option<WorkloadSeen> {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref().unwrap_or_default();
        match (seen, spec) {
            (Some(mut seen), _) => {
                seen.unread = unread;
                Some(seen)
            }
            (None, Some(spec)) => {
                let place = (namespace, format!("{kind}/{name}"));
                self.not_judged.keep(place, spec, claim_templates, unread);
                None
            }
            (None, None) => None,
        }
    }
}

/// Everything that runs a Postgres. Of all other workloads nothing but names is kept, so memory follows
/// the number of databases.
async fn fetch_postgres(
    cluster: &Cluster,
    namespace: Option<&str>,
    walk: &mut Walk,
) -> Result<Vec<WorkloadSeen>, PluginError> {
    let failed = |resource| {
        move |error| {
            ClusterRequest::list(resource, namespace, cluster.context.as_deref()).failed(error)
        }
    };
    let mut seen = Vec::new();
    fetch_pages::<StatefulSet>(cluster, namespace, async |page| {
        for mut object in page {
            let metadata = object.metadata.clone();
            let template = object.spec.as_mut().map(|spec| &mut spec.template);
            let unread = walk.fill_in(cluster, &metadata, template).await;
            let found = read_stateful_set(&object);
            let spec = object.spec.as_ref();
            let claims = spec.and_then(|spec| spec.volume_claim_templates.as_ref());
            let claims = claims.into_iter().flatten().map(ResourceExt::name_any);
            let claims: Vec<String> = claims.collect();
            let pod = spec.and_then(|spec| spec.template.spec.as_ref());
            seen.extend(walk.keep(found, ("statefulset", &metadata), (pod, &claims), unread));
        }
    })
    .await
    .map_err(failed("statefulsets.apps"))?;
    fetch_pages::<Deployment>(cluster, namespace, async |page| {
        for mut object in page {
            let metadata = object.metadata.clone();
            let template = object.spec.as_mut().map(|spec| &mut spec.template);
            let unread = walk.fill_in(cluster, &metadata, template).await;
            let found = read_deployment(&object);
            let pod = object
                .spec
                .as_ref()
                .and_then(|spec| spec.template.spec.as_ref());
            seen.extend(walk.keep(found, ("deployment", &metadata), (pod, &[]), unread));
        }
    })
    .await
    .map_err(failed("deployments.apps"))?;
    Ok(seen)
}

/// What of the namespaces may lead to a Postgres, or mount its claims. What can't be read is reported.
async fn fetch_neighbourhood(
    cluster: &Cluster,
    namespace: Option<&str>,
    all: &[WorkloadSeen],
    seen: &mut PodsSeen,
) -> Neighbourhood {
    let mut around = Neighbourhood::default();
    let services = fetch_pages::<Service>(cluster, namespace, async |page| {
        for service in &page {
            around.keep_service(service);
        }
    });
    let services = services.await;
    // After the Services that they are of.
    let slices = fetch_pages::<EndpointSlice>(cluster, namespace, async |page| {
        for slice in &page {
            around.keep_slice(slice);
        }
    });
    let slices = slices.await;
    let pods = fetch_pages::<Pod>(cluster, namespace, async |page| {
        for pod in &page {
            around.keep_pod(pod, all);
            seen.keep_pod(pod);
        }
    });
    let pods = pods.await;
    let read = [
        ("services", services),
        ("endpointslices.discovery.k8s.io", slices),
        ("pods", pods),
    ];
    for (resource, read) in read {
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

async fn fetch_report(
    cluster: &Cluster,
    seen: WorkloadSeen,
    covers: &[Cover],
    volumes: &VolumesSeen,
) -> PostgresReport {
    let claims = fetch_claims(cluster, &seen.namespace, &seen.claim_names).await;
    let directories = |claim: &str| {
        let directories = seen.found.directories_of(claim).into_iter();
        directories.map(ToOwned::to_owned).collect()
    };
    let twins = volumes
        .judge(cluster, &seen.namespace, &claims, directories)
        .await;
    let cover = find_cover(covers, &seen.namespace, seen.kind, &seen.name)
        .or_else(|| find_cover_of_pods(covers, &seen.namespace, &seen.pod.labels));
    let workload = PostgresWorkload {
        servers: seen.servers(),
        kind: seen.kind,
        namespace: seen.namespace,
        name: seen.name,
        template: seen.template,
        claims_deleted_when: seen.claims_deleted_when,
        claims,
    };
    let mut report = judge(workload, cover);
    report.findings.extend(twins.findings);
    report.not_known.extend(twins.not_known);
    report.not_known.extend(seen.unread);
    report
}
