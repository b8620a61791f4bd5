//! What must hold for every case: tried over a grid of rows, counts, rules and failures.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::sample::{Sample, set_count};
use crate::api::{CheckOutcome, CountKind, TableRule, reasons};

const ROWS: [i64; 5] = [0, 79, 80, 100, i64::MAX];
const COUNTS: [CountKind; 3] = [
    CountKind::Exact,
    CountKind::LowerBound,
    CountKind::Estimated,
];
const PERCENTS: [Option<i32>; 4] = [None, Some(0), Some(20), Some(100)];
const MINIMA: [Option<i64>; 4] = [None, Some(0), Some(80), Some(i64::MAX)];

/// Every combination of rules for `public.experts` and of the baseline's percent.
fn rules() -> Vec<(Option<TableRule>, IntOrString)> {
    let mut all = Vec::new();
    let baselines = [
        IntOrString::Int(0),
        IntOrString::Int(50),
        IntOrString::String("Off".to_owned()),
    ];
    for baseline in baselines {
        all.push((None, baseline.clone()));
        for min_rows in MINIMA {
            for max_drop_percent in PERCENTS {
                let rule = TableRule {
                    name: "public.experts".to_owned(),
                    min_rows,
                    max_drop_percent,
                    ..TableRule::default()
                };
                all.push((Some(rule), baseline.clone()));
            }
        }
    }
    all
}

/// Rows that are known that well.
type Known = (i64, CountKind);

/// Every number of rows, with every kind of count.
fn all_known() -> Vec<Known> {
    ROWS.iter()
        .flat_map(|rows| COUNTS.map(|count| (*rows, count)))
        .collect()
}

/// Calls `each` with every combination of rules, of these rows before, and of rows now.
fn for_all(befores: &[Known], mut each: impl FnMut(Sample, Option<TableRule>, Known, Known)) {
    for (rule, percent) in rules() {
        for &before in befores {
            for now in all_known() {
                let sample = Sample::new()
                    .wanted(|spec| {
                        spec.verification.tables = rule.iter().cloned().collect();
                        spec.verification.baseline.max_drop_percent = percent.clone();
                    })
                    .before(|evidence| set_count(evidence, "public.experts", before.0, before.1))
                    .now(|evidence| set_count(evidence, "public.experts", now.0, now.1));
                each(sample, rule.clone(), before, now);
            }
        }
    }
}

#[test]
fn nothing_that_is_not_known_is_ever_a_reset() {
    for_all(&[(85, CountKind::Exact)], |sample, _, _, now| {
        let unheard = sample
            .clone()
            .without_evidence()
            .failed(reasons::CONNECTION_FAILED, "refused");
        let replica = sample
            .clone()
            .now(|evidence| evidence.identity.in_recovery = true);
        let silent = sample.clone().without_evidence();
        for unknown in [unheard, replica, silent] {
            assert_eq!(unknown.judge().outcome, CheckOutcome::Unverifiable);
            assert_eq!(unknown.first().judge().outcome, CheckOutcome::Unverifiable);
        }
        if now.1 != CountKind::Exact {
            assert_ne!(sample.judge().outcome, CheckOutcome::Suspected, "{now:?}");
        }
        let partial = sample
            .failed(reasons::TIMEOUT, "too slow")
            .now(|evidence| evidence.tables.clear());
        assert_eq!(partial.judge().outcome, CheckOutcome::Unverifiable);
    });
}

#[test]
fn the_same_again_or_more_is_verified_unless_it_is_below_a_minimum() {
    for_all(&all_known(), |sample, rule, before, now| {
        let minimum = rule.and_then(|rule| rule.min_rows).unwrap_or(0);
        let exact = before.1 == CountKind::Exact && now.1 == CountKind::Exact;
        if exact && now.0 >= before.0 && now.0 >= minimum {
            let verdict = sample.judge();
            assert_eq!(
                verdict.outcome,
                CheckOutcome::Verified,
                "{before:?} -> {now:?}: {}",
                verdict.message
            );
        }
    });
}

#[test]
fn a_table_is_suspected_exactly_when_its_own_limits_say_so() {
    for_all(&all_known(), |sample, rule, before, now| {
        let Some(TableRule {
            min_rows,
            max_drop_percent: Some(percent),
            ..
        }) = rule
        else {
            return;
        };
        if now.1 != CountKind::Exact {
            return;
        }
        let too_few = min_rows.is_some_and(|minimum| now.0 < minimum);
        let lost = i128::from(before.0) - i128::from(now.0);
        let too_many_lost = before.1 != CountKind::Estimated
            && lost * 100 > i128::from(before.0) * i128::from(percent);
        let suspected = sample.judge().outcome == CheckOutcome::Suspected;
        assert_eq!(
            suspected,
            too_few || too_many_lost,
            "{before:?} -> {now:?}, at least {min_rows:?}, {percent} %"
        );
    });
}
