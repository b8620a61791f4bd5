//! From the conditions of a database to alerts, in the form that Alertmanager takes at `POST
//! /api/v2/alerts`. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;

use crate::api::names::{GROUP, VERSION};
use crate::api::{ConditionStatus, ConditionType, find_condition, reasons};
use crate::engine::report::PASSING;
use crate::postgres::line_within;

/// The longest description, in bytes: long enough for what to do, which comes last.
const DESCRIPTION_LIMIT: usize = 4_000;

/// How urgent an alert is; the more urgent comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data is at stake now.
    Critical,
    /// Something needs a person soon.
    Warning,
}

/// What makes an alert this alert. All values are bounded: names of objects, and words of this
/// program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Labels {
    /// How urgent it is.
    pub severity: Severity,
    /// What it is called.
    pub alertname: &'static str,
    /// Namespace of the ProtectedDatabase.
    pub namespace: String,
    /// Name of the ProtectedDatabase.
    pub name: String,
    /// A documented reason.
    pub reason: &'static str,
}

/// What it tells people.
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
    /// What makes it this alert.
    pub labels: Labels,
    /// What it tells people.
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
    /// It is as it should be.
    Over,
    /// Not known, or about to pass by itself: what was said before stays.
    Held,
}

/// A condition that alerts, the value that does, and how it is called.
struct Rule {
    condition: ConditionType,
    bad: ConditionStatus,
    good: ConditionStatus,
    alertname: &'static str,
    severity: Severity,
    summary: &'static str,
}

const RULES: [Rule; 5] = [
    Rule {
        condition: ConditionType::DataReset,
        bad: ConditionStatus::True,
        good: ConditionStatus::False,
        alertname: "HoldfastDataReset",
        severity: Severity::Critical,
        summary: "the data looks reset",
    },
    Rule {
        condition: ConditionType::Stalled,
        bad: ConditionStatus::True,
        good: ConditionStatus::False,
        alertname: "HoldfastStalled",
        severity: Severity::Warning,
        summary: "Holdfast can't go on until a person changes something",
    },
    Rule {
        condition: ConditionType::BackupFresh,
        bad: ConditionStatus::False,
        good: ConditionStatus::True,
        alertname: "HoldfastBackupNotFresh",
        severity: Severity::Warning,
        summary: "there is no fresh backup",
    },
    Rule {
        condition: ConditionType::Guarded,
        bad: ConditionStatus::False,
        good: ConditionStatus::True,
        alertname: "HoldfastNotGuarded",
        severity: Severity::Warning,
        summary: "deletion of the data is not refused",
    },
    Rule {
        condition: ConditionType::FilesMatch,
        bad: ConditionStatus::False,
        good: ConditionStatus::True,
        alertname: "HoldfastFilesMissing",
        severity: Severity::Warning,
        summary: "rows and files do not belong together any more",
    },
];

/// Reads the conditions of one database: for each that alerts, the alert's name and what is found.
pub fn find_alerts(
    namespace: &str,
    name: &str,
    conditions: &[Condition],
) -> Vec<(&'static str, Finding)> {
    RULES
        .iter()
        .map(|rule| (rule.alertname, find(rule, namespace, name, conditions)))
        .collect()
}

fn find(rule: &Rule, namespace: &str, name: &str, conditions: &[Condition]) -> Finding {
    let Some(condition) = find_condition(conditions, rule.condition) else {
        // Where nobody asks about files any more, nobody is told of them.
        let is_withdrawn = rule.condition == ConditionType::FilesMatch && !conditions.is_empty();
        return if is_withdrawn {
            Finding::Over
        } else {
            Finding::Held
        };
    };
    let status = condition.status.as_str();
    // That no backup is asked for is a person's choice; Ready does not mind it either.
    if status == rule.good.as_str() || condition.reason == reasons::NO_BACKUP_CONFIGURED {
        return Finding::Over;
    }
    if status != rule.bad.as_str() || PASSING.contains(&condition.reason.as_str()) {
        return Finding::Held;
    }
    let reason = reasons::known(&condition.reason);
    Finding::Firing(Box::new(Alert {
        labels: Labels {
            severity: rule.severity,
            alertname: rule.alertname,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            reason,
        },
        annotations: Annotations {
            summary: format!("{namespace}/{name}: {} ({reason})", rule.summary),
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
