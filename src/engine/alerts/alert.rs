//! From the conditions of a database to alerts, in the form that Alertmanager takes at `POST
//! /api/v2/alerts`. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;

use crate::api::names::{GROUP, VERSION};
use crate::api::{
    ConditionAlert, ConditionType, Severity, find_condition, passes_by_itself, reasons,
};
use crate::postgres::line_within;

/// The longest description, in bytes: long enough for what to do, which comes last.
const DESCRIPTION_LIMIT: usize = 4_000;

/// The labels that identify an alert. All values are bounded: names of objects, and words of this
/// program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Labels {
    /// How urgent it is.
    pub severity: Severity,
    /// Its name.
    pub alertname: &'static str,
    /// Namespace of the ProtectedDatabase.
    pub namespace: String,
    /// Name of the ProtectedDatabase.
    pub name: String,
    /// A documented reason.
    pub reason: &'static str,
}

/// What users read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Annotations {
    /// One line.
    pub summary: String,
    /// What happened, what it means, what to do next.
    pub description: String,
    /// Where the documentation has the reason.
    pub runbook: String,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The labels that identify it.
    pub labels: Labels,
    /// What users read.
    pub annotations: Annotations,
    /// Since when.
    pub starts_at: Timestamp,
    /// Until when; only once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Where it comes from: the path of the ProtectedDatabase in the API server.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
}

/// What a condition says about its alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It fires.
    Firing(Box<Alert>),
    /// The condition is good.
    Over,
    /// Not known, or about to pass by itself: what was sent before stays.
    Held,
}

/// Reads the conditions of one database: for each that alerts, the alert's name and what is found.
pub fn find_alerts(
    namespace: &str,
    name: &str,
    conditions: &[Condition],
) -> Vec<(&'static str, Finding)> {
    let alerting = ConditionType::ALL
        .iter()
        .filter_map(|type_| Some((*type_, type_.row().alert?)));
    alerting
        .map(|(type_, alert)| {
            let finding = find(type_, &alert, namespace, name, conditions);
            (alert.name, finding)
        })
        .collect()
}

fn find(
    type_: ConditionType,
    alert: &ConditionAlert,
    namespace: &str,
    name: &str,
    conditions: &[Condition],
) -> Finding {
    let found = find_condition(conditions, type_);
    // A user may choose not to ask for it any more; Ready does not need it then either. Where there
    // are no conditions at all, nothing is known yet.
    if !conditions.is_empty() && !type_.is_asked_for_by_status(found) {
        return Finding::Over;
    }
    let Some(condition) = found else {
        return Finding::Held;
    };
    if type_.is_normal(&condition.status) {
        return Finding::Over;
    }
    // A reset is Stalled too, and has an alert of its own.
    if condition.reason == reasons::DATA_RESET {
        return Finding::Over;
    }
    let is_abnormal = type_.is_abnormal(&condition.status);
    match alert.only_for {
        // What is known to be wrong is another alert's.
        Some(_) if is_abnormal => return Finding::Over,
        Some(reason) if condition.reason != reason => return Finding::Held,
        None if !is_abnormal || passes_by_itself(&condition.reason) => return Finding::Held,
        Some(_) | None => {}
    }
    let reason = reasons::known(&condition.reason);
    Finding::Firing(Box::new(Alert {
        labels: Labels {
            severity: alert.severity,
            alertname: alert.name,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            reason,
        },
        annotations: Annotations {
            summary: format!("{namespace}/{name}: {} ({reason})", alert.summary),
            // The message may quote a database that is not trusted: one line of bounded length.
            description: line_within(&condition.message, DESCRIPTION_LIMIT),
            runbook: format!("docs/conditions.md#{}", reason.to_ascii_lowercase()),
        },
        starts_at: condition.last_transition_time.0,
        ends_at: None,
        generator_url: format!(
            "/apis/{GROUP}/{VERSION}/namespaces/{namespace}/protecteddatabases/{name}"
        ),
    }))
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
