//! What the conditions, the gate and the ledger say of losses that are no reset by themselves, and
//! of losses in small steps.

use super::sample::Sample;
use super::sample_objects::{check, unjudged};
use super::sample_parts::{from, known, time};
use crate::api::{
    CheckOutcome, ConditionStatus, ConditionType, DatabaseCheck, DesiredCondition, TableEvidence,
    names, reasons,
};
use crate::decide::decide;
use crate::plan::{Plan, Step};
use crate::world::GateFact;

/// A check of the same start with a queue of that many rows, and that many nodes.
fn counted(name: &str, created: &str, queue: i64, nodes: i64) -> DatabaseCheck {
    let mut check = unjudged(check(name, created));
    let evidence = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut());
    if let Some(evidence) = evidence {
        evidence.tables[1].rows = nodes;
        let queue: TableEvidence = from(serde_json::json!({
            "database": "knowledge_os", "name": "public.queue", "oid": 16_402, "rows": queue, "count": "Exact",
        }));
        evidence.tables.push(queue);
        evidence.table_count = 3;
    }
    check
}

/// A good check with a full queue, and what a later one counts.
fn sample(later: &[(i64, i64)]) -> Sample {
    let mut full = counted("knowledge-2", "2026-02-01T09:10:00Z", 5_000, 26_337);
    full.status.get_or_insert_default().verdict = check("", "2026-02-01T09:10:00Z")
        .status
        .and_then(|status| status.verdict);
    let mut sample = Sample::settled().and_check(full);
    for (position, (queue, nodes)) in later.iter().enumerate() {
        sample = sample.and_check(counted(
            &format!("knowledge-{}", position + 3),
            &format!("2026-02-01T09:2{position}:00Z"),
            *queue,
            *nodes,
        ));
    }
    sample
}

fn condition(plan: &Plan, type_: ConditionType) -> DesiredCondition {
    let found = plan
        .conditions
        .iter()
        .find(|condition| condition.condition == type_)
        .cloned();
    assert!(found.is_some(), "no condition {type_:?}");
    found.unwrap_or_else(|| unreachable!("it is there"))
}

#[test]
fn an_emptied_queue_is_green_and_is_said_for_a_day_or_until_it_has_a_rule() {
    let plan = decide(&sample(&[(0, 26_337)]).0);
    let verified = condition(&plan, ConditionType::DataVerified);
    assert_eq!(verified.status, ConditionStatus::True, "{verified:?}");
    let changed = condition(&plan, ConditionType::DataChanged);
    assert_eq!(
        (changed.status, changed.reason),
        (ConditionStatus::True, reasons::TABLES_CHANGED)
    );
    for part in [
        "public.queue: 5,000 -> 0 rows",
        "{name: public.queue, volatile: true}",
        "kubectl -n atra edit protdb knowledge",
    ] {
        assert!(changed.message.contains(part), "{}", changed.message);
    }
    let changed = |sample: Sample| {
        let changed = condition(&decide(&sample.0), ConditionType::DataChanged);
        (changed.status, changed.reason)
    };
    let unchanged = (ConditionStatus::False, reasons::UNCHANGED);
    assert_eq!(changed(sample(&[(4_000, 26_337)])), unchanged);
    assert_eq!(
        changed(sample(&[(0, 26_337)]).at("2026-02-02T09:21:00Z")),
        unchanged
    );
    let ruled = sample(&[(0, 26_337)]).wanted(|spec| {
        let rule = serde_json::json!({"name": "public.queue", "volatile": true});
        spec.verification.tables.push(from(rule));
    });
    assert_eq!(changed(ruled), unchanged);
}

#[test]
fn a_loss_in_small_steps_is_measured_by_the_best_of_a_week() {
    let reason = |sample: Sample| {
        let plan = decide(&sample.0);
        plan.status
            .last_check
            .map(|check| (check.outcome, check.reason))
    };
    let verified = Some((CheckOutcome::Verified, reasons::VERIFIED.to_owned()));
    let steps = [(5_000, 17_000), (5_000, 12_000)];
    assert_eq!(reason(sample(&steps[..1])), verified);
    assert_eq!(
        reason(sample(&steps)),
        Some((CheckOutcome::Suspected, reasons::ROWS_DWINDLED.to_owned()))
    );
    let accepted = sample(&steps).annotated(names::ACCEPT_CHECK_ANNOTATION, "knowledge-4");
    let plan = decide(&accepted.0);
    let best = plan.steps.iter().find_map(|step| match step {
        Step::WriteLedger { status, .. } => status.baseline.as_ref(),
        _ => None,
    });
    assert_eq!(
        best.map(|baseline| (baseline.check.as_str(), baseline.best.len())),
        Some(("knowledge-4", 0)),
        "what is accepted is the new measure"
    );
}

#[test]
fn the_ledger_keeps_the_best_counts_and_when_its_check_was_created() {
    let plan = decide(&sample(&[(5_000, 17_000)]).0);
    let baseline = plan.steps.iter().find_map(|step| match step {
        Step::WriteLedger { status, .. } => status.baseline.clone(),
        _ => None,
    });
    assert!(baseline.is_some(), "{:?}", plan.steps);
    let Some(baseline) = baseline else { return };
    assert_eq!(baseline.created, Some(time("2026-02-01T09:20:00Z")));
    let best: Vec<_> = baseline
        .best
        .iter()
        .map(|best| (best.name.as_str(), best.rows))
        .collect();
    assert_eq!(best, [("public.knowledge_nodes", 26_337)]);
}

#[test]
fn an_open_gate_stays_open_for_tables_that_nobody_listed() {
    let gate = |sample: Sample| {
        let sample = sample.with(|observed| {
            for pod in known(&mut observed.pods) {
                pod.gate = Some(GateFact {
                    is_open: true,
                    reason: reasons::VERIFIED.to_owned(),
                    message: "DatabaseCheck knowledge-2 found the data as expected".to_owned(),
                });
            }
        });
        let plan = decide(&sample.0);
        let reset = condition(&plan, ConditionType::DataReset);
        assert_eq!(reset.status, ConditionStatus::True);
        !plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::SetGate(gate) if !gate.gate.is_open))
    };
    let lost = || sample(&[(5_000, 8_000)]);
    assert!(!gate(lost()), "a listed table is lost");
    assert!(gate(lost().wanted(|spec| spec.verification.tables.clear())));
}
