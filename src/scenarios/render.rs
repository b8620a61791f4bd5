//! A whole plan as text to read, for golden scenarios.

use std::fmt::Write as _;

use super::sample::Sample;
use crate::decide::decide;
use crate::plan::Plan;

/// A scenario: its name and what is seen.
pub type Scenario = (&'static str, Sample);

/// How many passes may follow each other without a pause until nothing is left to do.
pub const PASSES: usize = 8;

/// The plans of some scenarios as one text.
pub fn plans(scenarios: Vec<Scenario>) -> String {
    let mut text = String::new();
    for (name, Sample(observed)) in scenarios {
        let _ = writeln!(text, "== {name}\n{}", render(&decide(&observed)));
    }
    text
}

/// A whole plan as text to read.
pub fn render(plan: &Plan) -> String {
    let mut text = String::new();
    if plan.steps.is_empty() {
        text.push_str("no steps\n");
    }
    for step in &plan.steps {
        let _ = writeln!(text, "- {}", step.describe());
    }
    for condition in &plan.conditions {
        let (type_, status) = (condition.condition.as_str(), condition.status.as_str());
        let _ = writeln!(
            text,
            "{type_}={status}/{}: {}",
            condition.reason, condition.message
        );
    }
    let status = &plan.status;
    for claim in &status.claims {
        let (guarded, mounted) = (
            if claim.guarded {
                "guarded"
            } else {
                "not guarded"
            },
            if claim.mounted {
                "mounted"
            } else {
                "not mounted"
            },
        );
        let _ = writeln!(
            text,
            "claim {} on {} ({}), {guarded}, {mounted}",
            claim.name, claim.volume, claim.reclaim_policy
        );
    }
    let baseline = status
        .baseline
        .as_ref()
        .map(|baseline| format!("{} at {}", baseline.check, baseline.time.0));
    let check = status.last_check.as_ref().map(|check| {
        format!(
            "{} at {}: {:?} {}",
            check.name, check.time.0, check.outcome, check.reason
        )
    });
    let backup = status
        .last_backup
        .as_ref()
        .map(|backup| format!("{} at {}: {:?}", backup.name, backup.time.0, backup.state));
    let good = status
        .last_good_backup
        .as_ref()
        .map(|backup| format!("{} at {}", backup.name, backup.time.0));
    let next = status.next_backup.as_ref().map(|next| next.0.to_string());
    let fields = [
        ("baseline", baseline),
        ("last check", check),
        ("last backup", backup),
        ("last good backup", good),
        ("next backup", next),
    ];
    for (field, value) in fields
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)))
    {
        let _ = writeln!(text, "{field}: {value}");
    }
    let generation = status
        .observed_generation
        .map_or_else(|| "none".to_owned(), |generation| generation.to_string());
    let again = plan.again_after.map_or_else(
        || "when called".to_owned(),
        |again| format!("after {} s", again.as_secs()),
    );
    let _ = writeln!(text, "generation {generation}, again {again}");
    text
}
