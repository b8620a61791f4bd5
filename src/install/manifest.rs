//! The installation as one list of objects, in the order in which they are applied.

use clap::Args;
use serde_json::{Map, Value, json};

use super::access::build_access;
use super::definitions::build_definitions;
use super::operator::{build_deployment, build_namespace, build_service_account};
use super::selector::parse_selector;
use super::{InstallError, yaml};
use crate::guard::policies;
use crate::resources::{build_agent_cluster_role, parse_agent_defaults};

/// Where and what to install.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct InstallOptions {
    /// The image of operator and agents.
    #[arg(long)]
    pub image: String,
    /// The namespace of the operator.
    #[arg(long, default_value = "holdfast-system")]
    pub namespace: String,
    /// The labels of the `ProtectedDatabase`s that are the operator's own, as kubectl takes them.
    /// Default: all are.
    #[arg(long, value_parser = parse_selector_text)]
    pub selector: Option<String>,
    /// How many volumes whose claims are gone the databases of one namespace may keep on Retain.
    /// Default: 20.
    #[arg(long, value_parser = parse_limit_text)]
    pub kept_volume_limit: Option<String>,
    /// How many backups may run at once; 0 for any number. Default: 10.
    #[arg(long, value_parser = parse_number_text)]
    pub backups_at_once: Option<String>,
    /// How agents' pods are to be where a `ProtectedDatabase` does not say it: JSON with the fields of
    /// its `spec.agents`. With `assignedUser` the operator has no user of its own either.
    #[arg(long, value_name = "JSON", value_parser = parse_agents_text)]
    pub agents: Option<String>,
}

/// A number from 1 on, as it was written.
fn parse_limit_text(text: &str) -> Result<String, String> {
    let number: std::num::NonZeroU16 = text.parse().map_err(|error| format!("{error}"))?;
    Ok(number.to_string())
}

/// A number from 0 on, as it was written.
fn parse_number_text(text: &str) -> Result<String, String> {
    let number: u16 = text.parse().map_err(|error| format!("{error}"))?;
    Ok(number.to_string())
}

/// A selector that can be read, as it was written.
fn parse_selector_text(text: &str) -> Result<String, String> {
    parse_selector(text).map(|_| text.to_owned())
}

/// Defaults that can be read, as they were written.
fn parse_agents_text(text: &str) -> Result<String, String> {
    parse_agent_defaults(text).map(|_| text.to_owned())
}

/// The `CustomResourceDefinition`s as YAML, for `holdfast crd`.
pub fn print_crds() -> Result<String, InstallError> {
    yaml::documents(&build_definitions()?)
}

/// The whole installation as YAML, for `holdfast install-manifest` and `kubectl apply --server-side
/// -f -`.
pub fn manifest(options: &InstallOptions) -> Result<String, InstallError> {
    yaml::documents(&build_installation(options)?)
}

/// Every object of the installation, in the order in which they are applied.
pub fn build_installation(options: &InstallOptions) -> Result<Vec<Value>, InstallError> {
    let mut objects = vec![build_namespace(&options.namespace)];
    objects.extend(build_definitions()?);
    objects.extend(build_objects(options)?);
    Ok(objects.into_iter().map(labelled).collect())
}

/// Everything but the namespace and the definitions. The guard comes before the operator: from the
/// first mark on, deletion is refused.
pub(super) fn build_objects(options: &InstallOptions) -> Result<Vec<Value>, InstallError> {
    let mut objects = Vec::new();
    for (policy, binding) in policies(&options.namespace) {
        objects.push(serde_json::to_value(policy)?);
        objects.push(serde_json::to_value(binding)?);
    }
    objects.push(build_service_account(&options.namespace));
    objects.push(serde_json::to_value(build_agent_cluster_role())?);
    objects.extend(build_access(&options.namespace)?);
    let settings = [
        ("HOLDFAST_SELECTOR", options.selector.as_deref()),
        (
            "HOLDFAST_KEPT_VOLUME_LIMIT",
            options.kept_volume_limit.as_deref(),
        ),
        (
            "HOLDFAST_BACKUPS_AT_ONCE",
            options.backups_at_once.as_deref(),
        ),
    ];
    objects.push(build_deployment(
        &options.image,
        &options.namespace,
        &settings,
        options.agents.as_deref(),
    ));
    Ok(objects)
}

/// Adds the label that all objects of the installation share.
pub(super) fn labelled(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let labels = metadata
            .entry("labels")
            .or_insert_with(|| Value::Object(Map::new()));
        labels["app.kubernetes.io/name"] = json!("holdfast");
    }
    object
}
