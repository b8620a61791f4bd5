//! The operators of an installation, as their Deployments say it, and the settings that they were
//! installed with. Pure.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt;
use kube::core::SelectorExt as _;

use super::definitions::VERSION;
use crate::api::{Agents, names};
use crate::install::{InstallOptions, parse_agent_defaults, parse_selector};
use crate::wording::quoted;

/// The most characters that are quoted: others write these texts.
const QUOTED: usize = 500;
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
const RELEASE_ANNOTATION: &str = "meta.helm.sh/release-name";
const IMAGE_VARIABLE: &str = "HOLDFAST_AGENT_IMAGE";
const AGENTS_VARIABLE: &str = "HOLDFAST_AGENTS";
const SELECTOR_VARIABLE: &str = "HOLDFAST_SELECTOR";
const LIMIT_VARIABLE: &str = "HOLDFAST_KEPT_VOLUME_LIMIT";
const BACKUPS_VARIABLE: &str = "HOLDFAST_BACKUPS_AT_ONCE";
const NAMESPACE_VARIABLE: &str = "HOLDFAST_NAMESPACE";

/// One operator.
#[derive(Clone, Debug)]
pub struct Operator {
    pub namespace: String,
    pub name: String,
    /// What it was installed with.
    pub settings: InstallOptions,
    /// The only namespace that it works in.
    pub watched: Option<String>,
    /// The Helm release that it is of.
    pub release: Option<String>,
    /// Whether a pod of it is available.
    pub is_available: bool,
    /// Why none is, in the words of Kubernetes, if that is known.
    pub why_not: Option<String>,
    /// What of its settings could not be read, and why.
    pub not_known: Vec<String>,
    pub deployment: Deployment,
}

/// The operator that a Deployment runs, if it runs one.
pub fn read_operator(deployment: &Deployment) -> Option<Operator> {
    let spec = deployment.spec.as_ref()?;
    let labels = deployment.metadata.labels.as_ref();
    let selected = spec.selector.match_labels.as_ref();
    let is_operator = [selected, labels]
        .into_iter()
        .flatten()
        .any(|labels| labels.get(COMPONENT_LABEL).map(String::as_str) == Some("operator"));
    let name = deployment.metadata.name.clone()?;
    // The chart and the manifest give it this name; its selector may have been changed.
    if !is_operator && name != names::OPERATOR_SERVICE_ACCOUNT {
        return None;
    }
    let namespace = deployment.metadata.namespace.clone()?;
    let pod = spec.template.spec.as_ref()?;
    let mut containers = pod.containers.iter();
    let own = containers.find(|container| container.name == names::OPERATOR_SERVICE_ACCOUNT);
    let container = own.or_else(|| pod.containers.first())?;
    let mut not_known = Vec::new();
    let mut read = |variable: &str| read_variable(container, variable, &mut not_known);
    let image = read(IMAGE_VARIABLE).or_else(|| container.image.clone());
    let (selector, limit) = (read(SELECTOR_VARIABLE), read(LIMIT_VARIABLE));
    let backups_at_once = read(BACKUPS_VARIABLE);
    // The kubelet makes one dollar of two.
    let agents = read(AGENTS_VARIABLE).map(|text| text.replace("$$", "$"));
    let watched = read(NAMESPACE_VARIABLE);
    let status = deployment.status.as_ref();
    let available = status.and_then(|status| status.available_replicas);
    let annotations = deployment.metadata.annotations.as_ref();
    Some(Operator {
        settings: InstallOptions {
            image: image.unwrap_or_default(),
            namespace: namespace.clone(),
            selector: selector.filter(|text| !text.is_empty()),
            kept_volume_limit: limit,
            backups_at_once,
            agents: agents.filter(|text| !text.is_empty()),
        },
        namespace,
        name,
        watched,
        release: annotations
            .and_then(|all| all.get(RELEASE_ANNOTATION))
            .cloned(),
        is_available: available.unwrap_or(0) > 0,
        why_not: refused_pods(deployment),
        not_known,
        deployment: deployment.clone(),
    })
}

/// What refuses the pods of a Deployment: a quota, a policy, a security context constraint.
fn refused_pods(deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.iter();
    let mut conditions = conditions.flat_map(|status| status.conditions.iter().flatten());
    let failed =
        conditions.find(|found| found.type_ == "ReplicaFailure" && found.status == "True")?;
    let said = failed.message.as_deref().or(failed.reason.as_deref())?;
    Some(format!("its pod is not created: {}", quoted(said, QUOTED)))
}

/// A variable of the operator. One that is read from elsewhere, or more than one of it, is not known.
fn read_variable(container: &Container, name: &str, not_known: &mut Vec<String>) -> Option<String> {
    let mut variables = container
        .env
        .iter()
        .flatten()
        .filter(|found| found.name == name);
    let found = variables.next()?;
    if found.value_from.is_some() {
        not_known.push(format!(
            "{name} of the operator, which is read from elsewhere (valueFrom)"
        ));
        return None;
    }
    // The last one counts, for the kubelet too.
    variables.next_back().unwrap_or(found).value.clone()
}

impl Operator {
    /// `NAMESPACE/NAME`.
    pub fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// How its agents' pods are where a ProtectedDatabase does not say it.
    ///
    /// # Errors
    /// It can't be used, so the operator does not start.
    pub fn agents(&self) -> Result<Agents, String> {
        let text = self.settings.agents.as_deref().unwrap_or("{}");
        parse_agent_defaults(text)
    }

    /// Whether a database is its own.
    ///
    /// # Errors
    /// Its selector can't be used, so the operator does not start.
    pub fn selects(&self, namespace: &str, database: &impl ResourceExt) -> Result<bool, String> {
        let selector = parse_selector(self.settings.selector.as_deref().unwrap_or_default())?;
        let is_watched = self.watched.as_deref().is_none_or(|only| only == namespace);
        Ok(is_watched && selector.matches(database.labels()))
    }
}

/// Whether an operator works, starts with its settings, and is of this version.
pub fn judge_operator(operator: &Operator, install: &str) -> Vec<Result<String, String>> {
    let (title, namespace) = (operator.title(), &operator.namespace);
    let image = &operator.settings.image;
    let availability = if operator.is_available {
        Ok(format!("operator {title} is available, image {image}"))
    } else {
        let why = operator.why_not.as_ref();
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        Err(format!(
            "operator {title} has no available pod{why}: nothing is checked or backed up while that \
             lasts; see `kubectl -n {namespace} describe deployment,pods`"
        ))
    };
    let mut judged = vec![availability];
    if let Some(tag) = version_of(image).filter(|tag| *tag != VERSION) {
        judged.push(Err(format!(
            "operator {title} is of version {tag}, and this plugin is {VERSION}; install {VERSION} in \
             the cluster, or use the plugin of the other version: {install}"
        )));
    }
    let wrong = |variable: &str, why: String| {
        Err(format!(
            "operator {title} can't start with its {variable}: {why}; correct it and install again"
        ))
    };
    if let Err(why) = operator.agents() {
        judged.push(wrong(AGENTS_VARIABLE, why));
    }
    let selector = operator.settings.selector.as_deref().unwrap_or_default();
    if let Err(why) = parse_selector(selector) {
        judged.push(wrong(SELECTOR_VARIABLE, why));
    }
    let limit = operator.settings.kept_volume_limit.as_deref();
    let is_limit = |text: &str| text.parse::<std::num::NonZeroU16>().is_ok();
    if let Some(text) = limit.filter(|text| !is_limit(text)) {
        judged.push(wrong(
            LIMIT_VARIABLE,
            format!("{text:?} is no number from 1 on"),
        ));
    }
    let most = operator.settings.backups_at_once.as_deref();
    if let Some(text) = most.filter(|text| text.parse::<u16>().is_err()) {
        judged.push(wrong(
            BACKUPS_VARIABLE,
            format!("{text:?} is no number from 0 on"),
        ));
    }
    judged
}

/// Whether a database has exactly one operator.
pub fn judge_selection(
    operators: &[Operator],
    (namespace, name): (&str, &str),
    database: &impl ResourceExt,
) -> Result<String, String> {
    let selects = |operator: &&Operator| operator.selects(namespace, database) == Ok(true);
    let own: Vec<&Operator> = operators.iter().filter(selects).collect();
    match own.as_slice() {
        [one] => Ok(format!("operator {} works on it", one.title())),
        [] => {
            let settings: Vec<String> = operators.iter().map(describe_selection).collect();
            Err(format!(
                "no operator works on it, so nothing is guarded, checked or backed up: {}; see `kubectl \
                 -n {namespace} get protdb {name} --show-labels`",
                settings.join(", ")
            ))
        }
        several => {
            let titles: Vec<String> = several.iter().map(|operator| operator.title()).collect();
            Err(format!(
                "{} work on it at once; give each database to one of them by {SELECTOR_VARIABLE}, as \
                 docs/install.md says",
                titles.join(" and ")
            ))
        }
    }
}

fn describe_selection(operator: &Operator) -> String {
    let selector = operator.settings.selector.as_deref().unwrap_or_default();
    let watched = operator.watched.as_ref();
    let watched = watched.map(|only| format!(", {NAMESPACE_VARIABLE} {only:?}"));
    format!(
        "operator {} has {SELECTOR_VARIABLE} {selector:?}{}",
        operator.title(),
        watched.unwrap_or_default()
    )
}

/// The version in an image's tag, if the tag is one.
fn version_of(image: &str) -> Option<&str> {
    let name = image.split('@').next()?;
    let (_, tag) = name
        .rsplit_once('/')
        .unwrap_or(("", name))
        .1
        .split_once(':')?;
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let mut numbers = tag.split(['-', '+']).next()?.split('.');
    let is_version = numbers.clone().count() == 3
        && numbers.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    is_version.then_some(tag)
}

#[cfg(test)]
#[path = "operator_tests.rs"]
pub(super) mod tests;
