//! What must hold for every golden scenario.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::in_memory::Passes;
use super::render::{PASSES, Scenario, render};
use super::sample::Sample;
use super::{
    accept, back_up, check, confirm_backups, confirmed, data_place, files, gate, going, green,
    instances, judge, not_begun, others_backups, protect, reading, release, servers, storage,
};
use crate::api::{ConditionStatus, ConditionType};
use crate::decide::decide;
use crate::plan::{Step, check_plan};

/// Made once: they take longer to make than most of what is asked of them.
pub fn all() -> Vec<Scenario> {
    static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(build);
    ALL.clone()
}

fn build() -> Vec<Scenario> {
    [
        protect::scenarios(),
        confirmed::scenarios(),
        release::scenarios(),
        check::scenarios(),
        files::scenarios(),
        judge::scenarios(),
        back_up::scenarios(),
        confirm_backups::scenarios(),
        not_begun::scenarios(),
        reading::scenarios(),
        gate::scenarios(),
        going::scenarios(),
        green::scenarios(),
        accept::scenarios(),
        others_backups::scenarios(),
        data_place::scenarios(),
        servers::scenarios(),
        instances::scenarios(),
        storage::scenarios(),
    ]
    .concat()
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

/// What a quota or a webhook of others may refuse keeps nothing else from being written.
#[test]
fn what_others_may_refuse_comes_last() {
    let mut beside = 0;
    for (name, Sample(observed)) in all() {
        let steps = decide(&observed).steps;
        let first = steps.iter().position(Step::may_be_refused_by_others);
        let after = steps.iter().skip(first.unwrap_or(steps.len()));
        assert!(
            after.clone().all(Step::may_be_refused_by_others),
            "{name}: {steps:?}"
        );
        let has_ledger = steps
            .iter()
            .any(|step| matches!(step, Step::WriteLedger { .. }));
        beside += usize::from(has_ledger && after.count() > 0);
    }
    assert!(beside > 0, "no plan writes a ledger beside a Job");
}

#[test]
fn a_plan_depends_on_nothing_but_what_is_seen() {
    for (name, Sample(observed)) in all() {
        assert_eq!(
            render(&decide(&observed)),
            render(&decide(&observed.clone())),
            "{name}"
        );
    }
}

#[test]
fn nothing_is_looked_at_again_without_a_pause() {
    for (name, Sample(observed)) in all() {
        let again = decide(&observed).again_after;
        assert!(
            again.is_some_and(|again| (1..=600).contains(&again.as_secs())),
            "{name}: {again:?}"
        );
    }
}

#[test]
fn no_check_is_created_whose_name_is_taken() {
    for (name, Sample(observed)) in all() {
        let taken: Vec<_> = observed.checks.known().into_iter().flatten().collect();
        for step in decide(&observed).steps {
            let Step::CreateCheck(check) = step else {
                continue;
            };
            assert!(
                taken
                    .iter()
                    .all(|taken| taken.metadata.name != check.metadata.name),
                "{name}: {:?}",
                check.metadata.name
            );
        }
    }
}

#[test]
fn every_scenario_comes_to_rest_while_no_agent_reports() {
    for (name, Sample(observed)) in all() {
        let mut world = Passes::new(observed);
        let rest = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.settle(PASSES)));
        assert!(rest.is_ok(), "{name}: {:#?}", world.done);
    }
}

#[test]
fn at_rest_another_pass_says_the_same() {
    for (name, Sample(observed)) in all() {
        let mut world = Passes::new(observed);
        let rest = world.settle(PASSES);
        if world.database_gone {
            continue;
        }
        let status = world.observed.database.status.clone();
        let again = world.pass();
        assert_eq!(render(&rest), render(&again), "{name}");
        assert_eq!(
            status, world.observed.database.status,
            "{name}: a pass that changes nothing writes nothing"
        );
    }
}

#[test]
fn ready_is_never_true_beside_a_condition_that_is_not_as_it_should_be() {
    for (name, Sample(observed)) in all() {
        let plan = decide(&observed);
        let is = |condition, status| {
            plan.conditions
                .iter()
                .any(|found| found.condition == condition && found.status == status)
        };
        if is(ConditionType::Ready, ConditionStatus::True) {
            let good = is(ConditionType::Guarded, ConditionStatus::True)
                && is(ConditionType::DataVerified, ConditionStatus::True)
                && is(ConditionType::DataReset, ConditionStatus::False);
            assert!(good, "{name}");
        }
    }
}
