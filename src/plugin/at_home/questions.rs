//! One question to the cluster at a time, with your own permissions. Why one has no answer comes with
//! the command to check it. Nothing is changed: Jobs and pods are created as dry runs only.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DynamicObject, GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, Request};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::access::Needed;
use super::admission::{Tester, Tried, judge_answer, read_answer};
use super::objects::title;
use super::operator::{Operator, read_operator};
use super::report::Part;
use super::secrets::KeyNames;
use crate::api::{is_object_name, names};
use crate::decide::{AgentPod, PodMaker};
use crate::guard;
use crate::plugin::connect::Cluster;
use crate::plugin::error::ClusterRequest;

/// Asks about one cluster.
pub struct Home<'a> {
    pub cluster: &'a Cluster,
}

impl Home<'_> {
    /// The objects of a kind in all namespaces.
    pub fn all<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = ()>,
    {
        Api::all(self.cluster.client.clone())
    }

    /// One object that may not exist; else why that is not known, with the command to check it.
    pub async fn find<K>(
        &self,
        api: Api<K>,
        name: &str,
        namespace: Option<&str>,
    ) -> Result<Option<K>, String>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let resource = resource_of::<K>();
        let context = self.cluster.context.as_deref();
        let request = ClusterRequest::about("get", &resource, name, namespace, context);
        api.get_opt(name)
            .await
            .map_err(|error| request.failed(error).to_string())
    }

    /// All objects of a kind.
    pub async fn list<K>(&self) -> Result<Vec<K>, String>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let request =
            ClusterRequest::list(&resource_of::<K>(), None, self.cluster.context.as_deref());
        let list = self.all::<K>().list(&ListParams::default()).await;
        list.map(|list| list.items)
            .map_err(|error| request.failed(error).to_string())
    }

    /// An object of the installation, whatever kind it is.
    pub async fn find_any(&self, built: &Value) -> Result<Option<Value>, String> {
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let version = text(&built["apiVersion"]).unwrap_or_default();
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let kind = text(&built["kind"]).unwrap_or_default();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let name = text(&built["metadata"]["name"]).unwrap_or_default();
        let namespace = text(&built["metadata"]["namespace"]);
        let client = self.cluster.client.clone();
        let api: Api<DynamicObject> = match &namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let called = if group.is_empty() {
            resource.plural.clone()
        } else {
            format!("{}.{group}", resource.plural)
        };
        let context = self.cluster.context.as_deref();
        let request = ClusterRequest::about("get", &called, &name, namespace.as_deref(), context);
        let found = api.get_opt(&name).await;
        let found = found.map_err(|error| request.failed(error).to_string())?;
        let object = found.map(serde_json::to_value).transpose();
        object.map_err(|error| format!("{}: {error}", title(built)))
    }

    /// The operators of all namespaces, or of one if only that may be listed.
    pub async fn operators(&self, namespace: Option<&str>) -> Result<Vec<Operator>, String> {
        let context = self.cluster.context.as_deref();
        let request = ClusterRequest::list("deployments.apps", namespace, context);
        let client = self.cluster.client.clone();
        let list: Api<Deployment> = match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let labelled = format!("{}={}", names::NAME_LABEL, names::NAME_VALUE);
        let list = list.list(&ListParams::default().labels(&labelled)).await;
        list.map(|list| list.items.iter().filter_map(read_operator).collect())
            .map_err(|error| request.failed(error).to_string())
    }

    /// The names of the keys of a Secret.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<KeyNames>, String> {
        // What is no name is in no command that a user copies.
        if !is_object_name(name) {
            return Ok(None);
        }
        let context = self.cluster.context.as_deref();
        let question = ClusterRequest::about("get", "secrets", name, Some(namespace), context);
        let path = Secret::url_path(&(), Some(namespace));
        let request = Request::new(path).get(name, &GetParams::default());
        let request = request.map_err(|error| error.to_string())?;
        match self.cluster.client.request::<KeyNames>(request).await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(question.failed(error).to_string()),
        }
    }

    /// Creates a pod as a dry run, as the Job controller where you may impersonate it: everything that may
    /// refuse it is asked, and nothing is created.
    pub async fn try_pod(&self, namespace: &str, agent: &AgentPod, part: &mut Part) {
        let ask = async |client| {
            let pods: Api<Pod> = Api::namespaced(client, namespace);
            answer_of(pods.create(&only_tried(), &agent.pod).await)
        };
        let testers = (Tester::JobController, Tester::OnlyYouForPods);
        let (tester, tried) = self.try_as(JOB_CONTROLLER, testers, ask).await;
        let what = format!("pod of the agent ({})", agent.task);
        let judged = judge_answer((&what, "pods"), namespace, tester, tried);
        if let Some(judged) = part.known(judged) {
            part.add(judged);
        }
    }

    /// The same with the Job or CronJob that makes the pod, as the operator where you may impersonate it.
    pub async fn try_maker(
        &self,
        (namespace, operator): (&str, &str),
        agent: &AgentPod,
        part: &mut Part,
    ) {
        let (kind, resource) = match &agent.maker {
            PodMaker::Job(_) => ("Job", "jobs"),
            PodMaker::CronJob(_) => ("CronJob", "cronjobs"),
            PodMaker::Nothing => return,
        };
        let ask = async |client| try_with(client, namespace, &agent.maker).await;
        let (tester, tried) = self.try_as(operator, AS_OPERATOR, ask).await;
        let what = format!("{kind} of the agent ({})", agent.task);
        let judged = judge_answer((&what, resource), namespace, tester, tried);
        if let Some(judged) = part.known(judged) {
            part.add(judged);
        }
    }

    /// The same with one of the two objects that agents need in the namespace, applied as the operator
    /// does.
    pub async fn try_applied<K>(
        &self,
        (namespace, operator): (&str, &str),
        object: &K,
        part: &mut Part,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let ask = async |client| answer_of(try_apply(client, namespace, object).await);
        let (tester, tried) = self.try_as(operator, AS_OPERATOR, ask).await;
        let what = format!("{} of the agents", K::kind(&()));
        let resource = resource_of::<K>();
        let judged = judge_answer((&what, &resource), namespace, tester, tried);
        if let Some(judged) = part.known(judged) {
            part.add(judged);
        }
    }

    /// Asks as a user, or as yourself where you may not impersonate them. Says who has asked, of these two.
    async fn try_as(
        &self,
        user: &str,
        (they, only_you): (Tester, Tester),
        ask: impl AsyncFn(Client) -> Tried,
    ) -> (Tester, Tried) {
        let impersonated = match self.cluster.client_as(user) {
            Some(client) => ask(client).await,
            None => Tried::Forbidden(IMPERSONATE.to_owned()),
        };
        let may_not = matches!(&impersonated, Tried::Forbidden(said) if said.contains(IMPERSONATE));
        if may_not {
            (only_you, ask(self.cluster.client.clone()).await)
        } else {
            (they, impersonated)
        }
    }

    /// Whether you may do something.
    pub async fn may(&self, (verb, group, resource): Needed) -> Result<bool, String> {
        let attributes = ResourceAttributes {
            verb: Some(verb.to_owned()),
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let reviews = self.all::<SelfSubjectAccessReview>();
        let answer = reviews.create(&PostParams::default(), &review).await;
        let context = self.cluster.context.as_deref();
        let resource = "selfsubjectaccessreviews.authorization.k8s.io";
        let question = ClusterRequest {
            verb: "create",
            ..ClusterRequest::list(resource, None, context)
        };
        answer
            .map(|answer| answer.status.is_some_and(|status| status.allowed))
            .map_err(|error| question.failed(error).to_string())
    }
}

/// Who creates the pods of Jobs.
const JOB_CONTROLLER: &str = "system:serviceaccount:kube-system:job-controller";
/// Who asks in the operator's place.
const AS_OPERATOR: (Tester, Tester) = (Tester::Operator, Tester::OnlyYou);
/// What the API server says to somebody who may not ask as somebody else.
const IMPERSONATE: &str = "cannot impersonate";

fn only_tried() -> PostParams {
    PostParams {
        dry_run: true,
        field_manager: Some(names::PLUGIN_MANAGER.to_owned()),
    }
}

/// Tries what makes pods as the operator writes it: a Job is created, a CronJob applied.
async fn try_with(client: Client, namespace: &str, maker: &PodMaker) -> Tried {
    match maker {
        PodMaker::Nothing => Tried::Admitted,
        PodMaker::Job(job) => {
            let jobs: Api<Job> = Api::namespaced(client, namespace);
            look_for_more(jobs.create(&only_tried(), job).await)
        }
        PodMaker::CronJob(cron_job) => {
            look_for_more(try_apply(client, namespace, cron_job.as_ref()).await)
        }
    }
}

/// What is admitted may have been changed on the way.
fn look_for_more<K: Serialize>(answer: Result<K, kube::Error>) -> Tried {
    let admitted = answer.as_ref().ok();
    let admitted = admitted.and_then(|object| serde_json::to_value(object).ok());
    let more = admitted.and_then(|object| guard::field_of_no_agent(&object));
    more.map_or_else(|| answer_of(answer), Tried::Added)
}

async fn try_apply<K>(client: Client, namespace: &str, object: &K) -> Result<K, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let objects: Api<K> = Api::namespaced(client, namespace);
    let name = object.meta().name.as_deref().unwrap_or_default();
    let parameters = PatchParams {
        dry_run: true,
        ..PatchParams::apply(names::OPERATOR_MANAGER).force()
    };
    objects
        .patch(name, &parameters, &Patch::Apply(object))
        .await
}

fn answer_of<K>(answer: Result<K, kube::Error>) -> Tried {
    match answer {
        Ok(_) => read_answer(Ok(())),
        Err(kube::Error::Api(status)) if status.message.contains(IMPERSONATE) => {
            Tried::Forbidden(status.message.clone())
        }
        Err(kube::Error::Api(status)) => read_answer(Err(status.as_ref())),
        Err(error) => Tried::Untried(error.to_string()),
    }
}

/// A kind as `kubectl auth can-i` names it.
fn resource_of<K: Resource<DynamicType = ()>>() -> String {
    let (plural, group) = (K::plural(&()), K::group(&()));
    if group.is_empty() {
        plural.into_owned()
    } else {
        format!("{plural}.{group}")
    }
}
