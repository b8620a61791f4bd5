//! Looks at everything that `kubectl holdfast check` is about, and prints what was found.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::{Api, CustomResourceExt as _};

use super::access::{TO_INSTALL, judge_identity, judge_needed};
use super::before::{describe_storage, judge_nodes, judge_policies, judge_version};
use super::definitions::VERSION;
use super::namespace::{judge_namespace, judge_workload};
use super::operator::{Operator, judge_selection};
use super::questions::Home;
use super::report::{Part, describe_parts, exit_status};
use super::secrets::{judge_secret, wanted_secrets};
use crate::api::{Agents, ProtectedDatabase, names};
use crate::decide::{agent_labels, agent_pods, sample_agent_pod};
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::{DataFormat, build_json, build_yaml, write_out};
use crate::plugin::paging::fetch_pages;
use crate::resources::{JobPace, build_agent_identity};
use crate::world::{Enforcement, Fact, OperatorFacts, WatchedVolumes, observe};

/// What is not asked, because only the operator knows it.
const NOT_ASKED: &str = "it was not asked";
/// The namespace of the operator, unless its role is bound in another.
const OPERATORS: &str = "holdfast-system";

/// Runs `check` without a name.
pub async fn run(
    cluster: &Cluster,
    is_before: bool,
    all_namespaces: bool,
    output: Option<DataFormat>,
) -> Result<ExitStatus, PluginError> {
    let home = Home { cluster };
    let parts = if is_before {
        vec![home.before().await, home.namespace_before().await]
    } else {
        home.installed(all_namespaces).await
    };
    write_out(&match output {
        Some(DataFormat::Json) => build_json(&parts)?,
        Some(DataFormat::Yaml) => build_yaml(&parts)?,
        None => describe_parts(&parts),
    })?;
    Ok(exit_status(&parts))
}

impl Home<'_> {
    /// The installation, and every database of the namespace, or of all.
    async fn installed(&self, all_namespaces: bool) -> Vec<Part> {
        let (installation, operators) = Box::pin(self.installation()).await;
        let mut parts = vec![installation];
        parts.extend(self.databases(all_namespaces, operators.as_deref()).await);
        parts
    }

    async fn databases(&self, all_namespaces: bool, operators: Option<&[Operator]>) -> Vec<Part> {
        let namespace = (!all_namespaces).then_some(self.cluster.namespace.as_str());
        let mut databases = Vec::new();
        let read = fetch_pages::<ProtectedDatabase>(self.cluster, namespace, async |page| {
            databases.extend(page);
        })
        .await;
        let place = namespace.map_or_else(
            || "All namespaces".to_owned(),
            |namespace| format!("Namespace {namespace}"),
        );
        let mut part = Part::about(place);
        if let Err(error) = read {
            let context = self.cluster.context.as_deref();
            let resource = ProtectedDatabase::crd_name();
            let request = ClusterRequest::list(resource, namespace, context);
            part.not_known.push(request.failed(error).to_string());
            return vec![part];
        }
        if databases.is_empty() {
            part.in_order.push(
                "there is no ProtectedDatabase; what nothing protects: `kubectl holdfast doctor`"
                    .to_owned(),
            );
            return vec![part];
        }
        let mut parts = Vec::new();
        for database in databases {
            parts.push(Box::pin(self.database(database, operators)).await);
        }
        parts
    }

    /// One database: who works on it, what its agents depend on, and their very Jobs and pods as dry
    /// runs.
    async fn database(&self, database: ProtectedDatabase, operators: Option<&[Operator]>) -> Part {
        let namespace = database.metadata.namespace.clone().unwrap_or_default();
        let name = database.metadata.name.clone().unwrap_or_default();
        let mut part = Part::about(format!("ProtectedDatabase {namespace}/{name}"));
        match operators {
            Some([]) => {}
            Some(operators) => {
                let about = (namespace.as_str(), name.as_str());
                part.add(judge_selection(operators, about, &database));
            }
            None => part
                .not_known
                .push("which operator works on it: no Deployment could be read".to_owned()),
        }
        let mut own = operators.into_iter().flatten();
        let own = own.find(|operator| operator.selects(&namespace, &database) == Ok(true));
        let agents = match own.map(|operator| (operator.agents(), operator.not_known.is_empty())) {
            Some((Ok(agents), true)) => agents,
            found => {
                let why = match found {
                    Some((Err(_), _)) => "HOLDFAST_AGENTS of its operator can't be used",
                    Some(_) => "HOLDFAST_AGENTS of its operator could not be read",
                    None => "no operator works on it",
                };
                part.not_known.push(format!(
                    "whether its agents are as the installation wants them: {why}; they are tried \
                     without that"
                ));
                Agents::default()
            }
        };
        let agents = Arc::new(agents);
        let image = own.map_or("IMAGE", |operator| operator.settings.image.as_str());
        let policy = std::future::ready(Fact::Unknown(NOT_ASKED.to_owned()));
        let client = &self.cluster.client;
        // Nothing here asks for volumes, so none is listed.
        let volumes = WatchedVolumes::default();
        volumes.end_list();
        let operator = OperatorFacts {
            agent_image: image,
            agent_defaults: &agents,
            pace: JobPace::default(),
            volumes: &volumes,
            kept_volume_limit: usize::MAX,
            enforcement: &Enforcement::default(),
        };
        let observed = Box::pin(observe(client, operator, policy, database)).await;
        let mut unread: Vec<String> = observed
            .unknown_parts()
            .into_iter()
            .filter(|why| *why != NOT_ASKED)
            .map(ToOwned::to_owned)
            .collect();
        unread.dedup();
        part.not_known.extend(unread);
        if let Some(judged) = judge_workload(&observed) {
            part.add(judged);
        }
        let operator = own.map_or(OPERATORS, |operator| operator.namespace.as_str());
        let account = names::OPERATOR_SERVICE_ACCOUNT;
        let operator = format!("system:serviceaccount:{operator}:{account}");
        let labels = agent_labels(&observed);
        self.look_at_identity((&namespace, &operator), &labels, &mut part)
            .await;
        let pods = agent_pods(&observed);
        if !pods.iter().any(|agent| agent.task == "check") {
            part.not_known.push(format!(
                "whether the pod of a check would be admitted: no Postgres runs, so there is nothing \
                 to check; see `kubectl holdfast status {name} -n {namespace}`"
            ));
        }
        for (secret, keys) in wanted_secrets(&pods) {
            let found = self.secret(&namespace, &secret).await;
            if let Some(present) = part.known(found) {
                part.add(judge_secret(&namespace, &secret, &keys, present.as_ref()));
            }
        }
        for agent in &pods {
            self.try_maker((&namespace, &operator), agent, &mut part)
                .await;
            self.try_pod(&namespace, agent, &mut part).await;
        }
        part
    }

    /// What agents are, and whether what of it is not there yet would be admitted.
    async fn look_at_identity(
        &self,
        (namespace, operator): (&str, &str),
        labels: &BTreeMap<String, String>,
        part: &mut Part,
    ) {
        let name = names::AGENT_SERVICE_ACCOUNT;
        let client = || self.cluster.client.clone();
        let accounts: Api<ServiceAccount> = Api::namespaced(client(), namespace);
        let bindings: Api<RoleBinding> = Api::namespaced(client(), namespace);
        let account = self.find(accounts, name, Some(namespace)).await;
        let binding = self.find(bindings, name, Some(namespace)).await;
        let (account, binding) = (part.known(account), part.known(binding));
        if let (Some(account), Some(binding)) = (account, binding) {
            part.add(judge_identity(
                namespace,
                account.is_some(),
                binding.as_ref(),
            ));
            let (built_account, built_binding) = build_agent_identity(namespace, labels);
            if account.is_none() {
                self.try_applied((namespace, operator), &built_account, part)
                    .await;
            }
            if binding.is_none() {
                self.try_applied((namespace, operator), &built_binding, part)
                    .await;
            }
        }
    }

    /// The cluster, before anything is installed.
    async fn before(&self) -> Part {
        let mut part = Part::about("Cluster");
        let context = self.cluster.context.as_deref();
        let about = |resource: &str| ClusterRequest::list(resource, None, context);
        let client = &self.cluster.client;
        let version = client.apiserver_version().await;
        let version = version.map_err(|error| about("versions").failed(error).to_string());
        if let Some(version) = part.known(version) {
            part.add(judge_version(&version.major, &version.minor));
        }
        let served = client
            .list_api_group_resources("admissionregistration.k8s.io/v1")
            .await;
        let is_served = match served {
            Ok(served) => {
                let mut resources = served.resources.iter();
                Ok(resources.any(|resource| resource.name == "validatingadmissionpolicies"))
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(about("validatingadmissionpolicies")
                .failed(error)
                .to_string()),
        };
        if let Some(is_served) = part.known(is_served) {
            part.add(judge_policies(is_served));
        }
        for needed in TO_INSTALL {
            let allowed = self.may(*needed).await;
            if let Some(is_allowed) = part.known(allowed) {
                part.add(judge_needed(*needed, is_allowed));
            }
        }
        let nodes = self.list::<Node>().await;
        if let Some(nodes) = part.known(nodes) {
            part.add(judge_nodes(&nodes));
        }
        let classes = self.list::<StorageClass>().await;
        if let Some(classes) = part.known(classes) {
            part.in_order.push(describe_storage(&classes));
        }
        part
    }

    /// The namespace, before anything is protected in it: quotas, limits, Pod Security and the policies of
    /// others are all asked by trying a pod like those of agents.
    async fn namespace_before(&self) -> Part {
        let namespace = &self.cluster.namespace;
        let mut part = Part::about(format!("Namespace {namespace}"));
        let found = self.find::<Namespace>(self.all(), namespace, None).await;
        let present = part.known(found);
        let exists = present.as_ref().is_none_or(Option::is_some);
        if let Some(present) = present {
            part.add(judge_namespace(namespace, present.as_ref()));
        }
        if exists {
            let image = format!("holdfast:{VERSION}");
            if let Some(sample) = sample_agent_pod(namespace, &image) {
                self.try_pod(namespace, &sample, &mut part).await;
            }
        }
        part
    }
}
