//! What `recover` says before and after it acts. Pure.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use crate::recovery::{Course, Situation, Step};
use crate::wording;
use crate::wording::count;
use crate::wording::say_length;

/// How a recovery went, for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryReport {
    /// Namespace of the database.
    pub namespace: String,
    /// Name of the ProtectedDatabase.
    pub name: String,
    /// What was found, a sentence each.
    pub findings: Vec<String>,
    /// What was done, or with `--dry-run` would be.
    pub steps: Vec<String>,
    /// What a person should know and the command does not do.
    pub notes: Vec<String>,
    /// Whether anything was done.
    pub done: bool,
    /// Seconds from the command, or the answer, to the claims being Bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_after_seconds: Option<f64>,
    /// Since when the data was away, where the cluster knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub away_since: Option<Time>,
    /// How long the data was away, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub away_seconds: Option<f64>,
}

/// What was found and what is about to be done.
pub fn describe_course(situation: &Situation, course: &Course, now: Timestamp) -> String {
    let mut text = format!("{}/{}", situation.namespace_name, situation.name);
    let baseline = situation
        .ledger
        .status
        .as_ref()
        .and_then(|status| status.baseline.as_ref());
    let _ = match baseline {
        Some(baseline) => writeln!(
            text,
            ", as DatabaseLedger {} remembers it: {} at the last good check, {}",
            situation
                .ledger
                .metadata
                .name
                .as_deref()
                .unwrap_or_default(),
            count(baseline.evidence.total_rows, "row"),
            wording::moment(&baseline.time, now)
        ),
        None => writeln!(text, ", which no check has found good yet"),
    };
    for finding in &course.findings {
        let _ = writeln!(text, "  {finding}");
    }
    if course.steps.is_empty() {
        text.push_str("\nEverything is where it belongs: there is nothing to bring back.\n");
    } else {
        text.push_str("\nWhat will be done:\n");
        for step in course
            .steps
            .iter()
            .filter(|step| !matches!(step, Step::Await(_)))
        {
            let _ = writeln!(text, "  - {}", step.describe());
        }
    }
    text
}

/// What came of it.
pub fn describe_outcome(
    report: &RecoveryReport,
    places: &[(String, String)],
    context_flag: &str,
) -> String {
    let mut text = String::new();
    if let Some(seconds) = report.bound_after_seconds {
        for (claim, volume) in places {
            let _ = writeln!(
                text,
                "Claim {claim} is Bound to volume {volume} again, {} after the command.",
                length(seconds)
            );
        }
    }
    if let (Some(since), Some(seconds)) = (&report.away_since, report.away_seconds) {
        let _ = writeln!(
            text,
            "The data was away for {}, since {}.",
            length(seconds),
            wording::date(since)
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "Note: {note}.");
    }
    let _ = writeln!(
        text,
        "The check of the next start says whether it is the data: kubectl holdfast status {} -n \
         {}{context_flag}",
        report.name, report.namespace
    );
    text
}

fn length(seconds: f64) -> String {
    say_length(SignedDuration::try_from_secs_f64(seconds).unwrap_or_default())
}
