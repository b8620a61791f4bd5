//! A plan as text to read, for golden scenarios: what differs from the plan of a database with which
//! nothing is wrong.

use std::fmt::Write as _;

use super::sample::Sample;
use crate::decide::decide;
use crate::plan::Plan;

/// A scenario: its name and what is seen.
pub type Scenario = (&'static str, Sample);

/// How many passes may follow each other without a pause until nothing is left to do.
pub const PASSES: usize = 8;

/// The plans of some scenarios as one text: that of a settled database as it is, of the others what
/// differs from it.
pub fn plans(scenarios: Vec<Scenario>) -> String {
    let settled = lines(&decide(&Sample::settled().0));
    let mut text = String::from("== settled\n");
    for line in &settled {
        let _ = writeln!(text, "{}", line.text);
    }
    for (name, Sample(observed)) in scenarios {
        let _ = writeln!(text, "\n== {name}");
        let plan = lines(&decide(&observed));
        let is_as_settled = |line: &Line| settled.contains(line);
        for line in plan.iter().filter(|line| !is_as_settled(line)) {
            let _ = writeln!(text, "{}", line.text);
        }
        let is_missing = |line: &Line| plan.iter().all(|other| other.about != line.about);
        for line in settled.iter().filter(|line| is_missing(line)) {
            let _ = writeln!(text, "no {}", line.about);
        }
    }
    text
}

/// One line of a plan, and what it is about; empty for a step.
#[derive(PartialEq)]
struct Line {
    about: String,
    text: String,
}

/// A whole plan as text to read.
pub fn render(plan: &Plan) -> String {
    let mut text = String::new();
    for line in lines(plan) {
        let _ = writeln!(text, "{}", line.text);
    }
    text
}

fn lines(plan: &Plan) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |about: String, value: String| {
        let text = format!("{about}{value}");
        lines.push(Line { about, text });
    };
    if plan.steps.is_empty() {
        add(String::new(), "no steps".to_owned());
    }
    for step in &plan.steps {
        add(String::new(), format!("- {}", step.describe()));
    }
    for condition in &plan.conditions {
        let value = format!(
            "={}/{}: {}",
            condition.status.as_str(),
            condition.reason,
            condition.message
        );
        add(condition.condition.as_str().to_owned(), value);
    }
    let status = &plan.status;
    for claim in &status.claims {
        let word = |is: bool, word: &'static str| if is { ["", word] } else { ["not ", word] };
        let guarded = word(claim.guarded, "guarded").concat();
        let mounted = word(claim.mounted, "mounted").concat();
        let value = format!(
            " on {} ({}), {guarded}, {mounted}",
            claim.volume, claim.reclaim_policy
        );
        add(format!("claim {}", claim.name), value);
    }
    for (field, value) in fields(plan) {
        if let Some(value) = value {
            add(field.to_owned(), format!(": {value}"));
        }
    }
    lines
}

/// The single fields of the status, and when the next pass is.
fn fields(plan: &Plan) -> [(&'static str, Option<String>); 8] {
    let status = &plan.status;
    let baseline = status.baseline.as_ref();
    let check = status.last_check.as_ref();
    let backup = status.last_backup.as_ref();
    let good = status.last_good_backup.as_ref();
    let again = plan.again_after.map_or_else(
        || "when called".to_owned(),
        |again| format!("after {} s", again.as_secs()),
    );
    [
        (
            "baseline",
            baseline.map(|baseline| format!("{} at {}", baseline.check, baseline.time.0)),
        ),
        (
            "last check",
            check.map(|check| {
                let (name, time, outcome) = (&check.name, check.time.0, &check.outcome);
                format!("{name} at {time}: {outcome:?} {}", check.reason)
            }),
        ),
        (
            "last backup",
            backup
                .map(|backup| format!("{} at {}: {:?}", backup.name, backup.time.0, backup.state)),
        ),
        (
            "last good backup",
            good.map(|good| format!("{} at {}", good.name, good.time.0)),
        ),
        (
            "next backup",
            status.next_backup.as_ref().map(|next| next.0.to_string()),
        ),
        (
            "turn",
            status.backup_turn.as_ref().map(|turn| {
                let given = turn.given.as_ref().map(|given| given.0.to_string());
                format!(
                    "{} since {}, {}",
                    turn.backup,
                    turn.since.0,
                    given.map_or_else(
                        || format!(
                            "{} before it {:?}, as of {}",
                            turn.ahead, turn.ahead_names, turn.as_of.0
                        ),
                        |given| format!("given {given}")
                    )
                )
            }),
        ),
        (
            "observed generation",
            status
                .observed_generation
                .map(|generation| generation.to_string()),
        ),
        ("again", Some(again)),
    ]
}
