//! Reads single objects and lists, each with the question that is asked, so that a refusal says how
//! to check it. Nothing is judged here.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{ControllerRevision, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{CustomResourceExt, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::api::{Workload, WorkloadKind};
use crate::incident::{Lookup, TemplateRevision, WorkloadFacts};
use crate::plugin::connect::Cluster;
use crate::plugin::error::ClusterRequest;
use crate::plugin::paging::fetch_pages;
use crate::world::{Fact, NamedWorkload, WorkloadFound, WorkloadObject};

/// The most objects of a kind that are kept.
const KEPT: usize = 500;
/// The annotation in which a Deployment numbers its `ReplicaSets`.
const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

/// What the API server said of one object; if it could not be read, the reason names the request.
pub fn told<K>(request: ClusterRequest, answer: Result<Option<K>, kube::Error>) -> Fact<Option<K>> {
    match answer {
        Ok(found) => Fact::Known(found),
        Err(error) => Fact::Unknown(request.failed(error).to_string()),
    }
}

/// The same, with the name.
pub fn told_of<K>(
    name: &str,
    request: ClusterRequest,
    answer: Result<Option<K>, kube::Error>,
) -> Lookup<K> {
    Lookup {
        name: name.to_owned(),
        found: told(request, answer),
    }
}

/// Reads the objects of a kind that `pick` keeps something of, a page at a time.
pub async fn fetch_picked<K, T>(
    cluster: &Cluster,
    resource: &str,
    pick: impl Fn(K) -> Option<T>,
) -> Fact<Vec<T>>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    K::DynamicType: Default,
{
    let mut kept = Vec::new();
    let read = fetch_pages(cluster, Some(&cluster.namespace), async |page| {
        kept.extend(page.into_iter().filter_map(&pick));
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    });
    match read.await {
        Ok(()) => Fact::Known(kept),
        Err(error) => {
            let question = ClusterRequest::list(
                resource,
                Some(&cluster.namespace),
                cluster.context.as_deref(),
            );
            Fact::Unknown(question.failed(error).to_string())
        }
    }
}

/// Reads the objects of one of our kinds that belong to a database.
pub async fn fetch_listed<K>(
    cluster: &Cluster,
    database: &str,
    of: impl Fn(&K) -> &String,
) -> Fact<Vec<K>>
where
    K: Resource<Scope = NamespaceResourceScope>
        + CustomResourceExt
        + Clone
        + Debug
        + DeserializeOwned,
    K::DynamicType: Default,
{
    fetch_picked(cluster, K::crd_name(), |object: K| {
        (of(&object) == database).then_some(object)
    })
    .await
}

/// Reads the workload that the spec names.
pub async fn fetch_workload(
    cluster: &Cluster,
    wanted: Option<&Workload>,
) -> Fact<Option<WorkloadObject>> {
    let Some(wanted) = wanted else {
        return Fact::Unknown(
            "could not read the workload: neither a ProtectedDatabase nor a DatabaseLedger names \
            one"
            .to_owned(),
        );
    };
    if wanted.selector.is_some() {
        return Fact::Known(None);
    }
    let name = wanted.name.as_str();
    match cluster.reader().find_workload(wanted).await {
        Ok(NamedWorkload::Found(found)) => Fact::Known(Some(found)),
        Ok(NamedWorkload::NotFound) => Fact::Known(None),
        Ok(NamedWorkload::Ambiguous) => Fact::Unknown(format!(
            "could not tell which workload runs the database: there are both a StatefulSet and a \
             Deployment {name}, and spec.workload.kind says neither"
        )),
        Err((kind, error)) => {
            let resource = match kind {
                WorkloadKind::StatefulSet => "statefulsets.apps",
                WorkloadKind::Deployment => "deployments.apps",
            };
            let (namespace, context) = (cluster.namespace.as_str(), cluster.context.as_deref());
            let question = ClusterRequest::about("get", resource, name, Some(namespace), context);
            Fact::Unknown(question.failed(error).to_string())
        }
    }
}

/// What is kept of a workload.
pub fn seen(workload: WorkloadObject) -> WorkloadFacts {
    let (kind, metadata, template) = match workload {
        WorkloadObject::StatefulSet(set) => (
            WorkloadKind::StatefulSet,
            set.metadata,
            set.spec.map(|spec| spec.template),
        ),
        WorkloadObject::Deployment(deployment) => (
            WorkloadKind::Deployment,
            deployment.metadata,
            deployment.spec.map(|spec| spec.template),
        ),
    };
    WorkloadFacts {
        kind,
        metadata,
        template: template.unwrap_or_default(),
    }
}

/// Reads the workload's pods that there are: those that it controls, by UID. One of the name that was
/// there before had pods of its own.
pub async fn fetch_pods(
    cluster: &Cluster,
    wanted: Option<&Workload>,
    workload: &Fact<Option<WorkloadObject>>,
) -> Fact<Vec<Pod>> {
    if let Some(selector) = wanted.and_then(|wanted| wanted.selector.as_ref()) {
        return fetch_picked(cluster, "pods", |pod: Pod| {
            selector
                .select(pod.metadata.labels.as_ref()?)
                .then_some(pod)
        })
        .await;
    }
    let found = match workload {
        Fact::Unknown(why) => return Fact::Unknown(why.clone()),
        Fact::Known(None) => return Fact::Known(Vec::new()),
        Fact::Known(Some(found)) => WorkloadFound::from(found.clone()),
    };
    match cluster.reader().find_pods(&found).await {
        Ok(pods) => Fact::Known(pods),
        Err((resource, error)) => {
            let (namespace, context) = (cluster.namespace.as_str(), cluster.context.as_deref());
            let question = ClusterRequest::list(resource, Some(namespace), context);
            Fact::Unknown(question.failed(error).to_string())
        }
    }
}

/// Reads how the workload's pods were made before.
pub async fn fetch_revisions(
    cluster: &Cluster,
    workload: &Fact<Option<WorkloadFacts>>,
) -> Fact<Vec<TemplateRevision>> {
    match workload {
        Fact::Unknown(why) => Fact::Unknown(why.clone()),
        Fact::Known(None) => {
            Fact::Unknown("the workload does not exist, so its revisions don't either".to_owned())
        }
        Fact::Known(Some(workload)) => {
            let uid = workload.metadata.uid.clone().unwrap_or_default();
            match workload.kind {
                WorkloadKind::StatefulSet => {
                    let pick = |revision: ControllerRevision| {
                        is_owned_by(&revision.metadata, &uid)
                            .then(|| of_controller_revision(&revision))
                    };
                    fetch_picked(cluster, "controllerrevisions.apps", pick).await
                }
                WorkloadKind::Deployment => {
                    let pick = |set: ReplicaSet| {
                        is_owned_by(&set.metadata, &uid).then(|| of_replica_set(set))
                    };
                    fetch_picked(cluster, "replicasets.apps", pick).await
                }
            }
        }
    }
}

fn is_owned_by(metadata: &ObjectMeta, uid: &str) -> bool {
    metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.uid == uid)
}

fn of_controller_revision(revision: &ControllerRevision) -> TemplateRevision {
    let template = revision
        .data
        .as_ref()
        .and_then(|data| data.0.pointer("/spec/template").cloned());
    TemplateRevision {
        name: revision.name_any(),
        number: revision.revision,
        created: revision.metadata.creation_timestamp.clone(),
        template: template.and_then(|template| serde_json::from_value(template).ok()),
    }
}

fn of_replica_set(set: ReplicaSet) -> TemplateRevision {
    TemplateRevision {
        name: set.name_any(),
        number: set
            .annotations()
            .get(REVISION_ANNOTATION)
            .and_then(|number| number.parse().ok())
            .unwrap_or_default(),
        created: set.metadata.creation_timestamp,
        template: set.spec.and_then(|spec| spec.template),
    }
}
