//! The bucket has backups where those of the database belong, and none is its own: of a cluster that is lost,
//! of a neighbour with the same bucket and prefix, of a namespace that had the name before. Nothing is taken
//! for good or for new beside them, and nothing of them is shown.

use super::in_memory::Passes;
use super::render::{Scenario, plans};
use super::restore_sample::{done, restore, restored_check, restoring};
use super::sample::Sample;
use super::sample_objects::{check, reset, unjudged};
use super::sample_parts::known;
use crate::api::{CheckOutcome, CheckRequest, DatabaseCheck, OtherBackups, names, reasons};
use crate::decide::decide;
use crate::plan::{Plan, Step};
use crate::world::{Fact, GateFact};

const AT: &str = "2026-02-01T09:29:50Z";

fn beside(mut check: DatabaseCheck, whose: OtherBackups) -> DatabaseCheck {
    check.status.get_or_insert_default().other_backups = Some(whose);
    unjudged(check)
}

/// The first check of a database without a past in this cluster.
fn first(check: DatabaseCheck, whose: OtherBackups) -> Sample {
    Sample::guarded().only_checks(vec![beside(check, whose)])
}

fn without_a_row() -> DatabaseCheck {
    let mut check = check("knowledge-1", AT);
    let evidence = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut());
    let evidence = evidence.expect("evidence");
    evidence.tables.clear();
    (evidence.table_count, evidence.total_rows) = (0, 0);
    check
}

fn gated(sample: Sample) -> Sample {
    sample.with(|observed| {
        for pod in known(&mut observed.pods) {
            pod.gate = Some(GateFact::default());
        }
    })
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        (
            "the cluster was lost and its successor has the seed rows",
            first(reset("knowledge-1", AT), OtherBackups::AnotherCluster),
        ),
        (
            "the cluster was lost, its successor has the seed rows, and no table has a rule",
            first(reset("knowledge-1", AT), OtherBackups::AnotherCluster)
                .database(|database| database.spec.verification.tables.clear()),
        ),
        (
            "the cluster was lost and a gated database of its successor is empty",
            gated(first(without_a_row(), OtherBackups::AnotherCluster))
                .database(|database| database.spec.verification.tables.clear()),
        ),
        (
            "a neighbour has the same bucket and prefix, and all is well here",
            first(check("knowledge-1", AT), OtherBackups::AnotherCluster),
        ),
        (
            "the name of the namespace was another owner's",
            first(check("knowledge-1", AT), OtherBackups::AnotherNamespace),
        ),
        (
            "older backups do not say of which namespace they are",
            first(check("knowledge-1", AT), OtherBackups::NotSaid),
        ),
        (
            "another namespace has far more rows in its backup",
            first(reset("knowledge-1", AT), OtherBackups::Elsewhere),
        ),
        (
            "a neighbour has the same bucket and prefix, and a user has accepted the check",
            first(check("knowledge-1", AT), OtherBackups::AnotherCluster)
                .annotated(names::ACCEPT_CHECK_ANNOTATION, "knowledge-1"),
        ),
    ]
}

#[test]
fn plans_beside_backups_of_others() {
    insta::assert_snapshot!("others_backups", plans(scenarios()));
}

fn says(plan: &Plan, wanted: &str) -> (String, String) {
    let mut all = plan.conditions.iter();
    let found = all.find(|one| one.condition.as_str() == wanted);
    let found = found.expect("the condition");
    (found.status.as_str().to_owned(), found.reason.to_string())
}

/// Whoever they are of, and whatever is here: it is not green, and it is no reset either.
#[test]
fn nothing_is_green_or_new_beside_backups_of_others() {
    for whose in [
        OtherBackups::AnotherCluster,
        OtherBackups::AnotherNamespace,
        OtherBackups::NotSaid,
    ] {
        for found in [check("knowledge-1", AT), without_a_row()] {
            let sample = gated(first(found, whose))
                .database(|database| database.spec.verification.tables.clear());
            let plan = decide(&sample.0);
            let expected = ("Unknown".to_owned(), reasons::OTHERS_BACKUPS.to_owned());
            assert_eq!(says(&plan, "DataVerified"), expected, "{whose:?}");
            assert_ne!(says(&plan, "DataReset").0, "True", "{whose:?}");
            assert_eq!(plan.status.baseline, None, "{whose:?}");
            let opens = plan.steps.iter().any(|step| match step {
                Step::SetGate(step) => step.gate.is_open,
                _ => false,
            });
            assert!(!opens, "{whose:?}: {:?}", plan.steps);
        }
    }
}

/// An older version wrote what it had found into a field that is gone.
#[test]
fn what_an_older_version_found_of_others_is_not_forgotten() {
    for reason in [reasons::MORE_ROWS_ELSEWHERE, reasons::OTHERS_BACKUPS] {
        let mut found = check("knowledge-1", AT);
        let status = found.status.as_mut();
        let verdict = status.and_then(|status| status.verdict.as_mut());
        let verdict = verdict.expect("a verdict");
        verdict.outcome = CheckOutcome::Unverifiable;
        reason.clone_into(&mut verdict.reason);
        let plan = decide(&Sample::guarded().only_checks(vec![found]).0);
        let expected = ("Unknown".to_owned(), reason.to_owned());
        assert_eq!(says(&plan, "DataVerified"), expected);
        assert_eq!(plan.status.baseline, None, "{reason}");
    }
}

/// What was restored by `kubectl holdfast adopt` is compared with its set, row by row, and then is what
/// later checks are compared with.
#[test]
fn what_was_adopted_is_good_with_all_its_rows_and_not_with_fewer() {
    let adopted = |change: &dyn Fn(&mut DatabaseCheck)| {
        let mut check = beside(
            restored_check("knowledge-r1", "2026-02-01T09:28:00Z"),
            OtherBackups::AnotherCluster,
        );
        change(&mut check);
        let sample = restoring(restore(&done())).only_checks(vec![check]);
        let sample = sample.with(|observed| observed.ledger = Fact::Known(None));
        let sample = sample.database(|database| {
            let status = database.status.as_mut().expect("a status");
            status.baseline = None;
        });
        decide(&sample.0)
    };
    let written = |plan: &Plan| {
        let verdict = plan.steps.iter().find_map(|step| match step {
            Step::WriteVerdict { verdict, .. } => Some(verdict.clone()),
            _ => None,
        });
        verdict.expect("a verdict")
    };
    let whole = adopted(&|_| {});
    let verdict = written(&whole);
    assert_eq!(verdict.outcome, CheckOutcome::Verified, "{verdict:?}");
    let baseline = whole.status.baseline.map(|baseline| baseline.check);
    assert_eq!(baseline.as_deref(), Some("knowledge-r1"));

    let fewer = adopted(&|check| {
        let evidence = check
            .status
            .as_mut()
            .and_then(|status| status.evidence.as_mut());
        evidence.expect("evidence").tables[0].rows = 84;
    });
    let verdict = written(&fewer);
    assert_eq!(verdict.outcome, CheckOutcome::Unverifiable, "{verdict:?}");
    assert_eq!(fewer.status.baseline, None);
}

/// The agent goes by UIDs, and gets them.
#[test]
fn the_agent_is_told_whose_sets_count() {
    let mut world = Passes::new(
        Sample::guarded()
            .with(|observed| observed.kubernetes_cluster = Some("this-cluster".to_owned()))
            .0,
    );
    world.settle(8);
    let jobs = world.observed.jobs.known().cloned().unwrap_or_default();
    let mut requests = jobs.iter().filter_map(|job| {
        let pod = job.spec.as_ref()?.template.spec.as_ref()?;
        let mut variables = pod.containers.first()?.env.iter().flatten();
        let request = variables.find(|one| one.name == crate::api::REQUEST_VARIABLE)?;
        serde_json::from_str::<CheckRequest>(request.value.as_deref()?).ok()
    });
    let request = requests.next_back().expect("a check");
    assert!(request.remembered_in.is_some());
    let origin = request.origin;
    assert_eq!(origin.database_uid, "uid-of-knowledge");
    assert_eq!(origin.kubernetes_cluster.as_deref(), Some("this-cluster"));
    assert_eq!(origin.namespace_uids, ["uid-of-atra"]);
}
