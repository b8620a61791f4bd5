//! Looks at everything that an installation consists of, and compares it with what this version would
//! install with the settings that are there.

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use super::access::{judge_binding, judge_role, left_out};
use super::admission::judge_policy;
use super::definitions::{VERSION, judge_definition};
use super::install_command::install_command;
use super::objects::judge_object;
use super::operator::{COMPONENT_LABEL, Operator, judge_operator};
use super::questions::Home;
use super::report::Part;
use super::whereabouts::{bound_namespace, fenced_namespace, settle};
use crate::api::names;
use crate::guard;
use crate::install::{InstallOptions, build_installation};
use crate::plugin::error::ClusterRequest;
use crate::world::pod_says;

impl Home<'_> {
    /// The installation, and its operators if they could be read.
    pub async fn installation(&self) -> (Part, Option<Vec<Operator>>) {
        let mut part = Part::about("Installation");
        let account = names::OPERATOR_SERVICE_ACCOUNT;
        let binding = self
            .find::<ClusterRoleBinding>(self.all(), account, None)
            .await;
        let bound = part.known(binding).flatten();
        let bound = bound.as_ref().and_then(bound_namespace);
        let fence = self
            .find::<ValidatingAdmissionPolicy>(self.all(), guard::OPERATOR_FENCE_POLICY, None)
            .await;
        let fence = part.known(fence).flatten();
        let fence = fence.and_then(|fence| serde_json::to_value(fence).ok());
        let fenced = fence.as_ref().and_then(fenced_namespace);
        let mut everywhere = self.operators(None).await;
        if let (Err(_), Some(namespace)) = (&everywhere, bound.as_deref().or(fenced.as_deref())) {
            everywhere = self.operators(Some(namespace)).await;
        }
        let found = part.known(everywhere);
        let place = settle(
            bound.as_deref(),
            fenced.as_deref(),
            found.as_deref().unwrap_or_default(),
        );
        let namespace = place.namespace.as_str();
        part.findings.extend(place.findings);
        let is_here = |operator: &Operator| operator.namespace == namespace;
        let mut operators =
            found.map(|found| found.into_iter().filter(is_here).collect::<Vec<_>>());
        for operator in operators.iter_mut().flatten() {
            if !operator.is_available && operator.why_not.is_none() {
                operator.why_not = part.known(self.pods_say(namespace).await).flatten();
            }
        }
        let first = operators.iter().flatten().next();
        let install = install_command(first, namespace);
        for operator in operators.iter().flatten() {
            for judged in judge_operator(operator, &install) {
                part.add(judged);
            }
            part.not_known.extend(operator.not_known.iter().cloned());
        }
        if operators.as_ref().is_some_and(Vec::is_empty) {
            part.add(Err(format!(
                "there is no operator in namespace {namespace}: nothing is checked or backed up; \
                 install it: {install}"
            )));
        }
        self.look_at_definitions(&install, &mut part).await;
        self.look_at_policies(namespace, &install, &mut part).await;
        self.look_at_objects((first, namespace), &install, &mut part)
            .await;
        (part, operators)
    }

    /// What keeps the pods of an operator from running: a node, an image, a container that ends.
    async fn pods_say(&self, namespace: &str) -> Result<Option<String>, String> {
        let context = self.cluster.context.as_deref();
        let request = ClusterRequest::list("pods", Some(namespace), context);
        let labelled = ListParams::default().labels(&format!(
            "{}={},{COMPONENT_LABEL}=operator",
            names::NAME_LABEL,
            names::NAME_VALUE
        ));
        let pods = Api::<Pod>::namespaced(self.cluster.client.clone(), namespace);
        let pods = pods.list(&labelled).await;
        pods.map(|pods| pods.items.iter().find_map(pod_says))
            .map_err(|error| request.failed(error).to_string())
    }

    async fn look_at_definitions(&self, install: &str, part: &mut Part) {
        let now = Timestamp::now();
        for built in guard::definitions() {
            let name = built.metadata.name.as_deref().unwrap_or_default();
            let found = self
                .find::<CustomResourceDefinition>(self.all(), name, None)
                .await;
            if let Some(present) = part.known(found) {
                part.add(judge_definition(&built, present.as_ref(), now, install));
            }
        }
    }

    async fn look_at_policies(&self, operator_namespace: &str, install: &str, part: &mut Part) {
        let built = guard::policies(operator_namespace);
        let mut in_force = 0_usize;
        for bound in &built {
            let name = bound.0.metadata.name.as_deref().unwrap_or_default();
            let policy = self
                .find::<ValidatingAdmissionPolicy>(self.all(), name, None)
                .await;
            let binding = self
                .find::<ValidatingAdmissionPolicyBinding>(self.all(), name, None)
                .await;
            let (Some(policy), Some(binding)) = (part.known(policy), part.known(binding)) else {
                continue;
            };
            match judge_policy(bound, policy.as_ref(), binding.as_ref(), install) {
                Ok(()) => in_force += 1,
                Err(finding) => part.findings.push(finding),
            }
        }
        // Each of the others is a line of its own.
        if in_force == built.len() {
            part.in_order.push(format!(
                "all {in_force} admission policies are in force as {VERSION} builds them"
            ));
        }
    }

    /// Everything else that is installed: namespace, service account, roles with their bindings, and the
    /// Deployment.
    async fn look_at_objects(
        &self,
        (operator, namespace): (Option<&Operator>, &str),
        install: &str,
        part: &mut Part,
    ) {
        let options = operator.map_or_else(
            || InstallOptions {
                image: String::new(),
                namespace: namespace.to_owned(),
                selector: None,
                kept_volume_limit: None,
                backups_at_once: None,
                agents: None,
            },
            |operator| operator.settings.clone(),
        );
        let built = match build_installation(&options) {
            Ok(built) => built,
            Err(error) => return part.not_known.push(error.to_string()),
        };
        let of_kind = |kind: &'static str| built.iter().filter(move |built| built["kind"] == kind);
        self.look_at_roles(&built, install, part).await;
        let (mut kinds, is_of_helm) = (
            vec!["ServiceAccount"],
            operator.is_some_and(|operator| operator.release.is_some()),
        );
        // Helm makes the namespace, and gives it no labels.
        if !is_of_helm {
            kinds.push("Namespace");
        }
        for built in kinds.into_iter().flat_map(of_kind) {
            let found = self.find_any(built).await;
            if let Some(present) = part.known(found) {
                part.add(judge_object(built, present.as_ref(), install));
            }
        }
        // That it is missing is a finding already, and what could not be read is not compared.
        let Some(operator) = operator.filter(|operator| operator.not_known.is_empty()) else {
            return;
        };
        for built in
            of_kind("Deployment").filter(|built| built["metadata"]["name"] == operator.name)
        {
            let present = serde_json::to_value(&operator.deployment).unwrap_or_default();
            part.add(judge_object(built, Some(&present), install));
        }
    }

    async fn look_at_roles(&self, built: &[Value], install: &str, part: &mut Part) {
        let read = |built: &Value| serde_json::from_value::<ClusterRole>(built.clone()).ok();
        let roles = built.iter().filter(|built| built["kind"] == "ClusterRole");
        for role in roles.filter_map(read) {
            let name = role.metadata.name.as_deref().unwrap_or_default();
            let binding = built.iter().find(|built| {
                built["kind"] == "ClusterRoleBinding" && built["metadata"]["name"] == *name
            });
            let binding = binding
                .and_then(|built| serde_json::from_value::<ClusterRoleBinding>(built.clone()).ok());
            let found = self.find::<ClusterRole>(self.all(), name, None).await;
            let found = part.known(found);
            let bound = match &binding {
                Some(_) => {
                    let bound = self
                        .find::<ClusterRoleBinding>(self.all(), name, None)
                        .await;
                    part.known(bound)
                }
                None => Some(None),
            };
            if let (Some(found), Some(bound)) = (&found, &bound)
                && let Some(said) = left_out(name, found.is_some(), bound.is_some())
            {
                part.in_order.push(said);
                continue;
            }
            if let Some(found) = &found {
                part.add(judge_role(&role, found.as_ref(), install));
            }
            if let (Some(binding), Some(bound)) = (&binding, &bound) {
                part.add(judge_binding(binding, bound.as_ref(), install));
            }
        }
    }
}
