//! What `recover` says before and after it acts. Pure.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use crate::decide::recover::unavailable_since;
use crate::plan::{RecoveryPlan, Step};
use crate::wording::{count, date, moment, say_length};
use crate::world::ObservedRecovery;

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
    /// What the user should know and the command does not do.
    pub notes: Vec<String>,
    /// Whether anything was done.
    pub done: bool,
    /// Seconds from the command, or the answer, to the claims being Bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_after_seconds: Option<f64>,
    /// Since when the data was unavailable, where the cluster knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable_since: Option<Time>,
    /// How long the data was unavailable, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable_seconds: Option<f64>,
}

impl RecoveryReport {
    /// What was found, and what would be done.
    pub fn new(observed: &ObservedRecovery, plan: &RecoveryPlan) -> Self {
        Self {
            namespace: observed.world.namespace_name.clone(),
            name: observed.world.name.clone(),
            findings: plan.findings.clone(),
            steps: writes(plan).map(Step::describe).collect(),
            notes: plan.notes.iter().chain(&plan.unresolved).cloned().collect(),
            done: false,
            bound_after_seconds: None,
            unavailable_since: unavailable_since(observed).map(Time),
            unavailable_seconds: None,
        }
    }
}

fn writes(plan: &RecoveryPlan) -> impl Iterator<Item = &Step> {
    let steps = plan.steps.iter();
    steps.filter(|step| !matches!(step, Step::Await(_)))
}

/// What was found and what is about to be done.
pub fn describe_plan(observed: &ObservedRecovery, plan: &RecoveryPlan, now: Timestamp) -> String {
    let world = &observed.world;
    let mut text = format!("{}/{}", world.namespace_name, world.name);
    let ledger = world
        .ledger
        .known()
        .and_then(Option::as_ref)
        .map(|fact| &fact.ledger);
    let status = ledger.and_then(|ledger| ledger.status.as_ref());
    let _ = match (ledger, status.and_then(|status| status.baseline.as_ref())) {
        (Some(ledger), Some(baseline)) => writeln!(
            text,
            ", as DatabaseLedger {} remembers it: {} at the last good check, {}",
            ledger.metadata.name.as_deref().unwrap_or_default(),
            count(baseline.evidence.total_rows, "row"),
            moment(&baseline.time, now)
        ),
        _ => writeln!(text, ", which no check has found good yet"),
    };
    for finding in &plan.findings {
        let _ = writeln!(text, "  {finding}");
    }
    if plan.steps.is_empty() && plan.unresolved.is_empty() {
        text.push_str("\nEverything is where it belongs: there is nothing to bring back.\n");
    } else if plan.steps.is_empty() {
        text.push_str(
            "\nEvery claim is bound to its volume, but what runs is not what was last known good:\n",
        );
        for unresolved in &plan.unresolved {
            let _ = writeln!(text, "  - {unresolved}");
        }
    } else {
        text.push_str("\nWhat will be done:\n");
        for step in writes(plan) {
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
    if let (Some(since), Some(seconds)) = (&report.unavailable_since, report.unavailable_seconds) {
        let _ = writeln!(
            text,
            "The data was unavailable for {}, since {}.",
            length(seconds),
            date(since)
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
