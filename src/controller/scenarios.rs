//! Golden scenarios: what is seen, and the whole plan as text. What must hold for every one of them is proven here too.

mod accepting;
mod backing_up;
mod checking;
mod files;
mod gating;
mod guarding;
mod judging;
mod passing_time;
mod reading;
mod releasing;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::sample::Sample;
use super::world::World;
use super::{Plan, check_plan, decide};
use crate::api::{ConditionStatus, ConditionType};

/// A scenario: its name and what is seen.
type Scenario = (&'static str, Sample);

/// How many passes may follow each other without a pause until nothing is left to do.
const PASSES: usize = 8;

fn all() -> Vec<Scenario> {
    [
        guarding::scenarios(),
        releasing::scenarios(),
        checking::scenarios(),
        files::scenarios(),
        judging::scenarios(),
        backing_up::scenarios(),
        reading::scenarios(),
        gating::scenarios(),
        accepting::scenarios(),
    ]
    .concat()
}

/// The plans of some scenarios as one text.
fn plans(scenarios: Vec<Scenario>) -> String {
    let mut text = String::new();
    for (name, Sample(observed)) in scenarios {
        let _ = writeln!(text, "== {name}\n{}", render(&decide(&observed)));
    }
    text
}

/// A whole plan as a person reads it.
fn render(plan: &Plan) -> String {
    let mut text = String::new();
    if plan.steps.is_empty() {
        text.push_str("no steps\n");
    }
    for step in &plan.steps {
        let _ = writeln!(text, "- {}", step.describe());
    }
    for condition in &plan.conditions {
        let (type_, status) = (condition.condition.as_str(), condition.status.as_str());
        let _ = writeln!(text, "{type_}={status}/{}: {}", condition.reason, condition.message);
    }
    let status = &plan.status;
    for claim in &status.claims {
        let (guarded, mounted) =
            (if claim.guarded { "guarded" } else { "not guarded" }, if claim.mounted { "mounted" } else { "not mounted" });
        let _ = writeln!(text, "claim {} on {} ({}), {guarded}, {mounted}", claim.name, claim.volume, claim.reclaim_policy);
    }
    let baseline = status.baseline.as_ref().map(|baseline| format!("{} at {}", baseline.check, baseline.time.0));
    let check = status.last_check.as_ref().map(|check| format!("{} at {}: {:?} {}", check.name, check.time.0, check.outcome, check.reason));
    let backup = status.last_backup.as_ref().map(|backup| format!("{} at {}: {:?}", backup.name, backup.time.0, backup.state));
    let good = status.last_good_backup.as_ref().map(|backup| format!("{} at {}", backup.name, backup.time.0));
    let next = status.next_backup.as_ref().map(|next| next.0.to_string());
    let fields =
        [("baseline", baseline), ("last check", check), ("last backup", backup), ("last good backup", good), ("next backup", next)];
    for (field, value) in fields.into_iter().filter_map(|(field, value)| Some((field, value?))) {
        let _ = writeln!(text, "{field}: {value}");
    }
    let generation = status.observed_generation.map_or_else(|| "none".to_owned(), |generation| generation.to_string());
    let again = plan.again_after.map_or_else(|| "when called".to_owned(), |again| format!("after {} s", again.as_secs()));
    let _ = writeln!(text, "generation {generation}, again {again}");
    text
}

#[test]
fn every_scenario_has_a_name_of_its_own() {
    let scenarios = all();
    let names: BTreeSet<_> = scenarios.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), scenarios.len());
    assert!(scenarios.len() >= 60, "{}", scenarios.len());
}

#[test]
fn no_plan_breaks_a_rule() {
    for (name, Sample(observed)) in all() {
        assert_eq!(check_plan(&observed, &decide(&observed)), Ok(()), "{name}");
    }
}

#[test]
fn a_plan_depends_on_nothing_but_what_is_seen() {
    for (name, Sample(observed)) in all() {
        assert_eq!(render(&decide(&observed)), render(&decide(&observed.clone())), "{name}");
    }
}

#[test]
fn nothing_is_looked_at_again_without_a_pause() {
    for (name, Sample(observed)) in all() {
        let again = decide(&observed).again_after;
        assert!(again.is_some_and(|again| (1..=600).contains(&again.as_secs())), "{name}: {again:?}");
    }
}

#[test]
fn every_scenario_comes_to_rest_while_no_agent_reports() {
    for (name, Sample(observed)) in all() {
        let mut world = World::new(observed);
        let rest = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.settle(PASSES)));
        assert!(rest.is_ok(), "{name}: {:#?}", world.done);
    }
}

#[test]
fn at_rest_another_pass_says_the_same() {
    for (name, Sample(observed)) in all() {
        let mut world = World::new(observed);
        let rest = world.settle(PASSES);
        if world.database_gone {
            continue;
        }
        let status = world.observed.database.status.clone();
        let again = world.pass();
        assert_eq!(render(&rest), render(&again), "{name}");
        assert_eq!(status, world.observed.database.status, "{name}: a pass that changes nothing writes nothing");
    }
}

#[test]
fn ready_is_never_true_beside_a_condition_that_is_not_as_it_should_be() {
    for (name, Sample(observed)) in all() {
        let plan = decide(&observed);
        let is = |condition, status| plan.conditions.iter().any(|found| found.condition == condition && found.status == status);
        if is(ConditionType::Ready, ConditionStatus::True) {
            let good = is(ConditionType::Guarded, ConditionStatus::True)
                && is(ConditionType::DataVerified, ConditionStatus::True)
                && is(ConditionType::DataReset, ConditionStatus::False);
            assert!(good, "{name}");
        }
    }
}
